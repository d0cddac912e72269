//! Where the runtime's libraries are.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use loam::dispatch::Reason;
use ort::environment::Environment;
use ort::logging::LogLevel;

/// Names the runtime's library in the environment.
pub const RUNTIME_VARIABLE: &str = "LOAM_ONNXRUNTIME";
/// Names the folder of Qualcomm's provider and its libraries.
pub const QNN_VARIABLE: &str = "LOAM_QNN";

/// Files of ONNX Runtime and of providers that come apart from it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Libraries {
    /// `libonnxruntime.so`, `.dylib` or `.dll`; where it is `None`, the system looks for its usual name.
    pub runtime: Option<PathBuf>,
    /// The folder with `libonnxruntime_providers_qnn.so`, `libQnnHtp.so` and what they need.
    pub qnn: Option<PathBuf>,
}

impl Libraries {
    /// As the environment says: `LOAM_ONNXRUNTIME` and `LOAM_QNN`.
    #[must_use]
    pub fn of_environment() -> Self {
        let path = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        Self { runtime: path(RUNTIME_VARIABLE), qnn: path(QNN_VARIABLE) }
    }

    /// Those of a Python environment into which the packages `onnxruntime` and, for Qualcomm, `onnxruntime-qnn` were installed:
    /// the folder that holds both.
    #[must_use]
    pub fn of_site_packages(dir: &Path) -> Self {
        let is_library = |path: &PathBuf| {
            let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
            ["libonnxruntime.so", "libonnxruntime.dylib", "onnxruntime.dll"].iter().any(|known| name.starts_with(known))
        };
        let files = std::fs::read_dir(dir.join("onnxruntime/capi")).into_iter().flatten().flatten();
        let runtime = files.map(|file| file.path()).find(is_library);
        let qnn = Some(dir.join("onnxruntime_qnn")).filter(|dir| dir.is_dir());
        Self { runtime, qnn }
    }
}

/// The loaded runtime. A process has one: it is loaded from where it is first asked for.
#[derive(Clone)]
pub struct Runtime {
    environment: Arc<Environment>,
}

static LOADED: Mutex<Option<Runtime>> = Mutex::new(None);

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

impl Runtime {
    /// Loads the library, or gives the one that is loaded.
    ///
    /// # Errors
    /// [`Reason::Unavailable`] naming the file. The next call tries again.
    pub fn load(libraries: &Libraries) -> Result<Self, Reason> {
        let mut loaded = LOADED.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(runtime) = &*loaded {
            return Ok(runtime.clone());
        }
        let path = libraries.runtime.clone().unwrap_or_else(|| PathBuf::from(system_name()));
        let missing = |reason: &dyn std::fmt::Display| Reason::Unavailable(format!("{}: {reason}", path.display()));
        let builder = ort::init_from(&path).map_err(|e| missing(&e))?;
        let environment = builder.with_name("loam").with_telemetry(false).build().map_err(|e| missing(&e))?;
        environment.set_log_level(LogLevel::Error);
        let runtime = Self { environment: Arc::new(environment) };
        *loaded = Some(runtime.clone());
        Ok(runtime)
    }

    /// Version and build of the library.
    #[must_use]
    pub fn build(&self) -> &'static str {
        ort::info()
    }

    pub(crate) fn environment(&self) -> &Environment {
        &self.environment
    }
}

/// What the system's loader knows the library by.
fn system_name() -> &'static str {
    match std::env::consts::OS {
        "macos" | "ios" => "libonnxruntime.dylib",
        "windows" => "onnxruntime.dll",
        _ => "libonnxruntime.so",
    }
}
