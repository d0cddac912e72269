//! Android's Neural Networks API: deprecated since Android 15, and the only way to some older NPUs.

use loam::dispatch::Reason;
use ort::ep;
use ort::session::Session;
use ort::session::builder::SessionBuilder;

use super::{Provider, refused};
use crate::runtime::Runtime;

/// The provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nnapi;

impl Provider for Nnapi {
    fn name(&self) -> &'static str {
        "NnapiExecutionProvider"
    }

    fn builder(&self, runtime: &Runtime) -> Result<SessionBuilder, Reason> {
        let provider = ep::NNAPI::default().with_disable_cpu(true).build().error_on_failure();
        let builder = Session::builder(runtime.environment()).map_err(refused)?;
        builder.with_execution_providers([provider]).map_err(|e| Reason::Unavailable(e.to_string()))
    }
}
