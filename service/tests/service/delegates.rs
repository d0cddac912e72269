//! Components of a service on delegates: what its clients get, and what they hear of it.

use std::io::Write as _;
use std::path::Path;

use loam::dispatch::{DispatchOptions, FirstUse, Preference, Reason, Strictness};
use loam::engine::{EngineOptions, PlaceStatus};
use loam::input::Input;
use loam::task::Embedding;
use loam_delegates::runtime::{Libraries, RUNTIME_VARIABLE};
use loam_delegates::{Choice, Target};
use loam_service::{App, Engine, Error, Limits, Result};
use tempfile::TempDir;

use crate::support::{Daemon, Served, core, foundation, picture, root, wait_until};

/// Delegates of the one component that is compiled; `None` where ONNX Runtime is not there, with a line that says so.
fn dispatch(folder: &TempDir, strictness: Strictness) -> Option<DispatchOptions> {
    let libraries = Libraries::of_environment();
    if !libraries.runtime.as_ref().is_some_and(|file| file.is_file()) {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: {RUNTIME_VARIABLE} names no file; delegates/setup.sh installs ONNX Runtime"
        );
        return None;
    }
    let choice = Choice {
        targets: vec![Target::OnnxFloat],
        libraries,
        artefacts: Some(root().join("delegates")),
        preference: Preference::Delegate,
        strictness,
        first_use: FirstUse::Waits,
        plan: Some(folder.path().join("plan.json")),
        ..Choice::default()
    };
    Some(choice.dispatch(&foundation()).expect("this system has it"))
}

fn embed(app: &App, input: impl Into<Input>) -> Result<Embedding> {
    app.embed(input, None, None)
}

fn is_on_delegate(places: &[PlaceStatus]) -> bool {
    places.iter().any(|place| place.component == "text" && place.backend.as_deref() == Some("onnx-float"))
}

#[test]
fn clients_get_results_of_delegates_and_hear_where_components_run() {
    let folder = tempfile::tempdir().expect("folder");
    let Some(dispatch) = dispatch(&folder, Strictness::Fallback) else { return };
    let options = EngineOptions { dispatch, ..EngineOptions::default() };
    let served = Served::of(loam::Engine::open_with(foundation(), options).expect("opened"), Limits::default());
    let engine = served.connect();
    assert_eq!(engine.places().expect("told"), []);
    let app = engine.attach("photos").expect("attached");
    let ours = embed(&app, "two cats on a mat").expect("embedded");
    assert_eq!(ours.trace.steps[0].backend, "onnx-float");
    let plain = Engine::new(core()).attach("photos").expect("attached");
    let theirs = embed(&plain, "two cats on a mat").expect("embedded");
    for (a, b) in ours.vector.iter().zip(&theirs.vector) {
        assert!((a - b).abs() < 1e-4, "{a} is not {b}");
    }
    let seen = embed(&app, picture(16, 16)).expect("embedded").trace.steps.remove(0);
    assert_eq!(seen.fallback, Some(Reason::NotCompiled));
    let places = engine.places().expect("told");
    assert!(is_on_delegate(&places), "{places:?}");
    assert_eq!(places, served.server.engine().places(), "times and reasons cross as they are");
    assert!(places.iter().any(|place| place.component == "image" && place.reason == Some(Reason::NotCompiled)));
    let waited = engine.wait_for_delegates("text");
    assert!(matches!(&waited, Err(Error::Unsupported { what, .. }) if what == "delegates"), "{waited:?}");
}

#[test]
fn an_engine_here_waits_for_its_delegates() {
    let folder = tempfile::tempdir().expect("folder");
    let Some(dispatch) = dispatch(&folder, Strictness::Fallback) else { return };
    let dispatch = DispatchOptions { first_use: FirstUse::Served, ..dispatch };
    let options = EngineOptions { dispatch, ..EngineOptions::default() };
    let engine = Engine::open(foundation(), options).expect("opened");
    engine.wait_for_delegates("text").expect("settled");
    assert!(is_on_delegate(&engine.places().expect("told")));
    let missing = engine.wait_for_delegates("nose");
    assert!(matches!(missing, Err(Error::MissingComponent { .. })), "{missing:?}");
}

