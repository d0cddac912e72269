//! wav2vec 2.0: speech from raw samples, as Hugging Face lays it out, with either norm of the feature extractor and either
//! order of norms in the blocks.
//!
//! A. Baevski et al., "wav2vec 2.0: A Framework for Self-Supervised Learning of Speech Representations" (2020).

mod config;
mod extractor;
mod positions;

use super::contract::{Encoder, Encoding, Features, Item, TimeAxis};
use super::registry::Source;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::input::{Audio, FeatureExtractor, Input, SampleRate};
use crate::model::layer::{Bias, BlockNames, LayerNorm, Loader, Mask, Pass, Prefix, TransformerBlock};
use crate::model::modality::Modality;
use crate::model::ops::mean_rows;
use crate::model::table::LinearTable;
use crate::quant::{Deltas, Linear, RowAdapters};
use config::{NormOrder, Wav2Vec2Config};
use extractor::Extractor;
use positions::Positions;

/// Most frames that attend to each other: 40 s at 16 kHz.
const MAX_FRAMES: usize = 2000;

const BLOCK: BlockNames = BlockNames {
    attention_norm: "layer_norm",
    attention: ["attention.q_proj", "attention.k_proj", "attention.v_proj", "attention.out_proj"],
    mlp_norm: "final_layer_norm",
    mlp: ["feed_forward.intermediate_dense", "feed_forward.output_dense"],
    biases: [Bias::Required; 4],
};

/// The network from samples to states.
#[derive(Debug)]
pub(crate) struct Wav2Vec2 {
    config: Wav2Vec2Config,
    input: FeatureExtractor,
    extractor: Extractor,
    projection_norm: LayerNorm,
    projection: Linear,
    positions: Positions,
    norm: LayerNorm,
    blocks: Vec<TransformerBlock>,
}

impl Wav2Vec2 {
    /// Loads it, and hands back the loader for what stands around it.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::Malformed`] naming the field; [`Error::MissingTensor`] or [`Error::Shape`].
    pub(crate) fn load<'a>(source: &Source<'a>) -> Result<(Self, Loader<'a>)> {
        let config = Wav2Vec2Config::parse(source.config)?;
        let input = source.preprocessor.ok_or_else(|| {
            Error::unsupported(
                "speech without preprocessing",
                "preprocessor_config.json or processor_config.json is needed",
            )
        })?;
        let input = FeatureExtractor::parse(input)?;
        if !input.reads_samples() {
            return Err(Error::unsupported(
                "preprocessing",
                "a wav2vec2 model reads samples (Wav2Vec2FeatureExtractor)",
            ));
        }
        let mut loader = Loader::new(source.checkpoint, Prefix::find(source.checkpoint, &["wav2vec2.", ""]));
        let features = config.convolutions.last().map_or(1, |conv| conv.outputs);
        let (width, eps) = (config.block.width, config.eps);
        let network = Self {
            input,
            extractor: Extractor::load(&mut loader, &config)?,
            projection_norm: loader.layer_norm("feature_projection.layer_norm", features, eps)?,
            projection: loader.linear("feature_projection.projection", width, features, Bias::Required)?,
            positions: Positions::load(&mut loader, &config)?,
            norm: loader.layer_norm("encoder.layer_norm", width, eps)?,
            blocks: (0..config.layers)
                .map(|i| TransformerBlock::load(&mut loader, &format!("encoder.layers.{i}"), &BLOCK, &config.block))
                .collect::<Result<_>>()?,
            config,
        };
        Ok((network, loader))
    }

    /// The rate that it hears at.
    pub(crate) fn rate(&self) -> SampleRate {
        self.input.rate()
    }

    /// Width of a state.
    pub(crate) fn width(&self) -> usize {
        self.config.block.width
    }

    /// Samples from frame to frame.
    pub(crate) fn hop(&self) -> usize {
        self.config.hop()
    }

    /// Most samples that it hears at once.
    pub(crate) fn longest(&self) -> usize {
        (MAX_FRAMES - 1) * self.config.hop() + self.config.reach()
    }

    /// Frames of so many samples.
    pub(crate) fn frames(&self, samples: usize) -> usize {
        self.config.frames(samples)
    }

    /// Sound as the checkpoint reads it.
    ///
    /// # Errors
    /// As [`FeatureExtractor::extract`].
    pub(crate) fn prepare(&self, audio: &Audio) -> Result<Vec<f32>> {
        Ok(self.input.extract(audio)?.values)
    }

    /// States `[frames, width]` of prepared samples; none for fewer samples than one frame sees.
    ///
    /// # Errors
    /// [`Error::Argument`] for more than [`Wav2Vec2::longest`].
    pub(crate) fn states(&self, samples: &[f32], deltas: Option<&Deltas>) -> Result<Vec<f32>> {
        if samples.len() > self.longest() {
            let reason = format!("{} samples, the network reads {} at once", samples.len(), self.longest());
            return Err(Error::argument("audio", reason));
        }
        let frames = self.config.frames(samples.len());
        if frames == 0 {
            return Ok(Vec::new());
        }
        let mut features = self.extractor.forward(samples, deltas);
        self.projection_norm.apply(&mut features);
        let adapters = RowAdapters::same(frames, deltas);
        let mut x = vec![0.0; frames * self.width()];
        self.projection.forward(&features, &adapters, &mut x);
        self.positions.add(&mut x, deltas);
        let lengths = [frames];
        let pass = Pass { lengths: &lengths, adapters: &adapters, mask: Mask::None };
        match self.config.order {
            NormOrder::Post => {
                self.norm.apply(&mut x);
                self.blocks.iter().for_each(|block| block.forward_post_norm(&pass, &mut x));
            }
            NormOrder::Pre => {
                self.blocks.iter().for_each(|block| block.forward(&pass, &mut x));
                self.norm.apply(&mut x);
            }
        }
        Ok(x)
    }
}

