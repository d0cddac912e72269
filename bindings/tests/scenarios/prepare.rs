//! What the scenarios work on: a foundation of tiny random models, one of them compiled for ONNX Runtime's processor, adapters, a
//! picture, sounds and motion, in one folder.

use std::path::{Path, PathBuf};

use loam::Engine;
use loam::dispatch::Subject;
use loam::weights::sha256_file;
use loam_delegates::component::{Extents, lower, segments};
use loam_delegates::quantize::Calibrated;
use loam_delegates::{Target, keep};
use serde_json::{Value, json};

type Failure = Box<dyn std::error::Error>;

/// Name, kind and fixture of each component.
const PARTS: [(&str, &str, &str); 8] = [
    ("vision-language", "vision-language", "smolvlm"),
    ("text", "text-encoder", "siglip-tiny"),
    ("image", "image-encoder", "siglip-tiny"),
    ("sound", "sound-encoder", "ast-tiny"),
    ("speech", "speech-encoder", "tower-speech"),
    ("imu", "imu-encoder", "tower-imu"),
    ("voice", "speech-generator", "vits"),
    ("upscaler", "super-resolution", "edsr"),
];
/// Steps and rate of the motion.
const STEPS: usize = 160;
const MOTION_RATE: f64 = 50.0;
const RATE: u32 = 16_000;
/// The component that is compiled, and the only one: tests of delegates find no other.
const COMPILED: &str = "text";

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures")
}

/// Writes everything below `root`, which is made anew.
///
/// # Errors
/// Whatever the file system says.
pub fn prepare(root: &Path) -> Result<(), Failure> {
    if root.exists() {
        std::fs::remove_dir_all(root)?;
    }
    std::fs::create_dir_all(root.join("tiny"))?;
    let components = PARTS.iter().map(|part| component(&root.join("tiny"), part)).collect::<Result<Vec<_>, _>>()?;
    let manifest = json!({ "schema": 1, "id": "tiny", "version": "1", "components": components });
    std::fs::write(root.join("tiny/foundation.json"), serde_json::to_string_pretty(&manifest)?)?;
    compile(&root.join("tiny"), &root.join("delegates"))?;
    for picture in ["square.png", "tall.png", "wide.png"] {
        std::fs::copy(fixtures().join("models/smolvlm").join(picture), root.join(picture))?;
    }
    adapter(
        &fixtures().join("models/smolvlm/adapter"),
        &root.join("adapters/voice"),
        &json!({
            "path": "encoder-backbone", "component": "vision-language", "description": "Another voice."
        }),
    )?;
    adapter(
        &fixtures().join("peft/refuse-key"),
        &root.join("adapters/wrong"),
        &json!({
            "path": "encoder-backbone", "component": "vision-language"
        }),
    )?;
    tilt(&root.join("adapters/tilt"))?;
    wav(&root.join("speech.wav"), 3.0)?;
    wav(&root.join("noise.wav"), 0.4)?;
    std::fs::write(root.join("walk.f32"), motion().iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>())?;
    Ok(())
}

fn component(root: &Path, (name, kind, fixture): &(&str, &str, &str)) -> Result<Value, Failure> {
    let target = root.join(name);
    std::fs::create_dir_all(&target)?;
    let mut files = Vec::new();
    for entry in std::fs::read_dir(fixtures().join("models").join(fixture))? {
        let entry = entry?;
        let file = entry.file_name().to_string_lossy().into_owned();
        let needed =
            file != "expected.safetensors" && [".json", ".jinja", ".safetensors"].iter().any(|e| file.ends_with(e));
        if needed && entry.path().is_file() {
            let to = target.join(&file);
            std::fs::copy(entry.path(), &to)?;
            let (bytes, sha256) = (to.metadata()?.len(), sha256_file(&to)?);
            files.push(json!({ "path": format!("{name}/{file}"), "bytes": bytes, "sha256": sha256 }));
        }
    }
    let mut record = json!({ "name": name, "kind": kind, "format": "hugging-face", "entry": name, "licence": "CC0-1.0", "files": files });
    match *name {
        "image" => record["wiring"] = json!({ "space": "text" }),
        "imu" => {
            record["preprocessing"] = json!({
                "rate": MOTION_RATE, "steps": 50, "layout": "accelerometer_gyroscope", "acceleration": "g",
                "rotation": "rad/s", "gravity": "included", "mean": [0.0, 0.0, 0.0, 0.0, 0.0, 0.0],
                "std": [1.0, 1.0, 1.0, 1.0, 1.0, 1.0],
            });
        }
        _ => {}
    }
    Ok(record)
}

