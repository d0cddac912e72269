//! Pointwise non-linearities by the names that configurations use.

use crate::error::{Error, Result};
use crate::pool;
use crate::quant::kernels;

/// Values per share.
const CHUNK: usize = 8192;

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

    /// Applies it to all values, on all threads.
    pub(crate) fn apply(self, xs: &mut [f32]) {
        let rows = kernels().rows;
        let function = match self {
            Self::Gelu => rows.gelu,
            Self::GeluTanh => rows.gelu_tanh,
            Self::QuickGelu => rows.quick_gelu,
            Self::Relu => |xs: &mut [f32]| xs.iter_mut().for_each(|x| *x = x.max(0.0)),
            Self::Silu => rows.silu,
        };
        pool::chunks(xs, CHUNK, |_, chunk| function(chunk));
    }
}
