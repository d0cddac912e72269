//! Committed fixtures and their expected values.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use loam::budget::{Budget, Held, MemoryLimits};
use loam::model::KvCache;
use loam::model::backbone::{Backbone, Entry, Row, Want};
use loam::quant::Deltas;
use loam::weights::Safetensors;

pub fn path(relative: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(relative)
}

/// A file of the shared assets beside the checkout, or `None` with a line saying what is skipped.
pub fn shared(relative: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared").join(relative);
    if !path.exists() {
        let _ = writeln!(std::io::stderr(), "skipped: shared/{relative} is not beside this checkout");
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
        logits.extend(backbone.forward(&rows, &mut [&mut *cache]).expect("forward"));
    }
    logits
}

pub fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len(), "lengths differ");
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

/// A tensor of a file in the making: name, shape, values.
pub type Tensor = (String, Vec<usize>, Vec<f32>);

/// All tensors of a file, as f32.
pub fn read_tensors(path: &Path) -> Vec<Tensor> {
    let file = Safetensors::open(path).expect("tensors");
    let read = |name: String| {
        let view = file.tensor(&name).expect("readable").expect("present");
        (name, view.shape.clone(), view.to_f32())
    };
    file.names().into_iter().map(read).collect()
}

/// Writes tensors as f32.
pub fn write_tensors(path: &Path, tensors: &[Tensor]) {
    let bytes: Vec<Vec<u8>> =
        tensors.iter().map(|(_, _, values)| values.iter().flat_map(|v| v.to_le_bytes()).collect()).collect();
    let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).expect("view"))
    });
    std::fs::write(path, safetensors::serialize(views, None).expect("serialized")).expect("written");
}

/// A copy of the PEFT directory `from` with another `task.json` and other tensors.
pub fn adapter_with(from: &Path, task: &serde_json::Value, change: impl FnOnce(&mut Vec<Tensor>)) -> tempfile::TempDir {
    let to = tempfile::tempdir().expect("folder");
    std::fs::copy(from.join("adapter_config.json"), to.path().join("adapter_config.json")).expect("copied");
    std::fs::write(to.path().join("task.json"), task.to_string()).expect("written");
    let mut tensors = read_tensors(&from.join("adapter_model.safetensors"));
    change(&mut tensors);
    write_tensors(&to.path().join("adapter_model.safetensors"), &tensors);
    to
}

/// Bytes that nobody counts.
pub fn held() -> Held {
    Budget::new(&MemoryLimits::default()).take(0).expect("nothing")
}
