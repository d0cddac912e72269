//! Runs Loam's graphs on NPUs and other processors, through ONNX Runtime's execution providers.
//!
//! Ahead of time, [`Calibration`](quantize::Calibration) looks at a graph's tensors while sample data run through it, and
//! [`Compiler`] makes an artefact for a [`Target`]. The engine opens artefacts through the backends that a [`Choice`] gives it.

mod adapt;
pub mod artefact;
mod backend;
mod choice;
mod compile;
pub mod component;
#[cfg(feature = "coreml")]
pub mod coreml;
mod delegate;
mod device;
pub mod onnx;
mod opened;
pub mod operators;
pub mod provider;
pub mod quantize;
pub mod runtime;
mod target;
mod tensors;

pub use backend::{OnnxBackend, beside};
pub use choice::Choice;
pub use compile::{Compiler, keep};
pub use target::{Form, Target};
pub use tensors::Rows;
