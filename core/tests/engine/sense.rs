//! Motion, window by window, through ImageBind's IMU tower and an adapter with a head.

use std::collections::HashMap;

use loam::Error;
use loam::adapter::{Adapter, DataPath, InstallPolicy};
use loam::engine::Engine;
use loam::input::{ImuLayout, ImuSource, ImuWindow, Repair};
use loam::task::ClassifyOptions;
use safetensors::SafeTensors;
use safetensors::tensor::{Dtype, TensorView};
use serde_json::json;
use std::sync::Arc;

use crate::fixture::path;

const LABELS: [&str; 3] = ["walking", "running", "sitting"];
/// Of the tiny tower: 40 steps at 200 Hz.
const SECONDS: f64 = 0.2;

fn engine() -> Engine {
    Engine::open(path("models/imagebind-tiny")).expect("foundation")
}

/// The tower's LoRA with a head of three labels.
fn adapter(engine: &Engine) -> Arc<Adapter> {
    let dir = tempfile::tempdir().expect("tempdir");
    let source = path("imagebind/imu-r3");
    let bytes = std::fs::read(source.join("adapter_model.safetensors")).expect("adapter");
    let tensors = SafeTensors::deserialize(&bytes).expect("safetensors");
    let weight: Vec<u8> = (0..3 * 20).flat_map(|i| ((i * 31 % 17) as f32 - 8.0).to_le_bytes()).collect();
    let mut all: HashMap<String, TensorView<'_>> = tensors.tensors().into_iter().collect();
    let head = TensorView::new(Dtype::F32, vec![3, 20], &weight).expect("head");
    all.insert("base_model.model.classifier.weight".to_owned(), head);
    let packed = safetensors::serialize(all, None).expect("serialised");
    std::fs::write(dir.path().join("adapter_model.safetensors"), packed).expect("written");
    let config = std::fs::read(source.join("adapter_config.json")).expect("config");
    let mut config: serde_json::Value = serde_json::from_slice(&config).expect("json");
    config["modules_to_save"] = json!(["classifier"]);
    std::fs::write(dir.path().join("adapter_config.json"), config.to_string()).expect("written");
    let task = json!({ "task": "sense", "path": "encoder", "component": "imu", "labels": LABELS });
    std::fs::write(dir.path().join("task.json"), task.to_string()).expect("written");
    engine.install("steps", dir.path(), InstallPolicy::Create).expect("installed")
}

fn options(engine: &Engine) -> ClassifyOptions {
    ClassifyOptions { adapter: Some(adapter(engine)), ..ClassifyOptions::default() }
}

fn source(rate: f64) -> ImuSource {
    ImuSource::android(rate, ImuLayout::AccelerometerGyroscope)
}

/// `[steps, 6]`.
fn motion(steps: usize) -> Vec<f32> {
    (0..steps * 6).map(|i| 9.0 * ((i / 6) as f32 * 0.13 * (1.0 + (i % 6) as f32)).sin() + (i % 6) as f32).collect()
}

/// At rates below, at and above the tower's: windows of a stream are those that one would cut by hand.
#[test]
fn a_stream_gives_what_its_windows_give() {
    let engine = engine();
    let options = options(&engine);
    for (rate, needed) in [(50.0, 11), (100.0, 21), (200.0, 40), (400.0, 79)] {
        let samples = motion(rate as usize);
        let mut sensor = engine.sensor(source(rate), Repair::Refuse, 0.1, options.clone()).expect("sensor");
        assert!((sensor.window_seconds() - SECONDS).abs() < 1e-9);
        let mut found = Vec::new();
        // In odd pieces, as sensors give them.
        for piece in samples.chunks(7 * 6) {
            found.extend(sensor.push(piece, None).expect("sensed"));
            assert!(sensor.held() <= 2 * needed + 14, "{rate} Hz holds {}", sensor.held());
        }
        let hop = (0.1 * rate) as usize;
        let count = (samples.len() / 6 - needed) / hop + 1;
        assert_eq!(found.len(), count, "{rate} Hz");
        for (i, sensed) in found.iter().enumerate() {
            assert!((sensed.start - 0.1 * i as f64).abs() < 1e-9 && (sensed.end - sensed.start - SECONDS).abs() < 1e-9);
            let cut = samples[i * hop * 6..(i * hop + needed) * 6].to_vec();
            let window = ImuWindow::new(source(rate), cut, None).expect("window");
            let alone = engine.sense(window, Repair::Refuse, &options).expect("sensed");
            assert_eq!(alone.scores, sensed.classification.scores, "{rate} Hz, window {i}");
            assert_eq!(sensed.classification.trace.path, DataPath::Encoder);
            assert_eq!(sensed.classification.trace.steps.len(), 1);
        }
        let labels: Vec<&str> = found[0].classification.scores.iter().map(|score| score.label.as_str()).collect();
        assert!(LABELS.iter().all(|label| labels.contains(label)));
    }
    let loaded: Vec<String> = engine.loaded().into_iter().map(|component| component.name).collect();
    assert_eq!(loaded, ["imu"]);
}

