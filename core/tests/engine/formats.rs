//! Hostile and real files: bounds, shapes and names are checked, and errors say what was wrong.

use std::path::Path;

use loam::model::backbone::Backbone;
use loam::weights::{Checkpoint, Gguf, Safetensors};
use loam::{Error, Result};

use crate::fixture::{path, run, shared};

fn write(dir: &Path, name: &str, bytes: &[u8]) -> std::path::PathBuf {
    let file = dir.join(name);
    std::fs::write(&file, bytes).expect("write");
    file
}

/// A GGUF header with one tensor of `dims` and ggml type `kind`.
fn gguf(version: u32, tensors: u64, dims: &[u64], kind: u32, offset: u64, data: usize) -> Vec<u8> {
    let mut out = b"GGUF".to_vec();
    out.extend(version.to_le_bytes());
    out.extend(tensors.to_le_bytes());
    out.extend(0u64.to_le_bytes());
    out.extend(1u64.to_le_bytes());
    out.push(b'w');
    out.extend(u32::try_from(dims.len()).expect("dims").to_le_bytes());
    dims.iter().for_each(|d| out.extend(d.to_le_bytes()));
    out.extend(kind.to_le_bytes());
    out.extend(offset.to_le_bytes());
    out.resize(out.len().next_multiple_of(32) + data, 0);
    out
}

fn open(bytes: &[u8]) -> Result<Gguf> {
    let dir = tempfile::tempdir().expect("tempdir");
    Gguf::open(write(dir.path(), "x.gguf", bytes))
}

#[test]
fn both_gguf_versions_are_read() {
    for version in [2, 3] {
        let file = open(&gguf(version, 1, &[32, 2], 8, 0, 68)).expect("valid");
        let tensor = file.tensor("w").expect("readable").expect("present");
        assert_eq!(tensor.shape, [2, 32]);
        assert_eq!(tensor.data.len(), 68);
    }
}

#[test]
fn hostile_gguf_headers_are_refused() {
    let cases: [(&str, Vec<u8>); 9] = [
        ("version 1", gguf(1, 1, &[32], 0, 0, 128)),
        ("big-endian", gguf(3u32.swap_bytes(), 1, &[32], 0, 0, 128)),
        ("tensor count", gguf(3, u64::MAX, &[32], 0, 0, 128)),
        ("dimensions", gguf(3, 1, &[1; 9], 0, 0, 128)),
        ("too large", gguf(3, 1, &[u64::MAX, 3], 0, 0, 128)),
        ("ggml type 99", gguf(3, 1, &[32], 99, 0, 128)),
        ("do not divide", gguf(3, 1, &[33], 8, 0, 128)),
        ("beyond the file", gguf(3, 1, &[32], 0, 32, 128)),
        ("beyond the file", gguf(3, 1, &[64], 0, u64::MAX - 31, 128)),
    ];
    for (wanted, bytes) in cases {
        let error = open(&bytes).expect_err(wanted).to_string();
        assert!(error.contains(wanted), "expected '{wanted}' in: {error}");
    }
}

#[test]
fn every_truncation_of_a_real_gguf_header_is_refused_without_a_panic() {
    let whole = std::fs::read(path("models/llama3/model.gguf")).expect("fixture");
    for len in (0..whole.len().min(6000)).step_by(7).chain([whole.len() - 1]) {
        assert!(open(&whole[..len.max(1)]).is_err(), "{len} bytes were accepted");
    }
}

