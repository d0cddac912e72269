//! A graph as a file, in single precision.

use std::path::Path;

use loam::graph::{Graph, Source};
use loam::{Error, Result};
use prost::Message;

use super::node::{Writer, named, output_name};
use super::proto::{Element, Model, Tensor};

/// `graph` as a file: inputs and constants by their names, outputs as `output.0` and so on.
#[must_use]
pub fn export(graph: &Graph, name: &str) -> Model {
    let mut writer = Writer::default();
    for tensor in graph.tensors() {
        match &tensor.source {
            Source::Input(_) => writer.input(&tensor.name, Element::Float, &tensor.shape),
            Source::Constant(values) => writer.constant(Tensor::floats(&tensor.name, &tensor.shape, values)),
            Source::Node => {}
        }
    }
    for node in graph.nodes() {
        let inputs = node.inputs.iter().map(|&value| named(graph, value).0.to_owned()).collect();
        writer.operation(&node.op, inputs, named(graph, node.output).0);
    }
    for (at, &value) in graph.outputs().iter().enumerate() {
        let (tensor, shape) = named(graph, value);
        let name = output_name(at);
        writer.output(&name, Element::Float, shape);
        writer.node("Identity", vec![tensor.to_owned()], &name, Vec::new());
    }
    writer.finish(name)
}

/// Writes `graph` to a file, as [`export`] makes it.
///
/// # Errors
/// [`Error::Io`].
pub fn save(graph: &Graph, name: &str, path: &Path) -> Result<()> {
    let bytes = export(graph, name).encode_to_vec();
    std::fs::write(path, bytes).map_err(|source| Error::Io { path: path.to_owned(), source })
}
