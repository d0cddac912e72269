//! What can go wrong: data that are not there or not of their format, and scores that have no value.

use std::io;
use std::path::{Path, PathBuf};

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and with which value.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A file or directory could not be opened or read.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: io::Error,
    },
    /// A folder has no file that its format needs.
    #[error("{folder}: no {what}, which {format} needs")]
    Missing {
        /// The folder that was looked into.
        folder: PathBuf,
        /// Name of the format.
        format: &'static str,
        /// The file, or the names of which one must be there.
        what: String,
    },
    /// A file is not what its format says.
    #[error("{path}, {place}: malformed {format}: {reason}")]
    Malformed {
        /// The file.
        path: PathBuf,
        /// Line, row, entry or byte.
        place: String,
        /// Name of the format.
        format: &'static str,
        /// The field and its value.
        reason: String,
    },
    /// A path in a file leads out of the folder that holds the data.
    #[error("{path}, {place}: {name:?} leads out of {folder}")]
    Outside {
        /// The file that names it.
        path: PathBuf,
        /// Line, row or entry.
        place: String,
        /// The name.
        name: String,
        /// Where it must stay.
        folder: PathBuf,
    },
    /// A format has no such split.
    #[error("{format} has no split {split}; it has {known}")]
    Split {
        /// Name of the format.
        format: &'static str,
        /// What was asked for.
        split: &'static str,
        /// What there is.
        known: &'static str,
    },
    /// A score has no value for what it was given.
    #[error("{metric}: {reason}")]
    Metric {
        /// Name of the metric.
        metric: &'static str,
        /// The value that is wrong.
        reason: String,
    },
    /// No task, data set or set of that name.
    #[error("{what} {name:?} is unknown; {known}")]
    Unknown {
        /// What was looked for.
        what: &'static str,
        /// Its name.
        name: String,
        /// What is known.
        known: String,
    },
}

impl Error {
    /// Wraps an operating system's reason with the path that it is about.
    pub(crate) fn io(path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_path_buf();
        move |source| Self::Io { path, source }
    }

    pub(crate) fn metric(metric: &'static str, reason: impl Into<String>) -> Self {
        Self::Metric { metric, reason: reason.into() }
    }
}