/// What `loam compile --target onnx-float --component text` writes. The runtime has not to be here for that.
fn compile(foundation: &Path, artefacts: &Path) -> Result<(), Failure> {
    let engine = Engine::open(foundation)?;
    let component = engine.foundation().named(COMPILED)?;
    let extents = Extents { rank: 4, texts: vec![16], ..Extents::default() };
    for segment in segments(&engine, component, &extents)? {
        let subject = Subject { component: COMPILED, fingerprint: component.fingerprint()?, segment };
        let graph = lower(&engine, component, segment, extents.rank)?;
        keep(Target::OnnxFloat, artefacts, &subject, &graph, &Calibrated::default())?;
    }
    Ok(())
}

fn adapter(from: &Path, to: &Path, task: &Value) -> Result<(), Failure> {
    std::fs::create_dir_all(to)?;
    for file in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(from.join(file), to.join(file))?;
    }
    Ok(std::fs::write(to.join("task.json"), task.to_string())?)
}

/// The IMU tower's adapter with a head for three activities.
fn tilt(to: &Path) -> Result<(), Failure> {
    let task = json!({
        "path": "encoder", "component": "imu", "task": "sense", "labels": ["walking", "running", "sitting"],
        "head": { "kind": "linear", "reads": "embedding" }
    });
    adapter(&fixtures().join("peft/tower-imu-r2"), to, &task)?;
    let file = to.join("adapter_model.safetensors");
    let bytes = std::fs::read(&file)?;
    let tensors = safetensors::SafeTensors::deserialize(&bytes)?;
    let weight: Vec<u8> = (0..3 * 16).flat_map(|i| (((i * 29 % 13) as f32 - 6.0) / 4.0).to_le_bytes()).collect();
    let bias: Vec<u8> = [0.1f32, -0.2, 0.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    let head = |shape: Vec<usize>, bytes| safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape, bytes);
    let mut all: Vec<(String, safetensors::tensor::TensorView<'_>)> = tensors.tensors().into_iter().collect();
    all.push(("base_model.model.classifier.weight".to_owned(), head(vec![3, 16], &weight)?));
    all.push(("base_model.model.classifier.bias".to_owned(), head(vec![3], &bias)?));
    let written = safetensors::serialize(all, None)?;
    Ok(std::fs::write(file, written)?)
}

/// Tones that come and go, 16-bit.
fn wav(file: &Path, seconds: f64) -> Result<(), Failure> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut writer = hound::WavWriter::create(file, spec)?;
    let tones = [(220.0, 0.7), (510.0, 0.31), (1330.0, 0.43)];
    for i in 0..(seconds * f64::from(RATE)) as u32 {
        let time = f64::from(i) / f64::from(RATE);
        let sum: f64 = tones
            .iter()
            .map(|(hertz, period)| {
                (std::f64::consts::TAU * hertz * time).sin() * (std::f64::consts::PI * time / period).sin().max(0.0)
            })
            .sum();
        writer.write_sample((sum * 6_000.0) as i16)?;
    }
    Ok(writer.finalize()?)
}

/// A walk: m/s^2 and rad/s, `[steps, 6]`.
fn motion() -> Vec<f32> {
    let step = |i: usize| {
        let time = i as f64 / MOTION_RATE;
        let wave = |hertz: f64, height: f64| (std::f64::consts::TAU * hertz * time).sin() * height;
        [wave(2.0, 1.5), wave(1.0, 0.7), 9.8 + wave(2.0, 3.0), wave(1.0, 0.4), wave(2.0, 0.2), wave(0.5, 0.6)]
    };
    (0..STEPS).flat_map(step).map(|value| value as f32).collect()
}
