//! Speech recognition by CTC: windows of a stream with context on both sides, whose middles join to one sequence of frames.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::contract::{ListenOptions, Listener, Pace, Recognizer, Search, Segment, SpeechTask, refuse_preprocessing};
use super::writer::Writer;
use crate::adapter::{Adapter, HeadSpec};
use crate::dispatch::{Placement, Ran, Reason, Segment as Graph};
use crate::engine::trace::Part;
use crate::error::{Error, Result};
use crate::input::{SampleRate, check_samples};
use crate::model::LinearTable;
use crate::model::encoder::Features;
use crate::model::recognizer::ctc::{
    CtcNetwork, CtcSearch, CtcVocabulary, Greedy, MAX_BEAM, PrefixBeam, TowerCtc, Wav2Vec2Ctc, log_softmax,
};
use crate::quant::Deltas;

/// Longest windows in seconds: 24 s hold what attention makes use of, 4.5 s what a word needs.
const THOROUGH: f64 = 24.0;
const LIVE: f64 = 4.5;

/// Opens a wav2vec 2.0 model.
///
/// # Errors
/// As [`Wav2Vec2Ctc::open`].
pub(super) fn open_wav2vec2(part: Part, dir: &Path) -> Result<Arc<dyn Recognizer>> {
    Ok(Arc::new(CtcRecognizer { part, network: Box::new(Wav2Vec2Ctc::open(dir)?) }))
}

/// Opens one of our own speech towers.
///
/// # Errors
/// As [`TowerCtc::open`].
pub(super) fn open_tower(part: Part, dir: &Path) -> Result<Arc<dyn Recognizer>> {
    Ok(Arc::new(CtcRecognizer { part, network: Box::new(TowerCtc::open(dir)?) }))
}

/// Whether a configuration is of a tower that says how it hears speech frame by frame.
pub(super) fn is_ctc_tower(config: &Value) -> bool {
    config.get("ctc").is_some()
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

    fn state_width(&self) -> Option<usize> {
        Some(self.network.width())
    }

    fn network(&self) -> Option<&dyn CtcNetwork> {
        Some(&*self.network)
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
        self.part.deltas(adapter.as_deref())?;
        refuse_preprocessing(adapter.as_deref())?;
        let vocabulary = self.vocabulary(adapter.as_deref())?;
        let (count, blank) = (vocabulary.count(), vocabulary.blank());
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
            plan: Plan::new(&*self.network, options.pace)?,
            writer: Writer::new(&vocabulary, step),
            vocabulary,
            search,
            held: Vec::new(),
            received: 0,
            context: 0,
            state: State::Listening,
            ran: Ran::default(),
            model: self,
            adapter,
        }))
    }
}

impl CtcRecognizer {
    /// The tokens of the adapter's head, or of the checkpoint's where the adapter has none.
    fn vocabulary(&self, adapter: Option<&Adapter>) -> Result<CtcVocabulary> {
        let head = adapter.and_then(|adapter| Some((adapter, adapter.bound.head.as_ref()?)));
        match head.map(|(adapter, head)| (adapter, head.spec())) {
            Some((adapter, HeadSpec::Ctc { vocabulary, blank })) => {
                CtcVocabulary::from_list(vocabulary, *blank).map_err(|reason| Error::adapter(&adapter.alias, reason))
            }
            Some((adapter, spec)) => {
                Err(Error::adapter(&adapter.alias, format!("its {} head gives no characters", spec.kind())))
            }
            None => self.network.head().map(|head| head.vocabulary().clone()).ok_or_else(|| {
                let reason = "the checkpoint has no head for characters; an adapter with a ctc head brings one";
                Error::unsupported(format!("speech recognition by '{}'", self.part.name), reason)
            }),
        }
    }

    /// Log-probabilities `[frames, vocabulary]` of one window, and what made its states.
    fn frames(&self, samples: &[f32], adapter: Option<&Adapter>) -> Result<(Vec<f32>, Ran)> {
        let (states, ran) = self.states(samples, adapter.map(|adapter| &adapter.bound.deltas))?;
        let probabilities = match (adapter.and_then(|adapter| adapter.bound.head.as_ref()), self.network.head()) {
            (Some(head), _) => {
                let mut logits = head.logits(&states);
                log_softmax(&mut logits, head.outputs())?;
                logits
            }
            (None, Some(head)) => head.log_probabilities(&states, adapter.map(|adapter| &adapter.bound.deltas))?,
            (None, None) => unreachable!("a stream begins with a vocabulary"),
        };
        Ok((probabilities, ran))
    }

