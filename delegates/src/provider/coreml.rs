//! Apple's processors through Core ML. It compiles when a session opens, into a cache of the system.

use loam::dispatch::Reason;
use ort::ep;
use ort::session::builder::SessionBuilder;

use super::{Provider, of_runtime};
use crate::runtime::Runtime;

/// The provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct CoreMl;

impl Provider for CoreMl {
    fn name(&self) -> &'static str {
        "CoreMLExecutionProvider"
    }

    fn builder(&self, runtime: &Runtime) -> Result<SessionBuilder, Reason> {
        of_runtime(runtime, ep::CoreML::default().with_static_input_shapes(true).build())
    }
}
