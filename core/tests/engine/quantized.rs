//! Quantized checkpoints: blocks against the gguf package's, files against their sources, encoders against themselves in
//! full precision.

use std::path::Path;

use loam::Error;
use loam::engine::Engine;
use loam::model::Modality;
use loam::model::backbone::Backbone;
use loam::model::encoder::{Features, Item, open};
use loam::task::similarity;
use loam::weights::{
    BlockType, Checkpoint, Gguf, GgufPlan, Naming, QUANTIZED, Quantization, QuantizedTensors, Safetensors, quantize,
};

use crate::fixture::{expected, floats, max_difference, path, run};
use crate::smollm2::foundation;

/// Those that ggml has, too.
const GGML: [Quantization; 2] = [Quantization::Q8_0, Quantization::Q4_0];
const ALL: [Quantization; 3] = [Quantization::Q8_0, Quantization::Int8, Quantization::Q4_0];

#[test]
fn blocks_equal_those_of_the_gguf_package_bit_for_bit() {
    let file = path("gguf/quantized.safetensors");
    let values = floats(&Safetensors::open(&file).expect("fixture"), "values");
    let bytes = std::fs::read(&file).expect("fixture");
    let reference = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    for quantization in GGML {
        let expected = reference.tensor(&format!("{}.bytes", quantization.kind())).expect("blocks");
        let mut ours = Vec::new();
        quantization.encode(&values, 32, &mut ours);
        for (i, (ours, theirs)) in ours
            .chunks(quantization.kind().block_bytes())
            .zip(expected.data().chunks(quantization.kind().block_bytes()))
            .enumerate()
        {
            assert_eq!(ours, theirs, "{} block {i}", quantization.name());
        }
        assert_eq!(ours.len(), expected.data().len());
    }
}

/// The quantized form of a directory: its JSON files and `model.gguf`.
fn quantized(source: &Path, quantization: Quantization) -> (tempfile::TempDir, QuantizedTensors) {
    let dir = tempfile::tempdir().expect("tempdir");
    for entry in std::fs::read_dir(source).expect("source") {
        let path = entry.expect("entry").path();
        if path.is_file() && path.extension().is_some_and(|e| e == "json" || e == "txt") {
            std::fs::copy(&path, dir.path().join(path.file_name().expect("a name"))).expect("copied");
        }
    }
    let checkpoint = Checkpoint::open(source).expect("checkpoint");
    let mut done = 0;
    let counts = quantize(&checkpoint, quantization, &dir.path().join(QUANTIZED), |n| done += n).expect("quantized");
    assert_eq!(done, checkpoint.describe().expect("listed").iter().map(|info| info.bytes as u64).sum::<u64>());
    (dir, counts)
}

#[test]
fn linears_become_blocks_and_everything_else_stays() {
    for name in ["bert-tiny", "bert-tiny-bin"] {
        let source = Checkpoint::open(path(&format!("models/{name}"))).expect("source");
        let (dir, counts) = quantized(&path(&format!("models/{name}")), Quantization::Q8_0);
        let result = Checkpoint::open(dir.path()).expect("found by its directory");
        assert_eq!(result.naming(), Naming::HuggingFace);
        assert_eq!(result.files(), [dir.path().join(QUANTIZED)]);
        let mut names = result.names();
        names.sort();
        assert_eq!(names, source.names());
        for name in names {
            let (ours, theirs) = (result.require(&name).expect("read"), source.require(&name).expect("read"));
            assert_eq!(ours.shape, theirs.shape, "{name}");
            let is_linear = name.ends_with(".weight") && theirs.shape.len() == 2 && !name.contains("embeddings");
            assert_eq!(ours.kind == BlockType::Q8_0, is_linear, "{name} is {}", ours.kind);
            if is_linear {
                let largest = theirs.to_f32().iter().fold(0.0f32, |m, v| m.max(v.abs()));
                assert!(max_difference(&ours.to_f32(), &theirs.to_f32()) <= largest / 254.0 * 1.01, "{name}");
            } else {
                assert_eq!((ours.kind, &*ours.data), (theirs.kind, &*theirs.data), "{name}");
            }
        }
        assert_eq!(counts, QuantizedTensors { quantized: 13, kept: source.names().len() - 13, left_out: 0 });
    }
}

