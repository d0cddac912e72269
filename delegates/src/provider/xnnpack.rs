//! XNNPACK's kernels for the processor.

use loam::dispatch::Reason;
use ort::ep;
use ort::session::Session;
use ort::session::builder::SessionBuilder;

use super::{Provider, refused};
use crate::runtime::Runtime;

/// The provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Xnnpack;

impl Provider for Xnnpack {
    fn name(&self) -> &'static str {
        "XnnpackExecutionProvider"
    }

    fn builder(&self, runtime: &Runtime) -> Result<SessionBuilder, Reason> {
        let provider = ep::XNNPACK::default().build().error_on_failure();
        let builder = Session::builder(runtime.environment()).map_err(refused)?;
        builder.with_execution_providers([provider]).map_err(|e| Reason::Unavailable(e.to_string()))
    }
}
