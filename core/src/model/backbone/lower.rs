//! Blocks as a graph: a chunk of a prompt, or one token. Embedding rows, the LM head and sampling stay outside, and so do the
//! caches: keys and values of earlier positions are inputs, those of the chunk outputs, which the caller writes.

use super::block::Block;
use super::config::{Activation, RopePairs};
use super::{Backbone, BackboneConfig, ChunkShape};
use crate::graph::{Graph, Op, Role, Value};

/// What all blocks of a graph share.
struct Lowering<'a> {
    config: &'a BackboneConfig,
    shape: ChunkShape,
    mask: Value,
    cosines: Value,
    sines: Value,
    /// Puts the negative partner of each element in its place, `[head_dim, head_dim]`.
    partners: Value,
}

impl Backbone {
    /// The first blocks as a graph, from embedded rows and masks to normalised states, and keys and values of each block.
    ///
    /// # Errors
    /// What of this family has no operator yet.
    pub fn lower(&self, shape: ChunkShape) -> Result<Graph, &'static str> {
        let config = &self.config;
        let absent = [
            (config.qk_norm, "norms of queries and keys"),
            (config.post_norms, "norms after attention and MLP"),
            (config.windows.iter().any(Option::is_some), "sliding windows"),
            (config.attn_logit_softcapping.is_some(), "capped scores"),
            (!(1..=self.blocks.len()).contains(&shape.blocks), "so many blocks"),
        ];
        if let Some((_, what)) = absent.into_iter().find(|(is_there, _)| *is_there) {
            return Err(what);
        }
        let mut graph = Graph::new();
        let (rows, dim, all) = (shape.rows, config.head_dim, shape.past + shape.rows);
        let mut x = graph.input("x", &[rows, config.hidden_size], Role::Data);
        let lowering = Lowering {
            config,
            shape,
            mask: graph.input("mask", &[1, rows, all], Role::Mask),
            cosines: graph.input("cos", &[1, rows, dim], Role::Cosines),
            sines: graph.input("sin", &[1, rows, dim], Role::Sines),
            partners: graph.constant("rope.partners", &[dim, dim], partners(config)),
        };
        let mut made = Vec::new();
        for (layer, block) in self.blocks[..shape.blocks].iter().enumerate() {
            let (out, keys, values) = lowering.block(&mut graph, layer, block, x);
            x = out;
            made.extend([keys, values]);
        }
        let states = lowering.norm(&mut graph, "model.norm", &self.norm, x);
        graph.output(states);
        made.into_iter().for_each(|value| graph.output(value));
        Ok(graph)
    }
}

/// The matrix that puts, for each pair `(a, b)`, `-b` in the place of `a` and `a` in that of `b`.
fn partners(config: &BackboneConfig) -> Vec<f32> {
    let dim = config.head_dim;
    let mut matrix = vec![0.0; dim * dim];
    for i in 0..config.rotary_dim / 2 {
        let (a, b) = match config.rope_pairs {
            RopePairs::Halves => (i, i + config.rotary_dim / 2),
            RopePairs::Neighbours => (2 * i, 2 * i + 1),
        };
        matrix[b * dim + a] = -1.0;
        matrix[a * dim + b] = 1.0;
    }
    matrix
}

