//! One connection to a service: many calls at a time, told apart by number.

use std::collections::{BTreeMap, VecDeque};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::call::{Call, Reply, Thing};
use crate::error::{Error, Result};
use crate::event::{Progress, Relay};
use crate::wire::{Body, Channel, ClientMessage, Hello, PROTOCOL, Received, ServerMessage, Verdict, Waiting, Welcome};

/// How long the service may take for one frame. It waits for no one with its frames, so more means that it hangs.
const FRAME_PATIENCE: Duration = Duration::from_secs(30);
/// How long the service may take to answer a greeting: it loads the app's adapters meanwhile.
const WELCOME_PATIENCE: Duration = Duration::from_secs(60);

/// What came for a call.
enum Mail {
    Event(Body, Vec<OwnedFd>),
    Reply(Body, Vec<OwnedFd>),
}

/// What comes for one call. The service sends an event only after the last one was taken, so there is little in it.
#[derive(Default)]
struct Mailbox {
    mail: Mutex<VecDeque<Mail>>,
    came: Condvar,
}

#[derive(Default)]
struct Pending {
    mailboxes: BTreeMap<u64, Arc<Mailbox>>,
    /// Why nothing comes any more.
    ended: Option<String>,
}

/// What the calls and the receiving thread share.
struct Shared {
    channel: Channel,
    pending: Mutex<Pending>,
}

impl Shared {
    fn pending(&self) -> MutexGuard<'_, Pending> {
        self.pending.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Everything that waits hears of the end.
    fn end(&self, reason: &str) {
        self.channel.close();
        let mut pending = self.pending();
        pending.ended.get_or_insert_with(|| reason.to_owned());
        let mailboxes = std::mem::take(&mut pending.mailboxes);
        drop(pending);
        for mailbox in mailboxes.values() {
            // Under its lock, so that one who is about to wait has seen the end before.
            let _mail = mailbox.mail.lock().unwrap_or_else(PoisonError::into_inner);
            mailbox.came.notify_all();
        }
    }

    /// Why the connection has ended, if it has.
    fn ended(&self) -> Option<String> {
        self.pending().ended.clone()
    }

    /// Sends what needs no answer. Where it fails, the connection has ended, and whoever waits hears of it.
    fn tell(&self, message: &ClientMessage) {
        if let Err(error) = self.channel.send(message, &[]) {
            self.end(&error.to_string());
        }
    }

    fn deliver(&self, id: u64, mail: Mail) {
        let mailbox = self.pending().mailboxes.get(&id).cloned();
        // A call that was given up hears no more.
        if let Some(mailbox) = mailbox {
            mailbox.mail.lock().unwrap_or_else(PoisonError::into_inner).push_back(mail);
            mailbox.came.notify_all();
        }
    }

    /// The life of the receiving thread.
    fn receive(&self) {
        let reason = loop {
            match self.channel.receive(Waiting::Idle) {
                Ok(Some(Received { message: ServerMessage::Event { id, body }, files })) => {
                    self.deliver(id, Mail::Event(body, files));
                }
                Ok(Some(Received { message: ServerMessage::Reply { id, body }, files })) => {
                    self.deliver(id, Mail::Reply(body, files));
                }
                Ok(Some(Received { message: ServerMessage::Refused(error), .. })) => break error.to_string(),
                Ok(Some(Received { message: ServerMessage::Welcome(_), .. })) => {
                    break "a second welcome".to_owned();
                }
                Ok(None) => break "the service has ended the connection".to_owned(),
                Err(error) => break error.to_string(),
            }
        };
        self.end(&reason);
    }
}

/// What a caller gets who has no connection.
pub(super) fn unconnected(reason: String) -> Error {
    Error::Disconnected { doing: "connect".to_owned(), reason }
}

/// A connection. It ends when it is dropped.
pub(super) struct Link {
    shared: Arc<Shared>,
    welcome: Welcome,
    last: AtomicU64,
}

impl std::fmt::Debug for Link {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Link({:?})", self.shared.channel)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.shared.channel.close();
    }
}

/// Why a call gave no reply.
pub(super) enum Failure {
    /// The service has not heard of it: it may be sent again, on another connection.
    Unsent(Error),
    /// It may have been performed.
    Sent(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Sent(error)
    }
}

impl Failure {
    pub(super) fn error(self) -> Error {
        match self {
            Self::Unsent(error) | Self::Sent(error) => error,
        }
    }
}

/// Takes a call off the list, also when its receiver panics.
struct InFlight<'a> {
    shared: &'a Shared,
    id: u64,
}

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        let unanswered = self.shared.pending().mailboxes.remove(&self.id).is_some();
        if unanswered {
            self.shared.tell(&ClientMessage::Stop { id: self.id });
        }
    }
}