/// One value, many dimensions, rows that are no whole blocks, doubles, integers.
#[test]
fn odd_tensors_survive() {
    let dir = tempfile::tempdir().expect("tempdir");
    let file = dir.path().join("odd.safetensors");
    let wide: Vec<u8> = (0..64).flat_map(|i| f32::to_le_bytes(i as f32)).collect();
    let view = |dtype, shape: &[usize], bytes| {
        safetensors::tensor::TensorView::new(dtype, shape.to_vec(), bytes).expect("view")
    };
    let tensors = [
        ("linear.weight", view(safetensors::Dtype::F32, &[2, 32], &wide)),
        ("narrow.weight", view(safetensors::Dtype::F32, &[4, 16], &wide)),
        ("conv.weight", view(safetensors::Dtype::F32, &[1, 1, 1, 2, 32], &wide)),
        ("embed.weight", view(safetensors::Dtype::F32, &[2, 32], &wide)),
        ("scale", view(safetensors::Dtype::F32, &[], &wide[..4])),
        ("ids", view(safetensors::Dtype::I64, &[2], &wide[..16])),
    ];
    std::fs::write(&file, safetensors::serialize(tensors, None).expect("serialized")).expect("written");
    let target = dir.path().join(QUANTIZED);
    let counts = quantize(&Checkpoint::open(&file).expect("source"), Quantization::Q4_0, &target, |_| {});
    assert_eq!(counts.expect("quantized"), QuantizedTensors { quantized: 1, kept: 4, left_out: 1 });
    let result = Gguf::open(&target).expect("readable");
    let kinds = ["linear.weight", "narrow.weight", "conv.weight", "embed.weight", "scale"].map(|name| {
        let view = result.tensor(name).expect("readable").expect("there");
        (view.kind, view.shape)
    });
    assert_eq!(kinds[0], (BlockType::Q4_0, vec![2, 32]));
    assert_eq!(kinds[1], (BlockType::F32, vec![4, 16]));
    assert_eq!(kinds[2], (BlockType::F32, vec![1, 1, 1, 2, 32]));
    assert_eq!(kinds[3], (BlockType::F32, vec![2, 32]));
    assert_eq!(kinds[4], (BlockType::F32, vec![]));
    // What stands there is never written over.
    let again = quantize(&Checkpoint::open(&file).expect("source"), Quantization::Q4_0, &target, |_| {});
    assert!(matches!(again, Err(Error::Io { .. })), "{again:?}");
}

#[test]
fn what_cannot_be_quantized_is_refused_by_name() {
    let dir = tempfile::tempdir().expect("tempdir");
    for (i, bad) in [f32::NAN, f32::INFINITY, 1e9].into_iter().enumerate() {
        let mut values = [1.0f32; 32];
        values[7] = bad;
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let file = dir.path().join(format!("{i}.safetensors"));
        let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![1, 32], &bytes).expect("view");
        std::fs::write(&file, safetensors::serialize([("a.weight", view)], None).expect("bytes")).expect("written");
        for quantization in ALL {
            let target = dir.path().join(format!("{i}-{}.gguf", quantization.name()));
            let refused = quantize(&Checkpoint::open(&file).expect("source"), quantization, &target, |_| {});
            let refused = refused.expect_err("not finite").to_string();
            assert!(refused.contains("'a.weight'"), "{refused}");
        }
    }
    let refused = |source: &str| {
        let checkpoint = Checkpoint::open(path(source)).expect("source");
        quantize(&checkpoint, Quantization::Q8_0, &dir.path().join("x.gguf"), |_| {}).expect_err("refused").to_string()
    };
    assert!(refused("models/llama2/model.gguf").contains("GGUF"));
    // Rows of 24 are no whole blocks.
    assert!(refused("models/vit-tiny").contains("none of its"));
}

