//! Graphs on ONNX Runtime's processor and on Qualcomm's simulator, against the engine.

mod absent;
mod artefacts;
mod choice;
#[cfg(feature = "coreml")]
mod coreml;
mod engine;
mod fixture;
mod foundation;
mod networks;
mod operators;
mod qnn;
mod references;
mod speech;
