//! The audio spectrogram transformer (Gong et al. 2021, arXiv 2104.01778) from Hugging Face checkpoints: ViT over a mel
//! spectrogram, whose patches overlap.

mod lower;

use super::contract::{Encoder, Encoding, Features, Item, TimeAxis};
use super::fields::{Fields, MAX_LAYERS, MAX_WIDTH};
use super::head::{Head, HeadInput, HeadLayers};
use super::registry::Source;
use super::vit_names;
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::input::{FeatureExtractor, Input};
use crate::model::layer::{
    Activation, Bias, BlockShape, Conv, ConvShape, Grid, LayerNorm, Loader, Mask, Pass, Prefix, TransformerBlock,
    rows_of_planes,
};
use crate::model::modality::Modality;
use crate::model::table::LinearTable;
use crate::pool;
use crate::quant::Deltas;

/// Class and distillation token.
const SPECIAL: usize = 2;
/// Patches of a spectrogram; AudioSet's networks have 1212.
const MAX_PATCHES: usize = 1 << 16;
/// Tokens per forward pass: bounds the activations of long lists. One sound is never divided.
const TOKENS_PER_PASS: usize = 2048;

/// A loaded spectrogram transformer.
struct SpectrogramTransformer {
    table: LinearTable,
    extractor: Option<FeatureExtractor>,
    /// Mel bins by frames.
    grid: Grid,
    patch: Conv,
    /// `[2, width]`.
    special: Vec<f32>,
    /// One per token, special ones first.
    positions: Vec<f32>,
    blocks: Vec<TransformerBlock>,
    norm: LayerNorm,
    head: Option<Head>,
}

impl std::fmt::Debug for SpectrogramTransformer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SpectrogramTransformer({} layers)", self.blocks.len())
    }
}

/// Opens the network, alone or with a classifier; features are a spectrogram `[frames, mel bins]`.
///
/// # Errors
/// [`Error::Malformed`] naming the field of a configuration, or when the preprocessing makes another spectrogram than the
/// network reads; [`Error::MissingTensor`], [`Error::Shape`], or [`Error::Unsupported`] for a tensor that would go unused.
pub(super) fn open(source: &Source<'_>) -> Result<Box<dyn Encoder>> {
    let fields = Fields::new(source.config, "config.json");
    let eps = fields.number_or("layer_norm_eps", 1e-12)?;
    let block = BlockShape {
        width: fields.size_or("hidden_size", 768, MAX_WIDTH)?,
        inner: fields.size_or("intermediate_size", 3072, MAX_WIDTH)?,
        heads: fields.size_or("num_attention_heads", 12, MAX_WIDTH)?,
        eps,
        activation: Activation::parse("hidden_act", fields.text_or("hidden_act", "gelu")?)?,
    };
    block.heads()?;
    let width = block.width;
    let layers = fields.size_or("num_hidden_layers", 12, MAX_LAYERS)?;
    let qkv_bias = if fields.flag_or("qkv_bias", true)? { Bias::Required } else { Bias::Absent };
    let grid = Grid {
        height: fields.size_or("num_mel_bins", 128, MAX_WIDTH)?,
        width: fields.size_or("max_length", 1024, MAX_WIDTH)?,
    };
    let side = fields.size_or("patch_size", 16, MAX_WIDTH)?;
    let stride = [fields.size_or("frequency_stride", 10, MAX_WIDTH)?, fields.size_or("time_stride", 10, MAX_WIDTH)?];
    let shape = ConvShape { stride, ..ConvShape::square(1, width, side, 1, 0) };
    let patches =
        shape.output(grid).map(Grid::count).filter(|count| *count <= MAX_PATCHES).ok_or_else(|| {
            fields.wrong("patch_size", &format!("one that gives 1 to {MAX_PATCHES} patches of {grid:?}"))
        })?;
    let extractor = source.preprocessor.map(FeatureExtractor::parse).transpose()?;
    if let Some(extractor) = &extractor {
        check_extractor(extractor, grid)?;
    }

    let prefix = Prefix::find(source.checkpoint, &["audio_spectrogram_transformer.", ""]);
    let mut loader = Loader::new(source.checkpoint, prefix);
    let patch = loader.conv("embeddings.patch_embeddings.projection", shape, Bias::Required)?;
    let token = |name: &str| loader.values(&format!("embeddings.{name}"), &[1, 1, width]);
    let special = [token("cls_token")?, token("distillation_token")?].concat();
    let positions = loader.values("embeddings.position_embeddings", &[1, patches + SPECIAL, width])?;
    let names = vit_names::block(qkv_bias);
    let block = |i| TransformerBlock::load(&mut loader, &format!("encoder.layer.{i}"), &names, &block);
    let blocks = (0..layers).map(block).collect::<Result<_>>()?;
    let norm = loader.layer_norm("layernorm", width, eps)?;
    let loader = loader.whole();
    let parts = [HeadLayers {
        norm: Some(("classifier.layernorm", eps)),
        linear: "classifier.dense",
        input: HeadInput::Tokens(0..SPECIAL),
    }];
    let head = Head::load_if_present(&loader, &fields, width, &parts)?;
    let mut table = loader.finish("spectrogram transformer", |_| false)?;
    table.respell(vit_names::in_memory);
    Ok(Box::new(SpectrogramTransformer { table, extractor, grid, patch, special, positions, blocks, norm, head }))
}

