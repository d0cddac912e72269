//! The product of quantized weights with rows of activations, per block type and batch size.
//!
//! Shapes are those of SmolLM2-135M's MLP. Throughput is in weights, so types and batch sizes compare directly.

use candle_core::quantized::{GgmlDType, QTensor};
use candle_core::{Device, Tensor};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use loam::quant::Matrix;
use loam::weights::{BlockType, TensorView};

const ROWS: usize = 1536;
const COLS: usize = 768;

fn matrix(kind: BlockType, dtype: GgmlDType) -> Matrix {
    let values = Tensor::randn(0f32, 1.0, (ROWS, COLS), &Device::Cpu).expect("tensor");
    let data = QTensor::quantize(&values, dtype).and_then(|q| Ok(q.data()?.to_vec())).expect("quantize");
    let view = TensorView { name: kind.to_string(), kind, shape: vec![ROWS, COLS], data: data.into() };
    Matrix::new(view, ROWS, COLS).expect("matrix").packed()
}

fn linear(c: &mut Criterion) {
    let mut group = c.benchmark_group("linear");
    group.sample_size(30);
    for (kind, dtype) in [
        (BlockType::F32, GgmlDType::F32),
        (BlockType::F16, GgmlDType::F16),
        (BlockType::Q8_0, GgmlDType::Q8_0),
        (BlockType::Q4_0, GgmlDType::Q4_0),
        (BlockType::Q4_1, GgmlDType::Q4_1),
        (BlockType::Q5_0, GgmlDType::Q5_0),
        (BlockType::Q4_K, GgmlDType::Q4K),
        (BlockType::Q5_K, GgmlDType::Q5K),
        (BlockType::Q6_K, GgmlDType::Q6K),
    ] {
        let matrix = matrix(kind, dtype);
        for count in [1, 4, 128] {
            let xs: Vec<f32> = (0..count * COLS).map(|i| (i % 17) as f32 / 17.0 - 0.5).collect();
            let mut out = vec![0.0; count * ROWS];
            group.throughput(Throughput::Elements((ROWS * COLS) as u64));
            group.bench_function(BenchmarkId::new(kind.name(), count), |b| {
                b.iter(|| matrix.multiply(&xs, count, &mut out));
            });
        }
    }
    group.finish();
}

criterion_group!(benches, linear);
criterion_main!(benches);
