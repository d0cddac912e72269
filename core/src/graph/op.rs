//! The operators: few, for each is one that a delegate has to have.

/// A window that slides over the last two axes: `[height, width]` each.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// Taps.
    pub kernel: [usize; 2],
    /// Step between outputs.
    pub stride: [usize; 2],
    /// Zeros around the input.
    pub padding: [usize; 2],
    /// Step between taps.
    pub dilation: [usize; 2],
}

/// What a node does. Names are ONNX's, where it has one.
#[derive(Clone, Debug, PartialEq)]
pub enum Op {
    /// `x W^T + b` of `x` `[rows, in]` and constants `[out, in]` and, where there are biases, `[out]`.
    Linear,
    /// A convolution of `x` `[1, in, height, width]` with constants `[out, in, taps, taps]` and, where there are biases, `[out]`.
    Conv(Window),
    /// The largest of each window of `[1, channels, height, width]`.
    MaxPool(Window),
    /// `[.., m, k]` times `[.., k, n]`.
    MatMul,
    /// A sum; the second operand may have extents of 1, or fewer axes.
    Add,
    /// A product, likewise.
    Mul,
    /// Over the last axis, then scaled by the second operand and shifted by the third.
    LayerNorm {
        /// Added to the variance.
        eps: f32,
    },
    /// Over the last axis, then scaled by the second operand.
    RmsNorm {
        /// Added to the mean square.
        eps: f32,
    },
    /// With the error function.
    Gelu,
    /// Its tanh approximation.
    GeluTanh,
    /// `max(x, 0)`.
    Relu,
    /// `1 / (1 + e^-x)`.
    Sigmoid,
    /// Over the last axis.
    Softmax,
    /// Other extents, the same order.
    Reshape(Vec<usize>),
    /// Axes in another order.
    Transpose(Vec<usize>),
    /// Positions `start..end` of an axis.
    Slice {
        /// Which axis.
        axis: usize,
        /// The first position.
        start: usize,
        /// The one after the last.
        end: usize,
    },
    /// One after another along an axis.
    Concat {
        /// Which axis.
        axis: usize,
    },
    /// The average over an axis, which is kept with an extent of 1.
    Mean {
        /// Which axis.
        axis: usize,
    },
    /// The largest over an axis, which is kept with an extent of 1.
    Max {
        /// Which axis.
        axis: usize,
    },
}

impl Window {
    /// Extents of the output, `None` for an input smaller than the window.
    pub(crate) fn output(&self, [height, width]: [usize; 2]) -> Option<[usize; 2]> {
        let along = |axis: usize, size: usize| {
            let reach = self.dilation[axis] * (self.kernel[axis].checked_sub(1)?) + 1;
            let padded = size + 2 * self.padding[axis];
            Some(padded.checked_sub(reach)? / self.stride[axis] + 1)
        };
        Some([along(0, height)?, along(1, width)?])
    }
}

impl Op {
    /// ONNX's name of it.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Linear => "Gemm",
            Self::Conv(_) => "Conv",
            Self::MaxPool(_) => "MaxPool",
            Self::MatMul => "MatMul",
            Self::Add => "Add",
            Self::Mul => "Mul",
            Self::LayerNorm { .. } => "LayerNormalization",
            Self::RmsNorm { .. } => "RMSNormalization",
            Self::Gelu | Self::GeluTanh => "Gelu",
            Self::Relu => "Relu",
            Self::Sigmoid => "Sigmoid",
            Self::Softmax => "Softmax",
            Self::Reshape(_) => "Reshape",
            Self::Transpose(_) => "Transpose",
            Self::Slice { .. } => "Slice",
            Self::Concat { .. } => "Concat",
            Self::Mean { .. } => "ReduceMean",
            Self::Max { .. } => "ReduceMax",
        }
    }

    /// Whether it moves values and changes none.
    #[must_use]
    pub fn moves(&self) -> bool {
        matches!(self, Self::Reshape(_) | Self::Transpose(_) | Self::Slice { .. } | Self::MaxPool(_) | Self::Max { .. })
    }

    /// Extents of what it gives; `None` where it cannot be done.
    pub(super) fn output(&self, inputs: &[&[usize]]) -> Option<Vec<usize>> {
        let count = |shape: &[usize]| shape.iter().product::<usize>();
        match (self, inputs) {
            (Self::Linear, [[rows, n], [out, m], bias @ ..]) => {
                (n == m && matches!(bias, [] | [[_]]) && bias.iter().all(|bias| bias[0] == *out))
                    .then(|| vec![*rows, *out])
            }
            (Self::Conv(window), [[1, channels, height, width], [out, own, y, x], bias @ ..]) => {
                let fits = own == channels && window.kernel == [*y, *x];
                let fits = fits && bias.len() <= 1 && bias.iter().all(|bias| *bias == [*out]);
                let [height, width] = window.output([*height, *width])?;
                fits.then(|| vec![1, *out, height, width])
            }
            (Self::MaxPool(window), [[1, channels, height, width]]) => {
                let [height, width] = window.output([*height, *width])?;
                Some(vec![1, *channels, height, width])
            }
            (Self::MatMul, [[a @ .., m, k], [b @ .., l, n]]) => {
                (k == l && (a == b || b.is_empty())).then(|| [a, &[*m, *n]].concat())
            }
            (Self::Add | Self::Mul, [a, b]) => {
                let skipped = a.len().checked_sub(b.len())?;
                a[skipped..].iter().zip(*b).all(|(a, b)| a == b || *b == 1).then(|| a.to_vec())
            }
            (Self::LayerNorm { .. }, [x @ [.., width], [gamma], [beta]]) => {
                (gamma == width && beta == width).then(|| x.to_vec())
            }
            (Self::RmsNorm { .. }, [x @ [.., width], [gamma]]) => (gamma == width).then(|| x.to_vec()),
            (Self::Gelu | Self::GeluTanh | Self::Relu | Self::Sigmoid | Self::Softmax, [x]) => Some(x.to_vec()),
            (Self::Reshape(shape), [x]) => (count(shape) == count(x)).then(|| shape.clone()),
            (Self::Transpose(axes), [x]) => {
                let mut seen = vec![false; x.len()];
                axes.iter().for_each(|&axis| seen.get_mut(axis).into_iter().for_each(|seen| *seen = true));
                (axes.len() == x.len() && seen.iter().all(|seen| *seen))
                    .then(|| axes.iter().map(|&axis| x[axis]).collect())
            }
            (Self::Slice { axis, start, end }, [x]) => {
                let mut shape = x.to_vec();
                let extent = shape.get_mut(*axis).filter(|extent| start < end && *end <= **extent)?;
                *extent = end - start;
                Some(shape)
            }
            (Self::Concat { axis }, [first, others @ ..]) => {
                let mut shape = first.to_vec();
                for other in others {
                    let alike =
                        other.len() == shape.len() && (0..shape.len()).all(|at| at == *axis || other[at] == shape[at]);
                    *shape.get_mut(*axis).filter(|_| alike)? += other[*axis];
                }
                Some(shape)
            }
            (Self::Mean { axis } | Self::Max { axis }, [x]) => {
                let mut shape = x.to_vec();
                *shape.get_mut(*axis)? = 1;
                Some(shape)
            }
            _ => None,
        }
    }
}