#[test]
fn timestamps_of_the_caller_are_those_of_the_results() {
    let engine = engine();
    let mut sensor = engine.sensor(source(100.0), Repair::Refuse, SECONDS, options(&engine)).expect("sensor");
    let times: Vec<f64> = (0..64).map(|i| 1e6 + f64::from(i) / 100.0).collect();
    let found = sensor.push(&motion(64), Some(&times)).expect("sensed");
    let starts: Vec<f64> = found.iter().map(|sensed| sensed.start - 1e6).collect();
    assert_eq!(starts.len(), 3);
    assert!(starts.iter().zip([0.0, 0.2, 0.4]).all(|(a, b)| (a - b).abs() < 1e-6), "{starts:?}");
}

/// Sensors are late and early; that is no reason to refuse a window.
#[test]
fn jitter_of_timestamps_loses_no_window() {
    let engine = engine();
    let options = options(&engine);
    for rate in [100.0, 200.0] {
        let mut sensor = engine.sensor(source(rate), Repair::Refuse, 0.1, options.clone()).expect("sensor");
        let count = 10 * rate as usize;
        // Up to a fifth of a period to either side.
        let jitter = |i: usize| ((i * 7919 % 41) as f64 / 100.0 - 0.2) / rate;
        let times: Vec<f64> = (0..count).map(|i| i as f64 / rate + jitter(i)).collect();
        let found = sensor.push(&motion(count), Some(&times)).expect("no window is refused");
        assert!(found.len() >= 97, "{rate} Hz: {} windows", found.len());
    }
}

#[test]
fn bad_motion_is_refused_by_name_and_the_stream_goes_on() {
    let engine = engine();
    let options = options(&engine);
    let begin = |hop: f64, repair: Repair| engine.sensor(source(200.0), repair, hop, options.clone());
    for hop in [0.0, -1.0, 0.21, f64::NAN, f64::INFINITY] {
        let error = begin(hop, Repair::Refuse).expect_err("refused");
        assert!(matches!(error, Error::Argument { name: "hop", .. }), "{hop}: {error}");
    }
    let mut sensor = begin(SECONDS, Repair::Refuse).expect("sensor");
    let mut spoilt = motion(40);
    spoilt[13] = f32::NAN;
    let error = sensor.push(&spoilt, None).expect_err("refused");
    assert!(error.to_string().contains("sample 2, channel 1"), "{error}");
    assert_eq!(sensor.push(&motion(40), None).expect("the next window").len(), 1);
    let mut patient = begin(SECONDS, Repair::Interpolate { max_gap_ms: 50.0 }).expect("sensor");
    assert_eq!(patient.push(&spoilt, None).expect("repaired").len(), 1);
    // A gap ends the stream; a new one begins.
    let mut timed = begin(SECONDS, Repair::Refuse).expect("sensor");
    let error = timed.push(&motion(2), Some(&[0.0, 3.0])).expect_err("a gap");
    assert!(error.to_string().contains("gap"), "{error}");
    timed.restart();
    assert!(timed.push(&motion(2), Some(&[3.0, 3.005])).expect("pushed").is_empty());

    let one = ImuWindow::new(source(200.0), motion(1), None);
    assert!(matches!(one, Err(Error::Argument { name: "imu window", .. })));
    let long = ImuWindow::new(source(200.0), motion(80), None).expect("window");
    assert!(matches!(engine.sense(long, Repair::Refuse, &options), Err(Error::Argument { .. })));
    let bare = Engine::open(path("models/vit-tiny")).expect("foundation");
    let missing = bare.sensor(source(200.0), Repair::Refuse, SECONDS, ClassifyOptions::default());
    assert!(matches!(missing, Err(Error::MissingComponent(kind)) if kind == "imu-encoder"));
}
