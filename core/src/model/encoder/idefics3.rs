//! The vision tower of Idefics3 and `SmolVLM`: SigLIP's blocks over patches whose positions are fractions of the
//! picture, so that pictures of any shape up to the trained one share one table of positions (Dehghani et al. 2023,
//! arXiv 2307.06304).

mod lower;

use super::contract::{Features, Item};
use super::fields::{Fields, MAX_LAYERS, MAX_WIDTH};
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::model::layer::{
    Activation, Bias, BlockNames, BlockShape, Conv, ConvShape, Grid, LayerNorm, Loader, Mask, Pass, TransformerBlock,
    rows_of_planes,
};
use crate::model::table::LinearTable;
use crate::pool;
use crate::quant::{Deltas, Matrix};
use crate::weights::Checkpoint;

/// Patches per forward pass: bounds the activations of a long list of tiles. One tile is never divided.
const ROWS_PER_PASS: usize = 2048;
/// Pixels along an edge of a picture, and of a patch.
const MAX_EDGE: usize = 1 << 14;
const MAX_PATCH: usize = 1 << 10;
const MAX_CHANNELS: usize = 16;

/// A loaded vision tower. Immutable and shared.
#[derive(Debug)]
pub struct Idefics3Vision {
    table: LinearTable,
    patches: Conv,
    /// `[side * side, width]`.
    positions: Matrix,
    /// Positions along an edge of the table.
    side: usize,
    blocks: Vec<TransformerBlock>,
    norm: LayerNorm,
}

impl Idefics3Vision {
    /// Path of the tower's tensors in a checkpoint of the whole model.
    pub(crate) const PREFIX: &'static str = "model.vision_model.";

    /// Loads the tower that the model's `config` describes; its layers get identities that follow those in `parts`.
    ///
    /// Absent fields have the values of transformers' configuration class, for published checkpoints leave them out.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Unsupported`] naming the field, [`Error::MissingTensor`] or [`Error::Shape`].
    pub(crate) fn load(checkpoint: &Checkpoint, config: &Fields<'_>, parts: &LinearTable) -> Result<Self> {
        let config = config.object("vision_config")?;
        let width = config.size_or("hidden_size", 1152, MAX_WIDTH)?;
        let shape = BlockShape {
            width,
            inner: config.size_or("intermediate_size", 3072, MAX_WIDTH)?,
            heads: config.size_or("num_attention_heads", 16, MAX_WIDTH)?,
            eps: config.number_or("layer_norm_eps", 1e-6)?,
            activation: Activation::parse("hidden_act", config.text_or("hidden_act", "gelu_pytorch_tanh")?)?,
        };
        let layers = config.size_or("num_hidden_layers", 12, MAX_LAYERS)?;
        let patch = config.size_or("patch_size", 32, MAX_PATCH)?;
        let side = config.size_or("image_size", 224, MAX_EDGE)? / patch;
        if side == 0 {
            return Err(config.wrong("image_size", "at least patch_size"));
        }
        let channels = config.size_or("num_channels", 3, MAX_CHANNELS)?;

        let mut loader = Loader::after(checkpoint, Self::PREFIX.into(), parts);
        let patches = ConvShape::square(channels, width, patch, patch, 0);
        let patches = loader.conv("embeddings.patch_embedding", patches, Bias::Required)?;
        let positions = loader.matrix("embeddings.position_embedding.weight", side * side, width)?;
        let blocks = (0..layers)
            .map(|i| TransformerBlock::load(&mut loader, &format!("encoder.layers.{i}"), &BlockNames::CLIP, &shape))
            .collect::<Result<_>>()?;
        let norm = loader.layer_norm("post_layernorm", width, shape.eps)?;
        let table = loader.finish("vision tower", |_| false)?;
        Ok(Self { table, patches, positions, side, blocks, norm })
    }

    /// The layers that adapters may act on.
    #[must_use]
    pub fn linears(&self) -> &LinearTable {
        &self.table
    }

    /// Width of a state.
    #[must_use]
    pub fn state_width(&self) -> usize {
        self.norm.weight.len()
    }

    /// Patches along an edge of the largest picture that it reads.
    #[must_use]
    pub fn side(&self) -> usize {
        self.side
    }

