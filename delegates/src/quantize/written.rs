//! A graph that was written as a file.

use loam::graph::Graph;
use serde::{Deserialize, Serialize};

use super::scheme::Scheme;
use crate::onnx::proto::Model;
use crate::onnx::{export, output_name};

/// An input or an output.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Port {
    /// Its name in the file.
    pub name: String,
    /// Extents.
    pub shape: Vec<usize>,
    /// What its codes mean; `None` for floats.
    pub scheme: Option<Scheme>,
}

impl Port {
    /// The largest magnitude that it holds.
    #[must_use]
    pub fn limit(&self) -> f32 {
        self.scheme.map_or(f32::INFINITY, |scheme| scheme.range().high)
    }
}

/// A linear that an adapter may act on.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Adapted {
    /// Index of the input of `A`.
    pub down: usize,
    /// Index of the input of `B`.
    pub up: usize,
    /// The tensor that the linear reads.
    pub reads: String,
    /// The largest magnitude of what is added to the linear's result.
    pub limit: f32,
}

/// A graph as a file, with what its inputs and outputs mean.
#[derive(Clone, Debug)]
pub struct Written {
    /// The file.
    pub model: Model,
    /// In the order of [`Graph::inputs`].
    pub inputs: Vec<Port>,
    /// In the order of [`Graph::outputs`].
    pub outputs: Vec<Port>,
    /// Where adapters act.
    pub adapted: Vec<Adapted>,
}

impl Written {
    /// `graph` in single precision.
    #[must_use]
    pub fn floats(graph: &Graph, name: &str) -> Self {
        let signature = graph.signature();
        let port = |name: String, shape: Vec<usize>| Port { name, shape, scheme: None };
        let inputs = signature.inputs.into_iter().map(|input| port(input.name, input.shape));
        let outputs = signature.outputs.into_iter().enumerate().map(|(at, output)| port(output_name(at), output.shape));
        Self { model: export(graph, name), inputs: inputs.collect(), outputs: outputs.collect(), adapted: Vec::new() }
    }
}
