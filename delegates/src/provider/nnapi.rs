//! Android's Neural Networks API: deprecated since Android 15, and the only way to some older NPUs.

use loam::dispatch::Reason;
use ort::ep;
use ort::session::builder::SessionBuilder;

use super::{Provider, of_runtime};
use crate::runtime::Runtime;

/// The provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Nnapi;

impl Provider for Nnapi {
    fn name(&self) -> &'static str {
        "NnapiExecutionProvider"
    }

    fn builder(&self, runtime: &Runtime) -> Result<SessionBuilder, Reason> {
        of_runtime(runtime, ep::NNAPI::default().with_disable_cpu(true).build())
    }
}