impl Link {
    /// Connects, and greets as `app`.
    ///
    /// # Errors
    /// [`Error::Disconnected`] where nobody answers; what the service refuses with.
    pub(super) fn open(socket: &Path, app: Option<&str>) -> Result<Self> {
        let stream =
            UnixStream::connect(socket).map_err(|error| unconnected(format!("{}: {error}", socket.display())))?;
        Self::greet(stream, app)
    }

    /// Greets as `app` on a stream whose other end a service has.
    ///
    /// # Errors
    /// [`Error::Disconnected`] where nobody answers; what the service refuses with.
    pub(super) fn greet(stream: UnixStream, app: Option<&str>) -> Result<Self> {
        let channel = Channel::new(stream, FRAME_PATIENCE)?;
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let hello = Hello { protocol: PROTOCOL, app: app.map(str::to_owned), version };
        // A service that refuses may have closed its side already, and its reason is there to read all the same.
        let sent = channel.send(&ClientMessage::Hello(hello), &[]);
        let welcome = match channel.receive(Waiting::For(WELCOME_PATIENCE)) {
            Ok(Some(Received { message: ServerMessage::Welcome(welcome), .. })) => welcome,
            Ok(Some(Received { message: ServerMessage::Refused(error), .. })) => return Err(error),
            Ok(Some(_)) => return Err(Error::protocol("the service does not begin with a welcome")),
            Ok(None) => {
                let reason = sent.err().map_or_else(|| "it has ended".to_owned(), |error| error.to_string());
                return Err(unconnected(reason));
            }
            Err(error) => return Err(unconnected(error.to_string())),
        };
        if welcome.protocol != PROTOCOL {
            let reason = "update the older of the two".to_owned();
            return Err(Error::Version { ours: PROTOCOL, theirs: welcome.protocol, reason });
        }
        let shared = Arc::new(Shared { channel, pending: Mutex::default() });
        let receiver = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("loam-link".to_owned())
            .spawn(move || receiver.receive())
            .map_err(|error| Error::io("a thread for the connection", error))?;
        Ok(Self { shared, welcome, last: AtomicU64::new(0) })
    }

    pub(super) fn welcome(&self) -> &Welcome {
        &self.welcome
    }

    pub(super) fn is_alive(&self) -> bool {
        self.shared.ended().is_none()
    }

    pub(super) fn release(&self, thing: Thing) {
        self.shared.tell(&ClientMessage::Release(thing));
    }

    /// Performs one call.
    ///
    /// # Errors
    /// The call's and the receiver's own; [`Error::Disconnected`].
    pub(super) fn call(&self, call: &Call, mut files: Vec<OwnedFd>, relay: &mut dyn Relay) -> Result<Reply, Failure> {
        let doing = call.name();
        let lost = |reason: String| Error::Disconnected { doing: doing.to_owned(), reason };
        let id = self.last.fetch_add(1, Ordering::Relaxed) + 1;
        let body = Body::pack_bulk(call, call.bulk(), &mut files)?;
        let mailbox = Arc::new(Mailbox::default());
        {
            let mut pending = self.shared.pending();
            if let Some(reason) = &pending.ended {
                return Err(Failure::Unsent(lost(reason.clone())));
            }
            pending.mailboxes.insert(id, Arc::clone(&mailbox));
        }
        let _in_flight = InFlight { shared: &self.shared, id };
        if let Err(error) = self.shared.channel.send(&ClientMessage::Call { id, body }, &files) {
            // Half a frame is not performed.
            self.shared.end(&error.to_string());
            return Err(Failure::Unsent(lost(error.to_string())));
        }
        drop(files);
        let shared = Arc::downgrade(&self.shared);
        relay.signal().on_stop(Box::new(move || {
            if let Some(shared) = shared.upgrade() {
                shared.tell(&ClientMessage::Stop { id });
            }
        }));
        let mut failure = None;
        loop {
            match self.next(&mailbox).map_err(&lost)? {
                Mail::Event(body, mut files) => {
                    let progress: Progress = body.unpack(&mut files)?;
                    let verdict = match relay.progress(progress) {
                        Ok(flow) if flow.is_continue() => Verdict::GoOn,
                        Ok(_) => Verdict::Enough,
                        Err(error) => {
                            failure = Some(error);
                            Verdict::Enough
                        }
                    };
                    self.shared.tell(&ClientMessage::Took { id, verdict });
                }
                Mail::Reply(body, mut files) => {
                    self.shared.pending().mailboxes.remove(&id);
                    let reply: Result<Reply> = body.unpack(&mut files)?;
                    return Ok(failure.map_or(reply, Err)?);
                }
            }
        }
    }

    /// What comes next; why nothing comes any more otherwise.
    fn next(&self, mailbox: &Mailbox) -> Result<Mail, String> {
        let mut mail = mailbox.mail.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(next) = mail.pop_front() {
                return Ok(next);
            }
            if let Some(reason) = self.shared.ended() {
                return Err(reason);
            }
            mail = mailbox.came.wait(mail).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
