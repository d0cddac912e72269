//! The one error that crosses languages.

use loam::Error;

/// What went wrong. `reason` is a sentence that names the value; `code` of the command line is in [`LoamError::code`].
#[derive(Debug, Clone, thiserror::Error, uniffi::Error)]
pub enum LoamError {
    /// A file could not be opened, read or written.
    #[error("{reason}")]
    Io {
        /// The file or directory.
        path: String,
        /// The whole message.
        reason: String,
    },
    /// A file's content is damaged, truncated or not of the format it claims.
    #[error("{reason}")]
    Malformed {
        /// The file, or the part of it.
        what: String,
        /// The whole message.
        reason: String,
    },
    /// A well-formed file or request that this engine cannot run.
    #[error("{reason}")]
    Unsupported {
        /// The architecture, type or option.
        what: String,
        /// The whole message.
        reason: String,
    },
    /// A checkpoint lacks a tensor, or one has another shape.
    #[error("{reason}")]
    Tensor {
        /// The tensor's name.
        name: String,
        /// The whole message.
        reason: String,
    },
    /// An adapter does not fit, or a limit of the registry forbids it.
    #[error("{reason}")]
    Adapter {
        /// Its alias or path.
        adapter: String,
        /// The whole message.
        reason: String,
    },
    /// No adapter of that alias is installed.
    #[error("{reason}")]
    UnknownAdapter {
        /// The alias.
        alias: String,
        /// The whole message.
        reason: String,
    },
    /// A file's content differs from the digest on record.
    #[error("{reason}")]
    Digest {
        /// The file.
        path: String,
        /// The whole message.
        reason: String,
    },
    /// The input does not fit into the model's context window.
    #[error("{reason}")]
    ContextFull {
        /// Tokens that the call needs.
        tokens: u64,
        /// Positions of the model.
        limit: u64,
        /// The whole message.
        reason: String,
    },
    /// An argument is out of its documented range.
    #[error("{reason}")]
    Argument {
        /// The argument.
        name: String,
        /// The whole message.
        reason: String,
    },
    /// Something does not fit into the memory that it may use.
    #[error("{reason}")]
    Memory {
        /// Bytes that it needs.
        needed: u64,
        /// Bytes that there are.
        limit: u64,
        /// The whole message.
        reason: String,
    },
    /// The app has as many requests as it may, or its turn did not come in time.
    #[error("{reason}")]
    Refused {
        /// When it may be tried again, in ms; 0 where that depends on others.
        retry_after_ms: u64,
        /// Requests of the app that wait already.
        waiting: u64,
        /// The whole message.
        reason: String,
    },
    /// The foundation has no component of the kind that a task needs.
    #[error("{reason}")]
    MissingComponent {
        /// The kind.
        kind: String,
        /// The whole message.
        reason: String,
    },
    /// The tokenizer or the chat template refused its input.
    #[error("{reason}")]
    Text {
        /// The whole message.
        reason: String,
    },
    /// A callback of the caller failed: its own message.
    #[error("{reason}")]
    Callback {
        /// What it said.
        reason: String,
    },
    /// A defect of Loam: a panic. The engine goes on to answer.
    #[error("{reason}")]
    Internal {
        /// The panic's message.
        reason: String,
    },
}

#[uniffi::export]
impl LoamError {
    /// Stable number of the kind of error, which is also the exit code of the command line.
    #[must_use]
    pub fn code(&self) -> u8 {
        match self {
            Self::Internal { .. } => 1,
            Self::Argument { .. } => 2,
            Self::Io { .. } => 3,
            Self::Malformed { .. } => 4,
            Self::Unsupported { .. } => 5,
            Self::Tensor { .. } => 6,
            Self::Adapter { .. } => 7,
            Self::UnknownAdapter { .. } => 8,
            Self::Digest { .. } => 9,
            Self::ContextFull { .. } => 10,
            Self::MissingComponent { .. } => 11,
            Self::Text { .. } => 12,
            Self::Callback { .. } => 13,
            Self::Memory { .. } => 14,
            Self::Refused { .. } => 15,
        }
    }
}

impl From<Error> for LoamError {
    fn from(error: Error) -> Self {
        let reason = error.to_string();
        match error {
            Error::Io { path, .. } => Self::Io { path: path.display().to_string(), reason },
            Error::Malformed { what, .. } => Self::Malformed { what, reason },
            Error::Unsupported { what, .. } => Self::Unsupported { what, reason },
            Error::MissingTensor(name) | Error::Shape { name, .. } => Self::Tensor { name, reason },
            Error::Adapter { adapter, .. } => Self::Adapter { adapter, reason },
            Error::Signature { adapter, .. } => Self::Adapter { adapter, reason },
            Error::UnknownAdapter(alias) => Self::UnknownAdapter { alias, reason },
            Error::Digest { path, .. } => Self::Digest { path: path.display().to_string(), reason },
            Error::ContextFull { tokens, limit } => {
                Self::ContextFull { tokens: tokens as u64, limit: limit as u64, reason }
            }
            Error::Argument { name, .. } => Self::Argument { name: name.to_owned(), reason },
            Error::Memory { needed, limit, .. } => Self::Memory { needed, limit, reason },
            Error::Refused { retry_after_ms, waiting, .. } => {
                Self::Refused { retry_after_ms, waiting: waiting as u64, reason }
            }
            Error::MissingComponent(kind) => Self::MissingComponent { kind, reason },
            Error::Text { .. } => Self::Text { reason },
            Error::Sink(reason) => Self::Callback { reason },
            _ => Self::Internal { reason },
        }
    }
}

/// An exception in a callback that is not one of ours.
impl From<uniffi::UnexpectedUniFFICallbackError> for LoamError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Callback { reason: error.reason }
    }
}

/// The message of a caught panic.
pub(crate) fn panic_message(payload: &(dyn std::any::Any + Send)) -> String {
    let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| payload.downcast_ref::<String>().cloned()).unwrap_or_else(|| "a panic without a message".to_owned())
}

/// Result of every fallible call.
pub type Result<T> = std::result::Result<T, LoamError>;
