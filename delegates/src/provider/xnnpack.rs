//! XNNPACK's kernels for the processor.

use loam::dispatch::Reason;
use ort::ep;
use ort::session::builder::SessionBuilder;

use super::{Provider, of_runtime};
use crate::runtime::Runtime;

/// The provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Xnnpack;

impl Provider for Xnnpack {
    fn name(&self) -> &'static str {
        "XnnpackExecutionProvider"
    }

    fn builder(&self, runtime: &Runtime) -> Result<SessionBuilder, Reason> {
        of_runtime(runtime, ep::XNNPACK::default().build())
    }
}
