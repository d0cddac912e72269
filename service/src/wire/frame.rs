//! Frames on a socket, with the descriptors that are attached to them.

use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::Errno;
use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer, SendAncillaryMessage,
    SendFlags, Shutdown, recvmsg, sendmsg, shutdown,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::message::{decode, encode};
use crate::error::{Error, Result};

/// Largest frame, in bytes. It is read as a whole before anything of it is known, so this is what a client without any right
/// may cost; what is larger than some ten kilobytes travels in memory of its own.
const MAX_FRAME: usize = 1 << 20;
/// Descriptors of one frame: a body, and the three files of a PEFT directory.
const MAX_FILES: usize = 4;
const HEADER: usize = 4;

/// How long a frame is waited for.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Waiting {
    /// It may begin at any time, and takes as long as a frame may.
    Idle,
    /// It has to be there within this time.
    For(Duration),
}

/// What arrived.
#[derive(Debug)]
pub(crate) struct Received<T> {
    pub(crate) message: T,
    pub(crate) files: Vec<OwnedFd>,
}

/// One side of a connection. Any thread may send; one receives.
#[derive(Debug)]
pub(crate) struct Channel {
    socket: UnixStream,
    writing: Mutex<()>,
    /// How long a frame may take from its first byte to its last, in either direction.
    patience: Duration,
}

impl Channel {
    pub(crate) fn new(socket: UnixStream, patience: Duration) -> Result<Self> {
        // All waiting is done by `poll`, with a time.
        socket.set_nonblocking(true).map_err(|error| Error::io("the connection", error))?;
        Ok(Self { socket, writing: Mutex::new(()), patience })
    }

    /// Ends the connection, for both sides and all threads.
    pub(crate) fn close(&self) {
        // An error says that it has ended already.
        let _ = shutdown(&self.socket, Shutdown::Both);
    }

    /// Sends one message. One that cannot be sent as a whole ends the connection, for nothing could follow it.
    ///
    /// # Errors
    /// [`Error::Protocol`] for a message that is too large; [`Error::Io`] when the other side is gone or does not read.
    pub(crate) fn send(&self, message: &impl Serialize, files: &[OwnedFd]) -> Result<()> {
        let body = encode(message)?;
        let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_FRAME);
        let length = length.ok_or_else(|| Error::protocol(format!("a frame of {} bytes", body.len())))?;
        let mut bytes = length.to_le_bytes().to_vec();
        bytes.extend(body);
        let _one = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let sent = self.write(&bytes, files);
        sent.inspect_err(|_| self.close()).map_err(|error| Error::io("the connection", error))
    }

    fn write(&self, mut bytes: &[u8], files: &[OwnedFd]) -> std::io::Result<()> {
        let deadline = Instant::now() + self.patience;
        let files: Vec<BorrowedFd<'_>> = files.iter().map(AsFd::as_fd).collect();
        let mut attached = &files[..];
        while !bytes.is_empty() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
            let mut control = SendAncillaryBuffer::new(&mut space);
            if !attached.is_empty() && !control.push(SendAncillaryMessage::ScmRights(attached)) {
                return Err(std::io::ErrorKind::InvalidInput.into());
            }
            match sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut control, SendFlags::NOSIGNAL) {
                Ok(count) => {
                    bytes = &bytes[count..];
                    attached = &[];
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.ready(PollFlags::OUT, Some(deadline))?,
                Err(error) => return Err(error.into()),
            }
        }
        Ok(())
    }

    /// Waits for the next message; `None` at the end of the connection.
    ///
    /// # Errors
    /// [`Error::Protocol`] for what is no message, for a frame that is too long, takes too long or has too many descriptors;
    /// nothing can be received after that.
    pub(crate) fn receive<T: DeserializeOwned>(&self, waiting: Waiting) -> Result<Option<Received<T>>> {
        let begin = match waiting {
            Waiting::Idle => None,
            Waiting::For(time) => Some(Instant::now() + time),
        };
        self.ready(PollFlags::IN, begin).map_err(|_| Error::protocol("no message came in time"))?;
        let deadline = Instant::now() + self.patience;
        let mut files = Vec::new();
        let mut header = [0; HEADER];
        match self.fill(&mut header, &mut files, deadline)? {
            0 => return Ok(None),
            HEADER => {}
            count => return Err(Error::protocol(format!("the connection ended after {count} bytes of a length"))),
        }
        let length = u32::from_le_bytes(header) as usize;
        if length > MAX_FRAME {
            return Err(Error::protocol(format!("a frame of {length} bytes, the limit is {MAX_FRAME}")));
        }
        let mut body = vec![0; length];
        let count = self.fill(&mut body, &mut files, deadline)?;
        if count < length {
            return Err(Error::protocol(format!("the connection ended after {count} of {length} bytes of a frame")));
        }
        Ok(Some(Received { message: decode(&body)?, files }))
    }

    /// Fills `bytes` as far as the connection goes.
    fn fill(&self, bytes: &mut [u8], files: &mut Vec<OwnedFd>, deadline: Instant) -> Result<usize> {
        let ended = |error: std::io::Error| Error::protocol(format!("a frame that did not come as a whole: {error}"));
        let mut at = 0;
        while at < bytes.len() {
            let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_FILES))];
            let mut control = RecvAncillaryBuffer::new(&mut space);
            let flags = RecvFlags::CMSG_CLOEXEC;
            match recvmsg(&self.socket, &mut [IoSliceMut::new(&mut bytes[at..])], &mut control, flags) {
                Ok(message) => {
                    for received in control.drain() {
                        if let RecvAncillaryMessage::ScmRights(attached) = received {
                            files.extend(attached);
                        }
                    }
                    if files.len() > MAX_FILES || message.flags.contains(ReturnFlags::CTRUNC) {
                        return Err(Error::protocol(format!("a frame with more than {MAX_FILES} descriptors")));
                    }
                    if message.bytes == 0 {
                        break;
                    }
                    at += message.bytes;
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => self.ready(PollFlags::IN, Some(deadline)).map_err(ended)?,
                // The other side ended with something of ours unread.
                Err(Errno::CONNRESET | Errno::PIPE) => break,
                Err(error) => return Err(ended(error.into())),
            }
        }
        Ok(at)
    }

    /// Waits until something can be done, or fails at the deadline.
    fn ready(&self, flags: PollFlags, deadline: Option<Instant>) -> std::io::Result<()> {
        loop {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            let time = left.map(|left| Timespec {
                tv_sec: i64::try_from(left.as_secs()).unwrap_or(i64::MAX),
                tv_nsec: left.subsec_nanos().into(),
            });
            match poll(&mut [PollFd::new(&self.socket, flags)], time.as_ref()) {
                Ok(0) => return Err(std::io::ErrorKind::TimedOut.into()),
                Ok(_) => return Ok(()),
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}
