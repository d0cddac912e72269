//! Operations in ONNX's words.

use std::collections::BTreeSet;

use loam::graph::{Graph, Op, Value, Window};

use super::proto::{Attribute, Element, IR_VERSION, Model, Node, Opset, Tensor, ValueInfo};

/// The operators' version: 23 brought `RMSNormalization`.
const OPSET: i64 = 23;
const PRODUCER: &str = "loam";

/// What an operation takes beside its operands.
#[derive(Clone, Debug, Default)]
struct Parts {
    attributes: Vec<Attribute>,
    /// Operands that are settings too: constants of integers, in their order.
    settings: Vec<(&'static str, Vec<i64>)>,
}

/// A file that is being written.
#[derive(Debug, Default)]
pub(crate) struct Writer {
    nodes: Vec<Node>,
    constants: Vec<Tensor>,
    inputs: Vec<ValueInfo>,
    outputs: Vec<ValueInfo>,
}

impl Writer {
    pub(crate) fn input(&mut self, name: &str, element: Element, shape: &[usize]) {
        self.inputs.push(ValueInfo::new(name, element, shape));
    }

    pub(crate) fn output(&mut self, name: &str, element: Element, shape: &[usize]) {
        self.outputs.push(ValueInfo::new(name, element, shape));
    }

    pub(crate) fn constant(&mut self, tensor: Tensor) {
        self.constants.push(tensor);
    }

    /// A node of ONNX's own operators.
    pub(crate) fn node(&mut self, op: &str, inputs: Vec<String>, output: &str, attribute: Vec<Attribute>) {
        self.nodes.push(Node {
            input: inputs,
            output: vec![output.to_owned()],
            name: output.to_owned(),
            op_type: op.to_owned(),
            attribute,
            domain: String::new(),
        });
    }

    /// The node of `op`.
    pub(crate) fn operation(&mut self, op: &Op, mut inputs: Vec<String>, output: &str) {
        let Parts { attributes, settings } = parts(op);
        for (part, values) in settings {
            let name = format!("{output}.{part}");
            self.constant(Tensor::integers(&name, &values));
            inputs.push(name);
        }
        self.node(op.name(), inputs, output, attributes);
    }

    /// The file, without what no output needs.
    pub(crate) fn finish(mut self, name: &str) -> Model {
        let mut needed: BTreeSet<String> = self.outputs.iter().map(|output| output.name.clone()).collect();
        for at in (0..self.nodes.len()).rev() {
            if needed.contains(&self.nodes[at].output[0]) {
                needed.extend(self.nodes[at].input.iter().cloned());
            }
        }
        self.nodes.retain(|node| needed.contains(&node.output[0]));
        self.constants.retain(|constant| needed.contains(&constant.name));
        let graph = super::proto::Graph {
            node: self.nodes,
            name: name.to_owned(),
            initializer: self.constants,
            input: self.inputs,
            output: self.outputs,
        };
        Model {
            ir_version: IR_VERSION,
            producer_name: PRODUCER.to_owned(),
            graph: Some(graph),
            opset_import: vec![Opset { domain: String::new(), version: OPSET }],
            functions: Vec::new(),
        }
    }
}

/// The name of a graph's output: a tensor may be given more than once, or be an input as well.
pub(crate) fn output_name(at: usize) -> String {
    format!("output.{at}")
}

/// Name and extents of a tensor.
pub(crate) fn named(graph: &Graph, value: Value) -> (&str, &[usize]) {
    let tensor = graph.tensor(value);
    (&tensor.name, &tensor.shape)
}

fn sliding(window: &Window) -> Vec<Attribute> {
    let Window { kernel, stride, padding, dilation } = *window;
    vec![
        Attribute::ints("kernel_shape", kernel),
        Attribute::ints("strides", stride),
        Attribute::ints("pads", [padding, padding].concat()),
        Attribute::ints("dilations", dilation),
    ]
}

fn parts(op: &Op) -> Parts {
    let integers = |values: &[usize]| values.iter().map(|&value| value as i64).collect::<Vec<i64>>();
    let attributes = |attributes: Vec<Attribute>| Parts { attributes, settings: Vec::new() };
    let settings = |settings: Vec<(&'static str, Vec<i64>)>| Parts { attributes: Vec::new(), settings };
    match op {
        Op::Linear => attributes(vec![Attribute::int("transB", 1)]),
        Op::Conv(window) | Op::MaxPool(window) => attributes(sliding(window)),
        Op::LayerNorm { eps } | Op::RmsNorm { eps } => {
            attributes(vec![Attribute::int("axis", -1), Attribute::float("epsilon", *eps)])
        }
        Op::Softmax => attributes(vec![Attribute::int("axis", -1)]),
        Op::GeluTanh => attributes(vec![Attribute::string("approximate", "tanh")]),
        Op::Transpose(axes) => attributes(vec![Attribute::ints("perm", axes.iter().copied())]),
        Op::Concat { axis } => attributes(vec![Attribute::int("axis", *axis as i64)]),
        Op::Reshape(shape) => settings(vec![("shape", integers(shape))]),
        Op::Slice { axis, start, end } => {
            settings(vec![("starts", integers(&[*start])), ("ends", integers(&[*end])), ("axes", integers(&[*axis]))])
        }
        Op::Mean { axis } | Op::Max { axis } => {
            Parts { attributes: vec![Attribute::int("keepdims", 1)], settings: vec![("axes", integers(&[*axis]))] }
        }
        Op::MatMul | Op::Add | Op::Mul | Op::Gelu | Op::Relu | Op::Sigmoid => Parts::default(),
    }
}