    /// States `[frames, width]` of one window.
    fn states(&self, samples: &[f32], deltas: Option<&Deltas>) -> Result<(Vec<f32>, Ran)> {
        let Some(features) = self.network.features(samples)? else { return Ok((Vec::new(), Ran::default())) };
        let on_delegate = |placement: &Placement, features: &Features| self.states_on(placement, features, deltas);
        let on_processor = |all: Vec<Features>| {
            all.iter().map(|features| self.network.states_of(features, deltas)).collect::<Result<Vec<_>>>()
        };
        let (states, ran) = self.part.divide(vec![features], on_delegate, on_processor)?;
        Ok((states.into_iter().next().unwrap_or_default(), ran))
    }

    /// States of one window by the shortest graph that holds it.
    fn states_on(
        &self,
        placement: &Placement,
        features: &Features,
        deltas: Option<&Deltas>,
    ) -> Result<Vec<f32>, Reason> {
        let graph = self.network.graph().ok_or(Reason::NotCompiled)?;
        let own = features.shape.last().copied().unwrap_or(0);
        let holds = |segment: &Graph| matches!(segment, Graph::Sound { columns } if *columns >= own);
        let Some(segment @ Graph::Sound { columns }) = placement.choose(self.part.place.preference(), holds)? else {
            return Err(placement.lack(holds, Reason::TooLong { length: own, most: widest(placement) }));
        };
        let inputs = graph.inputs(features, columns).map_err(|e| Reason::Failed(e.to_string()))?;
        let inputs: Vec<&[f32]> = inputs.iter().map(|values| &values[..]).collect();
        let mut states = placement.run(segment, &inputs, deltas)?.into_iter().next().unwrap_or_default();
        states.truncate(graph.states_in(own) * self.network.width());
        Ok(states)
    }
}

/// Columns of the widest graph of sound.
fn widest(placement: &Placement) -> usize {
    let columns = placement.segments().map(|segment| if let Graph::Sound { columns } = segment { columns } else { 0 });
    columns.max().unwrap_or(0)
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
    /// # Errors
    /// [`Error::Unsupported`] for a network whose window holds no frame, or less sound than frames are apart.
    fn new(network: &dyn CtcNetwork, pace: Pace) -> Result<Self> {
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
        // A window moves by whole frames, and never by more sound than it holds.
        let steps = length / network.hop().max(1);
        if frames == 0 || steps == 0 {
            let reason = format!("a window of {length} samples has {frames} frames, {} samples apart", network.hop());
            return Err(Error::unsupported("speech recognition by this network", reason));
        }
        let left = left.min(steps - 1);
        Ok(Self { length, left, body: frames.saturating_sub(left + right).clamp(1, steps - left) })
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
    vocabulary: CtcVocabulary,
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
    /// What made its states.
    ran: Ran,
}

impl CtcListener {
    /// Runs the window at hand and searches its frames from the context up to frame `last` of the window.
    fn hear(&mut self, last: usize, out: &mut Vec<Segment>) -> Result<()> {
        let (frames, ran) = self.model.frames(&self.held, self.adapter.as_deref())?;
        self.ran.with(ran);
        let vocabulary = &self.vocabulary;
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
            // A stream begins without context, so that its first window is shorter and its first text early.
            let hop = self.model.network.hop();
            let wanted = self.plan.length - (self.plan.left - self.context) * hop;
            let (taken, after) = rest.split_at(rest.len().min(wanted - self.held.len()));
            self.held.extend_from_slice(taken);
            self.received = self.received.saturating_add(taken.len());
            rest = after;
            if self.held.len() == wanted {
                let last = self.context + self.plan.body;
                self.hear(last, &mut segments)?;
                self.context = last.min(self.plan.left);
                self.held.drain(..(last - self.context) * hop);
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
        let tokens = self.search.finish();
        segments.extend(tokens.iter().filter_map(|token| self.writer.add(token, &self.vocabulary)));
        segments.extend(self.writer.close());
        Ok(segments)
    }

    fn ran(&self) -> Ran {
        self.ran.clone()
    }

    fn language(&self) -> Option<&str> {
        None
    }
}

#[cfg(test)]
#[path = "ctc_tests.rs"]
mod tests;
