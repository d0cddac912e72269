//! Pointwise non-linearities by the names that configurations use.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::model::ops::{gelu, gelu_tanh, quick_gelu, silu};

/// Values per parallel task.
const CHUNK: usize = 4096;

/// A pointwise non-linearity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Activation {
    /// GELU with the error function.
    Gelu,
    /// GELU, tanh approximation.
    GeluTanh,
    /// `x * sigmoid(1.702 x)`, as CLIP uses it.
    QuickGelu,
    /// `max(x, 0)`.
    Relu,
    /// `x * sigmoid(x)`.
    Silu,
}

impl Activation {
    /// Reads a Hugging Face name such as `hidden_act`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] naming the field and the value.
    pub(crate) fn parse(field: &str, name: &str) -> Result<Self> {
        match name {
            "gelu" => Ok(Self::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" => Ok(Self::GeluTanh),
            "quick_gelu" => Ok(Self::QuickGelu),
            "relu" => Ok(Self::Relu),
            "silu" | "swish" => Ok(Self::Silu),
            other => Err(Error::unsupported(
                format!("{field} '{other}'"),
                "gelu, gelu_new, gelu_pytorch_tanh, quick_gelu, relu and silu are run",
            )),
        }
    }

    /// Applies it to all values, in parallel.
    pub(crate) fn apply(self, xs: &mut [f32]) {
        // One loop per function: only then is it made of vector instructions.
        match self {
            Self::Gelu => each(xs, gelu),
            Self::GeluTanh => each(xs, gelu_tanh),
            Self::QuickGelu => each(xs, quick_gelu),
            Self::Relu => each(xs, |x| x.max(0.0)),
            Self::Silu => each(xs, silu),
        }
    }
}

fn each(xs: &mut [f32], function: impl Fn(f32) -> f32 + Sync) {
    xs.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|x| *x = function(*x)));
}
