//! The one error type of the engine.
//!
//! A variant exists for each thing a caller can act on; its message names the file, tensor, field or value that was
//! wrong. [`Error::code`] gives a stable number for foreign languages and process exit codes.

use std::path::{Path, PathBuf};

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What went wrong, and with which value.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened, read or written.
    #[error("{path}: {source}")]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// The operating system's reason.
        source: std::io::Error,
    },
    /// A file's content is damaged, truncated or not of the format it claims.
    #[error("{what}: malformed {format}: {reason}")]
    Malformed {
        /// The file, or the part of it.
        what: String,
        /// The format that was expected.
        format: &'static str,
        /// The field and the value that were wrong.
        reason: String,
    },
    /// A well-formed file that this engine cannot run.
    #[error("unsupported {what}: {reason}")]
    Unsupported {
        /// The architecture, type or option.
        what: String,
        /// Why, and what is supported instead.
        reason: String,
    },
    /// A tensor that the model needs is not in the checkpoint.
    #[error("tensor '{0}' is missing from the checkpoint")]
    MissingTensor(String),
    /// A tensor's shape differs from what the configuration implies.
    #[error("tensor '{name}' has shape {found:?}, expected {expected:?}")]
    Shape {
        /// The tensor's name in its file.
        name: String,
        /// The shape in the file.
        found: Vec<usize>,
        /// The shape that the configuration implies.
        expected: Vec<usize>,
    },
    /// An adapter does not fit: unknown key, wrong rank, unsupported kind, wrong base.
    #[error("adapter '{adapter}': {reason}")]
    Adapter {
        /// The adapter's name or path.
        adapter: String,
        /// The tensor or field, and what is wrong with it.
        reason: String,
    },
    /// No adapter of that alias or generation is installed.
    #[error("no adapter named '{0}'")]
    UnknownAdapter(String),
    /// A digest differs from the one on record: the file was changed or damaged.
    #[error("{path}: sha256 is {found}, expected {expected}")]
    Digest {
        /// The file.
        path: PathBuf,
        /// What its content hashes to.
        found: String,
        /// What the manifest or recipe demands.
        expected: String,
    },
    /// The input does not fit into the model's context window.
    #[error("{tokens} tokens do not fit into the context window of {limit}")]
    ContextFull {
        /// Tokens that the call needs, generated ones included.
        tokens: usize,
        /// Positions that the model supports.
        limit: usize,
    },
    /// An argument is out of its documented range.
    #[error("invalid {name}: {reason}")]
    Argument {
        /// The argument.
        name: &'static str,
        /// The value and the accepted range.
        reason: String,
    },
    /// Something does not fit into the memory that it may use.
    #[error("'{what}' needs {needed} bytes, the budget is {limit}")]
    Memory {
        /// The component, or whatever else needs memory.
        what: String,
        /// Bytes that it needs.
        needed: u64,
        /// Bytes that there are.
        limit: u64,
    },
    /// The foundation has no component of the kind that a task needs.
    #[error("the foundation has no {0} component")]
    MissingComponent(String),
    /// The tokenizer or the chat template refused its input.
    #[error("{what}: {reason}")]
    Text {
        /// "tokenizer" or "chat template".
        what: &'static str,
        /// The library's reason.
        reason: String,
    },
    /// A request was not taken: the app has as many as it may, its turn did not come in time, or it is background work while the
    /// device is hot or short of power.
    #[error(
        "'{app}' has reached its limit of {limit}; {waiting} of its requests wait, try again in {retry_after_ms} ms"
    )]
    Refused {
        /// The app.
        app: String,
        /// What was exceeded.
        limit: String,
        /// When it may be tried again, in ms; 0 where that depends on others.
        retry_after_ms: u64,
        /// Requests of the app that wait already.
        waiting: usize,
    },
    /// A step that several requests shared failed.
    #[error("the step that it was part of failed: {0}")]
    Step(String),
    /// A saved context belongs to something else than what runs now.
    #[error("the saved context has another {what}: {saved}, now there is {now}")]
    Context {
        /// What differs.
        what: &'static str,
        /// What it was saved with.
        saved: String,
        /// What there is now.
        now: String,
    },
    /// An adapter has to be signed, and is not signed by one of the keys that count, or was changed since.
    #[error("adapter '{adapter}': {reason}")]
    Signature {
        /// The adapter's name or path.
        adapter: String,
        /// What is wrong with its signature.
        reason: String,
    },
    /// A sink returned an error: the caller's own failure, handed back unchanged.
    #[error("stopped by the receiver: {0}")]
    Sink(String),
    /// A delegate could not be used, and the engine was told not to do without.
    #[error("component '{component}' is not run by a delegate: {reason}")]
    Delegate {
        /// The component.
        component: String,
        /// Why not.
        reason: String,
    },
}

impl Error {
    /// Stable number of the variant, also the exit code of the command line.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Argument { .. } => 2,
            Self::Io { .. } => 3,
            Self::Malformed { .. } => 4,
            Self::Unsupported { .. } => 5,
            Self::MissingTensor(_) | Self::Shape { .. } => 6,
            Self::Adapter { .. } => 7,
            Self::UnknownAdapter(_) => 8,
            Self::Digest { .. } => 9,
            Self::ContextFull { .. } => 10,
            Self::MissingComponent(_) => 11,
            Self::Text { .. } => 12,
            Self::Sink(_) => 13,
            Self::Memory { .. } => 14,
            Self::Refused { .. } => 15,
            Self::Step(_) => 16,
            Self::Context { .. } => 17,
            Self::Signature { .. } => 18,
            Self::Delegate { .. } => 19,
        }
    }

    pub(crate) fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Self::Io { path: path.as_ref().to_path_buf(), source }
    }

    pub(crate) fn malformed(what: impl ToString, format: &'static str, reason: impl ToString) -> Self {
        Self::Malformed { what: what.to_string(), format, reason: reason.to_string() }
    }

    pub(crate) fn unsupported(what: impl ToString, reason: impl ToString) -> Self {
        Self::Unsupported { what: what.to_string(), reason: reason.to_string() }
    }

    pub(crate) fn adapter(adapter: impl ToString, reason: impl ToString) -> Self {
        Self::Adapter { adapter: adapter.to_string(), reason: reason.to_string() }
    }

    pub(crate) fn signature(adapter: impl ToString, reason: impl ToString) -> Self {
        Self::Signature { adapter: adapter.to_string(), reason: reason.to_string() }
    }

    pub(crate) fn argument(name: &'static str, reason: impl ToString) -> Self {
        Self::Argument { name, reason: reason.to_string() }
    }
}
