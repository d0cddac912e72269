//! Which recognisers can be loaded: one line per model type.

use std::path::Path;
use std::sync::Arc;

use serde_json::Value;

use super::contract::Recognizer;
use super::{ctc, whisper};
use crate::engine::trace::Part;
use crate::error::{Error, Result};
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
}
