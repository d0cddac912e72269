//! Which recognisers can be loaded: one line per model type.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::contract::Recognizer;
use super::{ctc, whisper};
use crate::dispatch::{Placement, Reason, Segment};
use crate::engine::dispatcher::{Compared, Placed, median_ms};
use crate::engine::trace::Part;
use crate::error::{Error, Result};
use crate::model::encoder::Features;
use crate::model::recognizer::ctc::CtcGraph;
use crate::weights::{MAX_CONFIG, read_json};

/// One kind of recogniser. Its model type is one of a speech encoder too ([`crate::model::encoder::FAMILIES`]).
#[derive(Clone, Copy, Debug)]
pub struct RecognizerFamily {
    /// `model_type` of `config.json`.
    pub model_type: &'static str,
    /// Whether a configuration of that type is of a model that writes text, not of an encoder alone.
    pub writes: fn(&Value) -> bool,
    /// Builds it from a directory.
    pub open: fn(Part, &Path) -> Result<Arc<dyn Recognizer>>,
}

/// All recognisers.
pub const RECOGNIZERS: &[RecognizerFamily] = &[
    // Without a head of its own, an adapter brings one.
    RecognizerFamily { model_type: "wav2vec2", writes: |_| true, open: ctc::open_wav2vec2 },
    RecognizerFamily { model_type: "loam-tower", writes: ctc::is_ctc_tower, open: ctc::open_tower },
    RecognizerFamily { model_type: "whisper", writes: whisper::writes, open: whisper::open },
];

/// The family of the model in `dir`, `None` for an encoder alone.
///
/// # Errors
/// [`Error::Io`] or [`Error::Malformed`] for a `config.json` that cannot be read.
pub(in crate::engine) fn family(dir: &Path) -> Result<Option<&'static RecognizerFamily>> {
    let file = dir.join("config.json");
    let config = read_json(&file, MAX_CONFIG)?;
    let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or_default();
    Ok(RECOGNIZERS.iter().find(|family| family.model_type == model_type && (family.writes)(&config)))
}

/// A loaded recogniser, as the engine keeps it.
#[derive(Debug)]
pub(in crate::engine) struct SpeechModel(pub(in crate::engine) Arc<dyn Recognizer>);

impl SpeechModel {
    /// Opens the recogniser in a directory.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for a model that writes no text; as the family's `open` otherwise.
    pub(in crate::engine) fn open(part: Part, dir: &Path) -> Result<Self> {
        let family = family(dir)?.ok_or_else(|| {
            let known: Vec<&str> = RECOGNIZERS.iter().map(|family| family.model_type).collect();
            let reason = format!("its model writes no text; recognisers are made of: {}", known.join(", "));
            Error::unsupported(format!("speech recognition by '{}'", part.name), reason)
        })?;
        Ok(Self((family.open)(part, dir)?))
    }

    /// Whether there may be a delegate for it.
    pub(in crate::engine) fn has_graph(&self) -> bool {
        self.graph().is_some()
    }

    fn graph(&self) -> Option<&dyn CtcGraph> {
        self.0.network()?.graph()
    }
}

impl Placed for SpeechModel {
    fn runs(&self, segment: Segment) -> bool {
        matches!(segment, Segment::Sound { .. })
    }

    fn compare(&self, placement: &Placement, segment: Segment) -> Result<Compared, Reason> {
        let Segment::Sound { columns } = segment else { return Err(Reason::NotCompiled) };
        let missing = || Reason::NoGraph("it hears sound of any length at once".to_owned());
        let (network, graph) = (self.0.network().ok_or_else(missing)?, self.graph().ok_or_else(missing)?);
        let failed = |e: Error| Reason::Failed(e.to_string());
        let delegate = placement.delegate(segment).ok_or(Reason::NotCompiled)?;
        let sample = delegate.sample().first().ok_or_else(|| Reason::Failed("no sample was kept".to_owned()))?;
        let features = Features::new(repeated(sample, columns), vec![sample.len() / columns.max(1), columns]);
        let features = features.map_err(failed)?;
        let inputs = graph.inputs(&features, columns).map_err(failed)?;
        let inputs: Vec<&[f32]> = inputs.iter().map(|values| &values[..]).collect();
        let (ours, processor_ms) = median_ms(|| network.states_of(&features, None).map_err(failed))?;
        let (theirs, delegate_ms) = median_ms(|| placement.run(segment, &inputs, None))?;
        Ok(Compared { delegate: theirs, processor: vec![ours], delegate_ms, processor_ms })
    }
}

/// A spectrogram `[bins, columns]` whose sound is repeated until it fills all columns: a graph takes as long for a short sound as for
/// a long one, and the processor does not.
fn repeated(spectrogram: &[f32], columns: usize) -> Vec<f32> {
    let rows = || spectrogram.chunks_exact(columns.max(1));
    let is_heard = |column: &usize| rows().any(|row| row[*column] != 0.0);
    let heard = (0..columns).rev().find(is_heard).map_or(columns, |last| last + 1);
    rows().flat_map(|row| row[..heard].iter().cycle().take(columns)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::repeated;

    #[test]
    fn a_sound_fills_the_graph_that_it_is_tried_on() {
        let spectrogram = [1.0, 2.0, 0.0, 0.0, 0.0, 3.0, 4.0, 0.0, 0.0, 0.0];
        assert_eq!(repeated(&spectrogram, 5), [1.0, 2.0, 1.0, 2.0, 1.0, 3.0, 4.0, 3.0, 4.0, 3.0]);
        assert_eq!(repeated(&[0.0; 4], 2), [0.0; 4]);
        assert_eq!(repeated(&[1.0, 2.0], 2), [1.0, 2.0]);
    }
}
