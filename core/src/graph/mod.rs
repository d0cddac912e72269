//! Networks as static graphs of few operators, for processors that run nothing else.
//!
//! A network lowers itself, from the weights and the shape that its own forward pass uses. Shapes are fixed: one graph per
//! number of tokens. What changes from one input to the next enters as inputs, and so do the factors of an adapter, of a rank
//! that is fixed too: adapters come and go, and the graph stays.

mod eval;
mod op;
mod signature;

use std::borrow::Cow;

pub use eval::Evaluator;
pub use op::{Op, Window};
pub use signature::{Entrance, Exit, Misfit, Signature};

use serde::{Deserialize, Serialize};

use crate::quant::{Linear, LinearId};

/// A tensor of a graph.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Value(usize);

/// What an input is filled with.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// What the network reads.
    Data,
    /// 0 where a key is seen and [`MASKED`] where it is not; `[1, queries, keys]`, or `[1, 1, keys]`.
    Mask,
    /// How much each state counts in the embedding, `[1, rows]`: 1 for the one that stands for a text, or equal shares.
    Pooling,
    /// 1 for each position along time that there is input for, 0 behind it, `[1, 1, 1, positions]`: what a convolution reads is
    /// multiplied by it.
    Presence,
    /// Cosines of the rotary angles, `[1, rows, head_dim]`.
    Cosines,
    /// Their sines, likewise.
    Sines,
    /// Keys of earlier positions of a layer, `[kv_heads, positions, head_dim]`.
    Keys(usize),
    /// Values, likewise.
    Values(usize),
    /// An adapter's `A` of a linear, transposed: `[in, rank]`.
    Down(LinearId),
    /// Its `B`, transposed: `[rank, out]`, multiplied by this and by the adapter's scale.
    Up(LinearId, f32),
}

/// What is added to the score of a key that is not seen: it becomes nothing in the softmax, and still fits into the range of
/// scores, so that the steps of their codes stay small.
pub const MASKED: f32 = -30.0;

/// Where a tensor comes from.
#[derive(Clone, Debug, PartialEq)]
pub enum Source {
    /// The caller.
    Input(Role),
    /// The checkpoint.
    Constant(Vec<f32>),
    /// A node.
    Node,
}

/// A tensor: its name, its extents, outermost first, and where it comes from.
#[derive(Clone, Debug, PartialEq)]
pub struct Tensor {
    /// Unlike those of all others.
    pub name: String,
    /// Extents.
    pub shape: Vec<usize>,
    /// Where it comes from.
    pub source: Source,
}

/// One operation.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// What is done.
    pub op: Op,
    /// What it is done with.
    pub inputs: Vec<Value>,
    /// What it gives.
    pub output: Value,
}

/// A network: nodes in the order in which they run.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    tensors: Vec<Tensor>,
    nodes: Vec<Node>,
    outputs: Vec<Value>,
}

impl Graph {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// All tensors; [`Value::index`] counts them.
    #[must_use]
    pub fn tensors(&self) -> &[Tensor] {
        &self.tensors
    }

    /// All nodes, in the order in which they run.
    #[must_use]
    pub fn nodes(&self) -> &[Node] {
        &self.nodes
    }

    /// What it gives.
    #[must_use]
    pub fn outputs(&self) -> &[Value] {
        &self.outputs
    }

    /// What it is given: tensors of [`Source::Input`] with their roles.
    pub fn inputs(&self) -> impl Iterator<Item = (Value, &Tensor, &Role)> {
        self.tensors.iter().enumerate().filter_map(|(at, tensor)| match &tensor.source {
            Source::Input(role) => Some((Value(at), tensor, role)),
            _ => None,
        })
    }

    /// The tensor.
    #[must_use]
    pub fn tensor(&self, value: Value) -> &Tensor {
        &self.tensors[value.0]
    }

    /// Its extents.
    #[must_use]
    pub fn shape(&self, value: Value) -> &[usize] {
        &self.tensors[value.0].shape
    }

    fn add(&mut self, name: impl Into<String>, shape: Vec<usize>, source: Source) -> Value {
        self.tensors.push(Tensor { name: name.into(), shape, source });
        Value(self.tensors.len() - 1)
    }

    /// A new input.
    pub fn input(&mut self, name: impl Into<String>, shape: &[usize], role: Role) -> Value {
        self.add(name, shape.to_vec(), Source::Input(role))
    }

    /// A new constant.
    ///
    /// # Panics
    /// When values and shape do not fit together.
    pub fn constant<'v>(
        &mut self,
        name: impl Into<String>,
        shape: &[usize],
        values: impl Into<Cow<'v, [f32]>>,
    ) -> Value {
        let values = values.into().into_owned();
        assert_eq!(values.len(), shape.iter().product::<usize>(), "values of a constant");
        self.add(name, shape.to_vec(), Source::Constant(values))
    }

    /// A new node's output.
    ///
    /// # Panics
    /// When the operation cannot be done with inputs of these shapes: a lowering is wrong.
    pub fn node(&mut self, name: impl Into<String>, op: Op, inputs: &[Value]) -> Value {
        let name = name.into();
        let shapes: Vec<&[usize]> = inputs.iter().map(|&value| self.shape(value)).collect();
        let Some(shape) = op.output(&shapes) else { panic!("{name}: {op:?} of {shapes:?}") };
        let output = self.add(name, shape, Source::Node);
        self.nodes.push(Node { op, inputs: inputs.to_vec(), output });
        output
    }

    /// Gives `value` to the caller.
    pub fn output(&mut self, value: Value) {
        self.outputs.push(value);
    }

    /// A frozen linear of `x`, `[rows, in]`, with everything multiplied by `scale`; beside it the low-rank delta of an adapter of
    /// rank `rank`, where that is not 0.
    pub fn linear(&mut self, name: &str, linear: &Linear, x: Value, scale: f32, rank: usize) -> Value {
        let weight = linear.weight();
        let (outputs, inputs) = (weight.rows(), weight.cols());
        let values = weight.to_f32();
        let bias = linear.bias().map(<[f32]>::to_vec);
        let scaled = |mut values: Vec<f32>| {
            values.iter_mut().for_each(|value| *value *= scale);
            values
        };
        let weight = self.constant(format!("{name}.weight"), &[outputs, inputs], scaled(values));
        let mut operands = vec![x, weight];
        if let Some(bias) = bias {
            operands.push(self.constant(format!("{name}.bias"), &[outputs], scaled(bias)));
        }
        let base = self.node(name, Op::Linear, &operands);
        if rank == 0 {
            return base;
        }
        let id = linear.id();
        let down = self.input(format!("{name}.lora_A"), &[inputs, rank], Role::Down(id));
        let up = self.input(format!("{name}.lora_B"), &[rank, outputs], Role::Up(id, scale));
        let low = self.node(format!("{name}.low"), Op::MatMul, &[x, down]);
        let delta = self.node(format!("{name}.delta"), Op::MatMul, &[low, up]);
        self.node(format!("{name}.sum"), Op::Add, &[base, delta])
    }
}

impl Value {
    /// Its place among [`Graph::tensors`].
    #[must_use]
    pub fn index(self) -> usize {
        self.0
    }
}
