//! Graphs on ONNX Runtime's processor and on Qualcomm's simulator, against the engine.

mod artefacts;
mod fixture;
mod networks;
mod operators;
mod qnn;
mod references;
