//! The engine: one opened foundation, its loaded components and its adapters.

mod app;
mod batch;
mod chunk;
mod components;
mod conditions;
mod decode;
mod dispatcher;
mod divide;
mod encoder;
mod event;
mod fit;
mod holdings;
mod keeping;
mod language;
mod memory;
mod prefill;
mod projector;
mod prompt;
mod recognizer;
mod request;
mod sampler;
mod schedule;
mod slot;
mod speculate;
mod speech;
mod status;
mod text;
mod trace;
mod trim;
mod upscaler;
mod vision_language;

use std::collections::{BTreeMap, HashMap};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError, Weak};

pub use app::App;
pub use batch::{Batch, PREFILL_CHUNK};
pub use components::{LoadedComponent, Packing};
pub use dispatcher::PlaceStatus;
pub use encoder::EncoderModel;
pub use event::{Achieved, AdapterUse, ContextSource, Drafts, Event, FinishReason, GenerateStats, Sink, Target};
pub use holdings::{Context, HeldBytes};
pub use keeping::Mismatch;
pub use language::LanguageModel;
pub use memory::{ProcessMemory, keep_memory_tight};
pub use projector::ProjectorModel;
pub use prompt::Prompt;
pub use recognizer::{
    ListenOptions, Listener, MAX_BEAMS, Pace, RECOGNIZERS, Recognizer, RecognizerFamily, Search, Segment, SpeechTask,
    Timestamps, WhisperOptions, WhisperRecognizer, WindowText,
};
pub use request::{GenerateOptions, Overflow, Request};
pub use sampler::{Sampler, Sampling};
pub use schedule::{AppCounters, Caller, Limit, Priority, Quotas, Turn};
pub use slot::{Finished, Generated};
pub use speculate::Speculation;
pub use speech::{SpeakOptions, Speech, SpeechGenerator};
pub use status::{AppStatus, EngineStatus};
pub use text::TextModel;
pub use trace::{Loading, Part, Step, Trace};
pub use trim::{TrimLevel, Trimmed};
pub use upscaler::{Upscaled, Upscaler};
pub use vision_language::{VisionLanguageModel, VisionPrompt};

use crate::adapter::{
    Adapter, AdapterLimits, AdapterPackage, AdapterRegistry, Base, BoundAdapter, InstallPolicy, Lookup,
    SignaturePolicy, bind,
};
use crate::budget::{Budget, Held, MemoryLimits};
use crate::dispatch::DispatchOptions;
use crate::error::{Error, Result};
use crate::foundation::{Component, ComponentKind, Foundation, Verify};
use crate::model::{CacheType, Modality};
use components::Components;
use conditions::Told;
use dispatcher::Dispatcher;
use holdings::{Holdings, insist};
use recognizer::{SpeechModel, family};
use schedule::Scheduler;

/// How an engine is opened.
#[derive(Clone, Debug, Default)]
pub struct EngineOptions {
    /// Bytes of weight files that loaded components may map at a time; least recently used ones are dropped beyond it,
    /// and come back when they are needed. `None` keeps all.
    pub component_budget: Option<u64>,
    /// How closely the files of a foundation are looked at before anything is loaded.
    pub verify: Verify,
    /// Where packed weights are kept.
    pub packing: Packing,
    /// What may be held in anonymous memory.
    pub memory: MemoryLimits,
    /// A folder of the app's own that contexts at rest go to when memory is short, as files without a name that go with the
    /// process. `None` computes them again.
    pub swap: Option<PathBuf>,
    /// How keys and values of contexts are kept. `None` keeps halves, or singles where the backbone's weights are; contexts that
    /// were saved with another type are computed again or refused, as [`Mismatch`] says.
    pub cache: Option<CacheType>,
    /// Whose adapters may be used, but for apps that [`Engine::set_signatures`] says something else of.
    pub signatures: SignaturePolicy,
    /// Delegates that run components, and how they are used.
    pub dispatch: DispatchOptions,
}

