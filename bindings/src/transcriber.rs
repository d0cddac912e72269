//! A stream of speech that the caller feeds.

use std::sync::{Arc, Mutex, PoisonError};

use loam::input::{Audio, Channels, SampleRate};

use crate::error::{LoamError, Result};
use crate::input::PcmFormat;
use crate::results::{TranscriptEvent, TranscriptSummary};

/// A transcription of samples as they come, such as the 100 ms that a microphone gives at a time.
#[derive(Debug, uniffi::Object)]
pub struct Transcriber {
    rate: SampleRate,
    /// `None` once it has ended.
    inner: Mutex<Option<loam::task::Transcriber>>,
}

/// The end of a transcription.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct TranscriptEnd {
    /// What was still open.
    pub events: Vec<TranscriptEvent>,
    /// What it took.
    pub summary: TranscriptSummary,
}

impl Transcriber {
    pub(crate) fn begin(
        engine: &loam::Engine,
        sample_rate: u32,
        options: &loam::task::TranscribeOptions,
    ) -> Result<Arc<Self>> {
        let rate = SampleRate::new(sample_rate)?;
        let inner = engine.transcriber(rate, options)?;
        Ok(Arc::new(Self { rate, inner: Mutex::new(Some(inner)) }))
    }

    fn with<T>(&self, act: impl FnOnce(&mut Option<loam::task::Transcriber>) -> Result<T>) -> Result<T> {
        act(&mut self.inner.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

fn ended() -> LoamError {
    LoamError::Argument { name: "audio".to_owned(), reason: "invalid audio: the stream has ended".to_owned() }
}

#[uniffi::export]
impl Transcriber {
    /// Takes mono samples as bytes and returns what became certain. Blocks while it works.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for bytes that are no whole samples, for a sample that is not finite, or after the end.
    pub fn push(&self, samples: &[u8], format: PcmFormat) -> std::result::Result<Vec<TranscriptEvent>, LoamError> {
        let rate = self.rate;
        self.with(|inner| {
            let transcriber = inner.as_mut().ok_or_else(ended)?;
            if samples.is_empty() {
                return Ok(Vec::new());
            }
            let audio = Audio::from_bytes(samples, format.core(), Channels::MONO, rate)?;
            Ok(transcriber.push(audio.samples())?.into_iter().map(Into::into).collect())
        })
    }

    /// Ends the stream: what is left, and what it took.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for a stream without a sample, or after the end.
    pub fn finish(&self) -> Result<TranscriptEnd> {
        self.with(|inner| {
            let (events, summary) = inner.take().ok_or_else(ended)?.finish()?;
            Ok(TranscriptEnd { events: events.into_iter().map(Into::into).collect(), summary: summary.into() })
        })
    }
}
