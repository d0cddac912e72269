//! SigLIP's pooling: a learned query attends to all patches, then an MLP (Zhai et al. 2022, arXiv 2106.04560, 3.3).

use super::vit_config::VitConfig;
use crate::arena::Room;
use crate::error::Result;
use crate::graph::{Graph, Op, Value};
use crate::model::layer::{
    Activation, Bias, Heads, LayerNorm, Loader, Mask, attend, attention_of_heads, mlp, query_scale,
};
use crate::quant::{Deltas, Linear, Matrix, RowAdapters};

/// A loaded pooling head.
#[derive(Debug)]
pub(super) struct AttentionPool {
    heads: Heads,
    /// The learned query after its in-projection, which no input changes, `[width]`.
    query: Vec<f32>,
    /// Keys and values of the fused in-projection, each `[width, width]` with `[width]` biases. PyTorch keeps them as bare
    /// parameters, so they are no layers that adapters could name.
    key: (Matrix, Vec<f32>),
    value: (Matrix, Vec<f32>),
    output: Linear,
    norm: LayerNorm,
    mlp: [Linear; 2],
    activation: Activation,
}

impl AttentionPool {
    /// Loads the head at module path `module`.
    ///
    /// `module.attention.out_proj` is listed for adapters as PEFT lists it. PyTorch's attention reads that weight past
    /// the layer, so training leaves its deltas at zero.
    ///
    /// # Errors
    /// [`crate::Error::MissingTensor`] or [`crate::Error::Shape`].
    pub(super) fn load(loader: &mut Loader<'_>, module: &str, config: &VitConfig) -> Result<Self> {
        let (width, inner) = (config.block.width, config.block.inner);
        let path = |part: &str| format!("{module}.{part}");
        let fused = loader.matrix(&path("attention.in_proj_weight"), 3 * width, width)?;
        let biases = loader.values(&path("attention.in_proj_bias"), &[3 * width])?;
        let part = |i: usize| -> Result<(Matrix, Vec<f32>)> {
            Ok((fused.slice_rows(i * width, width)?, biases[i * width..(i + 1) * width].to_vec()))
        };
        let probe = loader.values(&path("probe"), &[1, 1, width])?;
        Ok(Self {
            heads: config.block.heads()?,
            query: product(&part(0)?, &probe).to_vec(),
            key: part(1)?,
            value: part(2)?,
            output: loader.linear(&path("attention.out_proj"), width, width, Bias::Required)?,
            norm: loader.layer_norm(&path("layernorm"), width, config.block.eps)?,
            mlp: [
                loader.linear(&path("mlp.fc1"), inner, width, Bias::Required)?,
                loader.linear(&path("mlp.fc2"), width, inner, Bias::Required)?,
            ],
            activation: config.block.activation,
        })
    }

    /// One vector `[width]` of all states `[tokens, width]` of a picture.
    pub(super) fn forward(&self, states: &[f32], deltas: Option<&Deltas>) -> Vec<f32> {
        let width = self.query.len();
        let (keys, values) = (product(&self.key, states), product(&self.value, states));
        let (adapters, mut attended) = (RowAdapters::same(1, deltas), Room::new(width));
        attend(self.heads, Mask::None, &self.query, &keys, &values, &mut attended);
        let mut pooled = vec![0.0; width];
        self.output.forward(&attended, &adapters, &mut pooled);
        let [up, down] = &self.mlp;
        let mut inner = Room::new(up.outputs());
        up.forward(&self.norm.of(&pooled), &adapters, &mut inner);
        self.activation.apply(&mut inner);
        down.forward(&inner, &adapters, &mut attended);
        pooled.iter_mut().zip(&*attended).for_each(|(x, d)| *x += d);
        pooled
    }

    /// Its nodes for the states `[tokens, width]` of a picture, with adapters of rank `rank`: `[1, width]`.
    pub(super) fn lower(&self, graph: &mut Graph, name: &str, states: Value, rank: usize) -> Value {
        let path = |part: &str| format!("{name}.{part}");
        let scale = query_scale(self.heads);
        let query: Vec<f32> = self.query.iter().map(|value| value * scale).collect();
        let query = graph.constant(path("query"), &[self.heads.count, 1, self.heads.dim], query);
        let mut bare = |part: &str, (weight, bias): &(Matrix, Vec<f32>)| {
            let (rows, cols) = (weight.rows(), weight.cols());
            let weight = graph.constant(format!("{name}.{part}.weight"), &[rows, cols], weight.to_f32());
            let bias = graph.constant(format!("{name}.{part}.bias"), &[rows], &bias[..]);
            graph.node(format!("{name}.{part}"), Op::Linear, &[states, weight, bias])
        };
        let (keys, values) = (bare("key", &self.key), bare("value", &self.value));
        let attended = attention_of_heads(graph, &path("attention"), self.heads, [query, keys, values], None);
        let pooled = graph.linear(&path("output"), &self.output, attended, 1.0, rank);
        let normed = self.norm.lower(graph, &path("norm"), pooled);
        let outer = mlp(graph, &path("mlp"), self.mlp.each_ref(), self.activation, normed, rank);
        graph.node(path("out"), Op::Add, &[pooled, outer])
    }
}

/// `xs [rows, in]` times the matrix, plus the bias.
fn product((weight, bias): &(Matrix, Vec<f32>), xs: &[f32]) -> Room {
    let rows = xs.len() / weight.cols();
    let mut out = Room::new(rows * weight.rows());
    weight.multiply(xs, rows, &mut out);
    out.chunks_exact_mut(bias.len()).for_each(|row| row.iter_mut().zip(bias).for_each(|(y, b)| *y += b));
    out
}
