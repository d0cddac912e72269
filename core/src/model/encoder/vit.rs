//! Vision transformers (Dosovitskiy et al. 2020, arXiv 2010.11929): the image towers of CLIP and SigLIP, ViT and DeiT.
//!
//! A picture is cut into patches; each becomes a token by one convolution. Learned positions fix the size of the picture.

mod lower;

use super::attention_pool::AttentionPool;
use super::contract::{Encoder, Encoding, Features, Item};
use super::head::Head;
use super::vit_config::VitConfig;
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::input::{ImageProcessor, Input};
use crate::model::layer::{Conv, Grid, LayerNorm, Mask, Pass, TransformerBlock, rows_of_planes};
use crate::model::modality::Modality;
use crate::model::ops::{mean_rows, tanh};
use crate::model::table::LinearTable;
use crate::pool;
use crate::quant::{Deltas, Linear, RowAdapters};

/// Tokens per forward pass: bounds the activations of long lists. One picture is never divided.
const TOKENS_PER_PASS: usize = 2048;

/// How a picture's states become its embedding: transformers' `image_embeds` of CLIP, `pooler_output` of the others.
#[derive(Debug)]
pub(super) enum Pooling {
    /// CLIP: the class token after a norm of its own, projected into the shared space where the file has a projection.
    Class {
        /// Of the class token alone.
        norm: LayerNorm,
        /// Into the shared space.
        projection: Option<Linear>,
    },
    /// SigLIP: attention over all patches.
    Attention(Box<AttentionPool>),
    /// SigLIP without its head, which then has no pooled output: the average of all patches.
    Mean,
    /// ViT and DeiT: the class token; where the file has a pooler, through it and tanh.
    Pooler(Option<Linear>),
}

/// A loaded image tower.
pub(super) struct VisionTransformer {
    pub(super) config: VitConfig,
    pub(super) processor: Option<ImageProcessor>,
    pub(super) table: LinearTable,
    pub(super) patch: Conv,
    /// Tokens before the patches, `[count, width]`.
    pub(super) special: Vec<f32>,
    /// One per token, special ones first.
    pub(super) positions: Vec<f32>,
    pub(super) first_norm: Option<LayerNorm>,
    pub(super) blocks: Vec<TransformerBlock>,
    /// Of all tokens. CLIP has none: its last hidden states are those before the norm of its class token.
    pub(super) norm: Option<LayerNorm>,
    pub(super) pooling: Pooling,
    pub(super) head: Option<Head>,
    pub(super) logit_scale: Option<f32>,
    pub(super) logit_bias: Option<f32>,
}

impl std::fmt::Debug for VisionTransformer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VisionTransformer({:?}, {} layers)", self.config.kind, self.blocks.len())
    }
}

impl Encoder for VisionTransformer {
    fn modality(&self) -> Modality {
        Modality::IMAGE
    }

    fn dim(&self) -> usize {
        match &self.pooling {
            Pooling::Class { projection: Some(output), .. } | Pooling::Pooler(Some(output)) => output.outputs(),
            _ => self.config.block.width,
        }
    }

    fn state_width(&self) -> usize {
        self.config.block.width
    }

    fn reads(&self) -> Option<Vec<usize>> {
        Some(vec![self.config.channels, self.config.image, self.config.image])
    }

    fn linears(&self) -> &LinearTable {
        &self.table
    }

    fn logit_scale(&self) -> Option<f32> {
        self.logit_scale
    }

    fn logit_bias(&self) -> Option<f32> {
        self.logit_bias
    }

    fn head(&self) -> Option<&Head> {
        self.head.as_ref()
    }

    fn prepare(&self, input: &Input) -> Result<Features> {
        let Input::Image(image) = input else {
            return Err(Error::argument("input", format!("{}, the encoder reads images", input.kind())));
        };
        let processor = self.processor.as_ref().ok_or_else(|| {
            Error::unsupported("raw images", "the component has no preprocessor_config.json; give prepared pixels")
        })?;
        let pixels = processor.process(image)?;
        Features::new(pixels.values, vec![3, pixels.height, pixels.width])
    }

    fn lower(&self, rank: usize) -> Option<Graph> {
        Some(Self::lower(self, rank))
    }

    fn encode(&self, items: &[Item<'_>]) -> Result<Vec<Encoding>> {
        let side = self.config.image;
        for item in items {
            item.features.expect_shape(&[self.config.channels, side, side])?;
        }
        let pictures = (TOKENS_PER_PASS * self.config.block.width / self.positions.len()).max(1);
        // One hand-over to the thread pool per pass, not one per product.
        Ok(items.chunks(pictures).flat_map(|items| pool::pass(|| self.pass(items))).collect())
    }
}

impl VisionTransformer {
    fn pass(&self, items: &[Item<'_>]) -> Vec<Encoding> {
        let width = self.config.block.width;
        let tokens = self.positions.len() / width;
        let mut x = Vec::with_capacity(items.len() * tokens * width);
        for item in items {
            let start = x.len();
            x.extend_from_slice(&self.special);
            x.extend_from_slice(&self.patches(item));
            x[start..].iter_mut().zip(&self.positions).for_each(|(x, p)| *x += p);
        }
        if let Some(norm) = &self.first_norm {
            norm.apply(&mut x);
        }
        let of_items: Vec<Option<&Deltas>> = items.iter().map(|item| item.deltas).collect();
        let lengths = vec![tokens; items.len()];
        let adapters = Pass::rows(&lengths, &of_items);
        let pass = Pass { lengths: &lengths, adapters: &adapters, mask: Mask::None };
        for block in &self.blocks {
            block.forward(&pass, &mut x);
        }
        if let Some(norm) = &self.norm {
            norm.apply(&mut x);
        }
        x.chunks_exact(tokens * width)
            .zip(&of_items)
            .map(|(states, deltas)| Encoding { embedding: self.pool(states, *deltas), states: states.to_vec() })
            .collect()
    }

    /// One row per patch.
    fn patches(&self, item: &Item<'_>) -> Room {
        let (side, channels) = (self.config.image, self.config.channels);
        let pixels = rows_of_planes(&item.features.values, channels);
        self.patch.forward(&pixels, Grid { height: side, width: side }, item.deltas).0
    }

    fn pool(&self, states: &[f32], deltas: Option<&Deltas>) -> Vec<f32> {
        let width = self.config.block.width;
        let class = &states[..width];
        let through = |linear: &Linear, xs: &[f32]| {
            let mut out = vec![0.0; linear.outputs()];
            linear.forward(xs, &RowAdapters::same(1, deltas), &mut out);
            out
        };
        match &self.pooling {
            Pooling::Class { norm, projection: None } => norm.of(class).to_vec(),
            Pooling::Class { norm, projection: Some(projection) } => through(projection, &norm.of(class)),
            Pooling::Attention(pool) => pool.forward(states, deltas),
            Pooling::Mean => mean_rows(states, width),
            Pooling::Pooler(None) => class.to_vec(),
            Pooling::Pooler(Some(pooler)) => through(pooler, class).into_iter().map(tanh).collect(),
        }
    }
}