/// One foundation and the adapters that run on it. Components load on first use; all calls are safe from any thread.
#[derive(Debug)]
pub struct Engine {
    foundation: Foundation,
    components: Components,
    adapters: Arc<AdapterRegistry>,
    apps: Mutex<BTreeMap<String, Weak<App>>>,
    holdings: Arc<Holdings>,
    scheduler: Scheduler,
    told: Told,
    dispatcher: Dispatcher,
    cache: Option<CacheType>,
    signatures: SignaturePolicy,
    signatures_by_app: Mutex<HashMap<Arc<str>, SignaturePolicy>>,
}

impl Engine {
    /// Opens a foundation directory, a GGUF file or a Hugging Face directory. Loads no component yet.
    ///
    /// # Errors
    /// As [`Foundation::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(path, EngineOptions::default())
    }

    /// As [`Engine::open`], with options.
    ///
    /// # Errors
    /// As [`Foundation::open`], and as [`Foundation::verify`] by [`Verify::Digests`] where the options say so.
    pub fn open_with(path: impl AsRef<Path>, options: EngineOptions) -> Result<Self> {
        let foundation = Foundation::open(path)?;
        if options.verify == Verify::Digests {
            foundation.verify(Verify::Digests, |_| {})?;
        }
        let holdings = Holdings::new(Budget::new(&options.memory), options.memory.prefix, options.swap);
        let holdings = Arc::new(holdings);
        let adapters = Arc::new(AdapterRegistry::new(AdapterLimits::default()));
        holdings.watch(None, &adapters);
        Ok(Self {
            foundation,
            components: Components::new(
                options.component_budget,
                options.packing,
                options.verify,
                Arc::clone(&holdings),
            ),
            adapters,
            apps: Mutex::default(),
            scheduler: Scheduler::new(Arc::clone(&holdings)),
            told: Told::default(),
            dispatcher: Dispatcher::new(options.dispatch, Arc::clone(&holdings)),
            holdings,
            cache: options.cache,
            signatures: options.signatures,
            signatures_by_app: Mutex::default(),
        })
    }

    /// Attaches the app `id`, with adapters of its own. One that is attached already is given again for as long as someone
    /// holds it.
    ///
    /// # Errors
    /// [`Error::Argument`] for a name that is empty, longer than 255 bytes or holds other characters than letters, digits,
    /// `.`, `-` and `_`.
    pub fn attach(self: &Arc<Self>, id: &str) -> Result<Arc<App>> {
        let mut apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(app) = apps.get(id).and_then(Weak::upgrade) {
            return Ok(app);
        }
        let app = Arc::new(App::new(Arc::clone(self), id)?);
        apps.retain(|_, app| app.strong_count() > 0);
        apps.insert(id.to_owned(), Arc::downgrade(&app));
        Ok(app)
    }

    /// The foundation that is open.
    #[must_use]
    pub fn foundation(&self) -> &Foundation {
        &self.foundation
    }

    /// Installed adapters.
    #[must_use]
    pub fn adapters(&self) -> &AdapterRegistry {
        &self.adapters
    }

    /// The language model, loaded on first use: the backbone, else the text model of a vision-language model.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] or [`Error::Memory`]; as [`LanguageModel::open`] otherwise.
    pub fn language(&self) -> Result<Arc<LanguageModel>> {
        match self.foundation.component(ComponentKind::Backbone) {
            Ok(component) => {
                let model =
                    self.components.get(component, |part, path| LanguageModel::open_as(part, path, self.cache))?;
                model.backbone().measure_threads();
                self.dispatcher.begin(component, model.part(), &model);
                Ok(model)
            }
            Err(_) if self.foundation.has(ComponentKind::VisionLanguage) => {
                let model = Arc::clone(self.vision_language()?.language());
                model.backbone().measure_threads();
                Ok(model)
            }
            Err(missing) => Err(missing),
        }
    }

    /// The vision-language model, loaded on first use.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] or [`Error::Memory`]; as [`VisionLanguageModel::open`] otherwise.
    pub fn vision_language(&self) -> Result<Arc<VisionLanguageModel>> {
        let component = self.foundation.component(ComponentKind::VisionLanguage)?;
        self.components.get(component, |part, path| VisionLanguageModel::open_as(part, path, self.cache))
    }

    /// The projector of `modality`, loaded on first use.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] or [`Error::Memory`]; as [`ProjectorModel::open`] otherwise.
    pub fn projector(&self, modality: Modality) -> Result<Arc<ProjectorModel>> {
        self.components.get(self.foundation.component(ComponentKind::Projector(modality))?, ProjectorModel::open)
    }

    /// The speech generator, loaded on first use.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] or [`Error::Memory`]; as [`SpeechGenerator::open`] otherwise.
    pub fn speech_generator(&self) -> Result<Arc<SpeechGenerator>> {
        self.components.get(self.foundation.component(ComponentKind::SpeechGenerator)?, SpeechGenerator::open)
    }

    /// The network for super-resolution, loaded on first use.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] or [`Error::Memory`]; as [`Upscaler::open`] otherwise.
    pub fn upscaler(&self) -> Result<Arc<Upscaler>> {
        self.components.get(self.foundation.component(ComponentKind::SuperResolution)?, Upscaler::open)
    }

    /// The text encoder, loaded on first use.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] or [`Error::Memory`]; as [`TextModel::open`] otherwise.
    pub fn text(&self) -> Result<Arc<TextModel>> {
        self.text_encoder(self.foundation.component(ComponentKind::TEXT)?)
    }

    /// The text encoder whose embeddings can be compared with those of the encoder of `modality`, loaded on first use.
    ///
    /// # Errors
    /// As [`Foundation::anchor`] and [`Engine::text`].
    pub fn anchor(&self, modality: Modality) -> Result<Arc<TextModel>> {
        self.text_encoder(self.foundation.anchor(modality)?)
    }

    /// A component that is a text encoder, loaded on first use.
    ///
    /// # Errors
    /// As [`Engine::text`].
    pub fn text_encoder(&self, component: &Component) -> Result<Arc<TextModel>> {
        let model = self.components.get(component, TextModel::open)?;
        self.dispatcher.begin(component, model.part(), &model);
        Ok(model)
    }

    /// The encoder of `modality`, loaded on first use.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] or [`Error::Memory`]; as [`EncoderModel::open`] otherwise.
    pub fn encoder(&self, modality: Modality) -> Result<Arc<EncoderModel>> {
        let component = self.foundation.component(ComponentKind::Encoder(modality))?;
        let model = self
            .components
            .get(component, |part, path| EncoderModel::open_with(part, path, modality, component.preprocessing()?))?;
        self.dispatcher.begin(component, model.part(), &model);
        Ok(model)
    }

    /// The speech recogniser, loaded on first use: the component of the speech encoder with what makes text of it.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] or [`Error::Memory`]; [`Error::Unsupported`] for an encoder without a recogniser around
    /// it; as its loading otherwise.
    pub fn recognizer(&self) -> Result<Arc<dyn Recognizer>> {
        let component = self.foundation.component(ComponentKind::Encoder(Modality::SPEECH))?;
        let model = self.components.get(component, SpeechModel::open)?;
        if model.has_graph() {
            self.dispatcher.begin(component, model.0.part(), &model);
        }
        Ok(Arc::clone(&model.0))
    }

    /// Loads a component of a kind that the engine runs by itself.
    ///
    /// # Errors
    /// Those of its kind.
    pub fn load(&self, component: &Component) -> Result<()> {
        match component.kind() {
            ComponentKind::Backbone => self.language().map(drop),
            ComponentKind::Encoder(Modality::TEXT) => self.text_encoder(component).map(drop),
            ComponentKind::Encoder(Modality::SPEECH) if family(component.entry())?.is_some() => {
                self.recognizer()?;
                // Around the same weights, with graphs of its own; a tower that only hears has none.
                if let Err(e) = self.encoder(Modality::SPEECH) {
                    log::debug!("component '{}' is a recogniser alone: {e}", component.name());
                }
                Ok(())
            }
            ComponentKind::Encoder(modality) => self.encoder(modality).map(drop),
            ComponentKind::Projector(modality) => self.projector(modality).map(drop),
            ComponentKind::VisionLanguage => self.vision_language().map(drop),
            ComponentKind::SpeechGenerator => self.speech_generator().map(drop),
            ComponentKind::SuperResolution => self.upscaler().map(drop),
        }
    }

    /// Where loaded components run that delegates were asked for.
    #[must_use]
    pub fn places(&self) -> Vec<PlaceStatus> {
        self.dispatcher.status()
    }

    /// Waits until the delegates of a component that was loaded are ready, or were given up: the processor serves until then.
    pub fn wait_for_delegates(&self, component: &str) {
        self.dispatcher.wait(component);
    }

    /// Components that are loaded, by name.
    #[must_use]
    pub fn loaded(&self) -> Vec<LoadedComponent> {
        self.components.loaded()
    }

    /// Drops a component; it comes back when it is needed. Running requests keep it until they end. Whether it was
    /// loaded.
    pub fn unload(&self, component: &str) -> bool {
        self.components.unload(component)
    }

    /// Installs an adapter from a package file or a PEFT directory.
    ///
    /// The base is neither copied nor changed. An adapter that names a fingerprint must match the component's.
    ///
    /// # Errors
    /// [`Error::Adapter`] naming the tensor, field or limit; [`Error::Signature`] where [`EngineOptions::signatures`] asks for
    /// one; as [`AdapterPackage::open`] otherwise.
    pub fn install(&self, alias: &str, path: impl AsRef<Path>, policy: InstallPolicy) -> Result<Arc<Adapter>> {
        self.install_package(alias, AdapterPackage::open_as(path, &self.signatures)?, policy)
    }

    /// As [`Engine::install`], of a package that is open already.
    ///
    /// # Errors
    /// As [`Engine::install`].
    pub fn install_package(&self, alias: &str, package: AdapterPackage, policy: InstallPolicy) -> Result<Arc<Adapter>> {
        self.install_in(&self.adapters, &None, alias, package, policy)
    }

    /// Installs into the registry of an app, out of its budget.
    fn install_in(
        &self,
        registry: &AdapterRegistry,
        app: &Option<Arc<str>>,
        alias: &str,
        mut package: AdapterPackage,
        policy: InstallPolicy,
    ) -> Result<Arc<Adapter>> {
        self.signatures(app).admit(alias, package.signer())?;
        let bound = self.bind(alias, &package)?;
        let held = self.hold(app, &bound)?;
        package.release();
        registry.install(alias, package, bound, held, policy)
    }

    /// Counts the bytes of an adapter.
    fn hold(&self, app: &Option<Arc<str>>, bound: &BoundAdapter) -> Result<Held> {
        let budget = self.holdings.budget(app);
        let held = insist(&self.holdings, app, || budget.take(bound.bytes() as u64));
        held.map_err(|shortage| shortage.error("adapters"))
    }

    /// The current generation of the adapter `alias`, which is read from its file once more where it was put to sleep. It
    /// stays in memory for as long as the result is held.
    ///
    /// # Errors
    /// [`Error::UnknownAdapter`]; [`Error::Digest`] where its file has changed, and as [`Engine::install`] where it cannot be
    /// read, once more; [`Error::Signature`] where its signer no longer counts.
    pub fn adapter(&self, alias: &str) -> Result<Arc<Adapter>> {
        self.adapter_in(&self.adapters, &None, alias)
    }

    fn adapter_in(&self, registry: &AdapterRegistry, app: &Option<Arc<str>>, alias: &str) -> Result<Arc<Adapter>> {
        loop {
            let (path, digest, signer, generation) = match registry.find(alias)? {
                Lookup::Awake(adapter) => {
                    self.signatures(app).admit(alias, adapter.package.signer())?;
                    return Ok(adapter);
                }
                Lookup::Asleep { path, digest, signer, generation } => (path, digest, signer, generation),
            };
            self.signatures(app).admit(alias, signer.as_ref())?;
            let mut package = AdapterPackage::reopen(&path, &digest, signer)?;
            let bound = self.bind(alias, &package)?;
            let held = self.hold(app, &bound)?;
            package.release();
            registry.wake(alias, generation, package, bound, held);
        }
    }

    /// Checks `package` against its component, which is loaded, and binds its tensors to it.
    fn bind(&self, alias: &str, package: &AdapterPackage) -> Result<BoundAdapter> {
        package.task().check(alias)?;
        let name = &package.task().component;
        let component = self
            .foundation
            .named(name)
            .map_err(|_| Error::adapter(alias, format!("made for component '{name}', which the foundation lacks")))?;
        // Tasks run the first component of a kind.
        let first = self.foundation.component(component.kind())?.name();
        if first != name {
            let reason = format!(
                "made for '{name}', tasks run '{first}', which comes first among {} components",
                component.kind()
            );
            return Err(Error::adapter(alias, reason));
        }
        // Hashing a bare model is only needed when the adapter asks for a match.
        let fingerprint = if package.task().base.contains_key(name) { Some(component.fingerprint()?) } else { None };
        if component.kind() == ComponentKind::SpeechGenerator {
            return Err(Error::adapter(alias, format!("made for '{name}', a speech generator; none acts on these")));
        }
        let mut bound = self.with_base(component, |base| bind(package, &Base { fingerprint, ..base }))?;
        self.fit(alias, package, component, &mut bound)?;
        Ok(bound)
    }

    /// Parameters of the layers of a component that adapters may act on. Loads it.
    ///
    /// # Errors
    /// [`Error::MissingComponent`]; as the loading of that kind otherwise.
    pub fn adaptable_parameters(&self, component: &str) -> Result<usize> {
        let found = self.foundation.named(component)?;
        match found.kind() {
            // Its count leaves out what the LM head shares with the embedding table.
            ComponentKind::Backbone => Ok(self.language()?.backbone().parameters()),
            _ => self.with_base(found, |base| Ok(base.linears.parameters())),
        }
    }

    /// Runs one request on the language model, in one batch with those of other threads and apps.
    ///
    /// # Errors
    /// [`Error::Refused`] beyond a quota of the caller's, after its patience, or for background work on a device that is to be
    /// spared; [`Error::Argument`], [`Error::ContextFull`] and [`Error::Adapter`] for a request that cannot run; the receiver's and
    /// the model's own.
    pub fn generate(&self, request: Request, sink: &mut dyn Sink) -> Result<Generated> {
        self.generate_on(&self.language()?, request, sink)
    }

    /// As [`Engine::generate`], on a model of this engine.
    pub(crate) fn generate_on(
        &self,
        model: &Arc<LanguageModel>,
        request: Request,
        sink: &mut dyn Sink,
    ) -> Result<Generated> {
        self.scheduler.run(model, request, sink)
    }

    /// Bytes that are held beside running requests.
    #[must_use]
    pub fn held(&self) -> HeldBytes {
        self.holdings.bytes()
    }

    /// Bounds what the app `id` may ask for and hold from now on. An app has [`Quotas::default`] until then.
    pub fn set_quotas(&self, id: &str, quotas: Quotas) {
        let app: Arc<str> = Arc::from(id);
        // An app that is attached meanwhile has either all of the old ones or all of the new ones.
        let apps = self.apps.lock().unwrap_or_else(PoisonError::into_inner);
        self.scheduler.set_quotas(&app, quotas);
        self.holdings.bound(&app, &quotas);
        if let Some(app) = apps.get(id).and_then(Weak::upgrade) {
            app.adapters().set_limits(quotas.adapter_limits());
        }
    }

    /// What the app `id` may ask for and hold.
    #[must_use]
    pub fn quotas(&self, id: &str) -> Quotas {
        self.scheduler.quotas(&Arc::from(id))
    }

    /// Says whose adapters the app `id` may use from now on, in place of what [`EngineOptions::signatures`] says. Those that it
    /// has installed before and that do not count any more are refused when they are asked for; requests that hold one finish.
    pub fn set_signatures(&self, id: &str, policy: SignaturePolicy) {
        let mut by_app = self.signatures_by_app.lock().unwrap_or_else(PoisonError::into_inner);
        by_app.insert(Arc::from(id), policy);
    }

    /// Whose adapters an app may use; the engine's owner is `None`.
    fn signatures(&self, app: &Option<Arc<str>>) -> SignaturePolicy {
        let by_app = self.signatures_by_app.lock().unwrap_or_else(PoisonError::into_inner);
        app.as_ref().and_then(|app| by_app.get(app)).unwrap_or(&self.signatures).clone()
    }
}
