//! Graphs of integers, written as runtimes recognise them: each operation between a `DequantizeLinear` of what it reads and a
//! `QuantizeLinear` of what it gives. Inputs and outputs are codes, so that nothing of single precision is left.

use std::collections::BTreeMap;

use super::calibrated::Calibrated;
use super::probe::Spread;
use super::range::Range;
use super::rounding::Moments;
use super::scheme::{Code, Scheme};
use super::schemes::Schemes;
use super::written::{Adapted, Port, Written};
use crate::onnx::proto::{Attribute, Element, Tensor};
use crate::onnx::{Writer, named};
use loam::dispatch::Reason;
use loam::graph::{Graph, Node, Op, Role, Source, Value};

/// `graph` with activations of sixteen bits and weights of eight.
///
/// # Errors
/// [`Reason::NoRange`] naming a tensor that calibration has not seen.
pub fn quantize(graph: &Graph, calibrated: &Calibrated, name: &str) -> Result<Written, Reason> {
    let schemes = Schemes::of(graph, &calibrated.ranges)?;
    let mut rewriter = Rewriter {
        graph,
        schemes,
        makers: graph.nodes().iter().map(|node| (node.output, node)).collect(),
        writer: Writer::default(),
        codes: BTreeMap::new(),
        decoded: BTreeMap::new(),
        settings: BTreeMap::new(),
        spread: &calibrated.spread,
        moments: None,
    };
    let mut inputs = Vec::new();
    for (value, tensor, _) in graph.inputs() {
        let scheme = rewriter.schemes.own(value);
        rewriter.writer.input(&tensor.name, scheme.code.element(), &tensor.shape);
        rewriter.codes.insert((value, key(scheme)), tensor.name.clone());
        inputs.push(Port { name: tensor.name.clone(), shape: tensor.shape.clone(), scheme: Some(scheme) });
    }
    for node in graph.nodes() {
        rewriter.node(node);
    }
    let mut outputs = Vec::new();
    for &value in graph.outputs() {
        let scheme = rewriter.schemes.given(value);
        let name = rewriter.codes(value, scheme);
        let shape = graph.shape(value).to_vec();
        rewriter.writer.output(&name, scheme.code.element(), &shape);
        outputs.push(Port { name, shape, scheme: Some(scheme) });
    }
    let adapted = adapted(graph, &rewriter.schemes);
    Ok(Written { model: rewriter.writer.finish(name), inputs, outputs, adapted })
}

/// Linears beside which there is a product of `x` with `A`, and of that with `B`.
fn adapted(graph: &Graph, schemes: &Schemes<'_>) -> Vec<Adapted> {
    let factors: Vec<Value> = graph.inputs().map(|(value, ..)| value).collect();
    let index = |value: Value| factors.iter().position(|&factor| factor == value);
    let is_down = |value: Value| matches!(graph.tensor(value).source, Source::Input(Role::Down(_)));
    let lows = graph.nodes().iter().filter(|node| node.inputs.get(1).is_some_and(|&down| is_down(down)));
    let delta = |low: &Node| {
        let delta = graph.nodes().iter().find(|node| node.op == Op::MatMul && node.inputs[0] == low.output)?;
        let (down, up) = (index(low.inputs[1])?, index(delta.inputs[1])?);
        let reads = named(graph, low.inputs[0]).0.to_owned();
        Some(Adapted { down, up, reads, limit: schemes.own(delta.output).range().high })
    };
    lows.filter_map(delta).collect()
}

/// A scheme as a key: floats have no order.
type Key = (Code, u32, i32);

fn key(scheme: Scheme) -> Key {
    (scheme.code, scheme.scale.to_bits(), scheme.zero)
}

struct Rewriter<'g> {
    graph: &'g Graph,
    schemes: Schemes<'g>,
    makers: BTreeMap<Value, &'g Node>,
    writer: Writer,
    /// Names of tensors as codes.
    codes: BTreeMap<(Value, Key), String>,
    /// Names of codes as floats.
    decoded: BTreeMap<String, String>,
    /// Names of the constants of a scheme.
    settings: BTreeMap<Key, [String; 2]>,
    /// Rows that weights are rounded by, and what is known of those that were used last: neighbours read the same tensor.
    spread: &'g Spread,
    moments: Option<(Value, Option<Moments>)>,
}

