//! Whisper's encoder: two convolutions over a log-mel spectrogram and pre-norm transformer blocks (Radford et al. 2022,
//! arXiv 2212.04356).

mod lower;

use super::config::{FRAMES_PER_STATE, WhisperConfig};
use crate::arena::Room;
use crate::error::Result;
use crate::model::layer::{
    Activation, Bias, BlockNames, Conv, ConvShape, Grid, LayerNorm, Loader, Mask, Pass, TransformerBlock, add,
    rows_of_planes,
};
use crate::quant::{Deltas, RowAdapters};

const NAMES: BlockNames = BlockNames {
    attention_norm: "self_attn_layer_norm",
    attention: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"],
    mlp_norm: "final_layer_norm",
    mlp: ["fc1", "fc2"],
    biases: BIASES,
};
/// Keys have no bias: it would move all scores of a query alike.
pub(super) const BIASES: [Bias; 4] = [Bias::Required, Bias::Absent, Bias::Required, Bias::Required];
const KERNEL: usize = 3;

/// The encoder's layers.
#[derive(Clone, Debug)]
pub(crate) struct EncoderStack {
    bins: usize,
    convs: [Conv; 2],
    /// `[positions, width]`: sinusoids that the checkpoint stores.
    positions: Vec<f32>,
    blocks: Vec<TransformerBlock>,
    norm: LayerNorm,
}

impl EncoderStack {
    /// Loads the layers below `path`, which is empty or ends in a dot.
    ///
    /// # Errors
    /// [`crate::Error::MissingTensor`] or [`crate::Error::Shape`].
    pub(crate) fn load(loader: &mut Loader<'_>, path: &str, config: &WhisperConfig) -> Result<Self> {
        let (bins, width) = (config.bins, config.width);
        let first = ConvShape::series(bins, width, KERNEL, 1, KERNEL / 2);
        let second = ConvShape::series(width, width, KERNEL, FRAMES_PER_STATE, KERNEL / 2);
        Ok(Self {
            bins,
            convs: [
                loader.conv(&format!("{path}conv1"), first, Bias::Required)?,
                loader.conv(&format!("{path}conv2"), second, Bias::Required)?,
            ],
            positions: loader.values(&format!("{path}embed_positions.weight"), &[config.source_positions, width])?,
            blocks: (0..config.encoder_layers)
                .map(|i| TransformerBlock::load(loader, &format!("{path}layers.{i}"), &NAMES, &config.encoder))
                .collect::<Result<_>>()?,
            norm: loader.layer_norm(&format!("{path}layer_norm"), width, config.encoder.eps)?,
        })
    }

    /// States `[positions, width]` of a spectrogram `[bins, 2 * positions]`, whose shape the caller has checked.
    pub(crate) fn forward(&self, mel: &[f32], deltas: Option<&Deltas>) -> Room {
        let frames = mel.len() / self.bins;
        let [first, second] = &self.convs;
        let (mut x, grid) = first.forward(&rows_of_planes(mel, self.bins), Grid::series(frames), deltas);
        Activation::Gelu.apply(&mut x);
        let (mut x, grid) = second.forward(&x, grid, deltas);
        Activation::Gelu.apply(&mut x);
        add(&mut x, &self.positions);
        let adapters = RowAdapters::same(grid.count(), deltas);
        let pass = Pass { lengths: &[grid.count()], adapters: &adapters, mask: Mask::None };
        for block in &self.blocks {
            block.forward(&pass, &mut x);
        }
        self.norm.apply(&mut x);
        x
    }
}
