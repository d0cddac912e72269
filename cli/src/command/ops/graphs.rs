//! The graphs of a foundation.

use std::path::Path;

use loam::Engine;
use loam::dispatch::{Reason, Segment};
use loam_delegates::component::{Extents, Outcome, each, lower};
use loam_delegates::onnx::save;
use loam_delegates::operators::Operators;

use crate::error::Error;

/// Tokens of a text encoder's graph. Longer ones have the same operators.
const TOKENS: usize = 64;
/// Seconds of a recogniser's graph, likewise.
const SECONDS: f64 = 4.5;
/// Earlier positions of a backbone's graphs.
const PAST: usize = 32;

/// A graph of a component.
#[derive(Debug)]
pub struct Lowered {
    /// The component's name.
    pub component: String,
    /// Which of its graphs.
    pub segment: Segment,
    /// What it has.
    pub operators: Operators,
}

/// A component, or one of its graphs, that there is not.
#[derive(Debug)]
pub struct Missing {
    /// The component's name.
    pub component: String,
    /// Why.
    pub reason: Reason,
}

/// All of them. A backbone's have one block: the others repeat it.
#[derive(Debug, Default)]
pub struct Graphs {
    /// What has a graph.
    pub lowered: Vec<Lowered>,
    /// What has none.
    pub missing: Vec<Missing>,
}

impl Graphs {
    /// Those of all components, for adapters up to `rank`; written below `export` where it is given.
    ///
    /// # Errors
    /// [`loam::Error::Io`] for a file that cannot be written.
    pub fn of(engine: &Engine, rank: usize, export: Option<&Path>) -> anyhow::Result<Self> {
        if let Some(dir) = export {
            std::fs::create_dir_all(dir).map_err(Error::io(dir))?;
        }
        let blocks = Some(1);
        let extents =
            Extents { rank, texts: vec![TOKENS], seconds: vec![SECONDS], past: PAST, blocks, ..Extents::default() };
        let mut unsaved = None;
        let outcomes = each(
            engine,
            engine.foundation().components(),
            &extents,
            |_, _| Ok(()),
            |component, segment, ()| {
                let graph = lower(engine, component, segment, rank)?;
                if let Some(dir) = export {
                    let title = format!("{}.{segment}", component.name());
                    let saved = save(&graph, &title, &dir.join(format!("{title}.onnx")));
                    unsaved = unsaved.take().or(saved.err());
                }
                Ok(Operators::of_graph(&graph))
            },
        );
        if let Some(error) = unsaved {
            return Err(error.into());
        }
        let mut found = Self::default();
        for Outcome { component, segment, result, .. } in outcomes {
            match result {
                Ok(operators) => {
                    found.lowered.extend(segment.map(|segment| Lowered { component, segment, operators }));
                }
                Err(reason) => found.missing.push(Missing { component, reason }),
            }
        }
        Ok(found)
    }

    /// The operators of all graphs.
    pub fn operators(&self) -> Operators {
        let mut all = Operators::default();
        self.lowered.iter().for_each(|graph| all.merge(&graph.operators));
        all
    }
}
