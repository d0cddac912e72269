//! Layers as nodes of a graph.

use super::activation::Activation;
use super::attention::Heads;
use super::block::TransformerBlock;
use super::conv::Conv;
use super::norm::{Affine, LayerNorm};
use crate::graph::{Graph, Op, Value};

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

/// Self-attention of `[rows, width]` queries, which are divided by the root of the heads' width already, keys and values;
/// `mask` is added to the scores.
pub(crate) fn attention(
    graph: &mut Graph,
    name: &str,
    heads: Heads,
    [q, k, v]: [Value; 3],
    mask: Option<Value>,
) -> Value {
    let Heads { count, dim } = heads;
    let of_heads = |graph: &mut Graph, part: &str, x: Value, axes: [usize; 3]| {
        let rows = graph.shape(x)[0];
        let split = graph.node(format!("{name}.{part}.split"), Op::Reshape(vec![rows, count, dim]), &[x]);
        graph.node(format!("{name}.{part}.heads"), Op::Transpose(axes.to_vec()), &[split])
    };
    let rows = graph.shape(q)[0];
    let q = of_heads(graph, "query", q, [1, 0, 2]);
    let k = of_heads(graph, "key", k, [1, 2, 0]);
    let v = of_heads(graph, "value", v, [1, 0, 2]);
    let mut scores = graph.node(format!("{name}.scores"), Op::MatMul, &[q, k]);
    if let Some(mask) = mask {
        scores = graph.node(format!("{name}.masked"), Op::Add, &[scores, mask]);
    }
    let shares = graph.node(format!("{name}.shares"), Op::Softmax, &[scores]);
    let mixed = graph.node(format!("{name}.mixed"), Op::MatMul, &[shares, v]);
    let rows_first = graph.node(format!("{name}.rows"), Op::Transpose(vec![1, 0, 2]), &[mixed]);
    graph.node(format!("{name}.joined"), Op::Reshape(vec![rows, count * dim]), &[rows_first])
}

/// What queries are multiplied by.
pub(crate) fn query_scale(heads: Heads) -> f32 {
    (heads.dim as f32).powf(-0.5)
}

impl TransformerBlock {
    /// Its nodes for the rows `x` of one input, with adapters of rank `rank`; `None` for a block with keys of its own.
    pub(crate) fn lower(&self, graph: &mut Graph, name: &str, x: Value, rank: usize) -> Option<Value> {
        if self.extra.is_some() {
            return None;
        }
        let normed = self.attention_norm.lower(graph, &format!("{name}.attention_norm"), x);
        let [query, key, value, output] = &self.attention;
        let q = graph.linear(&format!("{name}.query"), query, normed, query_scale(self.heads), rank);
        let k = graph.linear(&format!("{name}.key"), key, normed, 1.0, rank);
        let v = graph.linear(&format!("{name}.value"), value, normed, 1.0, rank);
        let mixed = attention(graph, &format!("{name}.attention"), self.heads, [q, k, v], None);
        let attended = graph.linear(&format!("{name}.output"), output, mixed, 1.0, rank);
        let x = graph.node(format!("{name}.attended"), Op::Add, &[x, attended]);
        let normed = self.mlp_norm.lower(graph, &format!("{name}.mlp_norm"), x);
        let [up, down] = &self.mlp;
        let inner = graph.linear(&format!("{name}.up"), up, normed, 1.0, rank);
        let inner = self.activation.lower(graph, &format!("{name}.activation"), inner);
        let outer = graph.linear(&format!("{name}.down"), down, inner, 1.0, rank);
        Some(graph.node(format!("{name}.out"), Op::Add, &[x, outer]))
    }
}
