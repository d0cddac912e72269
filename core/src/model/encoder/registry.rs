//! Which encoders can be loaded: one line per model type and modality.

use std::path::Path;

use serde_json::Value;

use super::contract::Encoder;
use super::{ast, imagebind, limu_bert, tower, vit_load as vit, wav2vec2, whisper};
use crate::error::{Error, Result};
use crate::model::modality::Modality;
use crate::weights::{Checkpoint, MAX_CONFIG, read_json};

/// An opened directory that an encoder is built from.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// Its weights.
    pub checkpoint: &'a Checkpoint,
    /// `config.json`.
    pub config: &'a Value,
    /// `preprocessor_config.json`, or that part of `processor_config.json`, where there is one.
    pub preprocessor: Option<&'a Value>,
}

/// A directory with what a [`Source`] borrows.
#[derive(Debug)]
pub(crate) struct ModelDir {
    checkpoint: Checkpoint,
    config: Value,
    preprocessor: Option<Value>,
}

impl ModelDir {
    /// Reads the configurations and opens the weights.
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Malformed`]; as [`Checkpoint::open`] otherwise.
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        Self::with_config(dir, read_json(&dir.join("config.json"), MAX_CONFIG)?)
    }

    fn with_config(dir: &Path, config: Value) -> Result<Self> {
        let (own, whole) = (dir.join("preprocessor_config.json"), dir.join("processor_config.json"));
        let preprocessor = if own.is_file() {
            Some(read_json(&own, MAX_CONFIG)?)
        } else if whole.is_file() {
            // How transformers 5 saves all parts of a processor.
            let whole = read_json(&whole, MAX_CONFIG)?;
            ["feature_extractor", "image_processor"].iter().find_map(|part| whole.get(part)).cloned()
        } else {
            None
        };
        Ok(Self { checkpoint: Checkpoint::open(dir)?, config, preprocessor })
    }

    /// What models are built from.
    pub(crate) fn source(&self) -> Source<'_> {
        Source { checkpoint: &self.checkpoint, config: &self.config, preprocessor: self.preprocessor.as_ref() }
    }
}

/// One kind of encoder.
#[derive(Clone, Copy, Debug)]
pub struct Family {
    /// `model_type` of `config.json`.
    pub model_type: &'static str,
    /// What it reads. A model type with several towers has a line for each.
    pub modality: Modality,
    /// Builds it.
    pub open: fn(&Source<'_>) -> Result<Box<dyn Encoder>>,
}

/// All encoders of data other than text.
pub const FAMILIES: &[Family] = &[
    Family { model_type: "clip", modality: Modality::IMAGE, open: vit::open },
    Family { model_type: "clip_vision_model", modality: Modality::IMAGE, open: vit::open },
    Family { model_type: "siglip", modality: Modality::IMAGE, open: vit::open },
    Family { model_type: "siglip_vision_model", modality: Modality::IMAGE, open: vit::open },
    Family { model_type: "vit", modality: Modality::IMAGE, open: vit::open },
    Family { model_type: "deit", modality: Modality::IMAGE, open: vit::open },
    Family { model_type: "audio-spectrogram-transformer", modality: Modality::SOUND, open: ast::open },
    Family { model_type: "imagebind", modality: Modality::IMAGE, open: imagebind::vision::open },
    Family { model_type: "imagebind", modality: Modality::SOUND, open: imagebind::audio::open },
    Family { model_type: "imagebind", modality: Modality::IMU, open: imagebind::imu::open },
    Family { model_type: "imagebind", modality: imagebind::depth::DEPTH, open: imagebind::depth::open },
    Family { model_type: "imagebind", modality: imagebind::thermal::THERMAL, open: imagebind::thermal::open },
    Family { model_type: "wav2vec2", modality: Modality::SPEECH, open: wav2vec2::open },
    Family { model_type: "limu-bert", modality: Modality::IMU, open: limu_bert::open },
    Family { model_type: "loam-tower", modality: Modality::IMAGE, open: tower::open },
    Family { model_type: "loam-tower", modality: Modality::SOUND, open: tower::open },
    Family { model_type: "loam-tower", modality: Modality::SPEECH, open: tower::open },
    Family { model_type: "loam-tower", modality: Modality::IMU, open: tower::open },
    Family { model_type: "whisper", modality: Modality::SPEECH, open: whisper::open },
];

/// The modality of that name: text, or one that some encoder reads.
#[must_use]
pub fn modality(name: &str) -> Option<Modality> {
    let all = FAMILIES.iter().map(|family| family.modality);
    all.chain([Modality::TEXT]).find(|modality| modality.as_str() == name)
}

/// Opens the tower for `modality` in a directory with `config.json`, weights and, where present,
/// `preprocessor_config.json`.
///
/// # Errors
/// [`Error::Io`], [`Error::Malformed`], [`Error::Unsupported`] naming the model type, [`Error::MissingTensor`] or
/// [`Error::Shape`].
pub fn open(dir: &Path, modality: Modality) -> Result<Box<dyn Encoder>> {
    open_with(dir, modality, None)
}

/// As [`open`], with other fields in the place of the directory's `preprocessor_config.json`.
///
/// # Errors
/// As [`open`].
pub fn open_with(dir: &Path, modality: Modality, preprocessor: Option<Value>) -> Result<Box<dyn Encoder>> {
    let config = read_json(&dir.join("config.json"), MAX_CONFIG)?;
    let model_type = config.get("model_type").and_then(Value::as_str).unwrap_or("missing");
    let family = FAMILIES.iter().find(|f| f.model_type == model_type && f.modality == modality).ok_or_else(|| {
        let known: Vec<&str> = FAMILIES.iter().filter(|f| f.modality == modality).map(|f| f.model_type).collect();
        let what = format!("{} encoder of model_type '{model_type}'", modality.as_str());
        Error::unsupported(what, format!("these are run: {}", known.join(", ")))
    })?;
    let mut files = ModelDir::with_config(dir, config)?;
    files.preprocessor = preprocessor.or(files.preprocessor);
    let encoder = (family.open)(&files.source())?;
    if encoder.modality() != modality {
        let what = format!("component for {modality}");
        return Err(Error::unsupported(what, format!("its configuration says {}", encoder.modality())));
    }
    Ok(encoder)
}
