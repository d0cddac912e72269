//! Speech recognition by CTC: windows of a stream with context on both sides, whose middles join to one sequence of frames.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::contract::{ListenOptions, Listener, Pace, Recognizer, Search, Segment, SpeechTask};
use super::writer::Writer;
use crate::adapter::Adapter;
use crate::engine::trace::Part;
use crate::error::{Error, Result};
use crate::input::{SampleRate, check_samples};
use crate::model::LinearTable;
use crate::model::recognizer::ctc::{CtcNetwork, CtcSearch, Greedy, MAX_BEAM, PrefixBeam, Wav2Vec2Ctc};

/// Longest windows in seconds: 24 s hold what attention makes use of, 4.5 s what a word needs.
const THOROUGH: f64 = 24.0;
const LIVE: f64 = 4.5;

/// Whether a configuration is of a wav2vec 2.0 model with a CTC head.
pub(super) fn is_wav2vec2_ctc(config: &Value) -> bool {
    // A file that does not say is taken at its name; loading shows whether a head is there.
    config
        .get("architectures")
        .and_then(Value::as_array)
        .is_none_or(|kinds| kinds.iter().any(|k| k == "Wav2Vec2ForCTC"))
}

/// Opens a wav2vec 2.0 model.
///
/// # Errors
/// As [`Wav2Vec2Ctc::open`].
pub(super) fn open_wav2vec2(part: Part, dir: &Path) -> Result<Arc<dyn Recognizer>> {
    Ok(Arc::new(CtcRecognizer { part, network: Box::new(Wav2Vec2Ctc::open(dir)?) }))
}

/// A loaded recogniser.
#[derive(Debug)]
struct CtcRecognizer {
    part: Part,
    network: Box<dyn CtcNetwork>,
}

impl Recognizer for CtcRecognizer {
    fn part(&self) -> &Part {
        &self.part
    }

    fn rate(&self) -> SampleRate {
        self.network.rate()
    }

    fn linears(&self) -> &LinearTable {
        self.network.linears()
    }

    fn languages(&self) -> Vec<String> {
        Vec::new()
    }

    fn listen(
        self: Arc<Self>,
        options: &ListenOptions,
        adapter: Option<Arc<Adapter>>,
    ) -> Result<Box<dyn Listener + Send>> {
        if options.task == SpeechTask::Translate {
            return Err(Error::unsupported("translation", "this recogniser writes what is said in its language"));
        }
        if let Some(language) = &options.language {
            let reason = format!("'{language}': this recogniser hears one language and leaves no choice");
            return Err(Error::argument("language", reason));
        }
        if let Some(adapter) = adapter.as_deref().filter(|a| a.package.task().component != self.part.name) {
            let found = &adapter.package.task().component;
            return Err(Error::adapter(
                &adapter.alias,
                format!("it acts on '{found}', speech is heard by '{}'", self.part.name),
            ));
        }
        let (count, blank) = (self.network.vocabulary().count(), self.network.vocabulary().blank());
        let search = match options.search {
            Search::Greedy => CtcSearch::Greedy(Greedy::new(count, blank)),
            Search::Beam(width) if (1..=MAX_BEAM).contains(&width) => {
                CtcSearch::Beam(PrefixBeam::new(count, blank, width))
            }
            Search::Beam(width) => {
                return Err(Error::argument("beam", format!("{width}, accepted are 1 to {MAX_BEAM}")));
            }
        };
        let step = self.network.hop() as f64 / f64::from(self.rate().hertz());
        Ok(Box::new(CtcListener {
            plan: Plan::new(&*self.network, options.pace),
            writer: Writer::new(self.network.vocabulary(), step),
            search,
            held: Vec::new(),
            received: 0,
            context: 0,
            state: State::Listening,
            model: self,
            adapter,
        }))
    }
}

/// How a stream is cut into windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Plan {
    /// Samples of a window.
    length: usize,
    /// Frames before the ones that are kept.
    left: usize,
    /// Frames that are kept; those after them are context too.
    body: usize,
}

impl Plan {
    fn new(network: &dyn CtcNetwork, pace: Pace) -> Self {
        let seconds = match pace {
            Pace::Thorough => THOROUGH,
            Pace::Live => LIVE,
        };
        let wanted = (seconds * f64::from(network.rate().hertz())) as usize;
        let length = wanted.min(network.longest());
        let frames = network.frames(length);
        let (left, right) = match pace {
            Pace::Thorough => (frames / 6, frames / 6),
            Pace::Live => (frames * 2 / 3, frames / 9),
        };
        Self { length, left, body: (frames - left - right).max(1) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Listening,
    Ended,
}

/// One stream. Holds one window of samples.
struct CtcListener {
    model: Arc<CtcRecognizer>,
    adapter: Option<Arc<Adapter>>,
    plan: Plan,
    search: CtcSearch,
    writer: Writer,
    /// Samples from the begin of the next window on.
    held: Vec<f32>,
    /// Samples of the stream.
    received: usize,
    /// Frames of the next window that were searched already.
    context: usize,
    state: State,
}

impl CtcListener {
    /// Runs the window at hand and searches its frames from the context up to `last`.
    fn hear(&mut self, last: usize, out: &mut Vec<Segment>) -> Result<()> {
        let network = &*self.model.network;
        let deltas = self.adapter.as_deref().map(|adapter| &adapter.bound.deltas);
        let length = self.held.len().min(self.plan.length);
        let frames = network.log_probabilities(&self.held[..length], deltas)?;
        let vocabulary = network.vocabulary();
        let count = frames.len() / vocabulary.count();
        let kept = self.context.min(count)..last.min(count);
        let tokens = self.search.push(&frames[kept.start * vocabulary.count()..kept.end * vocabulary.count()]);
        out.extend(tokens.iter().filter_map(|token| self.writer.add(token, vocabulary)));
        out.extend(self.writer.settle(self.search.settled()));
        Ok(())
    }
}

impl Listener for CtcListener {
    fn push(&mut self, samples: &[f32]) -> Result<Vec<Segment>> {
        if self.state == State::Ended {
            return Err(Error::argument("audio", "the stream has ended"));
        }
        check_samples(samples, self.received)?;
        let mut segments = Vec::new();
        let mut rest = samples;
        while !rest.is_empty() {
            let (taken, after) = rest.split_at(rest.len().min(self.plan.length - self.held.len()));
            self.held.extend_from_slice(taken);
            self.received = self.received.saturating_add(taken.len());
            rest = after;
            if self.held.len() == self.plan.length {
                self.hear(self.plan.left + self.plan.body, &mut segments)?;
                self.held.drain(..self.plan.body * self.model.network.hop());
                self.context = self.plan.left;
            }
        }
        Ok(segments)
    }

    fn partial(&self) -> &str {
        self.writer.partial()
    }

    fn finish(&mut self) -> Result<Vec<Segment>> {
        if self.state == State::Ended {
            return Ok(Vec::new());
        }
        if self.received == 0 {
            return Err(Error::argument("audio", "there is no sample"));
        }
        let mut segments = Vec::new();
        self.hear(usize::MAX, &mut segments)?;
        self.state = State::Ended;
        let vocabulary = self.model.network.vocabulary();
        let tokens = self.search.finish();
        segments.extend(tokens.iter().filter_map(|token| self.writer.add(token, vocabulary)));
        segments.extend(self.writer.close());
        Ok(segments)
    }

    fn language(&self) -> Option<&str> {
        None
    }
}

#[cfg(test)]
#[path = "ctc_tests.rs"]
mod tests;
