//! ONNX Runtime's execution providers: one small file each.

#[cfg(feature = "coreml")]
mod coreml;
mod cpu;
#[cfg(feature = "nnapi")]
mod nnapi;
#[cfg(feature = "qnn")]
mod qnn;
#[cfg(feature = "xnnpack")]
mod xnnpack;

#[cfg(feature = "coreml")]
pub use coreml::CoreMl;
pub use cpu::Cpu;
#[cfg(feature = "nnapi")]
pub use nnapi::Nnapi;
#[cfg(feature = "qnn")]
pub use qnn::{Arch, Qnn};
#[cfg(feature = "xnnpack")]
pub use xnnpack::Xnnpack;

use std::fmt::Debug;
use std::path::Path;

use loam::dispatch::Reason;
use ort::session::builder::SessionBuilder;

use crate::runtime::Runtime;

/// One provider.
pub trait Provider: Debug + Send + Sync {
    /// ONNX Runtime's name of it.
    fn name(&self) -> &'static str;

    /// Build of its own libraries, where it has some: what one has compiled is not for another.
    ///
    /// # Errors
    /// [`Reason::Unavailable`] naming a file that is missing.
    fn build(&self) -> Result<String, Reason> {
        Ok(String::new())
    }

    /// A session's builder that gives all nodes to it, or those that it takes where it is not able to do all.
    ///
    /// # Errors
    /// [`Reason::Unavailable`] with what is missing, [`Reason::Refused`] for a setting that the runtime does not know.
    fn builder(&self, runtime: &Runtime) -> Result<SessionBuilder, Reason>;

    /// Compiles the graph at `model` into `folder`, and gives the name of the file there that is opened later. A provider that
    /// compiles only in memory copies the graph.
    ///
    /// # Errors
    /// As [`Provider::builder`]; [`Reason::Refused`] naming what it does not take.
    fn compile(&self, runtime: &Runtime, model: &Path, folder: &Path) -> Result<String, Reason> {
        // Opened once, which shows whether it is taken.
        crate::runtime::Session::open(self.builder(runtime)?, model)?;
        let failed = |e: std::io::Error| Reason::Failed(format!("{}: {e}", folder.display()));
        std::fs::copy(model, folder.join(GRAPH_FILE)).map_err(failed)?;
        Ok(GRAPH_FILE.to_owned())
    }
}

/// The graph itself, for providers that compile in memory each time.
pub(crate) const GRAPH_FILE: &str = "graph.onnx";

/// A session's builder for a provider that the runtime's own library may have.
#[cfg(any(feature = "coreml", feature = "nnapi", feature = "xnnpack"))]
fn of_runtime(runtime: &Runtime, provider: ort::ep::ExecutionProviderDispatch) -> Result<SessionBuilder, Reason> {
    let builder = ort::session::Session::builder(runtime.environment()).map_err(refused)?;
    let builder = builder.with_execution_providers([provider.error_on_failure()]);
    builder.map_err(|e| Reason::Unavailable(e.to_string()))
}

/// A runtime's error while a session is prepared.
pub(crate) fn refused(error: impl std::fmt::Display) -> Reason {
    Reason::Refused(error.to_string())
}