fn check_extractor(extractor: &FeatureExtractor, grid: Grid) -> Result<()> {
    let reads = vec![grid.width, grid.height];
    match extractor.output() {
        Some(makes) if makes == reads => Ok(()),
        makes => {
            let reason = format!("it makes features of shape {makes:?}, the network reads {reads:?}");
            Err(Error::malformed("preprocessing", "preprocessor_config.json", reason))
        }
    }
}

impl Encoder for SpectrogramTransformer {
    fn modality(&self) -> Modality {
        Modality::SOUND
    }

    fn dim(&self) -> usize {
        self.width()
    }

    fn state_width(&self) -> usize {
        self.width()
    }

    fn reads(&self) -> Option<Vec<usize>> {
        Some(vec![self.grid.width, self.grid.height])
    }

    fn linears(&self) -> &LinearTable {
        &self.table
    }

    fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    fn time_axis(&self) -> TimeAxis {
        let rows = self.patch.shape().output(self.grid).map_or(1, |patches| patches.height);
        TimeAxis::Rows { skip: SPECIAL, rows }
    }

    fn prepare(&self, input: &Input) -> Result<Features> {
        let Input::Sound(audio) = input else {
            return Err(Error::argument("input", format!("{}, the encoder reads sound", input.kind())));
        };
        let extractor = self.extractor.as_ref().ok_or_else(|| {
            Error::unsupported("raw sound", "the component has no preprocessor_config.json; give a spectrogram")
        })?;
        let features = extractor.extract(audio)?;
        Features::new(features.values, features.shape)
    }

    fn lower(&self, rank: usize) -> Option<Graph> {
        Some(Self::lower(self, rank))
    }

    fn encode(&self, items: &[Item<'_>]) -> Result<Vec<Encoding>> {
        for item in items {
            item.features.expect_shape(&[self.grid.width, self.grid.height])?;
        }
        let sounds = (TOKENS_PER_PASS * self.width() / self.positions.len()).max(1);
        // One hand-over to the thread pool per pass, not one per product.
        Ok(items.chunks(sounds).flat_map(|items| pool::pass(|| self.pass(items))).collect())
    }
}

impl SpectrogramTransformer {
    fn width(&self) -> usize {
        self.norm.weight.len()
    }

    fn pass(&self, items: &[Item<'_>]) -> Vec<Encoding> {
        let mut x = Vec::with_capacity(items.len() * self.positions.len());
        for item in items {
            let start = x.len();
            x.extend_from_slice(&self.special);
            x.extend_from_slice(&self.patches(item));
            x[start..].iter_mut().zip(&self.positions).for_each(|(x, p)| *x += p);
        }
        let of_items: Vec<Option<&Deltas>> = items.iter().map(|item| item.deltas).collect();
        let lengths = vec![self.positions.len() / self.width(); items.len()];
        let adapters = Pass::rows(&lengths, &of_items);
        let pass = Pass { lengths: &lengths, adapters: &adapters, mask: Mask::None };
        for block in &self.blocks {
            block.forward(&pass, &mut x);
        }
        self.norm.apply(&mut x);
        let states = x.chunks_exact(self.positions.len());
        states.map(|states| Encoding { embedding: self.pooled(states), states: states.to_vec() }).collect()
    }

    /// One row per patch, time within frequency.
    fn patches(&self, item: &Item<'_>) -> Room {
        let by_bin = rows_of_planes(&item.features.values, self.grid.width);
        self.patch.forward(&by_bin, self.grid, item.deltas).0
    }

    /// The mean of the two special tokens.
    fn pooled(&self, states: &[f32]) -> Vec<f32> {
        let (class, rest) = states.split_at(self.width());
        class.iter().zip(rest).map(|(a, b)| (a + b) / 2.0).collect()
    }
}
