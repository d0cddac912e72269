//! Core ML packages: made of graphs by coremltools on any system, compiled and run by Apple's own.
//!
//! What runs on Apple's systems is type-checked elsewhere and was not executed (docs/npu.md).

mod package;
#[cfg(any(test, target_vendor = "apple"))]
mod strided;

#[cfg(target_vendor = "apple")]
mod array;
#[cfg(target_vendor = "apple")]
mod backend;
#[cfg(target_vendor = "apple")]
mod model;

#[cfg(target_vendor = "apple")]
pub use backend::CoreMlBackend;
pub use package::{PACKAGE, PYTHON_VARIABLE, Packager};
