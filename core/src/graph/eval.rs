//! A graph in single precision: what calibration looks at, and what delegates are compared with.

use std::collections::HashMap;

use super::op::{Op, Window};
use super::{Graph, Node, Source, Value};
use crate::error::{Error, Result};
use crate::pool;
use crate::quant::{Matrix, kernels};

/// Runs a graph on the processor, operator by operator; for some inputs at a time, not for speed.
#[derive(Debug)]
pub struct Evaluator<'g> {
    graph: &'g Graph,
    /// Weights of linears and of convolutions, by tensor.
    matrices: HashMap<Value, Matrix>,
}

/// A tensor's extents and values.
#[derive(Clone, Copy)]
struct Operand<'t> {
    shape: &'t [usize],
    values: &'t [f32],
}

impl<'g> Evaluator<'g> {
    /// One for `graph`.
    #[must_use]
    pub fn new(graph: &'g Graph) -> Self {
        let mut matrices = HashMap::new();
        for node in graph.nodes() {
            if let (Op::Linear | Op::Conv(_), Some(&weight)) = (&node.op, node.inputs.get(1))
                && let Source::Constant(values) = &graph.tensor(weight).source
            {
                let rows = graph.shape(weight)[0];
                matrices.insert(weight, Matrix::from_f32(values, rows, values.len() / rows));
            }
        }
        Self { graph, matrices }
    }

    /// Runs it on values for each input, in the order of [`Graph::inputs`], and shows `observe` every tensor that is no constant.
    /// The outputs' values.
    ///
    /// # Errors
    /// [`Error::Argument`] for another number of inputs or of values.
    pub fn run(&self, inputs: &[Vec<f32>], mut observe: impl FnMut(Value, &[f32])) -> Result<Vec<Vec<f32>>> {
        let mut tensors: Vec<Option<Vec<f32>>> = vec![None; self.graph.tensors().len()];
        let expected = self.graph.inputs().count();
        if inputs.len() != expected {
            return Err(Error::argument("inputs", format!("{}, the graph has {expected}", inputs.len())));
        }
        for ((value, tensor, _), values) in self.graph.inputs().zip(inputs) {
            let count: usize = tensor.shape.iter().product();
            if values.len() != count {
                let reason = format!("{} values for '{}' of shape {:?}", values.len(), tensor.name, tensor.shape);
                return Err(Error::argument("inputs", reason));
            }
            observe(value, values);
            tensors[value.index()] = Some(values.clone());
        }
        for node in self.graph.nodes() {
            let out = self.node(node, &tensors);
            observe(node.output, &out);
            tensors[node.output.index()] = Some(out);
        }
        Ok(self.graph.outputs().iter().map(|&value| self.values(value, &tensors).to_vec()).collect())
    }

    fn values<'t>(&'t self, value: Value, tensors: &'t [Option<Vec<f32>>]) -> &'t [f32] {
        match &self.graph.tensor(value).source {
            Source::Constant(values) => values,
            _ => tensors[value.index()].as_deref().expect("invariant: nodes come after what they read"),
        }
    }

