//! Positions as wav2vec 2.0 has them: a wide grouped convolution over the frames, added to them.

use super::config::Wav2Vec2Config;
use crate::error::{Error, Result};
use crate::model::layer::{Activation, GroupedConv, Loader, add};
use crate::quant::Deltas;

const MODULE: &str = "encoder.pos_conv_embed.conv";
/// Magnitude and direction of a weight-normed weight, by torch's parametrizations and by its hooks.
const NAMES: [[&str; 2]; 2] =
    [["parametrizations.weight.original0", "parametrizations.weight.original1"], ["weight_g", "weight_v"]];

/// The convolution and what follows it.
#[derive(Debug)]
pub(super) struct Positions {
    conv: GroupedConv,
    activation: Activation,
}

impl Positions {
    /// Loads it from `encoder.pos_conv_embed`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::Shape`].
    pub(super) fn load(loader: &mut Loader<'_>, config: &Wav2Vec2Config) -> Result<Self> {
        let shape = config.positions;
        let weight = weight(loader, &[shape.outputs, shape.inputs / config.groups, shape.kernel[1]])?;
        let conv = loader.grouped_conv(MODULE, shape, config.groups, &weight)?;
        Ok(Self { conv, activation: config.activation })
    }

    /// `x += activation(conv(x))` for the frames of one sound.
    pub(super) fn add(&self, x: &mut [f32], deltas: Option<&Deltas>) {
        let mut added = self.conv.forward(x, deltas);
        self.activation.apply(&mut added);
        add(x, &added);
    }
}

/// `g v / |v|` with one magnitude and one norm per tap, over all outputs and inputs.
fn weight(loader: &Loader<'_>, shape: &[usize; 3]) -> Result<Vec<f32>> {
    let path = |part: &str| format!("{MODULE}.{part}");
    let Some([g, v]) = NAMES.into_iter().find(|[g, _]| loader.has(&path(g))) else {
        return Err(Error::MissingTensor(loader.full_name(&path(NAMES[0][0]))));
    };
    let taps = shape[2];
    let magnitude = loader.values(&path(g), &[1, 1, taps])?;
    let mut weight = loader.values(&path(v), shape)?;
    let mut squares = vec![0.0f64; taps];
    for row in weight.chunks_exact(taps) {
        squares.iter_mut().zip(row).for_each(|(sum, w)| *sum += f64::from(*w).powi(2));
    }
    let scale: Vec<f32> = magnitude.iter().zip(&squares).map(|(g, s)| (f64::from(*g) / s.sqrt()) as f32).collect();
    for row in weight.chunks_exact_mut(taps) {
        row.iter_mut().zip(&scale).for_each(|(w, s)| *w *= s);
    }
    Ok(weight)
}
