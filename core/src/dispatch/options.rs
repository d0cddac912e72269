//! How an engine uses delegates.

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::backend::Backend;
use super::place::Strictness;

/// What decides between a delegate that works and the processor.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Preference {
    /// Which was faster when both were timed.
    #[default]
    Measured,
    /// The delegate, as to spare the battery.
    Delegate,
}

/// What happens to whoever uses a component first, whose delegates are not ready then.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum FirstUse {
    /// The processor serves meanwhile.
    #[default]
    Served,
    /// It waits until they are ready or given up, as a program does that is asked one thing and ends.
    Waits,
}

/// Exit status by which a program that compiles says that the backend refuses the component: that of [`crate::Error::Delegate`].
pub const REFUSED: i32 = 19;

/// A program that compiles for a backend, in a process of its own: compilers of drivers crash and hang. It is given
/// `--component NAME --target BACKEND` behind its own arguments, and compiles to where the backend looks.
///
/// A crash, the end of its time and the exit status [`REFUSED`] are remembered, and not tried again by the same versions. Any other
/// status says that something else went wrong, such as a full disk: the next process tries again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Preparation {
    /// The program.
    pub program: PathBuf,
    /// Its first arguments.
    pub arguments: Vec<OsString>,
    /// When it is ended.
    pub limit: Duration,
}

/// How an engine uses delegates.
#[derive(Clone, Debug)]
pub struct DispatchOptions {
    /// Those that are asked, the best first. None by default: everything runs on the processor.
    pub backends: Vec<Arc<dyn Backend>>,
    /// What decides.
    pub preference: Preference,
    /// Whether it is an error when a delegate cannot be used.
    pub strictness: Strictness,
    /// What happens while delegates are prepared.
    pub first_use: FirstUse,
    /// How long opening and trying what was compiled for a component may take: some providers compile only then, and drivers hang.
    /// The processor serves on after it.
    pub open_limit: Duration,
    /// Compiles what is not compiled; `None` leaves that to `loam compile`.
    pub preparation: Option<Preparation>,
    /// The file in which measurements and failures are kept, for this device and these versions; `None` measures anew each time
    /// and forgets failures.
    pub plan: Option<PathBuf>,
}

/// A backbone on a simulator of an NPU takes minutes.
const OPEN_LIMIT: Duration = Duration::from_secs(1800);

impl Default for DispatchOptions {
    fn default() -> Self {
        Self {
            backends: Vec::new(),
            preference: Preference::default(),
            strictness: Strictness::default(),
            first_use: FirstUse::default(),
            open_limit: OPEN_LIMIT,
            preparation: None,
            plan: None,
        }
    }
}
