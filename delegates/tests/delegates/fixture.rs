//! The runtime, values and comparisons.

use std::path::{Path, PathBuf};

use loam_delegates::runtime::{Libraries, Runtime};

/// Files of the engine's tests.
pub fn models(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures/models").join(name)
}

/// The libraries: those that the environment names, else those that `delegates/setup.sh` installed.
pub fn libraries() -> Libraries {
    let named = Libraries::of_environment();
    if named.runtime.is_some() {
        return named;
    }
    let cache = std::env::var_os("LOAM_NPU_VENV").map(PathBuf::from);
    let venv = cache.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache/loam/npu-venv")));
    let Some(lib) = venv.map(|venv| venv.join("lib")) else { return named };
    let pythons = std::fs::read_dir(lib).into_iter().flatten().flatten();
    let mut found = pythons.map(|python| Libraries::of_site_packages(&python.path().join("site-packages")));
    found.find(|libraries| libraries.runtime.is_some()).unwrap_or(named)
}

/// The runtime, or a line that says that the test was skipped.
pub fn runtime() -> Option<Runtime> {
    match Runtime::load(&libraries()) {
        Ok(runtime) => Some(runtime),
        Err(reason) => {
            eprintln!("skipped: {reason}; delegates/setup.sh installs ONNX Runtime");
            None
        }
    }
}

/// Values between -1 and 1, the same each time.
pub struct Values(u32);

impl Values {
    pub fn new(seed: u32) -> Self {
        Self(seed)
    }

    pub fn take(&mut self, count: usize) -> Vec<f32> {
        let next = |_| {
            self.0 = self.0.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (self.0 >> 8) as f32 / 8_388_608.0 - 1.0
        };
        (0..count).map(next).collect()
    }
}

pub fn max_difference(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    assert_eq!(a.len(), b.len());
    let dot = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum::<f64>();
    dot(a, b) / (dot(a, a) * dot(b, b)).sqrt().max(1e-30)
}
