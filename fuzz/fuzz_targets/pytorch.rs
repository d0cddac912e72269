//! PyTorch checkpoints: the archive, the pickle, and every tensor that it describes.
//!
//! The first byte says whether the rest is a whole file, or a pickle that is put into an archive with one storage, so that
//! mutations of the pickle keep a valid archive.

#![no_main]

use std::io::{Cursor, Write};

use libfuzzer_sys::fuzz_target;
use loam::weights::{Checkpoint, Pytorch};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

mod panics;
mod scratch;

/// Bytes of the storage.
const STORAGE: usize = 96;

fn archive(pickle: &[u8]) -> Vec<u8> {
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, content) in [("a/data.pkl", pickle), ("a/data/0", &[7; STORAGE])] {
        writer.start_file(name, stored).expect("a name");
        writer.write_all(content).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}

fuzz_target!(init: panics::only_own(), |bytes: &[u8]| {
    let Some((&mode, rest)) = bytes.split_first() else { return };
    let file = if mode % 2 == 0 { rest.to_vec() } else { archive(rest) };
    let Ok(names) = Pytorch::check(&file) else { return };
    let opened = Checkpoint::open(scratch::scratch("fuzz.pth", &file)).expect("checked");
    assert_eq!(opened.names(), names);
    for name in names {
        if let Ok(Some(tensor)) = opened.tensor(&name) {
            assert_eq!(tensor.data.len(), tensor.kind.bytes(tensor.elements()));
            assert!(tensor.data.anonymous_len() <= file.len());
        }
    }
});