/// Tensors of training that the network does without, and heads of other tasks.
pub(crate) fn is_unused(name: &str) -> bool {
    const TRAINING: [&str; 4] = ["masked_spec_embed", "quantizer.", "project_q.", "project_hid."];
    TRAINING.iter().any(|part| name.trim_start_matches("wav2vec2.").starts_with(part))
}

/// The network as an encoder: an embedding is the mean of its states.
#[derive(Debug)]
struct SpeechEncoder {
    network: Wav2Vec2,
    table: LinearTable,
}

/// Opens the encoder of a wav2vec 2.0 model, alone or with the head of a recogniser; features are samples `[samples]`.
///
/// # Errors
/// As [`Wav2Vec2::load`]; [`Error::Unsupported`] for a tensor that would go unused.
pub(super) fn open(source: &Source<'_>) -> Result<Box<dyn Encoder>> {
    let (network, loader) = Wav2Vec2::load(source)?;
    let table = loader.whole().finish("wav2vec2 encoder", |name| is_unused(name) || name.starts_with("lm_head."))?;
    Ok(Box::new(SpeechEncoder { network, table }))
}

impl Encoder for SpeechEncoder {
    fn modality(&self) -> Modality {
        Modality::SPEECH
    }

    fn dim(&self) -> usize {
        self.network.width()
    }

    fn state_width(&self) -> usize {
        self.network.width()
    }

    fn linears(&self) -> &LinearTable {
        &self.table
    }

    fn time_axis(&self) -> TimeAxis {
        TimeAxis::STATES
    }

    /// None: it reads sound of any length, and a graph of a fixed one would need zeros behind shorter sound. The group norm of
    /// its extractor is over all samples, and its positions see frames on either side, so that it would hear them.
    fn lower(&self, _rank: usize) -> Option<Graph> {
        None
    }

    fn prepare(&self, input: &Input) -> Result<Features> {
        let Input::Sound(audio) = input else {
            return Err(Error::argument("input", format!("{}, the encoder reads speech", input.kind())));
        };
        let samples = self.network.prepare(audio)?;
        let shape = vec![samples.len()];
        Features::new(samples, shape)
    }

    fn encode(&self, items: &[Item<'_>]) -> Result<Vec<Encoding>> {
        let encode = |item: &Item<'_>| {
            let [_] = item.features.shape[..] else {
                let reason = format!("shape {:?}, the encoder reads samples [samples]", item.features.shape);
                return Err(Error::argument("features", reason));
            };
            let states = self.network.states(&item.features.values, item.deltas)?;
            if states.is_empty() {
                let reason = format!(
                    "{} samples, the encoder reads {}",
                    item.features.values.len(),
                    self.network.config.reach()
                );
                return Err(Error::argument("features", reason));
            }
            Ok(Encoding { embedding: mean_rows(&states, self.network.width()), states })
        };
        items.iter().map(encode).collect()
    }
}