impl Lowering<'_> {
    fn norm(&self, graph: &mut Graph, name: &str, weight: &[f32], x: Value) -> Value {
        let gamma = graph.constant(format!("{name}.weight"), &[weight.len()], weight);
        graph.node(name, Op::RmsNorm { eps: self.config.rms_norm_eps as f32 }, &[x, gamma])
    }

    /// One block: its output, and keys and values of the chunk.
    fn block(&self, graph: &mut Graph, layer: usize, block: &Block, x: Value) -> (Value, Value, Value) {
        let (rank, config) = (self.shape.rank, self.config);
        let path = |part: &str| format!("model.layers.{layer}.{part}");
        let own = &block.attention;
        let normed = self.norm(graph, &path("input_layernorm"), &own.norm, x);
        let q = graph.linear(&path("q_proj"), &own.q, normed, config.attention_scale, rank);
        let k = graph.linear(&path("k_proj"), &own.k, normed, 1.0, rank);
        let v = graph.linear(&path("v_proj"), &own.v, normed, 1.0, rank);
        let q = self.heads(graph, &path("query"), q, config.num_attention_heads);
        let k = self.heads(graph, &path("key"), k, config.num_key_value_heads);
        let v = self.heads(graph, &path("value"), v, config.num_key_value_heads);
        let q = self.turned(graph, &path("query"), q);
        let keys = self.turned(graph, &path("key"), k);
        let mixed = self.attended(graph, layer, q, keys, v);
        let attended = graph.linear(&path("o_proj"), &own.o, mixed, 1.0, rank);
        let x = graph.node(path("attended"), Op::Add, &[x, attended]);
        let normed = self.norm(graph, &path("post_attention_layernorm"), &block.mlp.norm, x);
        let gate = graph.linear(&path("gate_proj"), &block.mlp.gate, normed, 1.0, rank);
        let up = graph.linear(&path("up_proj"), &block.mlp.up, normed, 1.0, rank);
        let gate = match config.activation {
            Activation::Silu => {
                let open = graph.node(path("open"), Op::Sigmoid, &[gate]);
                graph.node(path("gate"), Op::Mul, &[gate, open])
            }
            Activation::GeluTanh => graph.node(path("gate"), Op::GeluTanh, &[gate]),
        };
        let inner = graph.node(path("inner"), Op::Mul, &[gate, up]);
        let outer = graph.linear(&path("down_proj"), &block.mlp.down, inner, 1.0, rank);
        (graph.node(path("out"), Op::Add, &[x, outer]), keys, v)
    }

    /// `[rows, heads * dim]` as `[heads, rows, dim]`.
    fn heads(&self, graph: &mut Graph, name: &str, x: Value, count: usize) -> Value {
        let split = Op::Reshape(vec![self.shape.rows, count, self.config.head_dim]);
        let split = graph.node(format!("{name}.split"), split, &[x]);
        graph.node(format!("{name}.heads"), Op::Transpose(vec![1, 0, 2]), &[split])
    }

    /// Heads turned by the angles of their positions: `x cos + partners(x) sin`.
    fn turned(&self, graph: &mut Graph, name: &str, x: Value) -> Value {
        let straight = graph.node(format!("{name}.straight"), Op::Mul, &[x, self.cosines]);
        let partners = graph.node(format!("{name}.partners"), Op::MatMul, &[x, self.partners]);
        let across = graph.node(format!("{name}.across"), Op::Mul, &[partners, self.sines]);
        graph.node(format!("{name}.turned"), Op::Add, &[straight, across])
    }

    /// Attention over earlier positions and the chunk's own; queries that share keys are rows of one product.
    fn attended(&self, graph: &mut Graph, layer: usize, q: Value, keys: Value, values: Value) -> Value {
        let (config, shape) = (self.config, self.shape);
        let (rows, dim, all) = (shape.rows, config.head_dim, shape.past + shape.rows);
        let (heads, shared) = (config.num_attention_heads, config.num_key_value_heads);
        let path = |part: &str| format!("model.layers.{layer}.attention.{part}");
        let past = [shared, shape.past, dim];
        let earlier = graph.input(path("past_keys"), &past, Role::Keys(layer));
        let keys = graph.node(path("keys"), Op::Concat { axis: 1 }, &[earlier, keys]);
        let earlier = graph.input(path("past_values"), &past, Role::Values(layer));
        let values = graph.node(path("values"), Op::Concat { axis: 1 }, &[earlier, values]);
        let grouped = vec![shared, heads / shared * rows, dim];
        let q = graph.node(path("grouped"), Op::Reshape(grouped.clone()), &[q]);
        let keys = graph.node(path("columns"), Op::Transpose(vec![0, 2, 1]), &[keys]);
        let scores = graph.node(path("scores"), Op::MatMul, &[q, keys]);
        let scores = graph.node(path("by_head"), Op::Reshape(vec![heads, rows, all]), &[scores]);
        let masked = graph.node(path("masked"), Op::Add, &[scores, self.mask]);
        let shares = graph.node(path("shares"), Op::Softmax, &[masked]);
        let shares = graph.node(path("by_group"), Op::Reshape(vec![shared, heads / shared * rows, all]), &[shares]);
        let mixed = graph.node(path("mixed"), Op::MatMul, &[shares, values]);
        let mixed = graph.node(path("heads"), Op::Reshape(vec![heads, rows, dim]), &[mixed]);
        let mixed = graph.node(path("rows"), Op::Transpose(vec![1, 0, 2]), &[mixed]);
        graph.node(path("joined"), Op::Reshape(vec![rows, heads * dim]), &[mixed])
    }
}
