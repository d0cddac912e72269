//! What a measurement ran on, as results name it.

use std::process::Command;

use serde::{Deserialize, Serialize};

/// Names the source that a program was built from, where the folder it runs in does not.
const COMMIT_VARIABLE: &str = "LOAM_COMMIT";
const UNKNOWN: &str = "unknown";

/// Where and by what.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// Cores and processor.
    pub processor: String,
    /// The source: of `LOAM_COMMIT`, else of the folder that the program runs in.
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
    let told = Command::new("git").args(["rev-parse", "--short=12", "HEAD"]).output();
    let told = told.ok().filter(|told| told.status.success());
    told.map_or_else(|| UNKNOWN.to_owned(), |told| String::from_utf8_lossy(&told.stdout).trim().to_owned())
}
