//! On Qualcomm's simulator of its NPU, with the processor forbidden.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use loam::dispatch::{Backend, Delegate};
use loam_delegates::provider::{Arch, Provider, Qnn};
use loam_delegates::{OnnxBackend, Target};
use serde_json::Value;

use crate::fixture::{cosine, libraries, runtime};
use crate::networks::{Network, all, bert};
use crate::references::{compiled, run, subject};

/// Between the simulator and ONNX Runtime's processor, which round some products differently.
const COSINE: f64 = 0.999;
/// Between graphs with an adapter of zeros and without inputs for one.
const MERGED_COSINE: f64 = 0.9999;
/// Names the folder of artefacts to a second process.
const FOLDER: &str = "LOAM_TEST_ARTEFACTS";
/// `Qnn_DataType_t` of half and of single precision (`QnnTypes.h`).
const FLOATS: [u64; 2] = [0x216, 0x232];

/// The folder of QNN's libraries, or a line that says that the test was skipped.
pub fn simulator() -> Option<std::path::PathBuf> {
    runtime()?;
    let found = libraries().qnn;
    if found.is_none() {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: no QNN libraries; delegates/setup.sh installs onnxruntime-qnn where there is a wheel"
        );
    }
    found
}

/// Operators of the graphs that were given to QNN, and those among them that read or write floats.
pub fn dumped(folder: &Path) -> (usize, BTreeMap<String, usize>, Vec<String>) {
    let (mut graphs, mut operators, mut floats) = (0, BTreeMap::new(), Vec::new());
    for file in std::fs::read_dir(folder).expect("folder").flatten() {
        let name = file.file_name().to_string_lossy().into_owned();
        if !name.ends_with(".json") || name.contains("tensor_log") {
            continue;
        }
        graphs += 1;
        let json: Value = serde_json::from_slice(&std::fs::read(file.path()).expect("read")).expect("json");
        let graph = &json["graph"];
        let is_float = |name: &Value| {
            let data_type = graph["tensors"][name.as_str().unwrap_or_default()]["data_type"].as_u64();
            FLOATS.contains(&data_type.expect("every tensor has a type"))
        };
        for (name, node) in graph["nodes"].as_object().expect("nodes") {
            *operators.entry(node["type"].as_str().expect("type").to_owned()).or_default() += 1;
            let names = ["input_names", "output_names"].map(|part| node[part].as_array().expect("names"));
            if names.into_iter().flatten().any(is_float) {
                floats.push(format!("{} '{name}'", node["type"]));
            }
        }
    }
    (graphs, operators, floats)
}

#[test]
fn every_network_runs_whole_and_in_integers() {
    let Some(libraries) = simulator() else { return };
    let runtime = runtime().expect("checked");
    for network in all() {
        let root = tempfile::tempdir().expect("folder");
        let [reference, _] = compiled(&network, Target::OnnxInteger, root.path());
        let [delegate, plain] = compiled(&network, Target::QnnV75, root.path());
        // The graph of the reference's artefact is what was compiled.
        let dump = tempfile::tempdir().expect("folder");
        let provider = Qnn::new(Arch::V75, &libraries).dumping_to(dump.path());
        let graph = root.path().join(format!("onnx-integer/{}/whole/graph.onnx", network.name));
        provider.compile(&runtime, &graph, dump.path()).expect("compiled");
        let (graphs, operators, floats) = dumped(dump.path());
        assert_eq!(graphs, 1, "{}: in one piece", network.name);
        assert!(floats.is_empty(), "{}: floats in {floats:?}", network.name);
        assert!(operators.len() >= 5, "{}: {operators:?}", network.name);
        let zeros = network.zeros();
        for sample in network.samples.iter().rev().take(2) {
            // Without sums in between, the compiler merges a product with what follows, and rounds once less.
            for (bare, zero) in run(&*plain, sample, &[]).iter().zip(&run(&*delegate, sample, &zeros)) {
                let cosine = cosine(bare, zero);
                assert!(cosine >= MERGED_COSINE, "{}: zeros change {cosine}", network.name);
            }
            for factors in [&zeros, &network.adapters[0], &network.adapters[1]] {
                let (ours, theirs) = (run(&*delegate, sample, factors), run(&*reference, sample, factors));
                for (output, (ours, theirs)) in ours.iter().zip(&theirs).enumerate() {
                    let cosine = cosine(ours, theirs);
                    assert!(cosine >= COSINE, "{}, output {output}: cosine {cosine}", network.name);
                }
            }
        }
    }
}

fn answers(network: &Network, delegate: &dyn Delegate) -> Vec<Vec<f32>> {
    network.samples.iter().take(3).flat_map(|sample| run(delegate, sample, &network.adapters[0])).collect()
}

/// Opens what another process compiled, and prints a digest of what it answers.
#[test]
fn a_second_process_opens_contexts() {
    let Some(folder) = std::env::var_os(FOLDER) else { return };
    let network = bert();
    for target in [Target::QnnV75, Target::QnnV79] {
        let delegate = OnnxBackend::new(target, libraries(), Path::new(&folder)).open(&subject(&network));
        let bits: Vec<u32> =
            answers(&network, &*delegate.expect("opened")).concat().iter().map(|v| v.to_bits()).collect();
        println!("answers {} {bits:?}", target.name());
    }
}

#[test]
fn contexts_of_two_generations_answer_the_same_in_a_fresh_process() {
    if simulator().is_none() {
        return;
    }
    let network = bert();
    let root = tempfile::tempdir().expect("folder");
    let mut expected = Vec::new();
    let mut sizes = Vec::new();
    for target in [Target::QnnV75, Target::QnnV79] {
        let [delegate, _] = compiled(&network, target, root.path());
        let bits: Vec<u32> = answers(&network, &*delegate).concat().iter().map(|value| value.to_bits()).collect();
        expected.push(format!("answers {} {bits:?}", target.name()));
        sizes.push(delegate.bytes());
    }
    assert!(sizes.iter().all(|bytes| *bytes > 10_000), "contexts have weights: {sizes:?}");
    let child = Command::new(std::env::current_exe().expect("this test"))
        .args(["--exact", "qnn::a_second_process_opens_contexts", "--nocapture", "--test-threads=1"])
        .env(FOLDER, root.path())
        .output()
        .expect("started");
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}\n{}", String::from_utf8_lossy(&child.stderr));
    for line in expected {
        assert!(text.contains(&line), "another answer than {}", &line[..60.min(line.len())]);
    }
}
