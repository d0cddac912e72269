//! A stream of speech that the caller feeds.

use std::sync::Arc;

use loam::task::{TranscriptEvent, TranscriptSummary};

use crate::call::{Call, Opened, Reply, Thing};
use crate::error::Result;
use crate::event::Silence;
use crate::performer::{Performer, reply_of, unexpected};

/// A transcription of samples as they come, such as the 100 ms that a microphone gives at a time.
#[derive(Debug)]
pub struct Transcriber {
    performer: Arc<dyn Performer>,
    opened: Opened,
}

/// The end of a transcription.
#[derive(Clone, Debug, PartialEq)]
pub struct TranscriptEnd {
    /// What was still open.
    pub events: Vec<TranscriptEvent>,
    /// What it took.
    pub summary: TranscriptSummary,
}

impl Transcriber {
    pub(crate) fn new(performer: Arc<dyn Performer>, opened: Opened) -> Self {
        Self { performer, opened }
    }

    /// Takes mono samples within -1 to 1 and returns what became certain. Blocks while it works.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for a sample that is not finite, or after the end.
    pub fn push(&self, samples: &[f32]) -> Result<Vec<TranscriptEvent>> {
        let call = Call::PushSound { transcriber: self.opened, samples: samples.to_vec() };
        Ok(reply_of!(self.performer, &mut Silence::default(), call, Reply::Heard { events, .. } => events))
    }

    /// Ends the stream: what is left, and what it took.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for a stream without a sample, or after the end.
    pub fn finish(&self) -> Result<TranscriptEnd> {
        let call = Call::FinishSound { transcriber: self.opened };
        let name = call.name();
        match self.performer.perform(call, &mut Silence::default())? {
            Reply::Heard { events, summary: Some(summary) } => Ok(TranscriptEnd { events, summary }),
            other => Err(unexpected(name, &other)),
        }
    }
}

impl Drop for Transcriber {
    fn drop(&mut self) {
        self.performer.release(Thing::Transcriber(self.opened));
    }
}
