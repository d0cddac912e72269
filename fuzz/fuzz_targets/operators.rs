//! Models of one task: their operators counted, of an ONNX file or, behind its first table's offset, a TensorFlow Lite one.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loam_delegates::operators::Format;

mod panics;

fuzz_target!(init: panics::only_own(), |bytes: &[u8]| {
    for format in Format::ALL {
        if let Ok(found) = format.operators(bytes) {
            assert!(found.types() <= found.total());
        }
    }
});
