//! wav2vec 2.0 as a recogniser: with the head of `Wav2Vec2ForCTC`, or with one that an adapter brings.

use std::path::Path;

use super::head::CtcHead;
use super::network::CtcNetwork;
use super::vocabulary::{CtcVocabulary, MAX_TOKENS};
use crate::error::{Error, Result};
use crate::input::{Audio, Channels, SampleRate};
use crate::model::encoder::wav2vec2::{Wav2Vec2, is_unused};
use crate::model::encoder::{Features, ModelDir};
use crate::model::layer::Bias;
use crate::model::table::LinearTable;
use crate::quant::Deltas;

/// Module path of the head.
const HEAD: &str = "lm_head";

/// The network and its head.
#[derive(Debug)]
pub struct Wav2Vec2Ctc {
    network: Wav2Vec2,
    head: Option<CtcHead>,
    table: LinearTable,
}

impl Wav2Vec2Ctc {
    /// Opens a Hugging Face directory with weights, `config.json`, the preprocessing and, where the weights have a head,
    /// `vocab.json`.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`] or [`Error::Unsupported`] naming file or field; [`Error::MissingTensor`],
    /// [`Error::Shape`], or [`Error::Unsupported`] for a tensor that would go unused.
    pub fn open(dir: &Path) -> Result<Self> {
        let files = ModelDir::open(dir)?;
        let (network, loader) = Wav2Vec2::load(&files.source())?;
        let mut loader = loader.whole();
        let head = if let Some(weight) = loader.optional(&format!("{HEAD}.weight"))? {
            let outputs = weight.shape.first().copied().unwrap_or(0);
            if !(2..=MAX_TOKENS).contains(&outputs) {
                let reason = format!("{HEAD} has {outputs} outputs, accepted are 2 to {MAX_TOKENS}");
                return Err(Error::malformed(dir.display(), "speech recogniser", reason));
            }
            let linear = loader.linear(HEAD, outputs, network.width(), Bias::Required)?;
            Some(CtcHead::new(linear, CtcVocabulary::from_dir(dir, outputs)?))
        } else {
            None
        };
        let mut table = loader.finish("wav2vec2 recogniser", is_unused)?;
        // PEFT wraps the whole model, in which the head stands beside the network.
        table.respell(|module| (module != HEAD).then(|| format!("wav2vec2.{module}")));
        Ok(Self { network, head, table })
    }
}

impl CtcNetwork for Wav2Vec2Ctc {
    fn rate(&self) -> SampleRate {
        self.network.rate()
    }

    fn hop(&self) -> usize {
        self.network.hop()
    }

    fn longest(&self) -> usize {
        self.network.longest()
    }

    fn frames(&self, samples: usize) -> usize {
        self.network.frames(samples)
    }

    fn width(&self) -> usize {
        self.network.width()
    }

    fn head(&self) -> Option<&CtcHead> {
        self.head.as_ref()
    }

    fn linears(&self) -> &LinearTable {
        &self.table
    }

    fn features(&self, samples: &[f32]) -> Result<Option<Features>> {
        if samples.len() > self.longest() {
            let reason = format!("{} samples, the network reads {} at once", samples.len(), self.longest());
            return Err(Error::argument("audio", reason));
        }
        if self.frames(samples.len()) == 0 {
            return Ok(None);
        }
        let prepared = self.network.prepare(&Audio::from_f32(samples, Channels::MONO, self.rate())?)?;
        let shape = vec![prepared.len()];
        Features::new(prepared, shape).map(Some)
    }

    fn states_of(&self, features: &Features, deltas: Option<&Deltas>) -> Result<Vec<f32>> {
        self.network.states(&features.values, deltas)
    }
}
