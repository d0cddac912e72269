//! One client: what it says is received on one thread, its calls run on others.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::Server;
use super::identity::{Identity, Rank};
use super::limits::{Permit, Resource};
use super::saving;
use crate::call::{AdapterFile, Call, FoundationInfo, Reply};
use crate::error::{Error, Result};
use crate::event::{Progress, Relay};
use crate::handle::StopSignal;
use crate::local::Local;
use crate::options::InstallPolicy;
use crate::performer::Performer;
use crate::store::Source;
use crate::wire::{
    Body, Channel, ClientMessage, Hello, MAX_BODY, PROTOCOL, Received, ServerMessage, Verdict, Waiting, Welcome,
    check_file,
};
use crate::workers::Workers;

/// A call under way.
#[derive(Debug, Default)]
struct Running {
    signal: Arc<StopSignal>,
    /// What the client said of the last event.
    verdict: Mutex<Option<Verdict>>,
    said: Condvar,
}

impl Running {
    fn say(&self, verdict: Verdict) {
        *self.verdict.lock().unwrap_or_else(PoisonError::into_inner) = Some(verdict);
        self.said.notify_all();
    }

    fn stop(&self) {
        self.signal.stop();
        // Under its lock, so that one who is about to wait has seen it before.
        let _verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        self.said.notify_all();
    }

    /// What the client says of the event that was sent last; `Enough` also when the call is stopped meanwhile.
    ///
    /// # Errors
    /// [`Error::Refused`] for a client that says nothing for too long.
    fn heard(&self, patience: Duration) -> Result<Verdict> {
        let deadline = Instant::now() + patience;
        let mut verdict = self.verdict.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(verdict) = verdict.take() {
                return Ok(verdict);
            }
            if self.signal.is_stopped() {
                return Ok(Verdict::Enough);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Err(Error::refused(format!("an event was not taken for {} s", patience.as_secs())));
            }
            (verdict, _) = self.said.wait_timeout(verdict, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// What the threads of a connection share.
struct Shared {
    channel: Channel,
    running: Mutex<BTreeMap<u64, Arc<Running>>>,
    patience: Duration,
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, BTreeMap<u64, Arc<Running>>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where it fails the connection has ended, and the receiving thread hears of it.
    fn reply(&self, id: u64, outcome: &Result<Reply>) {
        self.running().remove(&id);
        let mut files = Vec::new();
        let packed = Body::pack(outcome, &mut files).or_else(|error| {
            files.clear();
            Body::pack(&Err::<Reply, Error>(error), &mut files)
        });
        let sent = packed.and_then(|body| self.channel.send(&ServerMessage::Reply { id, body }, &files));
        if let Err(error) = sent {
            log::debug!("a reply was not sent: {error}");
            self.channel.close();
        }
    }
}

/// A call's way to its client: one event at a time, so that a client that is slow slows nothing but its own stream.
struct Relaying {
    shared: Arc<Shared>,
    running: Arc<Running>,
    id: u64,
}

impl Relay for Relaying {
    fn progress(&mut self, progress: Progress) -> Result<ControlFlow<()>> {
        let mut files = Vec::new();
        let body = Body::pack(&progress, &mut files)?;
        self.shared.channel.send(&ServerMessage::Event { id: self.id, body }, &files)?;
        Ok(match self.running.heard(self.shared.patience)? {
            Verdict::GoOn => ControlFlow::Continue(()),
            Verdict::Enough => ControlFlow::Break(()),
        })
    }

    fn signal(&self) -> &Arc<StopSignal> {
        &self.running.signal
    }
}

/// One client from its greeting to its end.
pub(super) struct Connection {
    server: Arc<Server>,
    identity: Identity,
    shared: Arc<Shared>,
    /// Its share of its app; none for one that only asks what is open.
    local: Option<Arc<Local>>,
    workers: Workers,
    _permit: Permit,
}

/// The end of everything that a client began, also when its thread panics.
impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.channel.close();
        let running: Vec<Arc<Running>> = self.shared.running().values().cloned().collect();
        running.iter().for_each(|running| running.stop());
    }
}

impl Connection {
    /// Hears the greeting.
    ///
    /// # Errors
    /// What it is refused with; the client has heard of it.
    pub(super) fn greet(server: Arc<Server>, identity: Identity, channel: Channel, permit: Permit) -> Result<Self> {
        let patience = server.limits().patience;
        let shared = Arc::new(Shared { channel, running: Mutex::default(), patience });
        let greeted = Self::hello(&server, &shared.channel)
            .and_then(|hello| hello.app.map(|name| server.attach(&identity, &name)).transpose());
        match greeted {
            Ok(store) => {
                let foundation = FoundationInfo::of(server.engine());
                let version = env!("CARGO_PKG_VERSION").to_owned();
                let welcome = Welcome { protocol: PROTOCOL, version, foundation };
                shared.channel.send(&ServerMessage::Welcome(welcome), &[])?;
                let local = store.map(|store| Arc::new(Local::new(store)));
                Ok(Self { server, identity, shared, local, workers: Workers::default(), _permit: permit })
            }
            Err(error) => {
                // It may be gone, which is no news.
                let _ = shared.channel.send(&ServerMessage::Refused(error.clone()), &[]);
                Err(error)
            }
        }
    }

