//! One app: its adapters and what it asks for at once. Its streams are in `app_streams`.

use std::sync::Arc;

use loam::engine::{self, Priority};
use loam::task::{self, EmbedOptions, RegressOptions, SpellOptions};

use crate::adapter::{Adapter, InstallPolicy};
use crate::error::{LoamError, Result};
use crate::input::{ImuSource, Input, Repair};
use crate::options::{ClassifyOptions, Modality, SpeakOptions, TranscribeOptions, core_modality};
use crate::results::{Classification, Embedding, Regression, Speech, Spelling, Transcript};
use crate::sensor::Sensor;
use crate::transcriber::Transcriber;
use crate::workers::Workers;

/// An app that is attached to an engine. It neither sees nor replaces the adapters of others. Calls of this object block
/// for as long as they work.
#[derive(Debug, uniffi::Object)]
pub struct App {
    pub(crate) inner: Arc<engine::App>,
    pub(crate) workers: Arc<Workers>,
}

impl App {
    pub(crate) fn new(inner: Arc<engine::App>, workers: Arc<Workers>) -> Self {
        Self { inner, workers }
    }

    pub(crate) fn engine(&self) -> &Arc<loam::Engine> {
        self.inner.engine()
    }
}

#[uniffi::export]
impl App {
    /// Its name.
    pub fn id(&self) -> String {
        self.inner.id().to_owned()
    }

    /// Installs an adapter from a package file or a PEFT directory.
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
        Ok(Adapter::new(self.inner.install(&alias, path, policy.core())?))
    }

    /// The current generation of an adapter.
    ///
    /// # Errors
    /// [`LoamError::UnknownAdapter`].
    pub fn adapter(&self, alias: String) -> Result<Arc<Adapter>> {
        Ok(Adapter::new(self.inner.adapter(&alias)?))
    }

    /// All installed adapters, by alias.
    pub fn adapters(&self) -> Vec<Arc<Adapter>> {
        // One that another thread removes meanwhile is none any more.
        let awake = |installed: loam::adapter::InstalledAdapter| self.inner.adapter(&installed.alias).ok();
        self.inner.adapters().list().into_iter().filter_map(awake).map(Adapter::new).collect()
    }

    /// Removes an adapter; what runs with it goes on.
    ///
    /// # Errors
    /// [`LoamError::UnknownAdapter`].
    pub fn remove_adapter(&self, alias: String) -> std::result::Result<(), LoamError> {
        self.inner.adapters().remove(&alias)?;
        Ok(())
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
        let _turn = self.inner.turn(Priority::Normal)?;
        let options = options.core(adapter.as_deref())?;
        Ok(self.engine().classify(input.core(), &options)?.into())
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
        let _turn = self.inner.turn(Priority::Normal)?;
        let options = EmbedOptions { adapter: adapter.map(|a| a.core()), modality: core_modality(modality)? };
        Ok(self.engine().embed(input.core(), &options)?.into())
    }

    /// The vector by which `input` is looked up among embeddings of the kind `entries`: a text finds pictures.
    ///
    /// # Errors
    /// As [`App::classify`]; [`LoamError::Unsupported`] for spaces that cannot be compared.
    pub fn query(&self, input: Arc<Input>, entries: Modality) -> Result<Embedding> {
        let _turn = self.inner.turn(Priority::Normal)?;
        Ok(self.engine().query(input.core(), entries.core()?, &EmbedOptions::default())?.into())
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
        let _turn = self.inner.turn(Priority::Normal)?;
        let options = RegressOptions { adapter: adapter.map(|a| a.core()), modality: core_modality(modality)? };
        Ok(self.engine().regress(input.core(), &options)?.into())
    }

    /// Finds what follows one another in an input, by an adapter's CTC head.
    ///
    /// # Errors
    /// As [`App::classify`].
    pub fn spell(&self, input: Arc<Input>, modality: Option<Modality>, adapter: Arc<Adapter>) -> Result<Spelling> {
        let _turn = self.inner.turn(Priority::Normal)?;
        let options = SpellOptions { adapter: adapter.core(), modality: core_modality(modality)? };
        Ok(self.engine().spell(input.core(), &options)?.into())
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
        let _turn = self.inner.turn(Priority::Normal)?;
        let audio = input.sound()?;
        Ok(self.engine().transcribe(audio, &options.core(adapter.as_deref()))?.into())
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
        Transcriber::begin(self.engine(), sample_rate, &options.core(adapter.as_deref()))
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
        let options: task::ClassifyOptions = options.core(adapter.as_deref())?;
        Sensor::begin(self.engine(), source, repair, hop_seconds, options)
    }

    /// Says a text aloud.
    ///
    /// # Errors
    /// [`LoamError::MissingComponent`] without a speech generator; [`LoamError::Argument`] for a text that it does not
    /// read.
    pub fn speak(&self, text: String, options: SpeakOptions) -> Result<Speech> {
        let _turn = self.inner.turn(Priority::Normal)?;
        Ok(self.engine().speak(&text, &options.core())?.into())
    }
}
