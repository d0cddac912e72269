//! What programs and apps choose, as an engine is given it.

use std::path::{Path, PathBuf};

use loam::Error;
use loam::dispatch::{DispatchOptions, FirstUse, Preference, Strictness};
use loam_delegates::{Choice, Target, beside};

fn names(options: &DispatchOptions) -> Vec<&str> {
    options.backends.iter().map(|backend| backend.name()).collect()
}

#[test]
fn targets_keep_their_order_and_find_their_files() {
    let choice = Choice {
        targets: vec![Target::Xnnpack, Target::OnnxInteger, Target::OnnxFloat],
        preference: Preference::Delegate,
        strictness: Strictness::Strict,
        first_use: FirstUse::Waits,
        compiler: Some(PathBuf::from("/usr/bin/loam")),
        ..Choice::default()
    };
    let folder = tempfile::tempdir().expect("folder");
    let options = choice.clone().dispatch(folder.path()).expect("this system has all of them");
    assert_eq!(names(&options), ["xnnpack", "onnx-integer", "onnx-float"]);
    assert_eq!((options.preference, options.strictness), (Preference::Delegate, Strictness::Strict));
    assert_eq!(options.first_use, FirstUse::Waits);
    let root = beside(folder.path());
    assert_eq!(options.plan, Some(root.join("plan.json")));
    let preparation = options.preparation.expect("a compiler");
    let arguments: Vec<&Path> = preparation.arguments.iter().map(Path::new).collect();
    assert_eq!(arguments[..3], ["compile", "--with-parent", "--model"].map(Path::new));
    assert_eq!(arguments[3..], [folder.path(), Path::new("--output"), &root]);

    let named = Choice { artefacts: Some("a".into()), plan: Some("p".into()), ..choice };
    let options = named.dispatch(folder.path()).expect("named");
    assert_eq!(options.plan.as_deref(), Some(Path::new("p")));
    assert_eq!(options.preparation.expect("a compiler").arguments[5], "a");
}

#[test]
fn without_a_target_everything_runs_on_the_processor() {
    let choice = Choice { compiler: Some("loam".into()), plan: Some("p".into()), ..Choice::default() };
    let options = choice.dispatch(Path::new("f")).expect("nothing to refuse");
    assert!(options.backends.is_empty() && options.preparation.is_none() && options.plan.is_none());
}

#[test]
fn targets_of_other_systems_and_those_named_twice_are_refused_by_name() {
    for target in Target::ALL {
        let is_here = match target {
            Target::CoreMl => cfg!(target_vendor = "apple"),
            Target::Nnapi => cfg!(target_os = "android"),
            Target::QnnV75 | Target::QnnV79 => cfg!(not(target_vendor = "apple")),
            Target::Xnnpack | Target::OnnxInteger | Target::OnnxFloat => true,
        };
        let refused = Choice { targets: vec![target], ..Choice::default() }.dispatch(Path::new("f"));
        match refused {
            Ok(options) => assert!(is_here && names(&options) == [target.name()], "{}", target.name()),
            Err(Error::Unsupported { what, reason }) => {
                assert!(!is_here && what == target.name() && reason.contains("this system"), "{what}: {reason}");
            }
            Err(other) => panic!("{other}"),
        }
    }
    let twice = Choice { targets: vec![Target::OnnxFloat; 2], ..Choice::default() }.dispatch(Path::new("f"));
    assert!(matches!(&twice, Err(Error::Argument { reason, .. }) if reason.contains("onnx-float")), "{twice:?}");
}
