//! Something made of every graph of some components.

use std::time::Instant;

use loam::Engine;
use loam::dispatch::{Reason, Segment};
use loam::foundation::Component;

use super::{Extents, segments};

/// What became of a graph, or of a component that has none.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome<T> {
    /// The component's name.
    pub component: String,
    /// Which of its graphs; `None` for what concerns all of them.
    pub segment: Option<Segment>,
    /// What was made of it.
    pub result: Result<T, Reason>,
    /// How long that took.
    pub seconds: f64,
}

/// Prepares with `share` what all graphs of a component need, then makes with `make` something of each, one after the other: graphs
/// are large. A failure ends its graph, or its component, alone.
pub fn each<'c, S, T>(
    engine: &Engine,
    components: impl IntoIterator<Item = &'c Component>,
    extents: &Extents,
    mut share: impl FnMut(&Component, &[Segment]) -> Result<S, Reason>,
    mut make: impl FnMut(&Component, Segment, &S) -> Result<T, Reason>,
) -> Vec<Outcome<T>> {
    let mut outcomes = Vec::new();
    for component in components {
        let start = Instant::now();
        let mut add = |segment: Option<Segment>, start: Instant, result: Result<T, Reason>| {
            let component = component.name().to_owned();
            outcomes.push(Outcome { component, segment, result, seconds: start.elapsed().as_secs_f64() });
        };
        let prepared = segments(engine, component, extents).and_then(|found| Ok((share(component, &found)?, found)));
        let (shared, found) = match prepared {
            Ok(prepared) => prepared,
            Err(reason) => {
                add(None, start, Err(reason));
                continue;
            }
        };
        for segment in found {
            let start = Instant::now();
            add(Some(segment), start, make(component, segment, &shared));
        }
    }
    outcomes
}
