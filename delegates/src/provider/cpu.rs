//! ONNX Runtime's own kernels: what graphs of integers are compared with, and a delegate for tests. The engine's kernels are the
//! ones that serve.

use loam::dispatch::Reason;
use ort::session::Session;
use ort::session::builder::SessionBuilder;

use super::{Provider, refused};
use crate::runtime::Runtime;

const NAME: &str = "CPUExecutionProvider";

/// The provider.
#[derive(Clone, Copy, Debug, Default)]
pub struct Cpu;

impl Provider for Cpu {
    fn name(&self) -> &'static str {
        NAME
    }

    fn builder(&self, runtime: &Runtime) -> Result<SessionBuilder, Reason> {
        let environment = runtime.environment();
        // Named, since the runtime picks a device by itself once others are registered.
        let devices = environment.devices().filter(|device| device.ep().is_ok_and(|name| name == NAME));
        Session::builder(environment).map_err(refused)?.with_devices(devices, None).map_err(refused)
    }
}
