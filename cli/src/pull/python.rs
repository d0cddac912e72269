//! The user's Python, asked which index pip uses, and pip itself as the second way to a wheel.
//!
//! Pip knows settings that this program does not: client certificates, keyrings, `netrc`, proxies with their own
//! authentication. Python is optional: nothing here runs unless the address of the index is unknown or the direct way
//! failed. What pip brings is checked by the caller like everything else.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use url::Url;

use super::recipe::Source;

/// Name of the environment variable with the interpreter to use.
const PYTHON_VARIABLE: &str = "LOAM_PYTHON";

/// Interpreters that are tried otherwise.
const INTERPRETERS: [&str; 2] = ["python3", "python"];

/// Prints the index that pip was built with, if none is configured.
const DEFAULT_INDEX: &str = "from pip._internal.models.index import PyPI; print(PyPI.simple_url)";

/// A Python interpreter that may or may not be there.
#[derive(Debug, Clone)]
pub struct Python {
    programs: Vec<OsString>,
}

impl Python {
    /// The interpreter that the environment names, else the usual ones.
    #[must_use]
    pub fn from_environment() -> Self {
        match std::env::var_os(PYTHON_VARIABLE).filter(|program| !program.is_empty()) {
            Some(program) => Self { programs: vec![program] },
            None => Self { programs: INTERPRETERS.map(OsString::from).to_vec() },
        }
    }

    /// The address of the index that pip uses.
    ///
    /// # Errors
    /// Why it could not be found out.
    pub fn index_url(&self) -> Result<String, String> {
        self.run(&["-m", "pip", "config", "get", "global.index-url"], None)
            .or_else(|_| self.run(&["-c", DEFAULT_INDEX], None))
            .and_then(|text| match text.trim() {
                "" => Err("pip named no index".to_owned()),
                text => Ok(text.to_owned()),
            })
    }

    /// Has pip put the wheel into `directory` and returns its path.
    ///
    /// # Errors
    /// Pip's last words.
    pub fn download(&self, source: &Source, index: &Url, directory: &Path) -> Result<PathBuf, String> {
        let target = directory.to_str().ok_or("the download directory's name is not Unicode")?;
        let wanted = format!("{}=={}", source.name, source.version);
        let arguments = [
            "-m",
            "pip",
            "download",
            "--quiet",
            "--no-deps",
            "--only-binary",
            ":all:",
            "--dest",
            target,
            "--",
            &wanted,
        ];
        self.run(&arguments, Some(index))?;
        let path = directory.join(&source.file);
        if path.is_file() { Ok(path) } else { Err(format!("pip brought something else than {}", source.file)) }
    }

    /// Runs the first interpreter that exists and returns what it printed. The index goes through the environment:
    /// arguments, unlike that, are visible to all users, and it may hold a password.
    fn run(&self, arguments: &[&str], index: Option<&Url>) -> Result<String, String> {
        let mut reason = String::new();
        for program in &self.programs {
            log::info!("running {} {}", program.to_string_lossy(), arguments.join(" "));
            let mut command = Command::new(program);
            command.args(arguments).stdin(Stdio::null()).env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
            if let Some(index) = index {
                command.env("PIP_INDEX_URL", index.as_str());
            }
            match command.output() {
                Ok(output) if output.status.success() => {
                    return String::from_utf8(output.stdout).map_err(|_| "its output is not UTF-8".to_owned());
                }
                Ok(output) => {
                    let words = String::from_utf8_lossy(&output.stderr).into_owned();
                    let last = words.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no reason given");
                    reason = format!("{}: {}", program.to_string_lossy(), last.trim());
                }
                Err(e) if reason.is_empty() => reason = format!("{}: {e}", program.to_string_lossy()),
                Err(_) => {}
            }
        }
        Err(reason)
    }
}
