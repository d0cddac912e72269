//! Layers as nodes of a graph.

use super::activation::Activation;
use super::attention::Heads;
use super::block::TransformerBlock;
use super::conv::Conv;
use super::norm::{Affine, LayerNorm};
use crate::graph::{Graph, Op, Value};
use crate::quant::Linear;

/// Added to mean squares of vectors that are scaled to a length: the zero vector stays as it is, and others have no squares
/// of this size.
const LENGTH_EPS: f32 = 1e-12;

impl LayerNorm {
    /// Its node.
    pub(crate) fn lower(&self, graph: &mut Graph, name: &str, x: Value) -> Value {
        let gamma = graph.constant(format!("{name}.weight"), &[self.weight.len()], &self.weight[..]);
        let beta = graph.constant(format!("{name}.bias"), &[self.bias.len()], &self.bias[..]);
        graph.node(name, Op::LayerNorm { eps: self.eps }, &[x, gamma, beta])
    }
}

impl Affine {
    /// Its nodes, for `x` `[1, channels, height, width]`.
    pub(crate) fn lower(&self, graph: &mut Graph, name: &str, x: Value) -> Value {
        let shape = [self.scale.len(), 1, 1];
        let scale = graph.constant(format!("{name}.scale"), &shape, &self.scale[..]);
        let shift = graph.constant(format!("{name}.shift"), &shape, &self.shift[..]);
        let scaled = graph.node(format!("{name}.scaled"), Op::Mul, &[x, scale]);
        graph.node(name, Op::Add, &[scaled, shift])
    }
}

impl Activation {
    /// Its nodes.
    pub(crate) fn lower(self, graph: &mut Graph, name: &str, x: Value) -> Value {
        match self {
            Self::Gelu => graph.node(name, Op::Gelu, &[x]),
            Self::GeluTanh => graph.node(name, Op::GeluTanh, &[x]),
            Self::Relu => graph.node(name, Op::Relu, &[x]),
            Self::Silu => {
                let gate = graph.node(format!("{name}.gate"), Op::Sigmoid, &[x]);
                graph.node(name, Op::Mul, &[x, gate])
            }
            Self::QuickGelu => {
                let steepness = graph.constant(format!("{name}.steepness"), &[1], vec![1.702]);
                let steep = graph.node(format!("{name}.steep"), Op::Mul, &[x, steepness]);
                let gate = graph.node(format!("{name}.gate"), Op::Sigmoid, &[steep]);
                graph.node(name, Op::Mul, &[x, gate])
            }
        }
    }
}

impl Conv {
    /// Its node, for `x` `[1, channels, height, width]`; with a batch norm that follows it folded into its weights.
    pub(crate) fn lower(&self, graph: &mut Graph, name: &str, x: Value, norm: Option<&Affine>) -> Value {
        let (shape, linear) = (self.shape(), self.linear());
        let (outputs, patch) = (shape.outputs, shape.patch());
        let mut weight = linear.weight().to_f32();
        if let Some(norm) = norm {
            for (values, scale) in weight.chunks_exact_mut(patch).zip(&norm.scale) {
                values.iter_mut().for_each(|value| *value *= scale);
            }
        }
        let kernel = shape.kernel;
        let mut operands =
            vec![x, graph.constant(format!("{name}.weight"), &[outputs, shape.inputs, kernel[0], kernel[1]], weight)];
        let bias = |row: usize| linear.bias().map_or(0.0, |bias| bias[row]);
        if linear.bias().is_some() || norm.is_some() {
            let biases: Vec<f32> = match norm {
                None => (0..outputs).map(bias).collect(),
                Some(norm) => (0..outputs).map(|row| bias(row) * norm.scale[row] + norm.shift[row]).collect(),
            };
            operands.push(graph.constant(format!("{name}.bias"), &[outputs], biases));
        }
        graph.node(name, Op::Conv(shape.window()), &operands)
    }
}

/// One row per position of `x` `[1, channels, height, width]`: `[positions, channels]`.
pub(crate) fn position_rows(graph: &mut Graph, name: &str, x: Value) -> Value {
    let shape = graph.shape(x);
    let (channels, positions) = (shape[1], shape[2] * shape[3]);
    let flat = graph.node(format!("{name}.flat"), Op::Reshape(vec![channels, positions]), &[x]);
    graph.node(name, Op::Transpose(vec![1, 0]), &[flat])
}

/// Rows `[rows, width]` behind special ones, `[special, width]`, with the position of each added, `[special + rows, width]`.
pub(crate) fn placed(graph: &mut Graph, name: &str, special: &[f32], mut x: Value, positions: &[f32]) -> Value {
    let width = graph.shape(x)[1];
    if !special.is_empty() {
        let special = graph.constant(format!("{name}.special"), &[special.len() / width, width], special);
        x = graph.node(format!("{name}.tokens"), Op::Concat { axis: 0 }, &[special, x]);
    }
    let positions = graph.constant(format!("{name}.positions"), &[positions.len() / width, width], positions);
    graph.node(name, Op::Add, &[x, positions])
}

/// The first row of `x` `[rows, width]`, such as the state of a class token.
pub(crate) fn first_row(graph: &mut Graph, name: &str, x: Value) -> Value {
    graph.node(name, Op::Slice { axis: 0, start: 0, end: 1 }, &[x])
}

