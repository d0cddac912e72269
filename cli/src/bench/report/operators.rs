//! The operators that the foundation's graphs have.

use loam::Engine;

use crate::command::ops;

/// Of a graph.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GraphOperators {
    /// Component, and which of its graphs.
    pub graph: String,
    /// Kinds of operators.
    pub types: usize,
    /// Operators.
    pub total: usize,
}

/// Of all graphs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllOperators {
    /// Each.
    pub graphs: Vec<GraphOperators>,
    /// Kinds that any of them has.
    pub types: usize,
}

impl AllOperators {
    /// Those that `loam ops` counts.
    ///
    /// # Errors
    /// The engine's.
    pub fn of(engine: &Engine) -> anyhow::Result<Self> {
        let (graphs, all) = ops::counted(engine)?;
        let graphs = graphs.into_iter().map(|(graph, operators)| GraphOperators {
            graph,
            types: operators.types(),
            total: operators.total(),
        });
        Ok(Self { graphs: graphs.collect(), types: all.types() })
    }
}
