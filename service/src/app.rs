//! One app: its adapters and what it asks for at once. Its streams are in `app_streams`.

use std::path::Path;
use std::sync::Arc;

use loam::engine::{ListenOptions, Speech, Upscaled};
use loam::input::{ImuSource, Input, Repair};
use loam::model::Modality;
use loam::task::{Classification, Embedding, Regression, Spelling, Tagging, Transcript};

use crate::adapter::Adapter;
use crate::call::{AdapterInfo, AdapterKey, Call, Reply};
use crate::error::Result;
use crate::event::Silence;
use crate::options::{ClassifyOptions, InstallPolicy, SpeakOptions};
use crate::performer::{Performer, reply_of};
use crate::sensor::Sensor;
use crate::transcriber::Transcriber;
use crate::workers::Workers;

/// An app that is attached to an engine, in this process or in a service. It neither sees nor replaces the adapters of
/// others. Calls of this object block for as long as they work.
#[derive(Debug)]
pub struct App {
    id: String,
    pub(crate) performer: Arc<dyn Performer>,
    pub(crate) workers: Arc<Workers>,
}

pub(crate) fn key(adapter: Option<&Adapter>) -> Option<AdapterKey> {
    adapter.map(Adapter::key)
}

impl App {
    pub(crate) fn new(id: &str, performer: Arc<dyn Performer>, workers: Arc<Workers>) -> Self {
        Self { id: id.to_owned(), performer, workers }
    }

    fn hold(&self, info: AdapterInfo) -> Arc<Adapter> {
        Adapter::new(info, Arc::clone(&self.performer))
    }

    /// Its name, as it was attached.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Installs an adapter from a package file or a PEFT directory. A service keeps a copy of it: once this has returned,
    /// it is there after any crash, and whether or not a client is connected.
    ///
    /// # Errors
    /// [`crate::Error::Adapter`] for one that does not fit, for a policy that forbids it or a limit; [`crate::Error::Io`] and
    /// [`crate::Error::Malformed`] for its file; [`crate::Error::Io`] where the service's disk is full.
    pub fn install_adapter(&self, alias: &str, path: impl AsRef<Path>, policy: InstallPolicy) -> Result<Arc<Adapter>> {
        Ok(self.hold(self.performer.install(alias, path.as_ref(), policy)?))
    }

    /// The current generation of an adapter.
    ///
    /// # Errors
    /// [`crate::Error::UnknownAdapter`].
    pub fn adapter(&self, alias: &str) -> Result<Arc<Adapter>> {
        let call = Call::Adapter { alias: alias.to_owned() };
        let info = reply_of!(self.performer, &mut Silence::default(), call, Reply::Adapter(info) => info);
        Ok(self.hold(info))
    }

    /// All installed adapters, by alias.
    ///
    /// # Errors
    /// Those of the connection.
    pub fn adapters(&self) -> Result<Vec<Arc<Adapter>>> {
        let all = reply_of!(self.performer, &mut Silence::default(), Call::Adapters, Reply::Adapters(all) => all);
        Ok(all.into_iter().map(|info| self.hold(info)).collect())
    }

    /// Removes an adapter; what runs with it goes on.
    ///
    /// # Errors
    /// [`crate::Error::UnknownAdapter`].
    pub fn remove_adapter(&self, alias: &str) -> Result<()> {
        let call = Call::Remove { alias: alias.to_owned() };
        reply_of!(self.performer, &mut Silence::default(), call, Reply::Done => ());
        Ok(())
    }

    /// Finds the label that fits `input`: by the adapter's head, by the labels' sentences, or by the checkpoint's own
    /// classifier.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for labels or an input out of range; [`crate::Error::Adapter`] for an adapter of another component;
    /// [`crate::Error::MissingComponent`].
    pub fn classify(
        &self,
        input: impl Into<Input>,
        options: ClassifyOptions,
        adapter: Option<&Adapter>,
    ) -> Result<Classification> {
        let call = Call::Classify { input: input.into(), options, adapter: key(adapter) };
        Ok(reply_of!(self.performer, &mut Silence::default(), call, Reply::Classification(result) => result))
    }

    /// Turns an input into a vector of the space that all encoders share.
    ///
    /// # Errors
    /// As [`App::classify`].
    pub fn embed(
        &self,
        input: impl Into<Input>,
        modality: Option<Modality>,
        adapter: Option<&Adapter>,
    ) -> Result<Embedding> {
        let call = Call::Embed { input: input.into(), modality, adapter: key(adapter) };
        let result = reply_of!(self.performer, &mut Silence::default(), call, Reply::Embedding(result) => result);
        Ok(Embedding { vector: result.vector, trace: result.trace })
    }

