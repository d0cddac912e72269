//! Why something comes from the processor and not from a delegate.

use serde::{Deserialize, Serialize};

use crate::graph::Misfit;

/// What kept a delegate from a result, or from a component.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, thiserror::Error)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// The runtime, its libraries or the device are not there.
    #[error("not available: {0}")]
    Unavailable(String),
    /// The network has no graph.
    #[error("no graph: {0}")]
    NoGraph(String),
    /// Nothing was compiled for this component and this target.
    #[error("not compiled")]
    NotCompiled,
    /// It is being compiled.
    #[error("compiling")]
    Compiling,
    /// What was compiled is for other weights, or by another version.
    #[error("compiled for {found}, this is {wanted}")]
    Stale {
        /// What it was compiled for.
        found: String,
        /// What is to run.
        wanted: String,
    },
    /// A compiled file is not the one that was written.
    #[error("{file}: damaged: {problem}")]
    Damaged {
        /// The file.
        file: String,
        /// What is wrong with it.
        problem: String,
    },
    /// The runtime does not take the graph.
    #[error("refused: {0}")]
    Refused(String),
    /// The process that compiled ended by itself.
    #[error("the compiler crashed: {0}")]
    Crashed(String),
    /// The process that compiled was ended after this time.
    #[error("the compiler took more than {seconds} s")]
    TookTooLong {
        /// The limit.
        seconds: u64,
    },
    /// Sample data showed no values of a tensor.
    #[error("no range of '{tensor}'")]
    NoRange {
        /// Its name.
        tensor: String,
    },
    /// The adapter cannot be given to the graph.
    #[error("{0}")]
    Misfit(Misfit),
    /// The adapter's values do not fit into the codes that the graph has for them.
    #[error("adapter out of range: '{tensor}' takes {limit}, the adapter needs {value}")]
    AdapterRange {
        /// The graph's tensor.
        tensor: String,
        /// The largest magnitude that the adapter needs.
        value: f32,
        /// The largest one that fits.
        limit: f32,
    },
    /// The input's values lie outside of those that the graph was calibrated for.
    #[error("input out of range: {clipped} of {values} values of '{tensor}'")]
    InputRange {
        /// The graph's tensor.
        tensor: String,
        /// Values outside.
        clipped: usize,
        /// All values.
        values: usize,
    },
    /// The input is longer than the graph.
    #[error("{length} positions, the graph has {most}")]
    TooLong {
        /// The input's.
        length: usize,
        /// The graph's.
        most: usize,
    },
    /// The delegate gave a value that is not finite.
    #[error("output '{tensor}' is not finite")]
    NotFinite {
        /// Its name.
        tensor: String,
    },
    /// The delegate failed.
    #[error("failed: {0}")]
    Failed(String),
    /// The delegate's result of sample data is not the processor's.
    #[error("inaccurate: cosine {cosine} to the processor, {least} is asked for")]
    Inaccurate {
        /// The least one that was found.
        cosine: f32,
        /// The least one that is good enough.
        least: f32,
    },
    /// The delegate's result of sample data is not of the size of the processor's.
    #[error("inaccurate: its results are {ratio} times the processor's")]
    Scale {
        /// Between the results' norms.
        ratio: f32,
    },
    /// The process ended, or hung, while the delegate opened or tried what was compiled.
    #[error("opening it ended the process {times} times")]
    Fatal {
        /// How often, one after the other.
        times: u32,
    },
    /// The delegate took longer than this to open and try what was compiled.
    #[error("opening it took more than {seconds} s")]
    OpenedTooLong {
        /// The limit.
        seconds: u64,
    },
    /// The processor is faster.
    #[error("slower: {delegate_ms} ms, the processor takes {processor_ms} ms")]
    Slower {
        /// The delegate's time.
        delegate_ms: f64,
        /// The processor's.
        processor_ms: f64,
    },
    /// What it needs is not left of the budget of memory.
    #[error("memory: {needed} bytes, {available} are left")]
    Memory {
        /// Bytes.
        needed: u64,
        /// Bytes.
        available: u64,
    },
}

impl From<Misfit> for Reason {
    fn from(misfit: Misfit) -> Self {
        Self::Misfit(misfit)
    }
}
