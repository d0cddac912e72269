//! What a delegate has to offer.

use std::any::Any;
use std::fmt::Debug;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::reason::Reason;
use super::segment::Segment;
use crate::graph::Signature;

/// What is to run: one graph of a component.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subject<'a> {
    /// The component's name in the foundation.
    pub component: &'a str,
    /// SHA-256 of its weights.
    pub fingerprint: &'a str,
    /// Which of its graphs.
    pub segment: Segment,
}

/// How much of a graph, or of a component, a backend runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Support {
    /// All of it.
    Full,
    /// Some of it: the rest runs on the processor, between its parts.
    Partial(Reason),
    /// Nothing.
    None(Reason),
}

/// An adapter as a delegate takes it: made once, used for each run.
pub type Factors = Arc<dyn Any + Send + Sync>;

/// A processor beside the one that everything runs on.
pub trait Backend: Debug + Send + Sync {
    /// As traces name it, such as `qnn-v75`.
    fn name(&self) -> &str;

    /// Succeeds when its libraries and its device are there. Cheap after the first call.
    ///
    /// # Errors
    /// [`Reason::Unavailable`] with what is missing.
    fn is_available(&self) -> Result<(), Reason>;

    /// Versions of its libraries, and its device: what was found out with others does not count.
    ///
    /// # Errors
    /// As [`Backend::is_available`].
    fn identity(&self) -> Result<String, Reason>;

    /// The graphs that were compiled for a component, whether for its weights or for others.
    fn compiled(&self, component: &str) -> Vec<Segment>;

    /// Opens what was compiled for `subject`. Whoever asks runs it once before relying on it.
    ///
    /// # Errors
    /// [`Reason`].
    fn open(&self, subject: &Subject<'_>) -> Result<Box<dyn Delegate>, Reason>;
}

/// A compiled graph that is ready to run.
pub trait Delegate: Debug + Send + Sync {
    /// What it is given and what it gives.
    fn signature(&self) -> &Signature;

    /// How much of the graph it runs itself, as was found when it was opened. A graph of which it runs nothing is not opened.
    fn support(&self) -> Support;

    /// Bytes that it holds beside the processor's weights.
    fn bytes(&self) -> u64;

    /// Values of all inputs but an adapter's factors, of an input that it was calibrated with; none where it was not kept.
    fn sample(&self) -> &[Vec<f32>];

    /// Prepares an adapter: values as [`Signature::factors`] gives them.
    ///
    /// # Errors
    /// [`Reason::AdapterRange`].
    fn adapt(&self, factors: &[Vec<f32>]) -> Result<Factors, Reason>;

    /// Runs it on the values of all inputs but an adapter's factors, in their order; its outputs.
    ///
    /// # Errors
    /// [`Reason`].
    fn run(&self, data: &[&[f32]], factors: &Factors) -> Result<Vec<Vec<f32>>, Reason>;
}
