//! Shape of a Whisper model, from its Hugging Face `config.json`.

use serde_json::Value;

use crate::error::{Error, Result};
use crate::input::FeatureExtractor;
use crate::model::encoder::{Fields, MAX_WIDTH};
use crate::model::layer::{Activation, BlockShape};

const FORMAT: &str = "config.json";
/// Blocks of either stack; the released models have up to 32.
const MAX_LAYERS: usize = 256;
/// Positions of either stack: the released models have 1500 and 448.
const MAX_POSITIONS: usize = 1 << 14;
const MAX_VOCABULARY: usize = 1 << 20;
/// PyTorch's default, which the reference does not change.
const EPS: f64 = 1e-5;
/// Frames of the spectrogram per state: the stride of the second convolution.
pub(super) const FRAMES_PER_STATE: usize = 2;

/// Shape and options of a Whisper model.
#[derive(Clone, Debug)]
pub struct WhisperConfig {
    pub(super) bins: usize,
    pub(super) width: usize,
    pub(super) encoder: BlockShape,
    pub(super) encoder_layers: usize,
    pub(super) decoder: BlockShape,
    pub(super) decoder_layers: usize,
    pub(super) source_positions: usize,
    pub(super) target_positions: usize,
    pub(super) vocabulary: usize,
    pub(super) tied: bool,
}

impl WhisperConfig {
    /// Reads and bounds a configuration. Absent fields have the values of transformers' configuration class.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::Malformed`] naming the field and its value.
    pub fn parse(json: &Value) -> Result<Self> {
        let fields = Fields::new(json, FORMAT);
        let model_type = fields.text_or("model_type", "missing")?;
        if model_type != "whisper" {
            return Err(Error::unsupported(format!("model_type '{model_type}'"), "whisper is run"));
        }
        let width = fields.size_or("d_model", 384, MAX_WIDTH)?;
        let activation = Activation::parse("activation_function", fields.text_or("activation_function", "gelu")?)?;
        let shape = |stack: &str| {
            Ok(BlockShape {
                width,
                inner: fields.size_or(&format!("{stack}_ffn_dim"), 1536, MAX_WIDTH)?,
                heads: fields.size_or(&format!("{stack}_attention_heads"), 6, MAX_WIDTH)?,
                eps: EPS,
                activation,
            })
        };
        let config = Self {
            bins: fields.size_or("num_mel_bins", 80, 512)?,
            width,
            encoder: shape("encoder")?,
            encoder_layers: fields.size_or("encoder_layers", 4, MAX_LAYERS)?,
            decoder: shape("decoder")?,
            decoder_layers: fields.size_or("decoder_layers", 4, MAX_LAYERS)?,
            source_positions: fields.size_or("max_source_positions", 1500, MAX_POSITIONS)?,
            target_positions: fields.size_or("max_target_positions", 448, MAX_POSITIONS)?,
            vocabulary: fields.size_or("vocab_size", 51_865, MAX_VOCABULARY)?,
            tied: fields.flag_or("tie_word_embeddings", true)?,
        };
        config.encoder.heads()?;
        config.decoder.heads()?;
        Ok(config)
    }

    /// What the encoder reads, `[mel bins, frames]`.
    #[must_use]
    pub fn input(&self) -> [usize; 2] {
        [self.bins, self.source_positions * FRAMES_PER_STATE]
    }

    /// Succeeds when `extractor` makes what the encoder reads.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming both shapes.
    pub fn check_features(&self, extractor: &FeatureExtractor) -> Result<()> {
        let (made, read) = (extractor.output(), self.input());
        if made.as_deref() == Some(&read) && extractor.mel().is_some() {
            return Ok(());
        }
        let made = made.map_or("no spectrogram of a fixed shape".to_owned(), |shape| format!("{shape:?}"));
        let kind = if extractor.mel().is_some() { "" } else { ", which is no log-mel spectrogram" };
        let reason = format!("it makes {made}{kind}, the network reads {read:?}");
        Err(Error::malformed("preprocessing", "preprocessor_config.json", reason))
    }

    /// States that the encoder makes of a window.
    #[must_use]
    pub fn source_positions(&self) -> usize {
        self.source_positions
    }

    /// Frames of the spectrogram per state.
    #[must_use]
    pub fn frames_per_state(&self) -> usize {
        FRAMES_PER_STATE
    }

    /// Tokens that the decoder can hold, the prompt included.
    #[must_use]
    pub fn target_positions(&self) -> usize {
        self.target_positions
    }

    /// Number of token ids.
    #[must_use]
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Width of a state.
    #[must_use]
    pub fn width(&self) -> usize {
        self.width
    }

    /// Whether logits are made with the embedding table.
    #[must_use]
    pub fn tied(&self) -> bool {
        self.tied
    }
}
