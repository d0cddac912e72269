//! Latency of one encoder at batch 1: what `bench/encoders.py` compares with onnxruntime.
//!
//! `encoder_latency DIR MODALITY FEATURES EXTENTS RUNS` opens the tower in `DIR`, reads `FEATURES` (raw little-endian f32
//! of the extents, such as `3,224,224`), and prints one JSON object: `ms`, the time of each run after a warm-up, and
//! `embedding`. `RAYON_NUM_THREADS` sets the threads.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use loam::model::encoder::{Features, Item, modality, open};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, kind, features, extents, runs] = &args[..] else {
        return Err("expected DIR MODALITY FEATURES EXTENTS RUNS".into());
    };
    let kind = modality(kind).ok_or_else(|| format!("no encoder reads '{kind}'"))?;
    let shape = extents.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let values =
        std::fs::read(features)?.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let features = Features::new(values, shape)?;
    let encoder = open(Path::new(dir), kind)?;
    let items = [Item { features: &features, deltas: None }];
    let mut encoded = encoder.encode(&items)?;
    let mut times = Vec::new();
    for _ in 0..runs.parse::<usize>()? {
        let start = Instant::now();
        encoded = encoder.encode(&items)?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("{}", serde_json::json!({ "ms": times, "embedding": encoded[0].embedding }));
    Ok(())
}
