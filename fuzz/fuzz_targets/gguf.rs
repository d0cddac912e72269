//! GGUF: header, metadata and tensor table; files that pass are opened, read tensor by tensor and loaded as a backbone.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loam::model::backbone::{Backbone, Entry, Row, Want};
use loam::weights::Gguf;

mod panics;
mod scratch;

/// More values than any file of this size holds plainly: a guard against slow inputs, not a limit of the reader.
const MAX_ELEMENTS: usize = 1 << 20;

fuzz_target!(init: panics::only_own(), |bytes: &[u8]| {
    let Ok(metadata) = Gguf::check(bytes) else { return };
    let path = scratch::scratch("fuzz.gguf", bytes);
    // The same name twice is found only when the table is built.
    let Ok(file) = Gguf::open(&path) else { return };
    assert_eq!(file.metadata().iter().count(), metadata.iter().count());
    for name in file.names() {
        let tensor = file.tensor(name).expect("checked when opened").expect("listed");
        if tensor.elements() < MAX_ELEMENTS {
            assert_eq!(tensor.to_f32().len(), tensor.elements());
        }
    }
    let Ok(backbone) = Backbone::open(&path) else { return };
    let mut cache = backbone.new_cache();
    let rows = [0, 1].map(|position| Row {
        entry: Entry::Token(0),
        sequence: 0,
        position,
        deltas: None,
        want: Want::Logits,
    });
    let logits = backbone.forward(&rows, &mut [&mut cache]);
    if let Ok(logits) = logits {
        assert_eq!(logits.len(), 2 * backbone.config().vocab_size);
    }
});
