//! What a measurement ran on, as results name it.

use std::path::Path;
use std::process::Command;

use serde::{Deserialize, Serialize};

/// Names the source that a program was built from, where the folder it runs in does not.
const COMMIT_VARIABLE: &str = "LOAM_COMMIT";
/// A file that the folder of the sources has.
const OWN_FILE: &str = "cli/src/bench/machine.rs";

/// Where and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Cores and processor.
    pub processor: String,
    /// The source: of `LOAM_COMMIT`, else of the folder that the program runs in if that is Loam's, else the program's version.
    pub commit: String,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn here() -> Self {
        Self { processor: processor(), commit: commit() }
    }
}

fn processor() -> String {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let told = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = told.lines().find_map(|line| line.strip_prefix("model name")?.split_once(':'));
    let name = name.map_or(std::env::consts::ARCH, |(_, name)| name.trim());
    format!("{cores} cores of {name}")
}

fn commit() -> String {
    if let Ok(named) = std::env::var(COMMIT_VARIABLE) {
        return named;
    }
    // Another repository that the program happens to run in says nothing of it.
    let own = git(&["rev-parse", "--show-toplevel"]).filter(|root| Path::new(root).join(OWN_FILE).is_file());
    let Some(hash) = own.and_then(|_| git(&["rev-parse", "--short=12", "HEAD"])) else {
        return format!("version {}", env!("CARGO_PKG_VERSION"));
    };
    let changed = git(&["status", "--porcelain", "--untracked-files=no"]).is_none_or(|changes| !changes.is_empty());
    if changed { format!("{hash} with changes") } else { hash }
}

fn git(words: &[&str]) -> Option<String> {
    let told = Command::new("git").args(words).output().ok().filter(|told| told.status.success())?;
    Some(String::from_utf8_lossy(&told.stdout).trim().to_owned())
}
