//! The messages of both sides.

use std::io::Write;
use std::os::fd::OwnedFd;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_bytes::ByteBuf;

use super::memory::{MEMORY, read_sealed, seal};
use crate::call::{FoundationInfo, Thing};
use crate::error::{Error, Result};

/// Version of the protocol. Fields may be added without a new one; whatever changes a meaning needs one.
pub(crate) const PROTOCOL: u32 = 1;

/// Largest body that lies in its frame, in bytes: a copy through the socket is cheaper than memory of its own up to about
/// this size.
const INLINE: usize = 64 << 10;

/// The first message of a client.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) protocol: u32,
    /// The app's name; none for a client that only asks what is open.
    pub(crate) app: Option<String>,
    /// Version of the client's library, for the log.
    pub(crate) version: String,
}

/// The answer to it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Welcome {
    pub(crate) protocol: u32,
    pub(crate) version: String,
    pub(crate) foundation: FoundationInfo,
}

/// The content of a call or a reply.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Body {
    Inline(ByteBuf),
    /// In sealed memory, the frame's first descriptor; so many bytes.
    Attached(u64),
}

impl Body {
    /// Packs a value; memory that is to be attached is put into `files`, first.
    ///
    /// # Errors
    /// [`Error::Argument`] for one that is too large, [`Error::Io`] without memory.
    pub(crate) fn pack(value: &impl Serialize, files: &mut Vec<OwnedFd>) -> Result<Self> {
        let bytes = encode(value)?;
        if bytes.len() <= INLINE {
            return Ok(Self::Inline(ByteBuf::from(bytes)));
        }
        let (memory, size) =
            seal(bytes.len(), |file| file.write_all(&bytes).map_err(|error| Error::io(MEMORY, error)))?;
        files.insert(0, memory);
        Ok(Self::Attached(size))
    }

    /// As [`Body::pack`], of a value with about `bulk` bytes of data, which are written into attached memory at once where
    /// they are many.
    ///
    /// # Errors
    /// As [`Body::pack`].
    pub(crate) fn pack_bulk(value: &impl Serialize, bulk: usize, files: &mut Vec<OwnedFd>) -> Result<Self> {
        if bulk <= INLINE {
            return Self::pack(value, files);
        }
        let (memory, size) = seal(bulk, |file| {
            rmp_serde::encode::write_named(file, value).map_err(|error| match error {
                rmp_serde::encode::Error::InvalidValueWrite(error) => Error::io(MEMORY, error),
                error => Error::protocol(error),
            })
        })?;
        files.insert(0, memory);
        Ok(Self::Attached(size))
    }

    /// Its size as its sender says, in bytes.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Inline(bytes) => bytes.len() as u64,
            Self::Attached(bytes) => *bytes,
        }
    }

    /// The value; attached memory is taken out of `files`.
    ///
    /// # Errors
    /// [`Error::Protocol`] for what is no such value, or is not in sealed memory.
    pub(crate) fn unpack<T: DeserializeOwned>(self, files: &mut Vec<OwnedFd>) -> Result<T> {
        match self {
            Self::Inline(bytes) => decode(&bytes),
            Self::Attached(bytes) if files.is_empty() => {
                Err(Error::protocol(format!("a body of {bytes} bytes is not attached")))
            }
            Self::Attached(bytes) => decode(&read_sealed(files.remove(0), bytes)?),
        }
    }
}

/// Whether a receiver wants more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verdict {
    GoOn,
    Enough,
}

/// What a client says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ClientMessage {
    Hello(Hello),
    /// A [`crate::call::Call`].
    Call {
        id: u64,
        body: Body,
    },
    /// The last event of this call was taken; only then comes the next.
    Took {
        id: u64,
        verdict: Verdict,
    },
    /// The call is to end before its next token.
    Stop {
        id: u64,
    },
    Release(Thing),
}

/// What a service says.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ServerMessage {
    Welcome(Welcome),
    /// The connection ends.
    Refused(Error),
    /// A [`crate::event::Progress`].
    Event {
        id: u64,
        body: Body,
    },
    /// A `Result` of a [`crate::call::Reply`].
    Reply {
        id: u64,
        body: Body,
    },
}

/// # Errors
/// [`Error::Protocol`], which is a defect: all that is sent can be written.
pub(crate) fn encode(value: &impl Serialize) -> Result<Vec<u8>> {
    rmp_serde::to_vec_named(value).map_err(Error::protocol)
}

/// # Errors
/// [`Error::Protocol`] for bytes that are no such value.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T> {
    let mut reader = rmp_serde::Deserializer::from_read_ref(bytes);
    // Messages are a few levels deep; a deep one is an attempt on the stack.
    reader.set_max_depth(32);
    T::deserialize(&mut reader).map_err(|error| Error::protocol(format!("a message: {error}")))
}
