//! What was compiled is damaged, of other weights, or of another compiler: it is refused with a reason before it is loaded. And
//! adapters and inputs beyond what the codes hold are refused before a result comes of them.

use std::path::{Path, PathBuf};

use loam::dispatch::{Backend, Reason, Subject};
use loam::weights::sha256_file;
use loam_delegates::{OnnxBackend, Target};

use crate::fixture::{libraries, runtime};
use crate::networks::{Network, bert};
use crate::qnn::simulator;
use crate::references::{compiled, subject};

fn open(target: Target, root: &Path, subject: &Subject<'_>) -> Reason {
    match OnnxBackend::new(target, libraries(), root).open(subject) {
        Ok(_) => Reason::Failed("it was opened".to_owned()),
        Err(reason) => reason,
    }
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        std::fs::read_dir(folder).expect("folder").flatten().map(|file| file.path()).collect();
    files.sort();
    files
}

/// Every file of an artefact, its middle overwritten, cut short, and gone.
fn damage(network: &Network, target: Target) {
    let root = tempfile::tempdir().expect("folder");
    compiled(network, target, root.path());
    let subject = subject(network);
    let folder = root.path().join(target.name()).join(network.name).join("whole");
    let all = files(&folder);
    assert!(all.len() >= 3, "{all:?}");
    for file in all {
        let whole = std::fs::read(&file).expect("read");
        let mut turned = whole.clone();
        let middle = whole.len() / 2;
        turned[middle..(middle + 200).min(whole.len())].iter_mut().for_each(|byte| *byte = !*byte);
        for damaged in [&turned[..], &whole[..middle], &[]] {
            std::fs::write(&file, damaged).expect("written");
            let reason = open(target, root.path(), &subject);
            assert!(matches!(reason, Reason::Damaged { .. }), "{}: {reason}", file.display());
        }
        std::fs::remove_file(&file).expect("removed");
        let reason = open(target, root.path(), &subject);
        assert!(matches!(reason, Reason::Damaged { .. } | Reason::NotCompiled), "{}: {reason}", file.display());
        std::fs::write(&file, &whole).expect("restored");
    }
    OnnxBackend::new(target, libraries(), root.path()).open(&subject).expect("as it was");
    // A record that leads out of its folder, or to other inputs, with a digest of its own.
    let record = folder.join("artefact.json");
    let text = std::fs::read_to_string(&record).expect("read");
    let rewrite = |text: &str| {
        std::fs::write(&record, text).expect("written");
        let digest = sha256_file(&record).expect("read");
        std::fs::write(folder.join("artefact.json.sha256"), format!("{digest}  artefact.json\n")).expect("written");
    };
    for (from, to) in [
        ("\"graph.onnx\"", "\"../graph.onnx\""),
        ("\"context.onnx\"", "\"../context.onnx\""),
        ("\"shape\": [", "\"shape\": [7,"),
    ] {
        let changed = text.replacen(from, to, 1);
        if changed != text {
            rewrite(&changed);
            assert!(matches!(open(target, root.path(), &subject), Reason::Damaged { .. }), "{from}");
        }
    }
    rewrite(&text.replace("loam 0.", "loam 9."));
    assert!(matches!(open(target, root.path(), &subject), Reason::Stale { .. }), "another compiler");
    rewrite(&text);
    let other = Subject { fingerprint: "other weights", ..subject };
    assert!(matches!(open(target, root.path(), &other), Reason::Stale { .. }));
    let absent = Subject { component: "absent", ..subject };
    assert_eq!(open(target, root.path(), &absent), Reason::NotCompiled);
}

#[test]
fn damaged_artefacts_are_refused() {
    if runtime().is_some() {
        damage(&bert(), Target::OnnxInteger);
        damage(&bert(), Target::OnnxFloat);
    }
    if simulator().is_some() {
        damage(&bert(), Target::QnnV75);
    }
}

#[test]
fn adapters_and_inputs_out_of_range_are_refused() {
    if runtime().is_none() {
        return;
    }
    let network = bert();
    let root = tempfile::tempdir().expect("folder");
    let [delegate, _] = compiled(&network, Target::OnnxInteger, root.path());
    let zeros = delegate.adapt(&network.zeros()).expect("zeros fit");
    let scaled = |factor: f32| -> Vec<Vec<f32>> {
        network.adapters[0].iter().map(|values| values.iter().map(|value| value * factor).collect()).collect()
    };
    delegate.adapt(&scaled(1.0)).expect("it fits");
    for factor in [100.0, f32::NAN, f32::INFINITY] {
        let reason = delegate.adapt(&scaled(factor)).map(|_| ()).expect_err("out of range");
        assert!(matches!(reason, Reason::AdapterRange { .. }), "{factor}: {reason}");
    }
    assert!(matches!(delegate.adapt(&scaled(1.0)[1..]).map(|_| ()), Err(Reason::Failed(_))), "a factor is missing");
    let sample = &network.samples[0];
    let run = |x: &[f32]| delegate.run(&[x, &sample[1]], &zeros);
    run(&sample[0]).expect("as calibrated");
    let far: Vec<f32> = sample[0].iter().map(|value| value * 10.0).collect();
    for wrong in [&far[..], &vec![f32::NAN; far.len()]] {
        assert!(matches!(run(wrong), Err(Reason::InputRange { .. })));
    }
    assert!(matches!(run(&far[1..]), Err(Reason::Failed(_))));
    assert!(matches!(delegate.run(&[], &zeros), Err(Reason::Failed(_))));
}
