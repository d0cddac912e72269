//! The pre-norm transformer block of image, sound and speech encoders.

use super::activation::Activation;
use super::attention::{Heads, Mask, attend};
use super::loader::{Bias, Loader};
use super::norm::LayerNorm;
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::quant::{Deltas, Linear, Product, RowAdapters, kernels, multiply};

/// Module paths of a block's layers, relative to the block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockNames {
    /// Norm before attention.
    pub(crate) attention_norm: &'static str,
    /// Queries, keys, values, output.
    pub(crate) attention: [&'static str; 4],
    /// Norm before the MLP.
    pub(crate) mlp_norm: &'static str,
    /// The MLP's two linears.
    pub(crate) mlp: [&'static str; 2],
    /// Biases of queries, keys, values and output.
    pub(crate) biases: [Bias; 4],
}

impl BlockNames {
    /// CLIP's and SigLIP's paths.
    pub(crate) const CLIP: Self = Self {
        attention_norm: "layer_norm1",
        attention: ["self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj", "self_attn.out_proj"],
        mlp_norm: "layer_norm2",
        mlp: ["mlp.fc1", "mlp.fc2"],
        biases: [Bias::Required; 4],
    };
}

/// Shape of a block.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BlockShape {
    /// Width of the stream.
    pub(crate) width: usize,
    /// Width inside of the MLP.
    pub(crate) inner: usize,
    /// Heads.
    pub(crate) heads: usize,
    /// Added to the variance in norms.
    pub(crate) eps: f64,
    /// Between the MLP's linears.
    pub(crate) activation: Activation,
}

impl BlockShape {
    /// How a row divides into heads.
    ///
    /// # Errors
    /// [`Error::Malformed`] when it does not.
    pub(crate) fn heads(&self) -> Result<Heads> {
        if self.heads == 0 || self.width == 0 || !self.width.is_multiple_of(self.heads) {
            let reason = format!("a width of {} does not divide into {} heads", self.width, self.heads);
            return Err(Error::malformed("configuration", "config.json", reason));
        }
        Ok(Heads { count: self.heads, dim: self.width / self.heads })
    }
}

/// What all blocks of one forward pass share.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pass<'a> {
    /// Rows of each sequence, in order.
    pub(crate) lengths: &'a [usize],
    /// The adapter of each row.
    pub(crate) adapters: &'a RowAdapters<'a>,
    /// Which keys a query sees.
    pub(crate) mask: Mask,
}

