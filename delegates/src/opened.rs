//! An artefact that is ready: what all delegates have in common.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use loam::dispatch::{Delegate, Factors, Reason, Support};
use loam::graph::Signature;

use crate::artefact::Artefact;

/// What runs an artefact's graph.
pub(crate) trait Runner: Debug + Send + Sync {
    /// An adapter as it is given to the graph.
    type Given: Send + Sync + 'static;

    /// Prepares an adapter.
    fn adapt(&self, artefact: &Artefact, factors: &[Vec<f32>]) -> Result<Self::Given, Reason>;

    /// How much of the graph it runs itself.
    fn support(&self) -> Support;

    /// Runs the graph on the values of all inputs but an adapter's factors.
    fn run(&self, artefact: &Artefact, data: &[&[f32]], given: &Self::Given) -> Result<Vec<Vec<f32>>, Reason>;
}

/// An artefact and what runs it.
#[derive(Debug)]
pub(crate) struct Opened<R> {
    pub(crate) artefact: Artefact,
    pub(crate) runner: R,
}

impl<R: Runner> Delegate for Opened<R> {
    fn signature(&self) -> &Signature {
        &self.artefact.record.signature
    }

    fn support(&self) -> Support {
        self.runner.support()
    }

    fn bytes(&self) -> u64 {
        self.artefact.bytes()
    }

    fn sample(&self) -> &[Vec<f32>] {
        &self.artefact.sample
    }

    fn adapt(&self, factors: &[Vec<f32>]) -> Result<Factors, Reason> {
        Ok(Arc::new(self.runner.adapt(&self.artefact, factors)?))
    }

    fn run(&self, data: &[&[f32]], factors: &Factors) -> Result<Vec<Vec<f32>>, Reason> {
        let given: &dyn Any = &**factors;
        let given = given.downcast_ref().ok_or_else(|| Reason::Failed("factors of another".to_owned()))?;
        self.runner.run(&self.artefact, data, given)
    }
}