    /// The vector by which `input` is looked up among embeddings of the kind `entries`: a text finds pictures.
    ///
    /// # Errors
    /// As [`App::classify`]; [`crate::Error::Unsupported`] for spaces that cannot be compared.
    pub fn query(&self, input: impl Into<Input>, entries: Modality) -> Result<Embedding> {
        let call = Call::Query { input: input.into(), entries };
        let result = reply_of!(self.performer, &mut Silence::default(), call, Reply::Embedding(result) => result);
        Ok(Embedding { vector: result.vector, trace: result.trace })
    }

    /// Finds named values of an input, by a regression head.
    ///
    /// # Errors
    /// As [`App::classify`].
    pub fn regress(
        &self,
        input: impl Into<Input>,
        modality: Option<Modality>,
        adapter: Option<&Adapter>,
    ) -> Result<Regression> {
        let call = Call::Regress { input: input.into(), modality, adapter: key(adapter) };
        Ok(reply_of!(self.performer, &mut Silence::default(), call, Reply::Regression(result) => result))
    }

    /// Finds the named parts of a text, and what it is where the adapter tells, by an adapter's head of tags.
    ///
    /// # Errors
    /// As [`App::classify`].
    pub fn tag(&self, text: &str, adapter: &Adapter) -> Result<Tagging> {
        let call = Call::Tag { text: text.to_owned(), adapter: adapter.key() };
        Ok(reply_of!(self.performer, &mut Silence::default(), call, Reply::Tagging(result) => result))
    }

    /// Finds what follows one another in an input, by an adapter's CTC head.
    ///
    /// # Errors
    /// As [`App::classify`].
    pub fn spell(&self, input: impl Into<Input>, modality: Option<Modality>, adapter: &Adapter) -> Result<Spelling> {
        let call = Call::Spell { input: input.into(), modality, adapter: adapter.key() };
        Ok(reply_of!(self.performer, &mut Silence::default(), call, Reply::Spelling(result) => result))
    }

    /// Writes down what is said in a sound.
    ///
    /// # Errors
    /// As [`App::classify`]; [`crate::Error::Unsupported`] for a foundation without a recogniser.
    pub fn transcribe(
        &self,
        input: impl Into<Input>,
        options: ListenOptions,
        adapter: Option<&Adapter>,
    ) -> Result<Transcript> {
        let call = Call::Transcribe { input: input.into(), options, adapter: key(adapter) };
        Ok(reply_of!(self.performer, &mut Silence::default(), call, Reply::Transcript(result) => result))
    }

    /// Begins to write down a stream of mono samples at `sample_rate` Hz.
    ///
    /// # Errors
    /// As [`App::transcribe`].
    pub fn transcriber(
        &self,
        sample_rate: u32,
        options: ListenOptions,
        adapter: Option<&Adapter>,
    ) -> Result<Transcriber> {
        let call = Call::Transcriber { rate: sample_rate, options, adapter: key(adapter) };
        let opened = reply_of!(self.performer, &mut Silence::default(), call, Reply::Opened(opened) => opened);
        Ok(Transcriber::new(Arc::clone(&self.performer), opened))
    }

    /// Begins to tell what a sensor's motion means, a window every `hop_seconds`; windows side by side when it is absent.
    ///
    /// # Errors
    /// As [`App::classify`].
    pub fn sensor(
        &self,
        source: ImuSource,
        repair: Repair,
        hop_seconds: Option<f64>,
        options: ClassifyOptions,
        adapter: Option<&Adapter>,
    ) -> Result<Sensor> {
        let call = Call::Sensor { source, repair, hop_seconds, options, adapter: key(adapter) };
        let (opened, window) = reply_of!(
            self.performer, &mut Silence::default(), call,
            Reply::Sensor { opened, window_seconds } => (opened, window_seconds)
        );
        Ok(Sensor::new(Arc::clone(&self.performer), opened, window))
    }

    /// Says a text aloud.
    ///
    /// # Errors
    /// [`crate::Error::MissingComponent`] without a speech generator; [`crate::Error::Argument`] for a text that it does not read.
    pub fn speak(&self, text: &str, options: SpeakOptions) -> Result<Speech> {
        let call = Call::Speak { text: text.to_owned(), options };
        let spoken = reply_of!(self.performer, &mut Silence::default(), call, Reply::Speech(spoken) => spoken);
        Ok(Speech { samples: spoken.samples, sample_rate: spoken.sample_rate, trace: spoken.trace })
    }

    /// Makes a picture larger, by the factor of the foundation's network for super-resolution.
    ///
    /// # Errors
    /// [`crate::Error::MissingComponent`] without one; [`crate::Error::Argument`] for an input that is no picture, or would become
    /// one of more than 48 million pixels; [`crate::Error::Adapter`] for an adapter of another component.
    pub fn upscale(&self, input: impl Into<Input>, adapter: Option<&Adapter>) -> Result<Upscaled> {
        let call = Call::Upscale { input: input.into(), adapter: key(adapter) };
        let made = reply_of!(self.performer, &mut Silence::default(), call, Reply::Upscaled(made) => made);
        Ok(Upscaled { image: made.image, trace: made.trace })
    }
}
