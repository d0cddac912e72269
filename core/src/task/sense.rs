//! What motion means: one window, or a running sensor window by window.

use std::ops::Deref;

use serde::{Deserialize, Serialize};

use super::classify::{Classification, ClassifyOptions};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::foundation::ComponentKind;
use crate::input::{ImuConfig, ImuSource, ImuStream, ImuWindow, Input, Repair};
use crate::model::Modality;
use crate::model::encoder::Preprocessor;

/// The result for one window of a stream.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Sensed {
    /// Where the window begins, in seconds: by the caller's timestamps, else from the first sample.
    pub start: f64,
    /// Where it ends, in seconds.
    pub end: f64,
    /// What it shows.
    pub classification: Classification,
}

/// A running sensor. Holds the samples of one window and what was pushed since. `E` is a reference to the engine, or an
/// `Arc` of it for a sensor that goes from thread to thread.
#[derive(Debug)]
pub struct Sensor<E> {
    engine: E,
    options: ClassifyOptions,
    repair: Repair,
    stream: ImuStream,
    /// Seconds of a window.
    length: f64,
    /// Seconds between the begins of windows.
    hop: f64,
    taken: usize,
}

impl Engine {
    /// Classifies one window of motion: by an adapter's head and labels, or zero-shot by the labels of `options`.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] without an IMU encoder; [`Error::Argument`] for a window that the encoder does not read,
    /// or that holds gaps which `repair` does not allow; as [`Engine::classify`] otherwise.
    pub fn sense(&self, window: ImuWindow, repair: Repair, options: &ClassifyOptions) -> Result<Classification> {
        self.classify(Input::Motion { window, repair }, options)
    }

    /// Length of the windows that are read under `options`, in seconds: as the adapter's own preprocessing says, else as the
    /// encoder's does.
    ///
    /// # Errors
    /// [`Error::MissingComponent`], or [`Error::Unsupported`] for an encoder that does not say.
    pub fn window_seconds(&self, options: &ClassifyOptions) -> Result<f64> {
        self.motion(options).map(|config| config.steps as f64 / config.rate)
    }

    fn motion(&self, options: &ClassifyOptions) -> Result<ImuConfig> {
        let own = options.adapter.as_ref().and_then(|adapter| adapter.bound.preprocessor.as_ref());
        if let Some(Preprocessor::Motion(config)) = own {
            return Ok(config.clone());
        }
        let modality = options.modality.unwrap_or(Modality::IMU);
        let component = self.foundation().component(ComponentKind::Encoder(modality))?.name();
        self.encoder(modality)?.encoder().motion().ok_or_else(|| {
            let reason = "its checkpoint does not say rate and length of a window";
            Error::unsupported(format!("windows of motion for component '{component}'"), reason)
        })
    }

    /// Begins to classify what a sensor gives; as [`Sensor::new`].
    ///
    /// # Errors
    /// As [`Sensor::new`].
    pub fn sensor(
        &self,
        source: ImuSource,
        repair: Repair,
        hop: f64,
        options: ClassifyOptions,
    ) -> Result<Sensor<&Self>> {
        Sensor::new(self, source, repair, hop, options)
    }
}

impl<E: Deref<Target = Engine>> Sensor<E> {
    /// Begins to classify what a sensor gives, a window every `hop` seconds; windows have the length that the IMU encoder
    /// reads. The encoder is loaded here.
    ///
    /// # Errors
    /// [`Error::MissingComponent`] without an IMU encoder; [`Error::Unsupported`] for one that does not say what a window
    /// is; [`Error::Argument`] for a hop that is not above 0 and at most a window's length, or a source out of range.
    pub fn new(engine: E, source: ImuSource, repair: Repair, hop: f64, options: ClassifyOptions) -> Result<Self> {
        let config = engine.motion(&options)?;
        let length = config.steps as f64 / config.rate;
        let steps = (hop * config.rate).round();
        if !(1.0..=config.steps as f64).contains(&steps) {
            let reason = format!("{hop} s, accepted are {} to {length} s", 1.0 / config.rate);
            return Err(Error::argument("hop", reason));
        }
        let hop = steps / config.rate;
        let stream = ImuStream::new(config, source, repair, steps as usize)?;
        Ok(Self { engine, options, repair, stream, length, hop, taken: 0 })
    }

    /// Length of a window in seconds.
    #[must_use]
    pub fn window_seconds(&self) -> f64 {
        self.length
    }

    /// Takes samples `[steps, channels]`, with seconds for all pushes or for none, and returns the results of the windows
    /// that they complete.
    ///
    /// # Errors
    /// As [`ImuStream::push`], and the first failure among the windows, whose results are lost then; the stream goes on
    /// after them. After a gap, [`Sensor::restart`] and push again.
    pub fn push(&mut self, samples: &[f32], timestamps: Option<&[f64]>) -> Result<Vec<Sensed>> {
        self.stream.push(samples, timestamps)?;
        let mut windows = Vec::new();
        while let Some(window) = self.stream.next_window() {
            let first = window.as_ref().ok().and_then(|window| Some(*window.timestamps()?.first()?));
            windows.push((first.unwrap_or(self.taken as f64 * self.hop), window));
            self.taken += 1;
        }
        windows
            .into_iter()
            .map(|(start, window)| {
                let classification = self.engine.sense(window?, self.repair, &self.options)?;
                Ok(Sensed { start, end: start + self.length, classification })
            })
            .collect()
    }

    /// Forgets the samples at hand: a new stream begins.
    pub fn restart(&mut self) {
        self.stream.restart();
        self.taken = 0;
    }

    /// Samples in memory.
    #[must_use]
    pub fn held(&self) -> usize {
        self.stream.held()
    }
}
