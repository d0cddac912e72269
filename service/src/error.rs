//! The one error of near and far calls: it crosses the socket as it is.

use serde::{Deserialize, Serialize};

/// Result of every fallible call of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Longest reason that quotes the other side, in characters.
const MAX_REASON: usize = 300;

/// What went wrong. `reason` is a sentence that names the value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Error {
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
    /// A quota of the app or a limit of the service is reached, a turn did not come in time, or background work is kept out while the
    /// device is hot or short of power.
    #[error("{reason}")]
    Refused {
        /// When it may be tried again, in ms; 0 where that depends on others.
        retry_after_ms: u64,
        /// Requests of the app that wait already.
        waiting: u64,
        /// The whole message.
        reason: String,
    },
    /// An adapter has to be signed, and is not signed by one of the keys that count, or was changed since.
    #[error("{reason}")]
    Signature {
        /// Its alias or path.
        adapter: String,
        /// The whole message.
        reason: String,
    },
    /// A delegate cannot run a component, and the engine was told not to do without.
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
    /// A sink of the caller failed: its own message.
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
    /// The service went away, or does not answer. The next call connects again.
    #[error("no connection to the service while '{doing}' was under way: {reason}")]
    Disconnected {
        /// The call that ended so.
        doing: String,
        /// What the connection ended with.
        reason: String,
    },
    /// Client and service speak versions of the protocol that do not go together.
    #[error("the service speaks protocol {theirs}, this is {ours}: {reason}")]
    Version {
        /// Version of the side that reports.
        ours: u32,
        /// Version of the other side.
        theirs: u32,
        /// What to do.
        reason: String,
    },
    /// What arrived is no message of the protocol, or what was attached is not what it has to be.
    #[error("{reason}")]
    Protocol {
        /// The field and the value that were wrong.
        reason: String,
    },
    /// A conversation, transcription or sensor lived in a service or a connection that is gone.
    #[error("the {what} is lost: the connection that it lived on has ended; begin a new one")]
    Lost {
        /// What it was.
        what: String,
    },
}

impl Error {
    /// Stable number of the kind of error, also `loamd`'s exit code. Those below 40 are the engine's.
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
            Self::Signature { .. } => 18,
            Self::Delegate { .. } => 19,
            Self::Disconnected { .. } => 40,
            Self::Version { .. } => 41,
            Self::Protocol { .. } => 42,
            Self::Lost { .. } => 43,
        }
    }

    pub(crate) fn io(path: impl AsRef<std::path::Path>, source: impl Into<std::io::Error>) -> Self {
        let path = path.as_ref().display().to_string();
        let reason = format!("{path}: {}", source.into());
        Self::Io { path, reason }
    }

    pub(crate) fn argument(name: &str, reason: impl std::fmt::Display) -> Self {
        Self::Argument { name: name.to_owned(), reason: format!("invalid {name}: {reason}") }
    }

    pub(crate) fn protocol(reason: impl std::fmt::Display) -> Self {
        // It may quote what the other side sent, of any length, and goes into a log.
        let plain = |c: char| if c.is_control() { '\u{fffd}' } else { c };
        Self::Protocol { reason: reason.to_string().chars().take(MAX_REASON).map(plain).collect() }
    }

    pub(crate) fn refused(reason: impl std::fmt::Display) -> Self {
        Self::Refused { retry_after_ms: 0, waiting: 0, reason: reason.to_string() }
    }

    /// What a call gets while another one uses the same thing.
    pub(crate) fn busy(what: &str) -> Self {
        Self::argument(what, "a call of it is running, stop it or wait for it")
    }

    /// The error of a caught panic.
    pub(crate) fn of_panic(payload: &(dyn std::any::Any + Send)) -> Self {
        let text = payload.downcast_ref::<&str>().map(|text| (*text).to_owned());
        let text = text.or_else(|| payload.downcast_ref::<String>().cloned());
        Self::Internal { reason: text.unwrap_or_else(|| "a panic without a message".to_owned()) }
    }
}

impl From<loam::Error> for Error {
    fn from(error: loam::Error) -> Self {
        use loam::Error as Core;
        let reason = error.to_string();
        match error {
            Core::Io { path, .. } => Self::Io { path: path.display().to_string(), reason },
            Core::Malformed { what, .. } => Self::Malformed { what, reason },
            Core::Unsupported { what, .. } => Self::Unsupported { what, reason },
            Core::Delegate { component, .. } => Self::Delegate { component, reason },
            Core::MissingTensor(name) | Core::Shape { name, .. } => Self::Tensor { name, reason },
            Core::Adapter { adapter, .. } => Self::Adapter { adapter, reason },
            Core::UnknownAdapter(alias) => Self::UnknownAdapter { alias, reason },
            Core::Digest { path, .. } => Self::Digest { path: path.display().to_string(), reason },
            Core::ContextFull { tokens, limit } => {
                Self::ContextFull { tokens: tokens as u64, limit: limit as u64, reason }
            }
            Core::Argument { name, .. } => Self::Argument { name: name.to_owned(), reason },
            Core::Memory { needed, limit, .. } => Self::Memory { needed, limit, reason },
            Core::Refused { retry_after_ms, waiting, .. } => {
                Self::Refused { retry_after_ms, waiting: waiting as u64, reason }
            }
            Core::MissingComponent(kind) => Self::MissingComponent { kind, reason },
            Core::Text { .. } => Self::Text { reason },
            Core::Signature { adapter, .. } => Self::Signature { adapter, reason },
            Core::Context { .. } => Self::Context { reason },
            Core::Sink(reason) => Self::Callback { reason },
            _ => Self::Internal { reason },
        }
    }
}
