//! Apple's processors through Core ML. It compiles when a session opens, into a cache of the system.

use loam::dispatch::Reason;
use ort::ep;
use ort::session::Session;
use ort::session::builder::SessionBuilder;

use super::{Provider, refused};
use crate::runtime::Runtime;

/// The provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoreMl;

impl Provider for CoreMl {
    fn name(&self) -> &'static str {
        "CoreMLExecutionProvider"
    }

    fn builder(&self, runtime: &Runtime) -> Result<SessionBuilder, Reason> {
        let provider = ep::CoreML::default().with_static_input_shapes(true).build().error_on_failure();
        let builder = Session::builder(runtime.environment()).map_err(refused)?;
        builder.with_execution_providers([provider]).map_err(|e| Reason::Unavailable(e.to_string()))
    }
}