fn arguments(daemon: &mut std::process::Command, plan: &Path, more: &[&str]) {
    daemon.args(["--delegate", "onnx-float", "--strict", "--prefer", "delegate", "--artefacts"]);
    daemon.arg(root().join("delegates")).arg("--plan").arg(plan).args(more);
}

#[test]
fn a_daemon_runs_components_on_the_delegates_that_it_was_given() {
    let folder = tempfile::tempdir().expect("folder");
    if dispatch(&folder, Strictness::Strict).is_none() {
        return;
    }
    let plan = folder.path().join("plan.json");
    let mut command = Daemon::command(folder.path());
    arguments(&mut command, &plan, &[]);
    let daemon = Daemon { child: command.spawn().expect("started"), dir: folder };
    daemon.wait();
    let engine = Engine::connect(daemon.socket()).expect("connected");
    let app = engine.attach("photos").expect("attached");
    // Until the delegate is ready, a strict service has nobody to do it.
    wait_until("the delegate is ready", || match embed(&app, "two cats on a mat") {
        Ok(embedding) => embedding.trace.steps[0].backend == "onnx-float",
        Err(Error::Delegate { component, reason }) => {
            assert!(component == "text" && reason.contains("compiling"), "{reason}");
            false
        }
        Err(other) => panic!("{other}"),
    });
    assert!(is_on_delegate(&engine.places().expect("told")) && plan.is_file());
    wait_until("the picture's has been looked for", || {
        let refused = embed(&app, picture(16, 16)).expect_err("it is not compiled");
        assert!(matches!(&refused, Error::Delegate { component, .. } if component == "image"), "{refused}");
        assert_eq!(refused.code(), 19);
        refused.to_string().contains("not compiled")
    });
}

#[test]
fn a_daemon_compiles_with_the_program_that_it_was_given() {
    let folder = tempfile::tempdir().expect("folder");
    if dispatch(&folder, Strictness::Strict).is_none() {
        return;
    }
    // In the place of `loam`: it writes down what it was asked.
    let (program, asked) = (folder.path().join("loam"), folder.path().join("asked"));
    std::fs::write(&program, format!("#!/bin/sh\necho \"$@\" > '{}'\necho no >&2\nexit 19\n", asked.display()))
        .expect("written");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    std::fs::set_permissions(&program, mode).expect("set");
    let plan = folder.path().join("plan.json");
    let mut command = Daemon::command(folder.path());
    arguments(&mut command, &plan, &["--compile-with", program.to_str().expect("UTF-8")]);
    let daemon = Daemon { child: command.spawn().expect("started"), dir: folder };
    daemon.wait();
    let app = Engine::connect(daemon.socket()).expect("connected").attach("photos").expect("attached");
    wait_until("the program was asked", || {
        let refused = embed(&app, picture(16, 16)).expect_err("it did not compile it");
        refused.to_string().contains("refused: no")
    });
    let asked = std::fs::read_to_string(asked).expect("written");
    let (foundation, artefacts) = (foundation().display().to_string(), root().join("delegates").display().to_string());
    let own = format!(
        "compile --with-parent --model {foundation} --output {artefacts} --component image --target onnx-float\n"
    );
    assert_eq!(asked, own);
}

#[test]
fn a_daemon_refuses_delegates_of_other_systems() {
    let folder = tempfile::tempdir().expect("folder");
    let started = Daemon::command(folder.path()).args(["--delegate", "coreml"]).status().expect("started");
    assert_eq!(started.code(), Some(5));
    let alone = Daemon::command(folder.path()).arg("--strict").status().expect("started");
    assert_eq!(alone.code(), Some(2));
}
