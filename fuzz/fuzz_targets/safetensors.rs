//! safetensors headers. The first byte says whether the rest is a whole file, or JSON whose length is put before it, so
//! that mutations of the JSON keep a valid length.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loam::weights::Safetensors;

mod panics;

fuzz_target!(init: panics::only_own(), |bytes: &[u8]| {
    let Some((&mode, rest)) = bytes.split_first() else { return };
    if mode % 2 == 0 {
        let _ = Safetensors::check("bytes", rest);
        return;
    }
    let mut file = (rest.len() as u64).to_le_bytes().to_vec();
    file.extend_from_slice(rest);
    file.resize(file.len() + usize::from(mode), 0);
    if let Ok((start, _)) = Safetensors::check("bytes", &file) {
        assert!(start <= file.len(), "data begins at {start} of {}", file.len());
    }
});