/// Rows of `x` `[rows, width]` scaled to a Euclidean length of `length`: a root mean square norm whose gamma is that length
/// over the root of the width.
pub(crate) fn of_length(graph: &mut Graph, name: &str, x: Value, length: f32) -> Value {
    let width = graph.shape(x)[1];
    let gamma = vec![length / (width as f32).sqrt(); width];
    let gamma = graph.constant(format!("{name}.gamma"), &[width], gamma);
    graph.node(name, Op::RmsNorm { eps: LENGTH_EPS }, &[x, gamma])
}

/// `[rows, heads * dim]` as one plane per head, `[heads, rows, dim]` with its axes in the order `axes`.
fn by_head(graph: &mut Graph, name: &str, heads: Heads, x: Value, axes: [usize; 3]) -> Value {
    let rows = graph.shape(x)[0];
    let split = graph.node(format!("{name}.split"), Op::Reshape(vec![rows, heads.count, heads.dim]), &[x]);
    graph.node(format!("{name}.heads"), Op::Transpose(axes.to_vec()), &[split])
}

/// Attention of `[rows, width]` queries, which are divided by the root of the heads' width already, keys and values;
/// `mask` is added to the scores.
pub(crate) fn attention(
    graph: &mut Graph,
    name: &str,
    heads: Heads,
    [q, k, v]: [Value; 3],
    mask: Option<Value>,
) -> Value {
    let q = by_head(graph, &format!("{name}.query"), heads, q, [1, 0, 2]);
    attention_of_heads(graph, name, heads, [q, k, v], mask)
}

/// As [`attention`], of queries that are divided into heads already: `[heads, rows, dim]`.
pub(crate) fn attention_of_heads(
    graph: &mut Graph,
    name: &str,
    heads: Heads,
    [q, k, v]: [Value; 3],
    mask: Option<Value>,
) -> Value {
    let rows = graph.shape(q)[1];
    let k = by_head(graph, &format!("{name}.key"), heads, k, [1, 2, 0]);
    let v = by_head(graph, &format!("{name}.value"), heads, v, [1, 0, 2]);
    let mut scores = graph.node(format!("{name}.scores"), Op::MatMul, &[q, k]);
    if let Some(mask) = mask {
        scores = graph.node(format!("{name}.masked"), Op::Add, &[scores, mask]);
    }
    let shares = graph.node(format!("{name}.shares"), Op::Softmax, &[scores]);
    let mixed = graph.node(format!("{name}.mixed"), Op::MatMul, &[shares, v]);
    let rows_first = graph.node(format!("{name}.rows"), Op::Transpose(vec![1, 0, 2]), &[mixed]);
    graph.node(format!("{name}.joined"), Op::Reshape(vec![rows, heads.width()]), &[rows_first])
}

/// What queries are multiplied by.
pub(crate) fn query_scale(heads: Heads) -> f32 {
    (heads.dim as f32).powf(-0.5)
}

/// Two linears with an activation between them.
pub(crate) fn mlp(
    graph: &mut Graph,
    name: &str,
    [up, down]: [&Linear; 2],
    activation: Activation,
    x: Value,
    rank: usize,
) -> Value {
    let inner = graph.linear(&format!("{name}.up"), up, x, 1.0, rank);
    let inner = activation.lower(graph, &format!("{name}.activation"), inner);
    graph.linear(&format!("{name}.down"), down, inner, 1.0, rank)
}

impl TransformerBlock {
    /// Its nodes for the rows `x` of one input, with adapters of rank `rank`; `mask` is added to the scores.
    pub(crate) fn lower(&self, graph: &mut Graph, name: &str, x: Value, mask: Option<Value>, rank: usize) -> Value {
        let normed = self.attention_norm.lower(graph, &format!("{name}.attention_norm"), x);
        let attended = self.lower_attention(graph, name, normed, mask, rank);
        let x = graph.node(format!("{name}.attended"), Op::Add, &[x, attended]);
        let normed = self.mlp_norm.lower(graph, &format!("{name}.mlp_norm"), x);
        let outer = mlp(graph, name, self.mlp.each_ref(), self.activation, normed, rank);
        graph.node(format!("{name}.out"), Op::Add, &[x, outer])
    }

    fn lower_attention(&self, graph: &mut Graph, name: &str, x: Value, mask: Option<Value>, rank: usize) -> Value {
        let [query, key, value, output] = &self.attention;
        let q = graph.linear(&format!("{name}.query"), query, x, query_scale(self.heads), rank);
        let mut k = graph.linear(&format!("{name}.key"), key, x, 1.0, rank);
        let mut v = graph.linear(&format!("{name}.value"), value, x, 1.0, rank);
        if let Some([key, value]) = &self.extra {
            let mut behind = |part: &str, rows: Value, extra: &[f32]| {
                let extra = graph.constant(format!("{name}.{part}.extra"), &[1, extra.len()], extra);
                graph.node(format!("{name}.{part}.all"), Op::Concat { axis: 0 }, &[rows, extra])
            };
            (k, v) = (behind("key", k, key), behind("value", v, value));
        }
        let mixed = attention(graph, &format!("{name}.attention"), self.heads, [q, k, v], mask);
        graph.linear(&format!("{name}.output"), output, mixed, 1.0, rank)
    }
}