    fn hello(server: &Server, channel: &Channel) -> Result<Hello> {
        let received = channel.receive(Waiting::For(server.limits().greeting))?;
        match received.map(|received| received.message) {
            Some(ClientMessage::Hello(hello)) if hello.protocol == PROTOCOL => Ok(hello),
            Some(ClientMessage::Hello(hello)) => {
                let reason = "update the older of the two".to_owned();
                Err(Error::Version { ours: PROTOCOL, theirs: hello.protocol, reason })
            }
            Some(_) => Err(Error::protocol("a client begins with a greeting")),
            None => Err(Error::protocol("the connection ended before a greeting")),
        }
    }

    /// Receives until the connection ends.
    pub(super) fn serve(self) {
        loop {
            let received = match self.shared.channel.receive(Waiting::Idle) {
                Ok(Some(received)) => received,
                Ok(None) => return,
                Err(error) => return self.refuse(error),
            };
            let Received { message, files } = received;
            if !files.is_empty() && !matches!(message, ClientMessage::Call { .. }) {
                return self.refuse(Error::protocol("descriptors beside a message that takes none"));
            }
            match message {
                ClientMessage::Hello(_) => return self.refuse(Error::protocol("a second greeting")),
                ClientMessage::Call { id, body } => {
                    if let Err(error) = self.begin(id, body, files) {
                        return self.refuse(error);
                    }
                }
                ClientMessage::Took { id, verdict } => {
                    if let Some(running) = self.shared.running().get(&id) {
                        running.say(verdict);
                    }
                }
                ClientMessage::Stop { id } => {
                    let running = self.shared.running().get(&id).cloned();
                    if let Some(running) = running {
                        running.stop();
                    }
                }
                ClientMessage::Release(thing) => {
                    if let Some(local) = &self.local {
                        local.release(thing);
                    }
                }
            }
        }
    }

    /// Ends the connection with a reason that its client may read.
    fn refuse(&self, error: Error) {
        log::info!("{}: {error}", self.identity.owner());
        let _ = self.shared.channel.send(&ServerMessage::Refused(error), &[]);
    }