    fn node(&self, node: &Node, tensors: &[Option<Vec<f32>>]) -> Vec<f32> {
        let operand = |at: usize| {
            let value = node.inputs[at];
            Operand { shape: self.graph.shape(value), values: self.values(value, tensors) }
        };
        let operands: Vec<Operand<'_>> = (0..node.inputs.len()).map(operand).collect();
        let shape = self.graph.shape(node.output);
        let rows = kernels().rows;
        let x = operands[0];
        let width = x.shape.last().copied().unwrap_or(1);
        let each = |function: &dyn Fn(f32) -> f32| x.values.iter().map(|&x| function(x)).collect();
        let in_place = |function: &dyn Fn(&mut [f32])| {
            let mut out = x.values.to_vec();
            function(&mut out);
            out
        };
        match &node.op {
            Op::Linear => {
                let mut out = vec![0.0; shape.iter().product()];
                self.matrices[&node.inputs[1]].multiply(x.values, x.shape[0], &mut out);
                if let Some(bias) = operands.get(2) {
                    out.chunks_exact_mut(shape[1]).for_each(|row| (rows.add)(row, bias.values));
                }
                out
            }
            Op::Conv(window) => self.convolve(node, &operands, window, shape),
            Op::MaxPool(window) => max_pool(x, window, shape),
            Op::MatMul => matmul(x, operands[1], shape),
            Op::Add => broadcast(x, operands[1], |a, b| a + b),
            Op::Mul => broadcast(x, operands[1], |a, b| a * b),
            Op::LayerNorm { eps } => in_place(&|out| {
                let (gamma, beta) = (operands[1].values, operands[2].values);
                out.chunks_exact_mut(width).for_each(|row| (rows.layer_norm)(row, gamma, beta, *eps));
            }),
            Op::RmsNorm { eps } => {
                let mut out = vec![0.0; x.values.len()];
                let pairs = x.values.chunks_exact(width).zip(out.chunks_exact_mut(width));
                pairs.for_each(|(x, out)| (rows.rms_norm)(x, operands[1].values, *eps, out));
                out
            }
            Op::Gelu => in_place(&|out| (rows.gelu)(out)),
            Op::GeluTanh => in_place(&|out| (rows.gelu_tanh)(out)),
            Op::Relu => each(&|x| x.max(0.0)),
            Op::Sigmoid => each(&|x| 1.0 / (1.0 + (-x).exp())),
            Op::Softmax => in_place(&|out| out.chunks_exact_mut(width).for_each(softmax)),
            Op::Reshape(_) => x.values.to_vec(),
            Op::Transpose(axes) => transpose(x, axes, shape),
            Op::Slice { axis, start, end } => {
                let inner: usize = x.shape[axis + 1..].iter().product();
                let along = x.values.chunks_exact(x.shape[*axis] * inner);
                along.flat_map(|x| &x[start * inner..end * inner]).copied().collect()
            }
            Op::Concat { axis } => concat(&operands, *axis),
            Op::Mean { axis } => {
                let count = x.shape[*axis] as f32;
                let mut out = reduce(x, *axis, 0.0, |sum, x| sum + x);
                out.iter_mut().for_each(|sum| *sum /= count);
                out
            }
            Op::Max { axis } => reduce(x, *axis, f32::NEG_INFINITY, f32::max),
        }
    }