#[test]
fn hostile_safetensors_are_refused() {
    let dir = tempfile::tempdir().expect("tempdir");
    let header = |json: &str, data: usize| {
        let mut out = (json.len() as u64).to_le_bytes().to_vec();
        out.extend(json.as_bytes());
        out.resize(out.len() + data, 0);
        out
    };
    for (name, bytes) in [
        ("length", u64::MAX.to_le_bytes().to_vec()),
        ("json", header("{oops", 0)),
        ("offsets", header(r#"{"w":{"dtype":"F32","shape":[4],"data_offsets":[0,400]}}"#, 16)),
        ("shape", header(r#"{"w":{"dtype":"F32","shape":[5],"data_offsets":[0,16]}}"#, 16)),
        ("overflow", header(r#"{"w":{"dtype":"F32","shape":[18446744073709551615,2],"data_offsets":[0,16]}}"#, 16)),
        ("dimensions", header(r#"{"w":{"dtype":"F32","shape":[1,1,1,1,1,1,4],"data_offsets":[0,16]}}"#, 16)),
    ] {
        let file = write(dir.path(), "model.safetensors", &bytes);
        let error = Safetensors::open(file).expect_err(name);
        assert!(matches!(error, Error::Malformed { .. }), "{name}: {error}");
    }
}

#[test]
fn an_index_cannot_reach_outside_its_directory() {
    let dir = tempfile::tempdir().expect("tempdir");
    for shard in ["../evil.safetensors", "/etc/passwd", "a/b.safetensors", ".hidden"] {
        let index = format!(r#"{{"weight_map":{{"w":"{shard}"}}}}"#);
        write(dir.path(), "model.safetensors.index.json", index.as_bytes());
        let error = Safetensors::open(dir.path()).expect_err(shard).to_string();
        assert!(error.contains("plain file name"), "{error}");
    }
}

#[test]
fn a_tensor_that_no_layer_uses_is_refused() {
    let dir = tempfile::tempdir().expect("tempdir");
    let config = std::fs::read_to_string(path("models/llama-bias/config.json")).expect("config");
    let mut json: serde_json::Value = serde_json::from_str(&config).expect("json");
    json["num_hidden_layers"] = 1.into();
    write(dir.path(), "config.json", json.to_string().as_bytes());
    std::fs::copy(path("models/llama-bias/model.safetensors"), dir.path().join("model.safetensors")).expect("copy");
    let error = Backbone::open(dir.path()).expect_err("layer 1 would go unused").to_string();
    assert!(error.contains("model.layers.1"), "{error}");
}

#[test]
fn absurd_configurations_are_refused() {
    let config = std::fs::read_to_string(path("models/llama2/config.json")).expect("config");
    let json: serde_json::Value = serde_json::from_str(&config).expect("json");
    let cases = [
        ("hidden_size", serde_json::json!(0)),
        ("hidden_size", serde_json::json!(-5)),
        ("num_attention_heads", serde_json::json!(0)),
        ("num_key_value_heads", serde_json::json!(3)),
        ("num_hidden_layers", serde_json::json!(u64::MAX)),
        ("vocab_size", serde_json::json!(1u64 << 40)),
        ("hidden_act", serde_json::json!("relu6")),
        ("model_type", serde_json::json!("mamba")),
        ("head_dim", serde_json::json!(7)),
        ("rms_norm_eps", serde_json::json!(-1.0)),
    ];
    let dir = tempfile::tempdir().expect("tempdir");
    std::fs::copy(path("models/llama2/model.safetensors"), dir.path().join("model.safetensors")).expect("copy");
    for (field, value) in cases {
        let mut bad = json.clone();
        bad[field] = value;
        write(dir.path(), "config.json", bad.to_string().as_bytes());
        let error = Backbone::open(dir.path()).expect_err(field);
        println!("{field}: {error}");
        assert!(matches!(error, Error::Malformed { .. } | Error::Unsupported { .. }), "{field}: {error}");
    }
}

/// A real model in four precisions against the ids and logits that its publishers' tools gave.
#[test]
fn stories260k_matches_its_golden_vectors() {
    let Some(dir) = shared("weights/stories260k") else { return };
    let read = |name: &str| -> serde_json::Value {
        serde_json::from_slice(&std::fs::read(dir.join(name)).expect("golden")).expect("json")
    };
    let (greedy, logits) = (read("expected_greedy_token_ids.json"), read("expected_logits_pos0.json"));
    let golden: Vec<u32> = serde_json::from_value(greedy["stories260K"]["f32_bin"].clone()).expect("ids");
    let first: Vec<f32> = find_floats(&logits).expect("logits");
    for (file, exact, tolerance) in [
        ("stories260K-F32.gguf", true, 1e-3),
        ("stories260K-F16.gguf", true, 2e-2),
        // Activations of eight bits: llama.cpp's own logits are off by 0.215 and 2.15 here.
        ("stories260K-Q8_0.gguf", false, 0.25),
        ("stories260K-Q4_0.gguf", false, 2.5),
        ("hf", true, 1e-3),
    ] {
        let backbone =
            Backbone::from_checkpoint(&dir.join(file), &Checkpoint::open(dir.join(file)).expect(file)).expect(file);
        let start = run(&backbone, &[1], 1, None);
        let difference = start.iter().zip(&first).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        let ids = greedy_ids(&backbone, 1, golden.len());
        let same = ids.iter().zip(&golden).take_while(|(a, b)| a == b).count();
        println!("{file:<24} first logits max |difference| {difference:.2e}, greedy ids equal {same}/{}", golden.len());
        assert!(difference <= tolerance, "{file}: {difference}");
        assert!(!exact || same == golden.len(), "{file}: {same} of {} greedy ids", golden.len());
    }
}

fn greedy_ids(backbone: &Backbone, start: u32, count: usize) -> Vec<u32> {
    let mut cache = backbone.new_cache();
    let mut ids = vec![start];
    while ids.len() <= count {
        let last = *ids.last().expect("started");
        let logits = crate::fixture::extend(backbone, &[last], 1, None, &mut cache);
        let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1)).expect("logits").0;
        ids.push(u32::try_from(best).expect("id"));
    }
    ids.split_off(1)
}

fn find_floats(value: &serde_json::Value) -> Option<Vec<f32>> {
    match value {
        serde_json::Value::Array(items) if items.len() > 100 => serde_json::from_value(value.clone()).ok(),
        serde_json::Value::Array(items) => items.iter().find_map(find_floats),
        serde_json::Value::Object(fields) => fields.values().find_map(find_floats),
        _ => None,
    }
}
