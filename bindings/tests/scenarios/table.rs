//! The table of cases and how results are compared.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use loam_ffi::Engine;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::run::{Place, Run, open};

/// Of numbers that are no integers: f32 sums differ in their order between processors.
const TOLERANCE: f64 = 1e-3;

/// The app of all cases.
pub const APP: &str = "com.example.mail";

/// One line of `bindings/scenarios/cases.json`.
#[derive(Debug, Serialize, Deserialize)]
pub struct Case {
    pub name: String,
    pub foundation: String,
    pub op: String,
    pub args: Value,
    #[serde(default)]
    pub expect: Value,
}

pub fn file() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/cases.json")
}

pub fn cases() -> Vec<Case> {
    serde_json::from_slice(&std::fs::read(file()).expect("the table")).expect("cases")
}

/// The folder `root`, with the real foundation where it was pulled.
pub fn place(root: &Path) -> Place {
    let home = std::env::var_os("LOAM_HOME").map(PathBuf::from).or_else(|| {
        let cache = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from);
        let cache = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")));
        cache.map(|cache| cache.join("loam"))
    });
    let nano = home.map(|home| home.join("foundations/loam-nano")).filter(|path| path.exists());
    let trained = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/adapters");
    Place { root: root.to_path_buf(), nano, trained }
}

/// What a case gives in this process; `None` where its foundation is not there.
pub fn outcome(place: &Place, case: &Case) -> Option<Value> {
    let Some(foundation) = place.foundation(&case.foundation) else {
        eprintln!("skipped '{}': run `loam pull loam-nano` first", case.name);
        return None;
    };
    let engine = open(&foundation).unwrap_or_else(|error| panic!("{}: {error}", case.name));
    Some(outcome_on(place, case, engine))
}

/// What a case gives on an engine of its foundation.
pub fn outcome_on(place: &Place, case: &Case, engine: Arc<Engine>) -> Value {
    let app = engine.attach(APP.to_owned()).expect("attached");
    let run = Run { place, engine, app, args: &case.args };
    run.outcome(&case.op).unwrap_or_else(|error| panic!("{}: {error}", case.name))
}

/// Where two results differ.
pub fn difference(at: &str, found: &Value, expected: &Value) -> Option<String> {
    match (found, expected) {
        (Value::Object(a), Value::Object(b)) if a.keys().eq(b.keys()) => {
            b.iter().find_map(|(key, value)| difference(&format!("{at}.{key}"), &a[key], value))
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            a.iter().zip(b).enumerate().find_map(|(i, (a, b))| difference(&format!("{at}[{i}]"), a, b))
        }
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64()?, b.as_f64()?);
            ((a - b).abs() > TOLERANCE).then(|| format!("{at} is {a}, expected {b}"))
        }
        (a, b) => (a != b).then(|| format!("{at} is {a}, expected {b}")),
    }
}
