//! ONNX Runtime, loaded when it is first asked for.

mod library;
#[cfg(feature = "qnn")]
mod plugin;
mod session;

pub use library::{Libraries, QNN_VARIABLE, RUNTIME_VARIABLE, Runtime};
pub(crate) use session::{Codes, Session};
