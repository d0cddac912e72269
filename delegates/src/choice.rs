//! Which targets an engine asks, as programs and apps say it.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loam::dispatch::{DispatchOptions, FirstUse, Preference, Preparation, Strictness};
use loam::{Error, Result};

use crate::backend::beside;
use crate::runtime::Libraries;
use crate::target::Target;

/// Where measurements and failures are kept, in the folder of artefacts.
const PLAN: &str = "plan.json";
/// How long a component may take to compile: a backbone of 30 blocks is calibrated and rounded for many minutes.
const LIMIT: Duration = Duration::from_secs(3600);

/// Targets, and what they need.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Choice {
    /// Those that are asked, the best first. Without one everything runs on the processor.
    pub targets: Vec<Target>,
    /// The runtime and what comes apart from it.
    pub libraries: Libraries,
    /// The folder of what was compiled; `None` for the one that [`beside`] gives.
    pub artefacts: Option<PathBuf>,
    /// What decides between a delegate that works and the processor.
    pub preference: Preference,
    /// Whether it is an error when a delegate cannot be used.
    pub strictness: Strictness,
    /// What happens while delegates are prepared.
    pub first_use: FirstUse,
    /// The file of measurements and failures; `None` for `plan.json` among the artefacts.
    pub plan: Option<PathBuf>,
    /// The `loam` program, which compiles what is not compiled; `None` leaves that to whoever runs `loam compile`.
    pub compiler: Option<PathBuf>,
}

impl Choice {
    /// What an engine of the foundation at `foundation` is opened with. Loads no library yet.
    ///
    /// # Errors
    /// [`Error::Unsupported`] naming a target that this build or this system does not have; [`Error::Argument`] for one that is
    /// named twice.
    pub fn dispatch(self, foundation: &Path) -> Result<DispatchOptions> {
        if self.targets.is_empty() {
            return Ok(DispatchOptions::default());
        }
        for (at, target) in self.targets.iter().enumerate() {
            if self.targets[..at].contains(target) {
                let reason = format!("'{}' is named twice", target.name());
                return Err(Error::Argument { name: "delegate", reason });
            }
        }
        let root = self.artefacts.unwrap_or_else(|| beside(foundation));
        let backends =
            self.targets.iter().map(|target| target.backend(&self.libraries, &root)).collect::<Result<_>>()?;
        Ok(DispatchOptions {
            backends,
            preference: self.preference,
            strictness: self.strictness,
            first_use: self.first_use,
            preparation: self.compiler.map(|program| preparation(program, foundation, &root)),
            plan: Some(self.plan.unwrap_or_else(|| root.join(PLAN))),
            ..DispatchOptions::default()
        })
    }
}

/// `loam compile` of the same foundation into the same folder, which ends with this process.
fn preparation(program: PathBuf, foundation: &Path, root: &Path) -> Preparation {
    let mut arguments: Vec<OsString> = ["compile", "--with-parent", "--model"].map(OsString::from).to_vec();
    arguments.extend([foundation.into(), "--output".into(), root.into()]);
    Preparation { program, arguments, limit: LIMIT }
}
