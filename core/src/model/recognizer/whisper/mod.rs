//! Whisper (Radford et al. 2022, arXiv 2212.04356): an encoder of log-mel windows and a decoder of text and timestamps.
//!
//! The network only: which tokens may follow one another, and the search for the best ones, are the engine's
//! ([`crate::engine`]). Checkpoints are Hugging Face's, with tensor names as `WhisperForConditionalGeneration` has them
//! (`model.encoder...`) or `WhisperModel` (`encoder...`). Adapters act on all linears and convolutions of both stacks, on
//! the token table and on `proj_out`.

mod config;
mod decoder;
mod stack;
mod tree;

pub use config::WhisperConfig;
pub(crate) use stack::EncoderStack;
pub use tree::Hypothesis;

use crate::error::Result;
use crate::model::encoder::Features;
use crate::model::layer::{Loader, Planes, Prefix};
use crate::model::table::LinearTable;
use crate::pool;
use crate::quant::Deltas;
use crate::weights::Checkpoint;
use decoder::Decoder;
use tree::TokenTree;

/// A loaded Whisper network. Immutable and shared.
pub struct Whisper {
    config: WhisperConfig,
    encoder: EncoderStack,
    decoder: Decoder,
    table: LinearTable,
}

impl std::fmt::Debug for Whisper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Whisper").field(&self.config).finish()
    }
}

impl Whisper {
    /// Loads the network that `config` describes.
    ///
    /// # Errors
    /// [`crate::Error::MissingTensor`], [`crate::Error::Shape`], or [`crate::Error::Unsupported`] for a tensor that would
    /// go unused.
    pub fn load(checkpoint: &Checkpoint, config: WhisperConfig) -> Result<Self> {
        let mut loader = Loader::new(checkpoint, Prefix::find(checkpoint, &["model.", ""]));
        let encoder = EncoderStack::load(&mut loader, "encoder.", &config)?;
        let (decoder, loader) = Decoder::load(loader, &config)?;
        // Older files store the tied weight a second time.
        let tied = config.tied;
        let table = loader.finish("Whisper model", |name| tied && name == "proj_out.weight")?;
        Ok(Self { config, encoder, decoder, table })
    }

    /// Its shape.
    #[must_use]
    pub fn config(&self) -> &WhisperConfig {
        &self.config
    }

    /// The layers that adapters may act on.
    #[must_use]
    pub fn linears(&self) -> &LinearTable {
        &self.table
    }

    /// States `[source positions, width]` of one window, whose features are `[mel bins, frames]`.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for features of another shape than [`WhisperConfig::input`].
    pub fn encode(&self, features: &Features, deltas: Option<&Deltas>) -> Result<Vec<f32>> {
        features.expect_shape(&self.config.input())?;
        Ok(pool::pass(|| self.encoder.forward(&features.values, deltas)).to_vec())
    }

    /// Begins to write down a window of those encoder `states`: the keys and values that the decoder reads are computed
    /// once, and hypotheses grow from there. Memory: two values per state, width and block, f32.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] unless `states` is `[source positions, width]`.
    pub fn decode<'a>(&'a self, states: &[f32], deltas: Option<&'a Deltas>) -> Result<WhisperDecoding<'a>> {
        let expected = self.config.source_positions * self.config.width;
        if states.len() != expected {
            let reason = format!("{} values, the decoder reads {expected}", states.len());
            return Err(crate::Error::argument("states", reason));
        }
        let memory = pool::pass(|| self.decoder.memory(states, deltas));
        Ok(WhisperDecoding { model: self, deltas, memory, tree: self.decoder.tree() })
    }
}

/// The decoder at work on one window.
pub struct WhisperDecoding<'a> {
    model: &'a Whisper,
    deltas: Option<&'a Deltas>,
    memory: Vec<Planes>,
    tree: TokenTree,
}

impl std::fmt::Debug for WhisperDecoding<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "WhisperDecoding({} tokens)", self.tree.len())
    }
}

impl WhisperDecoding<'_> {
    /// Feeds each hypothesis its next tokens and returns the last hidden states of all of them, `[tokens, width]`, in
    /// order. Company never changes a hypothesis' result.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for a token beyond the vocabulary, [`crate::Error::ContextFull`] beyond the last
    /// position; nothing was fed then.
    pub fn feed(&mut self, feeds: &mut [(&mut Hypothesis, &[u32])]) -> Result<Vec<f32>> {
        let Self { model, deltas, memory, tree } = self;
        pool::pass(|| model.decoder.forward(memory, tree, feeds, *deltas))
    }

    /// Forgets every token that is in none of `hypotheses`, which stay valid; others do not, apart from a beginning that
    /// they share with one of these when no older token was forgotten. Bounds the memory of a search.
    pub fn retain(&mut self, hypotheses: &mut [&mut Hypothesis]) {
        self.tree.retain(hypotheses);
    }

    /// Tokens that are remembered: two values per width and block each, f32.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.tree.len()
    }

    /// Logits `[rows, vocabulary]` of what follows hidden states `[rows, width]`.
    ///
    /// # Errors
    /// [`crate::Error::Malformed`] for weights that make logits which are not finite: no search can choose among them.
    ///
    /// # Panics
    /// When `states` is no whole number of rows.
    pub fn logits(&self, states: &[f32]) -> Result<Vec<f32>> {
        let logits = pool::pass(|| self.model.decoder.logits(states, self.deltas));
        match logits.iter().find(|value| !value.is_finite()) {
            None => Ok(logits),
            Some(value) => {
                let reason = format!("its weights or an adapter make a logit that is {value}; verify the files");
                Err(crate::Error::malformed("speech recogniser", "checkpoint", reason))
            }
        }
    }

    /// The network.
    #[must_use]
    pub fn model(&self) -> &Whisper {
        self.model
    }
}
