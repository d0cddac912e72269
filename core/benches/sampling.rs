//! One choice of a token from a vocabulary, per filter.
//!
//! Vocabularies are those of SmolLM2 and Qwen2. Logits are normal with a deviation of 4, which leaves as many likely
//! tokens as SmolLM2 does on plain text at temperature 1: some 40 % of the vocabulary above 2^-24 of the best one.

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use loam::engine::{Sampler, Sampling};
use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;

fn logits(vocabulary: usize) -> Vec<f32> {
    let mut random = ChaCha8Rng::seed_from_u64(1);
    // Twelve uniform numbers add up to nearly a normal one.
    let mut normal = || (0..12).map(|_| random.random::<f32>()).sum::<f32>() - 6.0;
    (0..vocabulary).map(|_| 4.0 * normal()).collect()
}

fn sampling(c: &mut Criterion) {
    let mut group = c.benchmark_group("sampling");
    group.sample_size(30);
    let warm = Sampling { temperature: 1.0, ..Sampling::default() };
    for (name, options) in [
        ("greedy", Sampling::default()),
        ("temperature 1", warm.clone()),
        ("top-k 40", Sampling { top_k: 40, ..warm.clone() }),
        ("top-p 0.95", Sampling { top_p: 0.95, ..warm.clone() }),
        ("top-p 0.95 at 0.7", Sampling { top_p: 0.95, temperature: 0.7, ..warm.clone() }),
        ("min-p 0.05", Sampling { min_p: 0.05, ..warm.clone() }),
    ] {
        for vocabulary in [49_152, 151_936] {
            let mut logits = logits(vocabulary);
            let mut sampler = Sampler::new(options.clone(), &[]).expect("options");
            group.throughput(Throughput::Elements(vocabulary as u64));
            group.bench_function(BenchmarkId::new(name, vocabulary), |b| b.iter(|| sampler.choose(&mut logits)));
        }
    }
    group.finish();
}

criterion_group!(benches, sampling);
criterion_main!(benches);