#[test]
fn incomplete_files_are_not_finished() {
    let dir = tempfile::tempdir().expect("tempdir");
    let mut plan = GgufPlan::default();
    plan.tensor("a", &[2, 2], BlockType::F32).expect("planned");
    assert!(plan.tensor("b", &[33], BlockType::Q8_0).is_err());
    assert_eq!(plan.data_bytes(), 32);
    let mut writer = plan.create(dir.path().join("x.gguf")).expect("created");
    assert!(writer.write(&[0; 17]).is_err());
    writer.write(&[0; 8]).expect("a part");
    let missing = writer.finish().expect_err("half is missing").to_string();
    assert!(missing.contains("'a'"), "{missing}");
}

/// Fused projections, linears and convolutions of ImageBind's towers, in which attention amplifies little.
#[test]
fn encoders_run_on_blocks() {
    let reference = Safetensors::open(path("models/imagebind-tiny/expected.safetensors")).expect("expected");
    for quantization in ALL {
        let (dir, _) = quantized(&path("models/imagebind-tiny"), quantization);
        for (modality, key) in [(Modality::IMAGE, "vision.still.0"), (Modality::IMU, "imu.0")] {
            let view = reference.tensor(&format!("{key}.input")).expect("readable").expect("there");
            let features = Features::new(view.to_f32(), view.shape).expect("features");
            let encoder = open(dir.path(), modality).expect("tower");
            let encoding = encoder.encode(&[Item { features: &features, deltas: None }]).expect("encoded").remove(0);
            let cosine = cosine(&encoding.embedding, &floats(&reference, &format!("{key}.embedding")));
            println!("{key:<15} {} cosine {cosine:.6}", quantization.name());
            let limit = if quantization == Quantization::Q4_0 { 0.95 } else { 0.999 };
            assert!(cosine >= limit, "{key} {}: cosine {cosine}", quantization.name());
            assert!(cosine < 1.0 - 1e-7, "{key} {}: nothing was quantized", quantization.name());
        }
    }
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt()
}

/// A backbone under Hugging Face's names: its configuration stays in `config.json`.
#[test]
fn a_backbone_runs_on_blocks_of_its_own_names() {
    let source = path("models/llama2");
    let expected = expected(&source);
    let (dir, _) = quantized(&source, Quantization::Q8_0);
    let logits = run(&Backbone::open(dir.path()).expect("backbone"), &expected.tokens, 7, None);
    let cosine = cosine(&logits, &expected.logits);
    // Weights and activations of eight bits.
    assert!(cosine >= 0.998 && logits != expected.logits, "cosine {cosine}");
}

/// The real sentence encoder, whose table of words is half of its bytes and stays. Four bits cost this small model
/// something, and the limit says how much.
#[test]
fn minilm_keeps_its_directions() {
    let Some(pulled) = foundation() else { return };
    let sentences: Vec<String> =
        serde_json::from_slice(&std::fs::read(path("minilm/sentences.json")).expect("sentences")).expect("a list");
    let plain = Engine::open(pulled.join("text")).expect("engine").text().expect("encoder");
    let expected = plain.embed(&sentences, None).expect("embedded").0;
    for (quantization, [limit, usual], size) in [
        (Quantization::Q8_0, [0.998, 0.999], 0.70),
        (Quantization::Int8, [0.98, 0.994], 0.70),
        (Quantization::Q4_0, [0.88, 0.93], 0.61),
    ] {
        let (dir, _) = quantized(&pulled.join("text"), quantization);
        let model = Engine::open(dir.path()).expect("engine").text().expect("encoder");
        let embedded = model.embed(&sentences, None).expect("embedded").0;
        let cosines: Vec<f32> = embedded.iter().zip(&expected).map(|(a, b)| similarity(a, b)).collect();
        let worst = cosines.iter().fold(1.0f32, |worst, &c| worst.min(c));
        let share = model.part().bytes as f64 / plain.part().bytes as f64;
        let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
        let name = quantization.name();
        println!(
            "MiniLM {name}: cosine of 20 sentences {worst:.5} at least, {mean:.5} on average; {share:.2} of the bytes"
        );
        assert!(worst >= limit && mean >= usual, "{}: cosine {worst}, {mean}", quantization.name());
        assert!(share <= size, "{}: {share} of the bytes", quantization.name());
    }
}