impl<'a> Pass<'a> {
    /// The adapters of all rows, from the adapter of each sequence.
    pub(crate) fn rows(lengths: &[usize], deltas: &[Option<&'a Deltas>]) -> RowAdapters<'a> {
        let of_rows = lengths.iter().zip(deltas).flat_map(|(&count, deltas)| std::iter::repeat_n(*deltas, count));
        RowAdapters::new(of_rows)
    }
}

/// `x += attention(norm(x))`, then `x += mlp(norm(x))`.
#[derive(Clone, Debug)]
pub(crate) struct TransformerBlock {
    /// How rows divide.
    pub(crate) heads: Heads,
    /// Norm before attention.
    pub(crate) attention_norm: LayerNorm,
    /// Queries, keys, values, output.
    pub(crate) attention: [Linear; 4],
    /// A key and a value that every query sees besides the sequence's own (`add_bias_kv` of PyTorch's attention).
    pub(crate) extra: Option<[Vec<f32>; 2]>,
    /// Norm before the MLP.
    pub(crate) mlp_norm: LayerNorm,
    /// The MLP's two linears.
    pub(crate) mlp: [Linear; 2],
    /// Between them.
    pub(crate) activation: Activation,
}

impl TransformerBlock {
    /// Loads the block at module path `module`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::Shape`], or [`Error::Malformed`] for a width that heads do not divide.
    pub(crate) fn load(loader: &mut Loader<'_>, module: &str, names: &BlockNames, shape: &BlockShape) -> Result<Self> {
        let heads = shape.heads()?;
        let width = shape.width;
        let path = |part: &str| format!("{module}.{part}");
        let mut linear = |part: usize| loader.linear(&path(names.attention[part]), width, width, names.biases[part]);
        let attention = [linear(0)?, linear(1)?, linear(2)?, linear(3)?];
        let mlp = [
            loader.linear(&path(names.mlp[0]), shape.inner, width, Bias::Required)?,
            loader.linear(&path(names.mlp[1]), width, shape.inner, Bias::Required)?,
        ];
        Ok(Self {
            heads,
            attention_norm: loader.layer_norm(&path(names.attention_norm), width, shape.eps)?,
            attention,
            extra: None,
            mlp_norm: loader.layer_norm(&path(names.mlp_norm), width, shape.eps)?,
            mlp,
            activation: shape.activation,
        })
    }

    /// Runs all sequences of `pass`; `x` is `[rows, width]`. Company never changes a sequence's result.
    pub(crate) fn forward(&self, pass: &Pass<'_>, x: &mut [f32]) {
        let attended = self.attended(pass, self.attention_norm.of(x));
        add(x, &attended);
        let inner = self.inner(pass, &self.mlp_norm.of(x), attended);
        add(x, &inner);
    }

    /// As [`TransformerBlock::forward`] with each norm after its sum, as the first transformers had them:
    /// `x = norm(x + attention(x))`, then `x = norm(x + mlp(x))`.
    pub(crate) fn forward_post_norm(&self, pass: &Pass<'_>, x: &mut [f32]) {
        let attended = self.attended(pass, Room::copy(x));
        add(x, &attended);
        self.attention_norm.apply(x);
        let inner = self.inner(pass, x, attended);
        add(x, &inner);
        self.mlp_norm.apply(x);
    }

    /// Self-attention of the rows `x`.
    fn attended(&self, pass: &Pass<'_>, x: Room) -> Room {
        let (mut q, mut k, mut v) = (Room::new(x.len()), Room::new(x.len()), Room::new(x.len()));
        let ([query, key, value, output], rows) = (&self.attention, pass.adapters.rows());
        let products = &mut [
            Product::new(query, &mut q, rows),
            Product::new(key, &mut k, rows),
            Product::new(value, &mut v, rows),
        ];
        multiply(products, &x, pass.adapters, &[]);
        let mut mixed = x;
        self.attend(pass, &q, &k, &v, &mut mixed);
        output.forward(&mixed, pass.adapters, &mut q);
        q
    }

    /// The MLP of the rows `x`, into `out`.
    fn inner(&self, pass: &Pass<'_>, x: &[f32], mut out: Room) -> Room {
        let [up, down] = &self.mlp;
        let mut inner = Room::new(pass.adapters.rows() * up.outputs());
        up.forward(x, pass.adapters, &mut inner);
        self.activation.apply(&mut inner);
        down.forward(&inner, pass.adapters, &mut out);
        out
    }

    fn attend(&self, pass: &Pass<'_>, q: &[f32], k: &[f32], v: &[f32], out: &mut [f32]) {
        let width = self.heads.count * self.heads.dim;
        let mut first = 0;
        for count in pass.lengths {
            let span = first * width..(first + count) * width;
            first += count;
            let (q, k, v) = (&q[span.clone()], &k[span.clone()], &v[span.clone()]);
            match &self.extra {
                None => attend(self.heads, pass.mask, q, k, v, &mut out[span]),
                Some([key, value]) => {
                    let (k, v) = ([k, key].concat(), [v, value].concat());
                    attend(self.heads, pass.mask, q, &k, &v, &mut out[span]);
                }
            }
        }
    }
}

/// `x += delta`: a residual connection.
pub(crate) fn add(x: &mut [f32], delta: &[f32]) {
    (kernels().rows.add)(x, delta);
}