    fn convolve(&self, node: &Node, operands: &[Operand<'_>], window: &Window, shape: &[usize]) -> Vec<f32> {
        let x = operands[0];
        let [height, width] = [x.shape[2], x.shape[3]];
        let taps = window.kernel[0] * window.kernel[1];
        let positions = shape[2] * shape[3];
        let mut patches = vec![0.0; positions * x.shape[1] * taps];
        pool::rows(&mut patches, x.shape[1] * taps, |at, row| {
            for (tap, value) in row.iter_mut().enumerate() {
                let (channel, tap) = (tap / taps, tap % taps);
                let place = |axis: usize, at: usize, tap: usize| {
                    (at * window.stride[axis] + tap * window.dilation[axis]).checked_sub(window.padding[axis])
                };
                let y = place(0, at / shape[3], tap / window.kernel[1]).filter(|y| *y < height);
                let column = place(1, at % shape[3], tap % window.kernel[1]).filter(|x| *x < width);
                if let (Some(y), Some(column)) = (y, column) {
                    *value = x.values[(channel * height + y) * width + column];
                }
            }
        });
        let outputs = shape[1];
        let mut rows = vec![0.0; positions * outputs];
        self.matrices[&node.inputs[1]].multiply(&patches, positions, &mut rows);
        let mut out = vec![0.0; rows.len()];
        for (at, row) in rows.chunks_exact(outputs).enumerate() {
            for (channel, value) in row.iter().enumerate() {
                out[channel * positions + at] = value + operands.get(2).map_or(0.0, |bias| bias.values[channel]);
            }
        }
        out
    }
}

fn softmax(row: &mut [f32]) {
    let most = row.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let mut sum = 0.0;
    for value in row.iter_mut() {
        *value = (*value - most).exp();
        sum += *value;
    }
    row.iter_mut().for_each(|value| *value /= sum);
}

fn max_pool(x: Operand<'_>, window: &Window, shape: &[usize]) -> Vec<f32> {
    let [height, width] = [x.shape[2], x.shape[3]];
    let mut out = vec![f32::NEG_INFINITY; shape.iter().product()];
    for (at, value) in out.iter_mut().enumerate() {
        let (channel, place) = (at / (shape[2] * shape[3]), at % (shape[2] * shape[3]));
        for tap in 0..window.kernel[0] * window.kernel[1] {
            let y = (place / shape[3] * window.stride[0] + tap / window.kernel[1] * window.dilation[0])
                .checked_sub(window.padding[0]);
            let column = (place % shape[3] * window.stride[1] + tap % window.kernel[1] * window.dilation[1])
                .checked_sub(window.padding[1]);
            if let (Some(y), Some(column)) = (y.filter(|y| *y < height), column.filter(|x| *x < width)) {
                *value = value.max(x.values[(channel * height + y) * width + column]);
            }
        }
    }
    out
}

fn matmul(a: Operand<'_>, b: Operand<'_>, shape: &[usize]) -> Vec<f32> {
    let (k, n) = (a.shape[a.shape.len() - 1], shape[shape.len() - 1]);
    let m = a.shape[a.shape.len() - 2];
    let mut out = vec![0.0; shape.iter().product()];
    pool::rows(&mut out, n, |row, out| {
        let b = if b.shape.len() > 2 { &b.values[row / m * k * n..][..k * n] } else { b.values };
        for (a, b) in a.values[row * k..][..k].iter().zip(b.chunks_exact(n)) {
            (kernels().axpy)(*a, b, out);
        }
    });
    out
}

/// The second operand is repeated where its extents are 1 or missing.
fn broadcast(a: Operand<'_>, b: Operand<'_>, function: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    let skipped = a.shape.len() - b.shape.len();
    let mut strides = vec![0; a.shape.len()];
    let mut stride = 1;
    for (axis, &extent) in b.shape.iter().enumerate().rev() {
        strides[skipped + axis] = if extent == 1 { 0 } else { stride };
        stride *= extent;
    }
    let mut place = vec![0; a.shape.len()];
    let mut at = 0;
    let mut out = Vec::with_capacity(a.values.len());
    for value in a.values {
        out.push(function(*value, b.values[at]));
        for axis in (0..place.len()).rev() {
            place[axis] += 1;
            at += strides[axis];
            if place[axis] < a.shape[axis] {
                break;
            }
            at -= strides[axis] * place[axis];
            place[axis] = 0;
        }
    }
    out
}

fn transpose(x: Operand<'_>, axes: &[usize], shape: &[usize]) -> Vec<f32> {
    let stride = |axis: usize| x.shape[axis + 1..].iter().product::<usize>();
    let strides: Vec<usize> = axes.iter().map(|&axis| stride(axis)).collect();
    (0..x.values.len())
        .map(|at| {
            let (mut rest, mut from) = (at, 0);
            for (extent, stride) in shape.iter().zip(&strides).rev() {
                from += rest % extent * stride;
                rest /= extent;
            }
            x.values[from]
        })
        .collect()
}

fn concat(operands: &[Operand<'_>], axis: usize) -> Vec<f32> {
    let outer: usize = operands[0].shape[..axis].iter().product();
    let piece = |operand: &Operand<'_>| operand.values.len() / outer.max(1);
    (0..outer)
        .flat_map(|at| {
            operands.iter().flat_map(move |operand| &operand.values[at * piece(operand)..][..piece(operand)])
        })
        .copied()
        .collect()
}

fn reduce(x: Operand<'_>, axis: usize, begin: f32, function: impl Fn(f32, f32) -> f32) -> Vec<f32> {
    let inner: usize = x.shape[axis + 1..].iter().product();
    let mut out = Vec::new();
    for block in x.values.chunks_exact(x.shape[axis] * inner) {
        let mut reduced = vec![begin; inner];
        for row in block.chunks_exact(inner) {
            reduced.iter_mut().zip(row).for_each(|(value, x)| *value = function(*value, *x));
        }
        out.extend(reduced);
    }
    out
}
