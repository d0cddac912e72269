//! Pointwise non-linearities by the names that configurations use.

use rayon::prelude::*;

use crate::error::{Error, Result};
use crate::model::ops::{gelu, gelu_tanh, silu};

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

    /// Its value at `x`.
    pub(crate) fn at(self, x: f32) -> f32 {
        match self {
            Self::Gelu => gelu(x),
            Self::GeluTanh => gelu_tanh(x),
            Self::QuickGelu => x / (1.0 + (-1.702 * x).exp()),
            Self::Relu => x.max(0.0),
            Self::Silu => silu(x),
        }
    }

    /// Applies it to all values, in parallel.
    pub(crate) fn apply(self, xs: &mut [f32]) {
        xs.par_chunks_mut(CHUNK).for_each(|chunk| chunk.iter_mut().for_each(|x| *x = self.at(*x)));
    }
}
