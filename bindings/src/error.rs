//! The one error that crosses languages.

use loam_service::Error;

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
    /// A quota of the app or a limit of the service is reached, which `reason` names, a turn did not come in time, or background
    /// work is kept out while the device is hot or short of power.
    #[error("{reason}")]
    Refused {
        /// When it may be tried again, in ms; 0 where that depends on others.
        retry_after_ms: u64,
        /// Requests of the app that wait already.
        waiting: u64,
        /// The whole message.
        reason: String,
    },
    /// A delegate cannot run a component, and the engine was told not to do without ([`crate::Strictness`]).
    #[error("{reason}")]
    Delegate {
        /// The component.
        component: String,
        /// The whole message.
        reason: String,
    },
    /// A saved conversation belongs to other weights, or to another adapter.
    #[error("{reason}")]
    Context {
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
    /// The service went away, or does not answer. The next call connects again, where the engine was given a socket's path.
    #[error("{reason}")]
    Disconnected {
        /// The call that ended so.
        doing: String,
        /// The whole message.
        reason: String,
    },
    /// This library and the service speak versions of the protocol that do not go together: update the older one.
    #[error("{reason}")]
    Version {
        /// Version of the side that reports.
        ours: u32,
        /// Version of the other side.
        theirs: u32,
        /// The whole message.
        reason: String,
    },
    /// What arrived is no message of the protocol, or too large for it.
    #[error("{reason}")]
    Protocol {
        /// The whole message.
        reason: String,
    },
    /// A conversation, transcription or sensor lived in a service or a connection that is gone: begin a new one.
    #[error("{reason}")]
    Lost {
        /// What it was.
        what: String,
        /// The whole message.
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
            Self::Context { .. } => 17,
            Self::Delegate { .. } => 19,
            Self::Disconnected { .. } => 40,
            Self::Version { .. } => 41,
            Self::Protocol { .. } => 42,
            Self::Lost { .. } => 43,
        }
    }
}

impl From<Error> for LoamError {
    fn from(error: Error) -> Self {
        // For most kinds it is the reason itself; for the others a sentence about their fields.
        let whole = error.to_string();
        match error {
            Error::Io { path, reason } => Self::Io { path, reason },
            Error::Malformed { what, reason } => Self::Malformed { what, reason },
            Error::Unsupported { what, reason } => Self::Unsupported { what, reason },
            Error::Tensor { name, reason } => Self::Tensor { name, reason },
            Error::Adapter { adapter, reason } => Self::Adapter { adapter, reason },
            Error::Signature { adapter, reason } => Self::Adapter { adapter, reason },
            Error::UnknownAdapter { alias, reason } => Self::UnknownAdapter { alias, reason },
            Error::Digest { path, reason } => Self::Digest { path, reason },
            Error::ContextFull { tokens, limit, reason } => Self::ContextFull { tokens, limit, reason },
            Error::Argument { name, reason } => Self::Argument { name, reason },
            Error::Memory { needed, limit, reason } => Self::Memory { needed, limit, reason },
            Error::Refused { retry_after_ms, waiting, reason } => Self::Refused { retry_after_ms, waiting, reason },
            Error::Delegate { component, reason } => Self::Delegate { component, reason },
            Error::Context { reason } => Self::Context { reason },
            Error::MissingComponent { kind, reason } => Self::MissingComponent { kind, reason },
            Error::Text { reason } => Self::Text { reason },
            Error::Callback { reason } => Self::Callback { reason },
            Error::Disconnected { doing, .. } => Self::Disconnected { doing, reason: whole },
            Error::Version { ours, theirs, .. } => Self::Version { ours, theirs, reason: whole },
            Error::Protocol { reason } => Self::Protocol { reason },
            Error::Lost { what } => Self::Lost { what, reason: whole },
            // Kinds that are new there are defects here.
            _ => Self::Internal { reason: whole },
        }
    }
}

/// Of inputs, which the service's crate takes as they are.
impl From<loam::Error> for LoamError {
    fn from(error: loam::Error) -> Self {
        Error::from(error).into()
    }
}

/// An exception in a callback that is not one of ours.
impl From<uniffi::UnexpectedUniFFICallbackError> for LoamError {
    fn from(error: uniffi::UnexpectedUniFFICallbackError) -> Self {
        Self::Callback { reason: error.reason }
    }
}

/// Result of every fallible call.
pub type Result<T> = std::result::Result<T, LoamError>;
