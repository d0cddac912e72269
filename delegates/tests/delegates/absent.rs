//! Providers of other systems.

use loam::dispatch::{Backend, Reason};
use loam_delegates::{OnnxBackend, Target};

use crate::fixture::{libraries, runtime};

/// ONNX Runtime for Linux comes without them; nothing here runs on a telephone.
#[test]
fn providers_that_the_runtime_lacks_are_told() {
    if runtime().is_none() || cfg!(not(target_os = "linux")) {
        return;
    }
    let root = tempfile::tempdir().expect("folder");
    for target in [Target::CoreMl, Target::Nnapi] {
        let told = OnnxBackend::new(target, libraries(), root.path()).is_available();
        let reason = told.expect_err(target.name());
        assert!(matches!(&reason, Reason::Unavailable(what) if !what.is_empty()), "{}: {reason}", target.name());
        eprintln!("{}: {reason}", target.name());
    }
}
