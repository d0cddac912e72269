//! The runtime, values and comparisons.

use std::io::Write as _;
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
    let folder = std::env::var_os("LOAM_DELEGATES").map(PathBuf::from);
    folder.or_else(|| Some(cache()?.join("delegates"))).map_or(named, |folder| Libraries::of_site_packages(&folder))
}

/// Where fetched things lie.
fn cache() -> Option<PathBuf> {
    let xdg = std::env::var_os("XDG_CACHE_HOME").filter(|value| !value.is_empty()).map(PathBuf::from);
    Some(xdg.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cache")))?.join("loam"))
}

/// The built-in foundation, or a line that says that the test was skipped.
pub fn nano() -> Option<PathBuf> {
    let home = std::env::var_os("LOAM_HOME").map(PathBuf::from).or_else(cache);
    let found = home.map(|home| home.join("foundations/loam-nano")).filter(|dir| dir.is_dir());
    if found.is_none() {
        let _ = writeln!(std::io::stderr(), "skipped: loam-nano is not installed; `loam pull loam-nano` fetches it");
    }
    found
}

/// The runtime, or a line that says that the test was skipped.
pub fn runtime() -> Option<Runtime> {
    match Runtime::load(&libraries()) {
        Ok(runtime) => Some(runtime),
        Err(reason) => {
            let _ = writeln!(std::io::stderr(), "skipped: {reason}; delegates/setup.sh installs ONNX Runtime");
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