    /// Pixels along an edge of a patch.
    #[must_use]
    pub fn patch(&self) -> usize {
        self.patches.shape().kernel[0]
    }

    /// Rows and columns of patches of prepared pixels, `[channels, height, width]`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a shape that is not a whole number of patches, or larger than the table of positions.
    pub fn grid(&self, features: &Features) -> Result<[usize; 2]> {
        let (patch, channels) = (self.patch(), self.patches.shape().inputs);
        let limit = self.side * patch;
        if let [found, height, width] = features.shape[..] {
            let fits = |size: usize| size.is_multiple_of(patch) && (patch..=limit).contains(&size);
            if found == channels && fits(height) && fits(width) {
                return Ok([height / patch, width / patch]);
            }
        }
        let wanted = format!("[{channels}, height, width] in multiples of {patch} up to {limit}");
        Err(Error::argument("features", format!("shape {:?}, the encoder reads {wanted}", features.shape)))
    }

    /// Patch embeddings with their positions, `[rows, width]`, appended to `x`.
    fn embed(&self, item: &Item<'_>, [height, width]: [usize; 2], x: &mut Vec<f32>) {
        let patch = self.patch();
        let grid = Grid { height: height * patch, width: width * patch };
        let channels = self.patches.shape().inputs;
        let pixels = rows_of_planes(&item.features.values, channels);
        let (mut rows, _) = self.patches.forward(&pixels, grid, item.deltas);
        let mut position = Room::new(self.state_width());
        for (at, row) in rows.chunks_exact_mut(position.len()).enumerate() {
            // The fraction of the picture at which the patch begins, rounded down to the table's grid. Whole numbers,
            // where the reference compares f32 fractions: equal for every side that checkpoints have (14, 16, 26, 27,
            // 32), and not at the mercy of the last bit for others.
            let (y, x) = (at / width * self.side / height, at % width * self.side / width);
            self.positions.row(y * self.side + x, &mut position);
            row.iter_mut().zip(&*position).for_each(|(value, p)| *value += p);
        }
        x.extend_from_slice(&rows);
    }

    /// Runs some items in one pass.
    fn pass(&self, items: &[Item<'_>], grids: &[[usize; 2]]) -> Vec<Vec<f32>> {
        let lengths: Vec<usize> = grids.iter().map(|[height, width]| height * width).collect();
        let of_items: Vec<Option<&Deltas>> = items.iter().map(|item| item.deltas).collect();
        let adapters = Pass::rows(&lengths, &of_items);
        let mut x = Vec::with_capacity(adapters.rows() * self.state_width());
        for (item, grid) in items.iter().zip(grids) {
            self.embed(item, *grid, &mut x);
        }
        let pass = Pass { lengths: &lengths, adapters: &adapters, mask: Mask::None };
        for block in &self.blocks {
            block.forward(&pass, &mut x);
        }
        self.norm.apply(&mut x);
        let mut rest = x.as_slice();
        let take = |&count: &usize| {
            let (states, after) = rest.split_at(count * self.state_width());
            rest = after;
            states.to_vec()
        };
        lengths.iter().map(take).collect()
    }

    /// States of all patches of each item, `[rows * columns, state_width]` row by row of its [`Idefics3Vision::grid`].
    /// Items may have different adapters, and company never changes an item's result.
    ///
    /// # Errors
    /// As [`Idefics3Vision::grid`].
    pub fn encode(&self, items: &[Item<'_>]) -> Result<Vec<Vec<f32>>> {
        let grids = items.iter().map(|item| self.grid(item.features)).collect::<Result<Vec<_>>>()?;
        let mut states = Vec::with_capacity(items.len());
        let (mut first, mut rows) = (0, 0);
        // The threads stay for a pass.
        let mut run =
            |from: usize, to: usize| states.extend(pool::pass(|| self.pass(&items[from..to], &grids[from..to])));
        for (at, [height, width]) in grids.iter().enumerate() {
            if rows > 0 && rows + height * width > ROWS_PER_PASS {
                run(first, at);
                (first, rows) = (at, 0);
            }
            rows += height * width;
        }
        run(first, items.len());
        Ok(states)
    }
}
