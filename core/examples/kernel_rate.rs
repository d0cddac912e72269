//! x
#![allow(missing_docs, clippy::all)]
use loam::quant::Matrix;
use loam::weights::{BlockType, TensorView};
use std::time::Instant;
fn main() {
    let a: Vec<String> = std::env::args().collect();
    let kind = match a[1].as_str() {
        "q8" => BlockType::Q8_0,
        "q41" => BlockType::Q4_1,
        "q4k" => BlockType::Q4_K,
        "q6k" => BlockType::Q6_K,
        "q50" => BlockType::Q5_0,
        _ => BlockType::Q4_0,
    };
    let (n, k) = (1536usize, 576usize.next_multiple_of(kind.block_elements()));
    let mats: Vec<Matrix> = (0..120)
        .map(|s| {
            let mut x = 88172645463325252u64 + s;
            let data: Vec<u8> = (0..n * kind.bytes(k))
                .map(|_| {
                    x ^= x << 13;
                    x ^= x >> 7;
                    x ^= x << 17;
                    (x & 0x3f) as u8
                })
                .collect();
            Matrix::new(TensorView { name: "w".into(), kind, shape: vec![n, k], data: data.into() }, n, k)
                .unwrap()
                .packed()
        })
        .collect();
    let bytes: usize = mats.iter().map(|m| m.bytes().0).sum();
    let only: usize = std::env::var("ROWS").ok().and_then(|s| s.parse().ok()).unwrap_or(0);
    for rows in [1usize, 2, 4, 8, 128].into_iter().filter(|r| only == 0 || *r == only) {
        let xs: Vec<f32> = (0..rows * k).map(|i| (i * 7919 % 1000) as f32 / 500. - 1.).collect();
        let mut out = vec![0f32; rows * n];
        let mut best = f64::MAX;
        let mut all = vec![];
        for _ in 0..(if rows > 8 { 4 } else { 12 }) {
            let t = Instant::now();
            for m in &mats {
                m.multiply(&xs, rows, &mut out);
            }
            let s = t.elapsed().as_secs_f64();
            best = best.min(s);
            all.push(s);
        }
        all.sort_by(f64::total_cmp);
        let med = all[all.len() / 2];
        println!(
            "rows {rows}: {:.1} GB/s (best {:.1}), {:.0} GOP/s",
            bytes as f64 / med / 1e9,
            bytes as f64 / best / 1e9,
            2. * (n * k * 120 * rows) as f64 / med / 1e9
        );
    }
}
