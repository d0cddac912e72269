//! Latency of one encoder at batch 1: what `bench/encoders.py` compares with onnxruntime.
//!
//! `encoder_latency DIR MODALITY FEATURES EXTENTS RUNS` opens the tower in `DIR`, reads `FEATURES` (raw little-endian f32
//! of the extents, such as `3,224,224`, or of the ids of a text), and prints one JSON object: `ms`, the time of each run after
//! a warm-up, and `embedding`. `LOAM_THREADS` sets the threads.

use std::error::Error;
use std::path::Path;
use std::time::Instant;

use loam::model::Modality;
use loam::model::encoder::{Features, Item, modality, open, open_text};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, kind, features, extents, runs] = &args[..] else {
        return Err("expected DIR MODALITY FEATURES EXTENTS RUNS".into());
    };
    let kind = modality(kind).ok_or_else(|| format!("no encoder reads '{kind}'"))?;
    let shape = extents.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    let values: Vec<f32> =
        std::fs::read(features)?.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
    let runs = runs.parse()?;
    let (times, embedding) = if kind == Modality::TEXT {
        let encoder = open_text(Path::new(dir))?;
        let tokens = vec![values.iter().map(|v| *v as u32).collect::<Vec<u32>>()];
        measure(runs, || Ok(encoder.embed(&tokens, None)?.remove(0)))?
    } else {
        let encoder = open(Path::new(dir), kind)?;
        let features = Features::new(values, shape)?;
        measure(runs, || Ok(encoder.encode(&[Item { features: &features, deltas: None }])?.remove(0).embedding))?
    };
    println!("{}", serde_json::json!({ "ms": times, "embedding": embedding }));
    Ok(())
}

/// Times of all runs but the first, in ms, and the last one's embedding.
fn measure(runs: usize, run: impl Fn() -> loam::Result<Vec<f32>>) -> loam::Result<(Vec<f64>, Vec<f32>)> {
    let mut embedding = run()?;
    let mut times = Vec::new();
    for _ in 0..runs {
        let start = Instant::now();
        embedding = run()?;
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    Ok((times, embedding))
}