impl Rewriter<'_> {
    /// Constants `[scale, zero]` of a scheme.
    fn settings(&mut self, scheme: Scheme) -> [String; 2] {
        let next = self.settings.len();
        let writer = &mut self.writer;
        let made = self.settings.entry(key(scheme)).or_insert_with(|| {
            let [scale, zero] = ["scale", "zero"].map(|part| format!("scheme.{next}.{part}"));
            writer.constant(Tensor::floats(&scale, &[], &[scheme.scale]));
            writer.constant(Tensor::new(&zero, scheme.code.element(), &[], scheme.code.bytes(&[scheme.zero])));
            [scale, zero]
        });
        made.clone()
    }

    fn quantize(&mut self, float: &str, scheme: Scheme, codes: &str) {
        let [scale, zero] = self.settings(scheme);
        self.writer.node("QuantizeLinear", vec![float.to_owned(), scale, zero], codes, Vec::new());
    }

    /// Codes as floats.
    fn dequantize(&mut self, codes: &str, scheme: Scheme) -> String {
        if let Some(name) = self.decoded.get(codes) {
            return name.clone();
        }
        let name = format!("{codes}.float");
        let [scale, zero] = self.settings(scheme);
        self.writer.node("DequantizeLinear", vec![codes.to_owned(), scale, zero], &name, Vec::new());
        self.decoded.insert(codes.to_owned(), name.clone());
        name
    }

    /// A tensor in these codes: what moved it is repeated, so that the conversion stands where its values were made. Runtimes
    /// move transposes past a conversion, and leave them outside of any group then.
    fn codes(&mut self, value: Value, scheme: Scheme) -> String {
        if let Some(name) = self.codes.get(&(value, key(scheme))) {
            return name.clone();
        }
        let taken = self.codes.keys().filter(|(other, _)| *other == value).count();
        let name = format!("{}.as{taken}", self.graph.tensor(value).name);
        match self.makers.get(&value).copied().filter(|node| node.op.moves()) {
            Some(node) => {
                let moved = self.codes(node.inputs[0], scheme);
                let moved = self.dequantize(&moved, scheme);
                self.group(&node.op, vec![moved], scheme, &name);
            }
            None => {
                let own = self.float(value);
                self.quantize(&own, scheme, &name);
            }
        }
        self.codes.insert((value, key(scheme)), name.clone());
        name
    }

    /// A tensor as floats, of its own codes.
    fn float(&mut self, value: Value) -> String {
        let scheme = self.schemes.own(value);
        let codes = self.codes[&(value, key(scheme))].clone();
        self.dequantize(&codes, scheme)
    }

    fn group(&mut self, op: &Op, inputs: Vec<String>, scheme: Scheme, codes: &str) {
        let float = format!("{codes}.made");
        self.writer.operation(op, inputs, &float);
        self.quantize(&float, scheme, codes);
    }

    fn node(&mut self, node: &Node) {
        let scheme = self.schemes.own(node.output);
        let mut inputs = Vec::new();
        for at in 0..node.inputs.len() {
            let operand = self.operand(node, at, scheme);
            inputs.push(operand);
        }
        let codes = format!("{}.codes", named(self.graph, node.output).0);
        self.group(&node.op, inputs, scheme, &codes);
        self.codes.insert((node.output, key(scheme)), codes);
    }

    fn operand(&mut self, node: &Node, at: usize, scheme: Scheme) -> String {
        let value = node.inputs[at];
        if let Source::Constant(values) = &self.graph.tensor(value).source {
            return self.constant(node, at, value, values);
        }
        let wanted = match &node.op {
            Op::MatMul if at == 1 => self.schemes.second(value),
            // Qualcomm's concatenation gives the codes that it is given.
            Op::Concat { .. } => scheme,
            _ => self.schemes.own(value),
        };
        let codes = self.codes(value, wanted);
        self.dequantize(&codes, wanted)
    }

    fn constant(&mut self, node: &Node, at: usize, value: Value, values: &[f32]) -> String {
        match (&node.op, at) {
            (Op::Linear | Op::Conv(_), 1) => self.weight(node, value, values, 0),
            (Op::MatMul, 1) => self.weight(node, value, values, 1),
            (Op::Linear | Op::Conv(_), 2) => {
                let scales = self.channel_scales(node);
                let scale = self.schemes.own(node.inputs[0]).scale;
                let scales: Vec<f32> = scales.iter().map(|channel| channel * scale).collect();
                self.integers(value, values, &scales, Some(0))
            }
            (Op::LayerNorm { .. }, 1) => self.whole(value, values, Code::U8),
            (Op::LayerNorm { .. }, 2) => {
                let gamma = self.constant_scheme(node.inputs[1], Code::U8);
                let scale = self.schemes.own(node.inputs[0]).scale * gamma.scale;
                self.integers(value, values, &[scale], None)
            }
            _ => self.whole(value, values, Code::U16),
        }
    }

    fn constant_scheme(&self, value: Value, code: Code) -> Scheme {
        let Source::Constant(values) = &self.graph.tensor(value).source else { return self.schemes.own(value) };
        Scheme::covering(around(values), code)
    }

    /// A constant with one scheme.
    fn whole(&mut self, value: Value, values: &[f32], code: Code) -> String {
        let (name, shape) = named(self.graph, value);
        let (codes, shape) = (format!("{name}.{code:?}"), shape.to_vec());
        let scheme = Scheme::covering(around(values), code);
        if !self.decoded.contains_key(&codes) {
            let all: Vec<i32> = values.iter().map(|&value| scheme.encode(value)).collect();
            self.writer.constant(Tensor::new(&codes, code.element(), &shape, code.bytes(&all)));
        }
        self.dequantize(&codes, scheme)
    }

    /// A step per output channel of a product's weights. A channel of small weights and a large bias has a step that the bias
    /// can be counted in.
    fn channel_scales(&self, node: &Node) -> Vec<f32> {
        let (weight, bias) = (node.inputs[1], node.inputs.get(2));
        let Source::Constant(values) = &self.graph.tensor(weight).source else { return Vec::new() };
        let channels = self.graph.shape(weight)[0];
        let x = self.schemes.own(node.inputs[0]).scale;
        let bias = bias.map(|&bias| match &self.graph.tensor(bias).source {
            Source::Constant(values) => &values[..],
            _ => &[],
        });
        let rows = values.chunks_exact(values.len() / channels).enumerate();
        let scale = |(channel, row): (usize, &[f32])| {
            let least = bias.map_or(0.0, |bias| bias[channel].abs() / (x * LARGEST_BIAS));
            Scheme::covering(around(row), Code::S8).scale.max(least)
        };
        rows.map(scale).collect()
    }

    /// What is known of the rows of a tensor.
    fn moments(&mut self, value: Value) -> Option<&Moments> {
        if self.moments.as_ref().is_none_or(|(known, _)| *known != value) {
            let rows = self.spread.0.get(named(self.graph, value).0);
            self.moments = Some((value, rows.and_then(|rows| Moments::of(&rows.values, rows.width))));
        }
        self.moments.as_ref().and_then(|(_, moments)| moments.as_ref())
    }

    /// Weights with a scheme per channel, which lie along `axis`.
    fn weight(&mut self, node: &Node, value: Value, values: &[f32], axis: usize) -> String {
        let (name, shape) = named(self.graph, value);
        let (codes, shape) = (format!("{name}.{:?}", Code::S8), shape.to_vec());
        if let Some(made) = self.decoded.get(&codes) {
            return made.clone();
        }
        let inner: usize = shape[axis + 1..].iter().product();
        let channel = |at: usize| at / inner % shape[axis];
        let scales = match node.op {
            Op::MatMul => {
                let mut most = vec![0.0f32; shape[axis]];
                values
                    .iter()
                    .enumerate()
                    .for_each(|(at, value)| most[channel(at)] = most[channel(at)].max(value.abs()));
                most.iter().map(|&most| Scheme::covering(Range::around_zero(most), Code::S8).scale).collect()
            }
            _ => self.channel_scales(node),
        };
        let encode =
            |(at, &value): (usize, &f32)| Scheme { code: Code::S8, scale: scales[channel(at)], zero: 0 }.encode(value);
        let all = match (&node.op, self.moments(node.inputs[0])) {
            (Op::Linear, Some(moments)) => moments.round(values, &scales, Code::S8.limits().1 as f32),
            _ => values.iter().enumerate().map(encode).collect(),
        };
        self.writer.constant(Tensor::new(&codes, Element::Int8, &shape, Code::S8.bytes(&all)));
        self.channels(&codes, &scales, Element::Int8, Some(axis))
    }

    /// A constant of integers of four bytes.
    fn integers(&mut self, value: Value, values: &[f32], scales: &[f32], axis: Option<usize>) -> String {
        let (name, shape) = named(self.graph, value);
        let (codes, shape) = (format!("{name}.S32"), shape.to_vec());
        if let Some(made) = self.decoded.get(&codes) {
            return made.clone();
        }
        let scale = |at: usize| scales[if scales.len() > 1 { at } else { 0 }];
        let code = |(at, value): (usize, &f32)| (f64::from(*value) / f64::from(scale(at))).round_ties_even() as i32;
        let data = values.iter().enumerate().flat_map(|each| code(each).to_le_bytes()).collect();
        self.writer.constant(Tensor::new(&codes, Element::Int32, &shape, data));
        self.channels(&codes, scales, Element::Int32, axis)
    }

    /// Codes around zero as floats, with a step per channel of `axis` or one step.
    fn channels(&mut self, codes: &str, scales: &[f32], element: Element, axis: Option<usize>) -> String {
        let [float, scale, zero] = ["float", "scale", "zero"].map(|part| format!("{codes}.{part}"));
        let shape: &[usize] = if axis.is_some() { &[scales.len()] } else { &[] };
        self.writer.constant(Tensor::floats(&scale, shape, scales));
        let bytes = if element == Element::Int32 { 4 } else { 1 };
        self.writer.constant(Tensor::new(&zero, element, shape, vec![0; scales.len() * bytes]));
        let attributes = axis.map(|axis| Attribute::int("axis", axis as i64)).into_iter().collect();
        self.writer.node("DequantizeLinear", vec![codes.to_owned(), scale, zero], &float, attributes);
        self.decoded.insert(codes.to_owned(), float.clone());
        float
    }
}

/// Steps of four bytes that a bias may have.
const LARGEST_BIAS: f32 = (1u32 << 30) as f32;

fn around(values: &[f32]) -> Range {
    let low = values.iter().copied().fold(0.0, f32::min);
    Range { low, high: values.iter().copied().fold(0.0, f32::max) }
}
