//! A stream of speech that the caller feeds.

use std::sync::Arc;

use loam::input::{Audio, Channels, SampleRate};

use crate::error::{LoamError, Result};
use crate::input::PcmFormat;
use crate::results::{TranscriptEvent, TranscriptSummary};

/// A transcription of samples as they come, such as the 100 ms that a microphone gives at a time.
#[derive(Debug, uniffi::Object)]
pub struct Transcriber {
    rate: SampleRate,
    inner: loam_service::Transcriber,
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
    pub(crate) fn new(rate: SampleRate, inner: loam_service::Transcriber) -> Arc<Self> {
        Arc::new(Self { rate, inner })
    }
}

#[uniffi::export]
impl Transcriber {
    /// Takes mono samples as bytes and returns what became certain. Blocks while it works.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for bytes that are no whole samples, for a sample that is not finite, or after the end.
    pub fn push(&self, samples: &[u8], format: PcmFormat) -> std::result::Result<Vec<TranscriptEvent>, LoamError> {
        // No sample is no sound, but a stream that has ended says so all the same.
        let events = if samples.is_empty() {
            self.inner.push(&[])?
        } else {
            self.inner.push(Audio::from_bytes(samples, format.core(), Channels::MONO, self.rate)?.samples())?
        };
        Ok(events.into_iter().map(Into::into).collect())
    }

    /// Ends the stream: what is left, and what it took.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for a stream without a sample, or after the end.
    pub fn finish(&self) -> Result<TranscriptEnd> {
        let loam_service::TranscriptEnd { events, summary } = self.inner.finish()?;
        Ok(TranscriptEnd { events: events.into_iter().map(Into::into).collect(), summary: summary.into() })
    }
}
