//! Rows of what linears read: an adapter is tried on them before it is given to a graph of integers.

use std::collections::{BTreeMap, BTreeSet};

use loam::graph::{Graph, Role, Source, Value};

use crate::tensors::Rows;

/// Rows that are kept of each tensor: those of the largest norms.
const KEPT: usize = 32;

/// Rows by the names of tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probes(pub BTreeMap<String, Rows>);

impl Probes {
    /// Tensors of `graph` that linears with adapters read.
    pub(super) fn watched(graph: &Graph) -> BTreeSet<Value> {
        let reads = |node: &loam::graph::Node| {
            let [x, factor] = node.inputs[..] else { return None };
            matches!(graph.tensor(factor).source, Source::Input(Role::Down(_))).then_some(x)
        };
        graph.nodes().iter().filter_map(reads).collect()
    }

    /// Considers the rows of a tensor.
    pub(super) fn add(&mut self, name: &str, width: usize, values: &[f32]) {
        let norm = |row: &[f32]| row.iter().map(|value| value * value).sum::<f32>();
        let kept = self.0.entry(name.to_owned()).or_insert_with(|| Rows { width, values: Vec::new() });
        let mut rows: Vec<&[f32]> = kept.values.chunks_exact(width).chain(values.chunks_exact(width)).collect();
        rows.sort_by(|a, b| norm(b).total_cmp(&norm(a)));
        rows.truncate(KEPT);
        kept.values = rows.concat();
    }
}
