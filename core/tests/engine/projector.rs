//! Projectors against plain torch.

use loam::Error;
use loam::adapter::{AdapterPackage, Base, bind};
use loam::engine::Prompt;
use loam::model::projector::{Projector, ProjectorConfig, ProjectorKind, States};
use loam::weights::Safetensors;
use serde_json::json;

use crate::fixture::{floats, max_difference, path};

fn open(name: &str) -> (Projector, Vec<f32>, Vec<f32>) {
    let dir = path("models").join(name);
    let expected = Safetensors::open(dir.join("expected.safetensors")).expect("expected");
    (Projector::open(&dir).expect(name), floats(&expected, "states"), floats(&expected, "soft"))
}

#[test]
fn projectors_match_torch() {
    for name in ["projector-linear", "projector-mlp", "projector-shuffle"] {
        let (projector, states, soft) = open(name);
        let ours = projector.project(&States { values: &states, grid: [4, 6] }, None).expect("projected");
        let difference = max_difference(&ours, &soft);
        println!("{name:<18} max |difference| {difference:.2e}");
        assert!(difference <= 1e-5 && soft.iter().any(|v| v.abs() > 0.5), "{name}: {difference}");
        let mut prompt = Prompt::new();
        prompt.push_soft(ours, projector.config().outputs).expect("soft tokens");
        assert_eq!(prompt.len(), projector.config().tokens([4, 6]).expect("whole squares"));
    }
}

/// An adapter may replace a projector's linear as a whole, or add to it.
#[test]
fn adapters_act_on_a_projector() {
    let (projector, states, soft) = open("projector-linear");
    let (inputs, outputs) = (12, 60);
    let series = States::series(&states, 24);
    let run = |tensors: &[(&str, Vec<usize>, Vec<f32>)], config: serde_json::Value| {
        let dir = tempfile::tempdir().expect("folder");
        let bytes: Vec<Vec<u8>> =
            tensors.iter().map(|t| t.2.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>()).collect();
        let views = tensors.iter().zip(&bytes).map(|((name, shape, _), bytes)| {
            let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes);
            (*name, view.expect("view"))
        });
        safetensors::serialize_to_file(views, None, &dir.path().join("adapter_model.safetensors")).expect("written");
        std::fs::write(dir.path().join("adapter_config.json"), config.to_string()).expect("written");
        let package = AdapterPackage::open(dir.path()).expect("package");
        let bound = bind(&package, &Base { linears: projector.linears(), fingerprint: None, tied: false })?;
        projector.project(&series, Some(&bound.deltas))
    };
    let config = json!({"peft_type": "LORA", "r": 2, "lora_alpha": 4, "target_modules": ["proj"]});
    let a = ("base_model.model.proj.lora_A.weight", vec![2, inputs], vec![0.25; 2 * inputs]);
    let zero = ("base_model.model.proj.lora_B.weight", vec![outputs, 2], vec![0.0; outputs * 2]);
    let ones = ("base_model.model.proj.lora_B.weight", vec![outputs, 2], vec![1.0; outputs * 2]);
    let bare = projector.project(&series, None).expect("projected");
    assert_eq!(run(&[a.clone(), zero], config.clone()).expect("ran"), bare, "a zero adapter changes nothing");
    let tuned = run(&[a.clone(), ones], config.clone()).expect("ran");
    // A and B are constant: each output moves by scale * rank * 0.25 * (sum of the state).
    let moved: Vec<f32> = soft
        .chunks_exact(outputs)
        .zip(states.chunks_exact(inputs))
        .flat_map(|(soft, state)| soft.iter().map(|v| v + 2.0 * 2.0 * 0.25 * state.iter().sum::<f32>()))
        .collect();
    assert!(max_difference(&tuned, &moved) <= 1e-4);
    let stranger = ("base_model.model.fc9.lora_B.weight", vec![outputs, 2], vec![0.0; outputs * 2]);
    let error = run(&[a, stranger], config).expect_err("a key of another module");
    assert!(matches!(error, Error::Adapter { .. }) && error.to_string().contains("fc9"), "{error}");
}

#[test]
fn states_that_do_not_fit_are_refused() {
    let (projector, states, _) = open("projector-shuffle");
    for grid in [[4, 5], [3, 8], [0, 24], [2, 6], [usize::MAX, 2]] {
        let error = projector.project(&States { values: &states, grid }, None).expect_err("refused");
        assert!(matches!(error, Error::Argument { name: "states", .. }), "{grid:?}: {error}");
    }
}

#[test]
fn hostile_configurations_are_refused() {
    let good = json!({"model_type": "loam-projector", "kind": "linear", "tokens": 3, "inputs": 12, "outputs": 20});
    let parsed = ProjectorConfig::parse(&good).expect("good");
    assert_eq!(parsed.kind, ProjectorKind::Linear { tokens: 3 });
    for (field, value) in [
        ("model_type", json!("bert")),
        ("kind", json!("resampler")),
        ("tokens", json!(0)),
        ("tokens", json!(1u64 << 60)),
        ("inputs", json!(-1)),
        ("outputs", json!("20")),
        ("outputs", json!(u64::MAX)),
    ] {
        let mut bad = good.clone();
        bad[field] = value.clone();
        let error = ProjectorConfig::parse(&bad).expect_err("refused");
        assert!(error.to_string().contains(field) || error.to_string().contains("projector kind"), "{field}: {error}");
    }
    let dir = tempfile::tempdir().expect("folder");
    let source = path("models/projector-linear");
    std::fs::copy(source.join("model.safetensors"), dir.path().join("model.safetensors")).expect("copied");
    for (bad, named) in [
        (
            json!({"model_type": "loam-projector", "kind": "linear", "tokens": 4, "inputs": 12, "outputs": 20}),
            "proj.weight",
        ),
        (json!({"model_type": "loam-projector", "kind": "mlp", "inner": 8, "inputs": 12, "outputs": 20}), "fc1.weight"),
    ] {
        std::fs::write(dir.path().join("config.json"), bad.to_string()).expect("written");
        let error = Projector::open(dir.path()).expect_err("refused");
        assert!(error.to_string().contains(named), "{error}");
    }
}