    /// Begins a call on a thread of its own; one beyond a limit is answered at once.
    ///
    /// # Errors
    /// [`Error::Protocol`] for a number that is taken: whose answer would the next one be?
    fn begin(&self, id: u64, body: Body, files: Vec<OwnedFd>) -> Result<()> {
        let running = Arc::new(Running::default());
        {
            let mut all = self.shared.running();
            if all.contains_key(&id) {
                return Err(Error::protocol(format!("call {id} is under way already")));
            }
            if all.len() as u64 >= self.server.limits().calls_per_connection {
                drop(all);
                let most = self.server.limits().calls_per_connection;
                self.shared.reply(id, &Err(Error::refused(format!("{most} calls of this connection are under way"))));
                return Ok(());
            }
            all.insert(id, Arc::clone(&running));
        }
        match self.permits(&body) {
            Ok(permits) => {
                let (server, identity) = (Arc::clone(&self.server), self.identity.clone());
                let (shared, local) = (Arc::clone(&self.shared), self.local.clone());
                let _ = self.workers.submit(move || {
                    let mut relay = Relaying { shared: Arc::clone(&shared), running, id };
                    let work =
                        AssertUnwindSafe(|| perform(&server, &identity, local.as_deref(), body, files, &mut relay));
                    let outcome = catch_unwind(work).unwrap_or_else(|panic| Err(Error::of_panic(&*panic)));
                    // Before the client hears of it, so that its next call finds room.
                    drop(permits);
                    shared.reply(id, &outcome);
                });
            }
            Err(error) => self.shared.reply(id, &Err(error)),
        }
        Ok(())
    }

    fn permits(&self, body: &Body) -> Result<[Permit; 2]> {
        let (tally, limits, owner) = (self.server.tally(), self.server.limits(), self.identity.owner());
        if body.bytes() > MAX_BODY {
            return Err(Error::protocol(format!("a body of {} bytes, the limit is {MAX_BODY}", body.bytes())));
        }
        let call = tally.take(&owner, Resource::Calls, 1, limits)?;
        Ok([call, tally.take(&owner, Resource::Bytes, body.bytes(), limits)?])
    }
}

fn perform(
    server: &Server,
    identity: &Identity,
    local: Option<&Local>,
    body: Body,
    mut files: Vec<OwnedFd>,
    relay: &mut Relaying,
) -> Result<Reply> {
    let call: Call = body.unpack(&mut files)?;
    match (call, local) {
        (Call::Install { alias, policy, files: kinds }, Some(local)) => {
            install(server, identity, local, &alias, policy, &kinds, files)
        }
        (Call::Save { session }, Some(local)) => saving::save(server, &identity.owner(), local, session, files),
        (Call::Restore { adapter, mismatch }, Some(local)) => {
            saving::restore(server, &identity.owner(), local, adapter.as_ref(), mismatch, files)
        }
        (call, _) if !files.is_empty() => Err(Error::protocol(format!("descriptors beside '{}'", call.name()))),
        // What all apps do is no app's business.
        (Call::Control(control), _) if identity.rank() == Rank::Owner => server.control(control),
        (Call::Control(_), _) => Err(Error::refused("only the user that runs the service may look at it as a whole")),
        (call, Some(local)) => local.perform(call, relay),
        (Call::Foundation, None) => Ok(Reply::Foundation(FoundationInfo::of(server.engine()))),
        (call, None) => Err(Error::protocol(format!("'{}' from a client without an app", call.name()))),
    }
}

fn install(
    server: &Server,
    identity: &Identity,
    local: &Local,
    alias: &str,
    policy: InstallPolicy,
    kinds: &[AdapterFile],
    files: Vec<OwnedFd>,
) -> Result<Reply> {
    use AdapterFile::{Config, Package, Signature, Task, Weights};
    let known = matches!(kinds, [Package] | [Package, Signature] | [Config, Weights] | [Config, Weights, Task]);
    if !known || kinds.len() != files.len() {
        return Err(Error::protocol(format!("{} descriptors for the files {kinds:?}", files.len())));
    }
    let mut sources = Vec::with_capacity(files.len());
    for (kind, file) in kinds.iter().zip(files) {
        sources.push(Source { kind: *kind, file: check_file(file)? });
    }
    let _permit = server.admit_files(identity, local.store().app().id(), &sources)?;
    Ok(Reply::Adapter(local.hold(local.store().install_files(alias, sources, policy)?)?))
}
