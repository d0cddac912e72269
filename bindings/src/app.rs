//! One app: its adapters and what it asks for at once. Its streams are in `app_streams`.

use std::sync::Arc;

use loam::input::SampleRate;

use crate::adapter::{self, Adapter, InstallPolicy};
use crate::error::{LoamError, Result};
use crate::input::{ImuSource, Input, Repair};
use crate::options::{ClassifyOptions, Modality, SpeakOptions, TranscribeOptions, core_modality};
use crate::results::{Classification, Embedding, Regression, Speech, Spelling, Tagging, Transcript, Upscaled};
use crate::sensor::Sensor;
use crate::transcriber::Transcriber;

/// An app that is attached to an engine. It neither sees nor replaces the adapters of others. Calls of this object block
/// for as long as they work.
#[derive(Debug, uniffi::Object)]
pub struct App {
    pub(crate) inner: loam_service::App,
}

impl App {
    pub(crate) fn new(inner: loam_service::App) -> Arc<Self> {
        Arc::new(Self { inner })
    }
}

/// What calls that do not outlive their caller take.
fn lent(adapter: Option<&Arc<Adapter>>) -> Option<&loam_service::Adapter> {
    adapter::service(adapter).map(Arc::as_ref)
}

#[uniffi::export]
impl App {
    /// Its name.
    pub fn id(&self) -> String {
        self.inner.id().to_owned()
    }

    /// Installs an adapter from a package file or a PEFT directory. A service keeps a copy of it: once this has returned, it
    /// is there after any crash.
    ///
    /// # Errors
    /// [`LoamError::Adapter`] for one that does not fit, for a policy that forbids it or a limit; [`LoamError::Io`] and
    /// [`LoamError::Malformed`] for its file.
    pub fn install_adapter(
        &self,
        alias: String,
        path: String,
        policy: InstallPolicy,
    ) -> std::result::Result<Arc<Adapter>, LoamError> {
        Ok(Adapter::new(self.inner.install_adapter(&alias, path, policy.service())?))
    }

    /// The current generation of an adapter.
    ///
    /// # Errors
    /// [`LoamError::UnknownAdapter`].
    pub fn adapter(&self, alias: String) -> Result<Arc<Adapter>> {
        Ok(Adapter::new(self.inner.adapter(&alias)?))
    }

    /// All installed adapters, by alias.
    ///
    /// # Errors
    /// Those of the connection to a service.
    pub fn adapters(&self) -> Result<Vec<Arc<Adapter>>> {
        Ok(self.inner.adapters()?.into_iter().map(Adapter::new).collect())
    }

    /// Removes an adapter; what runs with it goes on.
    ///
    /// # Errors
    /// [`LoamError::UnknownAdapter`].
    pub fn remove_adapter(&self, alias: String) -> std::result::Result<(), LoamError> {
        Ok(self.inner.remove_adapter(&alias)?)
    }

    /// Finds the label that fits `input`: by the adapter's head, by the labels' sentences, or by the checkpoint's own
    /// classifier.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for labels or an input out of range; [`LoamError::Adapter`] for an adapter of another
    /// component; [`LoamError::MissingComponent`].
    pub fn classify(
        &self,
        input: Arc<Input>,
        options: ClassifyOptions,
        adapter: Option<Arc<Adapter>>,
    ) -> Result<Classification> {
        Ok(self.inner.classify(input.core(), options.service()?, lent(adapter.as_ref()))?.into())
    }

    /// Turns an input into a vector of the space that all encoders share.
    ///
    /// # Errors
    /// As [`App::classify`].
    pub fn embed(
        &self,
        input: Arc<Input>,
        modality: Option<Modality>,
        adapter: Option<Arc<Adapter>>,
    ) -> Result<Embedding> {
        Ok(self.inner.embed(input.core(), core_modality(modality)?, lent(adapter.as_ref()))?.into())
    }

    /// The vector by which `input` is looked up among embeddings of the kind `entries`: a text finds pictures.
    ///
    /// # Errors
    /// As [`App::classify`]; [`LoamError::Unsupported`] for spaces that cannot be compared.
    pub fn query(&self, input: Arc<Input>, entries: Modality) -> Result<Embedding> {
        Ok(self.inner.query(input.core(), entries.core()?)?.into())
    }

    /// Finds named values of an input, by a regression head.
    ///
    /// # Errors
    /// As [`App::classify`].
    pub fn regress(
        &self,
        input: Arc<Input>,
        modality: Option<Modality>,
        adapter: Option<Arc<Adapter>>,
    ) -> Result<Regression> {
        Ok(self.inner.regress(input.core(), core_modality(modality)?, lent(adapter.as_ref()))?.into())
    }

    /// Finds the named parts of a text, and what it is where the adapter tells, by an adapter's head of tags.
    ///
    /// # Errors
    /// As [`App::classify`].
    pub fn tag(&self, text: String, adapter: Arc<Adapter>) -> Result<Tagging> {
        Ok(self.inner.tag(&text, adapter.service())?.into())
    }

    /// Finds what follows one another in an input, by an adapter's CTC head.
    ///
    /// # Errors
    /// As [`App::classify`].
    pub fn spell(&self, input: Arc<Input>, modality: Option<Modality>, adapter: Arc<Adapter>) -> Result<Spelling> {
        Ok(self.inner.spell(input.core(), core_modality(modality)?, adapter.service())?.into())
    }

    /// Writes down what is said in a sound.
    ///
    /// # Errors
    /// As [`App::classify`]; [`LoamError::Unsupported`] for a foundation without a recogniser.
    pub fn transcribe(
        &self,
        input: Arc<Input>,
        options: TranscribeOptions,
        adapter: Option<Arc<Adapter>>,
    ) -> Result<Transcript> {
        Ok(self.inner.transcribe(input.core(), options.core(), lent(adapter.as_ref()))?.into())
    }

    /// Begins to write down a stream of mono samples at `sample_rate` Hz.
    ///
    /// # Errors
    /// As [`App::transcribe`].
    pub fn transcriber(
        &self,
        sample_rate: u32,
        options: TranscribeOptions,
        adapter: Option<Arc<Adapter>>,
    ) -> Result<Arc<Transcriber>> {
        let rate = SampleRate::new(sample_rate)?;
        Ok(Transcriber::new(rate, self.inner.transcriber(sample_rate, options.core(), lent(adapter.as_ref()))?))
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
        adapter: Option<Arc<Adapter>>,
    ) -> Result<Arc<Sensor>> {
        let (options, adapter) = (options.service()?, lent(adapter.as_ref()));
        Ok(Sensor::new(self.inner.sensor(source.core(), repair.core(), hop_seconds, options, adapter)?))
    }

    /// Says a text aloud.
    ///
    /// # Errors
    /// [`LoamError::MissingComponent`] without a speech generator; [`LoamError::Argument`] for a text that it does not
    /// read.
    pub fn speak(&self, text: String, options: SpeakOptions) -> Result<Speech> {
        Ok(self.inner.speak(&text, options.service())?.into())
    }

    /// Makes a picture larger, by the factor of the foundation's network for super-resolution.
    ///
    /// # Errors
    /// [`LoamError::MissingComponent`] without one; [`LoamError::Argument`] for an input that is no picture, or would become one
    /// of more than 48 million pixels; [`LoamError::Adapter`] for an adapter of another component.
    pub fn upscale(&self, input: Arc<Input>, adapter: Option<Arc<Adapter>>) -> Result<Upscaled> {
        Ok(self.inner.upscale(input.core(), lent(adapter.as_ref()))?.into())
    }
}
