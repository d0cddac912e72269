//! The engine: one opened foundation, its loaded components and its adapters.

mod batch;
mod event;
mod language;
mod memory;
mod request;
mod sampler;
mod text;

use std::path::Path;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

pub use batch::{Batch, Finished, PREFILL_CHUNK};
pub use event::{AdapterUse, ComponentUse, Event, FinishReason, GenerateStats, Sink};
pub use language::LanguageModel;
pub use memory::ProcessMemory;
pub use request::{GenerateOptions, Request};
pub use sampler::{Sampler, Sampling};
pub use text::TextModel;

use crate::adapter::{Adapter, AdapterLimits, AdapterPackage, AdapterRegistry, Base, InstallPolicy, bind};
use crate::error::{Error, Result};
use crate::foundation::{ComponentKind, Foundation};

/// One foundation and the adapters that run on it. Components load on first use; all calls are safe from any thread.
#[derive(Debug)]
pub struct Engine {
    foundation: Foundation,
    language: OnceLock<LanguageModel>,
    text: OnceLock<TextModel>,
    loading: Mutex<()>,
    adapters: AdapterRegistry,
}

impl Engine {
    /// Opens a foundation directory, a GGUF file or a Hugging Face directory. Loads no component yet.
    ///
    /// # Errors
    /// As [`Foundation::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self {
            foundation: Foundation::open(path)?,
            language: OnceLock::new(),
            text: OnceLock::new(),
            loading: Mutex::new(()),
            adapters: AdapterRegistry::new(AdapterLimits::default()),
        })
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

    /// The language model, loaded on first use.
    ///
    /// # Errors
    /// [`Error::MissingComponent`], or as [`LanguageModel::open`].
    pub fn language(&self) -> Result<&LanguageModel> {
        self.load(&self.language, ComponentKind::Backbone, LanguageModel::open)
    }

    /// The text encoder, loaded on first use.
    ///
    /// # Errors
    /// [`Error::MissingComponent`], or as [`TextModel::open`].
    pub fn text(&self) -> Result<&TextModel> {
        self.load(&self.text, ComponentKind::TextEncoder, TextModel::open)
    }

    fn load<'a, T>(
        &'a self,
        slot: &'a OnceLock<T>,
        kind: ComponentKind,
        open: impl FnOnce(&str, &Path) -> Result<T>,
    ) -> Result<&'a T> {
        if let Some(loaded) = slot.get() {
            return Ok(loaded);
        }
        // One thread loads, others wait; a failed load is tried again by the next caller.
        let _guard = self.loading.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(loaded) = slot.get() {
            return Ok(loaded);
        }
        let component = self.foundation.component(kind)?;
        let loaded = open(component.name(), component.entry())?;
        Ok(slot.get_or_init(|| loaded))
    }

    /// Names of the components that are loaded.
    #[must_use]
    pub fn loaded(&self) -> Vec<&str> {
        let language = self.language.get().map(LanguageModel::component);
        language.into_iter().chain(self.text.get().map(TextModel::component)).collect()
    }

    /// Installs an adapter from a package file or a PEFT directory.
    ///
    /// The base is neither copied nor changed. An adapter that names a fingerprint must match the component's.
    ///
    /// # Errors
    /// [`Error::Adapter`] naming the tensor, field or limit; as [`AdapterPackage::open`] otherwise.
    pub fn install(&self, alias: &str, path: impl AsRef<Path>, policy: InstallPolicy) -> Result<Arc<Adapter>> {
        let package = AdapterPackage::open(path)?;
        let name = &package.task().component;
        let component =
            self.foundation.components().iter().find(|c| c.name() == name).ok_or_else(|| {
                Error::adapter(alias, format!("made for component '{name}', which the foundation lacks"))
            })?;
        // Hashing a bare model is only needed when the adapter asks for a match.
        let fingerprint = if package.task().base.contains_key(name) { Some(component.fingerprint()?) } else { None };
        let (linears, tied) = match component.kind() {
            ComponentKind::Backbone => {
                let backbone = self.language()?.backbone();
                (backbone.linears(), backbone.config().tie_word_embeddings)
            }
            ComponentKind::TextEncoder => (self.text()?.encoder().linears(), false),
        };
        let bound = bind(&package, &Base { linears, fingerprint, tied })?;
        self.adapters.install(alias, package, bound, policy)
    }

    /// Runs one request on the language model.
    ///
    /// # Errors
    /// As [`Batch::add`] and [`Batch::run`].
    pub fn generate(&self, request: Request, sink: &mut dyn Sink) -> Result<Finished> {
        let mut batch = Batch::new(self.language()?)?;
        batch.add(request, sink)?;
        let mut finished = batch.run()?;
        Ok(finished.pop().expect("invariant: one request gives one result"))
    }
}
