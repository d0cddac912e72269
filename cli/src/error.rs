//! What can go wrong in the command line itself, outside of the engine.
//!
//! A variant exists for each thing a script can act upon, and [`Error::code`] is the process exit code. Codes below 20
//! mean the same as the engine's; from 20 on they are the command line's own. Nothing here formats for the terminal:
//! `main` does.

use std::path::{Path, PathBuf};

/// Result of every fallible call of the command line's own modules.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and with which value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be opened, read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// An argument or environment variable is out of its documented range.
    #[error("invalid {name}: {reason}")]
    Argument {
        /// The argument or variable.
        name: &'static str,
        /// The value and what is accepted.
        reason: String,
    },
    /// A file or answer is not of the format it should have.
    #[error("{what}: malformed {format}: {reason}")]
    Malformed {
        /// The file or address.
        what: String,
        /// The format that was expected.
        format: &'static str,
        /// The field and the value that were wrong.
        reason: String,
    },
    /// A digest differs from the one on record.
    #[error("{path}: sha256 is {found}, expected {expected}{advice}")]
    Digest {
        /// The file.
        path: PathBuf,
        /// What its content hashes to.
        found: String,
        /// What the recipe or manifest demands.
        expected: String,
        /// What was done about it or what can be done; empty or beginning with a separator.
        advice: &'static str,
    },
    /// A server could not be reached, or answered with a failure, after all retries.
    #[error("{url}: {reason}")]
    Network {
        /// The address, without credentials.
        url: String,
        /// What the last attempt ended with.
        reason: String,
    },
    /// No package index is known.
    #[error("no package index is known: {0}")]
    NoIndex(String),
    /// The wheel is neither in the directory nor on the index that was asked.
    #[error("{file} was not found {place}")]
    WheelNotFound {
        /// The wheel's file name.
        file: String,
        /// "in DIRECTORY" or "on the index at ADDRESS".
        place: String,
    },
    /// Another process holds the home directory's lock.
    #[error("{path}: another loam is installing; gave up after {seconds} s")]
    Locked {
        /// The lock file.
        path: PathBuf,
        /// How long this process waited.
        seconds: u64,
    },
    /// Nothing of that name is installed, or it is incomplete.
    #[error("{what} is not installed in {place}: {reason}")]
    NotInstalled {
        /// What was asked for.
        what: String,
        /// Where it would be.
        place: PathBuf,
        /// What is missing.
        reason: String,
    },
    /// A file of results was written with other settings than those at hand.
    #[error("{path}: it was measured with {field} {found}, now it is {expected}; --restart begins anew")]
    OtherSettings {
        /// The file.
        path: PathBuf,
        /// The first setting that differs.
        field: &'static str,
        /// What the file says.
        found: String,
        /// What is asked for.
        expected: String,
    },
    /// The engine or this foundation has nothing that gives such an answer.
    #[error("{what}: not measured, {reason}")]
    NotMeasured {
        /// The data set's id.
        what: String,
        /// What is lacking.
        reason: String,
    },
    /// A data set of the benchmark, its files or its scores.
    #[error(transparent)]
    Bench(#[from] loam_bench::Error),
    /// Ctrl-C ended a generation; its text so far was written.
    #[error("interrupted")]
    Interrupted,
    /// The reader of standard output went away, as `head` does: no failure.
    #[error("standard output was closed")]
    OutputClosed,
}

impl Error {
    /// The process exit code.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::OutputClosed => 0,
            Self::Argument { .. } | Self::OtherSettings { .. } => 2,
            Self::Io { .. } => 3,
            Self::Malformed { .. } => 4,
            Self::NotMeasured { .. } => 5,
            Self::Bench(reason) => match reason {
                loam_bench::Error::Io { .. } | loam_bench::Error::Missing { .. } => 3,
                loam_bench::Error::Split { .. } | loam_bench::Error::Unknown { .. } => 2,
                _ => 4,
            },
            Self::Digest { .. } => 9,
            Self::Network { .. } => 20,
            Self::NoIndex(_) => 21,
            Self::WheelNotFound { .. } => 22,
            Self::Locked { .. } => 23,
            Self::NotInstalled { .. } => 24,
            Self::Interrupted => crate::command::interrupt::EXIT_CODE,
        }
    }

    /// Returns a function for `map_err` that names the path.
    pub fn io(path: impl AsRef<Path>) -> impl FnOnce(std::io::Error) -> Self {
        move |source| Self::Io { path: path.as_ref().to_path_buf(), source }
    }

    /// A [`Error::Malformed`] from anything that can be shown.
    pub fn malformed(what: impl ToString, format: &'static str, reason: impl ToString) -> Self {
        Self::Malformed { what: what.to_string(), format, reason: reason.to_string() }
    }
}
