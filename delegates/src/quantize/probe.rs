//! Rows of what linears read: an adapter is tried on them before it is given to a graph of integers.

use std::collections::{BTreeMap, BTreeSet};

use loam::graph::{Graph, Op, Role, Source, Value};

use crate::tensors::Rows;

/// Rows that are kept of each tensor: those of the largest norms.
const KEPT: usize = 32;

/// Rows by the names of tensors.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Probes(pub BTreeMap<String, Rows>);

/// Rows of what linears read, evenly spread over the sample data: what their weights are rounded by.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Spread(pub BTreeMap<String, Rows>);

/// Rows that are kept of each tensor, at most.
const SPREAD: usize = 512;

/// Rows of a tensor, every so many of those that came.
#[derive(Clone, Debug)]
pub(super) struct Sieve {
    rows: Rows,
    stride: usize,
    seen: usize,
}

impl Sieve {
    pub(super) fn new(width: usize) -> Self {
        Self { rows: Rows { width, values: Vec::new() }, stride: 1, seen: 0 }
    }

    pub(super) fn add(&mut self, values: &[f32]) {
        let width = self.rows.width;
        for row in values.chunks_exact(width) {
            if self.seen.is_multiple_of(self.stride) {
                self.rows.values.extend_from_slice(row);
            }
            self.seen += 1;
            if self.rows.values.len() > SPREAD * width {
                self.stride *= 2;
                let kept = self.rows.values.chunks_exact(width).step_by(2);
                self.rows.values = kept.flatten().copied().collect();
            }
        }
    }

    pub(super) fn finish(self) -> Rows {
        self.rows
    }
}

/// Tensors that linears of `graph` read.
pub(super) fn read_by_linears(graph: &Graph) -> BTreeSet<Value> {
    let linears = graph.nodes().iter().filter(|node| node.op == Op::Linear);
    linears.map(|node| node.inputs[0]).collect()
}

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
