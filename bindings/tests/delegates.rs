//! Components on delegates, as apps choose them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loam_delegates::Choice;
use loam_ffi::{
    DelegateTarget, Delegates, Embedding, Engine, EngineOptions, Host, Input, LoamError, PlaceStatus, Preference,
    Strictness, Support,
};
use tempfile::TempDir;

#[path = "scenarios/prepare.rs"]
mod prepare;

/// The library of ONNX Runtime, or a line that says that the test was skipped.
fn runtime() -> Option<String> {
    let named = std::env::var("LOAM_ONNXRUNTIME").ok().filter(|file| Path::new(file).is_file());
    if named.is_none() {
        eprintln!("skipped: LOAM_ONNXRUNTIME names no file; delegates/setup.sh installs ONNX Runtime");
    }
    named
}

fn prepared() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().expect("tempdir");
    let root = dir.path().join("all");
    prepare::prepare(&root).expect("prepared");
    (dir, root)
}

fn delegates(root: &Path, targets: &[DelegateTarget]) -> Delegates {
    Delegates {
        targets: targets.to_vec(),
        artefacts: Some(root.join("delegates").display().to_string()),
        runtime: runtime(),
        qualcomm: None,
        preference: Some(Preference::Delegate),
        strictness: None,
        plan: Some(root.join("plan.json").display().to_string()),
    }
}

fn open(root: &Path, delegates: Option<Delegates>) -> Result<Arc<Engine>, LoamError> {
    let path = root.join("tiny").display().to_string();
    Engine::open(path, EngineOptions { delegates, ..EngineOptions::default() })
}

fn embed(engine: &Engine, input: Arc<Input>) -> Result<Embedding, LoamError> {
    engine.attach("com.example.mail".to_owned())?.embed(input, None, None)
}

fn text() -> Arc<Input> {
    Input::text("two cats on a mat".to_owned())
}

fn picture(root: &Path) -> Arc<Input> {
    Input::image_file(root.join("square.png").display().to_string()).expect("picture")
}

fn floats(embedding: &Embedding) -> Vec<f32> {
    embedding.vector.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect()
}

#[test]
fn a_component_runs_on_a_delegate_and_says_so() {
    let (_dir, root) = prepared();
    if runtime().is_none() {
        return;
    }
    let engine = open(&root, Some(delegates(&root, &[DelegateTarget::OnnxFloat]))).expect("opened");
    assert_eq!(engine.places().expect("told"), [], "nothing is loaded");
    engine.wait_for_delegates("text".to_owned()).expect("settled");
    let places = engine.places().expect("told");
    let [PlaceStatus { component, backend, reason: None, support: Support::Full, support_reason: None, times }] =
        &places[..]
    else {
        panic!("{places:?}")
    };
    assert_eq!((&component[..], backend.as_deref()), ("text", Some("onnx-float")));
    assert!(times.len() == 1 && times[0].graph.starts_with("text-"), "{times:?}");
    assert!(times[0].delegate_ms > 0.0 && times[0].processor_ms > 0.0, "{times:?}");
    assert!(root.join("plan.json").is_file(), "measured once per device");

    let ours = embed(&engine, text()).expect("embedded");
    assert_eq!((&ours.trace.steps[0].backend[..], &ours.trace.steps[0].fallback), ("onnx-float", &None));
    let theirs = embed(&open(&root, None).expect("opened"), text()).expect("embedded");
    assert!(theirs.trace.steps[0].backend.starts_with("cpu/"), "{:?}", theirs.trace);
    for (a, b) in floats(&ours).iter().zip(floats(&theirs)) {
        assert!((a - b).abs() < 1e-4, "{a} is not {b}");
    }

    // Only the text encoder was compiled: the processor does the rest and says why.
    let seen = embed(&engine, picture(&root)).expect("embedded").trace.steps.remove(0);
    assert!(seen.backend.starts_with("cpu/"), "{seen:?}");
    engine.wait_for_delegates("image".to_owned()).expect("settled");
    let seen = embed(&engine, picture(&root)).expect("embedded").trace.steps.remove(0);
    assert_eq!(seen.fallback.as_deref(), Some("not compiled"));
    let place = engine.places().expect("told").into_iter().find(|place| place.component == "image");
    let place = place.expect("it was asked for");
    assert_eq!((place.support, place.support_reason.as_deref()), (Support::Nothing, Some("not compiled")));
    assert_eq!((place.backend, place.reason.as_deref(), &place.times[..]), (None, Some("not compiled"), &[][..]));
}

#[test]
fn strict_engines_refuse_what_no_delegate_runs() {
    let (_dir, root) = prepared();
    if runtime().is_none() {
        return;
    }
    let chosen = Delegates { strictness: Some(Strictness::Strict), ..delegates(&root, &[DelegateTarget::OnnxFloat]) };
    let engine = open(&root, Some(chosen)).expect("opened");
    engine.wait_for_delegates("image".to_owned()).expect("loaded; its delegate was given up");
    let refused = embed(&engine, picture(&root)).expect_err("strict");
    let LoamError::Delegate { component, reason } = &refused else { panic!("{refused:?}") };
    assert_eq!((&component[..], refused.code()), ("image", 19));
    assert!(reason.contains("not compiled"), "{reason}");
    let missing = engine.wait_for_delegates("nose".to_owned());
    assert!(matches!(missing, Err(LoamError::MissingComponent { .. })), "{missing:?}");
}

#[test]
fn targets_that_this_system_lacks_are_refused_by_name() {
    use DelegateTarget::{CoreMl, Nnapi, OnnxFloat, OnnxInteger, QnnV75, QnnV79, Xnnpack};
    let (_dir, root) = prepared();
    let tiny = root.join("tiny").display().to_string();
    let state = root.join("state");
    let all = [QnnV75, QnnV79, CoreMl, Nnapi, Xnnpack, OnnxInteger, OnnxFloat];
    for (target, known) in all.into_iter().zip(loam_delegates::Target::ALL) {
        let chosen = Choice { targets: vec![known], ..Choice::default() };
        let is_here = chosen.dispatch(&root).is_ok();
        let options = EngineOptions { delegates: Some(delegates(&root, &[target])), ..EngineOptions::default() };
        let host = Host::open(tiny.clone(), state.join(known.name()).display().to_string(), options);
        for found in [open(&root, Some(delegates(&root, &[target]))).err(), host.err()] {
            match found {
                None => assert!(is_here, "{target:?}"),
                Some(LoamError::Unsupported { what, .. }) => assert!(!is_here && what == known.name(), "{what}"),
                other => panic!("{target:?}: {other:?}"),
            }
        }
    }
    let twice = open(&root, Some(delegates(&root, &[OnnxFloat; 2]))).err();
    assert!(matches!(twice, Some(LoamError::Argument { .. })), "{twice:?}");
    let none = open(&root, Some(delegates(&root, &[]))).expect("nothing is asked for");
    none.wait_for_delegates("text".to_owned()).expect("loaded");
    assert_eq!(none.places().expect("told"), []);
}
