//! Committed fixtures and their expected values.

use std::path::{Path, PathBuf};

use loam::model::KvCache;
use loam::model::backbone::{Backbone, Entry, Row, Want, Workspace};
use loam::quant::Deltas;
use loam::weights::Safetensors;

pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(relative)
}

/// A file of the shared assets beside the checkout, or `None` with a line saying what is skipped.
pub fn shared(relative: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(relative);
    if !path.exists() {
        eprintln!("skipped: shared/{relative} is not beside this checkout");
        return None;
    }
    Some(path)
}

/// Tokens and reference logits of a fixture directory.
pub struct Expected {
    pub tokens: Vec<u32>,
    pub logits: Vec<f32>,
}

pub fn expected(dir: &Path) -> Expected {
    let file = Safetensors::open(dir.join("expected.safetensors")).expect("expected.safetensors");
    Expected { tokens: tokens(&dir.join("expected.safetensors"), "tokens"), logits: floats(&file, "logits") }
}

pub fn floats(file: &Safetensors, name: &str) -> Vec<f32> {
    file.tensor(name).expect("readable").expect("present").to_f32()
}

/// Integer tensors are for tests only, so they are read with the crate itself.
pub fn tokens(path: &Path, name: &str) -> Vec<u32> {
    let bytes = std::fs::read(path).expect("fixture");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let tensor = file.tensor(name).expect("tensor");
    let wide = tensor.dtype() == safetensors::Dtype::I64;
    let ids = tensor.data().chunks_exact(if wide { 8 } else { 4 });
    ids.map(|b| u32::from_le_bytes(b[..4].try_into().expect("4 bytes"))).collect()
}

/// Teacher-forced logits of all positions, `chunk` rows per forward pass.
pub fn run(backbone: &Backbone, tokens: &[u32], chunk: usize, deltas: Option<&Deltas>) -> Vec<f32> {
    let mut cache = backbone.new_cache();
    extend(backbone, tokens, chunk, deltas, &mut cache)
}

pub fn extend(
    backbone: &Backbone,
    tokens: &[u32],
    chunk: usize,
    deltas: Option<&Deltas>,
    cache: &mut KvCache,
) -> Vec<f32> {
    let mut work = Workspace::default();
    let mut logits = Vec::new();
    for piece in tokens.chunks(chunk) {
        let start = cache.len();
        let rows: Vec<Row<'_>> = piece
            .iter()
            .enumerate()
            .map(|(i, &id)| Row {
                entry: Entry::Token(id),
                sequence: 0,
                position: start + i,
                deltas,
                want: Want::Logits,
            })
            .collect();
        logits.extend(backbone.forward(&rows, &mut [&mut *cache], &mut work).expect("forward"));
    }
    logits
}

pub fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "lengths differ");
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}
