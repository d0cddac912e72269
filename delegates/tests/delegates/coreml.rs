//! Core ML packages of small networks, as far as this system can tell: made, compared with their graphs, kept as artefacts.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use loam::dispatch::Reason;
use loam::graph::{Graph, Op, Role, Window};
use loam_delegates::artefact::{Artefact, Record};
use loam_delegates::coreml::{PACKAGE, PYTHON_VARIABLE, Packager};
use loam_delegates::quantize::Calibrated;

use crate::networks::{backbone, text};
use crate::references::subject;

/// The interpreter that the environment names, else the one that `delegates/coreml/test.sh` uses.
fn packager() -> Option<Packager> {
    if std::env::var_os(PYTHON_VARIABLE).is_some() {
        return Some(Packager::of_environment());
    }
    let python = PathBuf::from(std::env::var_os("HOME")?).join(".cache/loam/coreml-venv/bin/python");
    if !python.exists() {
        let _ = writeln!(std::io::stderr(), "skipped: delegates/coreml/test.sh makes an environment with coremltools");
        return None;
    }
    Some(Packager::new(&python))
}

#[test]
fn packages_are_kept_whole() {
    let Some(packager) = packager() else { return };
    for network in [text("clip-text-tiny"), backbone("llama2")] {
        let root = tempfile::tempdir().expect("folder");
        let subject = subject(&network);
        packager.compile(&subject, &network.graph, &Calibrated::default(), root.path()).expect(network.name);
        let folder = root.path().join("coreml").join(network.name).join("whole");
        let record = std::fs::read(folder.join("artefact.json")).expect("written");
        let record: Record = serde_json::from_slice(&record).expect("a record");
        let weights = format!("{PACKAGE}/Data/com.apple.CoreML/weights/weight.bin");
        assert!(record.files.iter().any(|file| file.name == weights), "{:?}", record.files);
        assert!(record.inputs.iter().any(|port| port.name.ends_with("_lora_A")), "{:?}", record.inputs);

        let artefact = Artefact::open(&folder, &subject, &record.compiler).expect("as it was written");
        assert_eq!(artefact.entry(), folder.join(PACKAGE));
        assert_eq!(artefact.record.signature, network.graph.signature());
        damage(&folder.join(&weights));
        let reason = Artefact::open(&folder, &subject, &record.compiler).expect_err("a byte changed");
        assert!(matches!(&reason, Reason::Damaged { file, .. } if file.ends_with("weight.bin")), "{reason}");
    }
}

/// Changes one byte.
fn damage(path: &Path) {
    let mut bytes = std::fs::read(path).expect("read");
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn what_core_ml_does_not_take_is_named() {
    let Some(packager) = packager() else { return };
    let window = Window { kernel: [2, 2], stride: [1, 1], padding: [0, 0], dilation: [2, 2] };
    let mut graph = Graph::new();
    let x = graph.input("x", &[1, 1, 8, 8], Role::Data);
    let y = graph.node("y", Op::MaxPool(window), &[x]);
    graph.output(y);
    let folder = tempfile::tempdir().expect("folder");
    let reason = packager.package(&graph, "pool", folder.path()).expect_err("dilated");
    assert_eq!(reason, Reason::Refused("MaxPool with dilations".to_owned()));
}
