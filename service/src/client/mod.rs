//! An engine in a service, as its clients see it.

mod link;

use std::fs::OpenOptions;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use loam::adapter::SIGNATURE_ENDING;
use loam::engine::Mismatch;
use rustix::fs::OFlags;

use self::link::{Failure, Link, unconnected};
use crate::call::{AdapterFile, AdapterInfo, AdapterKey, Call, Control, FoundationInfo, Opened, Reply, Thing};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::event::{Relay, Silence};
use crate::options::InstallPolicy;
use crate::performer::{Performer, unexpected};
use crate::source::Source;

/// How long a service that does not answer is tried: it may be starting again.
const RECONNECT: Duration = Duration::from_secs(2);
/// Between the first two tries; then twice as long each time.
const FIRST_PAUSE: Duration = Duration::from_millis(10);
/// Longest pause between two tries.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);
/// Bits of a number in its connection; those above are the connection's own number.
const NUMBER_BITS: u32 = 40;

impl Engine {
    /// Connects to the service that listens on `socket`. When it ends, calls under way fail with
    /// [`Error::Disconnected`], and the next ones connect again, for up to two seconds; conversations, transcriptions and
    /// sensors are lost then.
    ///
    /// # Errors
    /// [`Error::Disconnected`] where nobody answers, [`Error::Version`] for a service of another protocol,
    /// [`Error::Refused`] by its limits.
    pub fn connect(socket: impl AsRef<Path>) -> Result<Self> {
        let socket = socket.as_ref().to_path_buf();
        // Once without patience: whoever gives a wrong path hears of it at once.
        let link = Link::open(&socket, None)?;
        Ok(Self::of(Box::new(Service { asking: Remote::new(Origin::Socket(socket.clone()), None, link), socket })))
    }

    /// Uses the service that has the other end of `stream`, such as one end of a socket pair that was received from it.
    ///
    /// One stream is one app: `app` is the only name that can be attached. There is no way to connect again: when the
    /// stream ends, calls fail with [`Error::Disconnected`] from then on, and the caller asks for another stream.
    ///
    /// # Errors
    /// [`Error::Disconnected`] where nobody answers, [`Error::Version`] for a service of another protocol,
    /// [`Error::Refused`] by its limits, [`Error::Argument`] for the name.
    pub fn connect_stream(stream: UnixStream, app: &str) -> Result<Self> {
        let link = Link::greet(stream, Some(app))?;
        let remote = Arc::new(Remote::new(Origin::Stream, Some(app.to_owned()), link));
        Ok(Self::of(Box::new(Handed { app: app.to_owned(), remote })))
    }
}

/// An engine in a service.
#[derive(Debug)]
struct Service {
    socket: PathBuf,
    /// Asks without an app what is open.
    asking: Remote,
}

impl Source for Service {
    fn attach(&self, id: &str) -> Result<Arc<dyn Performer>> {
        let link = open_patiently(&self.socket, Some(id))?;
        Ok(Arc::new(Remote::new(Origin::Socket(self.socket.clone()), Some(id.to_owned()), link)))
    }

    fn foundation(&self) -> Result<FoundationInfo> {
        self.asking.foundation()
    }

    fn control(&self, control: Control) -> Result<Reply> {
        self.asking.perform(Call::Control(control), &mut Silence::default())
    }

    fn local(&self) -> Option<&Arc<loam::Engine>> {
        None
    }
}

/// An engine in a service, behind a stream that was handed over.
#[derive(Debug)]
struct Handed {
    app: String,
    remote: Arc<Remote>,
}

impl Source for Handed {
    fn attach(&self, id: &str) -> Result<Arc<dyn Performer>> {
        if id != self.app {
            let reason = format!("'{id}', and the stream that was handed over is of '{}' alone", self.app);
            return Err(Error::argument("app", reason));
        }
        Ok(Arc::clone(&self.remote) as Arc<dyn Performer>)
    }

    fn foundation(&self) -> Result<FoundationInfo> {
        self.remote.foundation()
    }

    fn control(&self, control: Control) -> Result<Reply> {
        self.remote.perform(Call::Control(control), &mut Silence::default())
    }

    fn local(&self) -> Option<&Arc<loam::Engine>> {
        None
    }
}

fn open_patiently(socket: &Path, app: Option<&str>) -> Result<Link> {
    let (begin, mut pause) = (Instant::now(), FIRST_PAUSE);
    loop {
        match Link::open(socket, app) {
            Err(Error::Disconnected { .. }) if begin.elapsed() + pause < RECONNECT => {
                std::thread::sleep(pause);
                pause = (pause * 2).min(LONGEST_PAUSE);
            }
            other => return other,
        }
    }
}

/// Where connections come from.
#[derive(Debug)]
enum Origin {
    /// A socket in the file system, any number of times.
    Socket(PathBuf),
    /// A stream that was handed over, once.
    Stream,
}

/// The connection of one app. Another one takes its place when it has ended, where there can be another.
struct Remote {
    origin: Origin,
    app: Option<String>,
    current: Mutex<(u64, Arc<Link>)>,
    connecting: Mutex<()>,
}

impl std::fmt::Debug for Remote {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Remote({:?} at {:?})", self.app, self.origin)
    }
}

impl Remote {
    fn new(origin: Origin, app: Option<String>, link: Link) -> Self {
        log::debug!("connected to loamd {} with {}", link.welcome().version, link.welcome().foundation.id);
        Self { origin, app, current: Mutex::new((1, Arc::new(link))), connecting: Mutex::new(()) }
    }

    fn current(&self) -> MutexGuard<'_, (u64, Arc<Link>)> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection that has not ended, as far as is known, and its number.
    fn link(&self) -> Result<(u64, Arc<Link>)> {
        if let Some(found) = self.alive() {
            return Ok(found);
        }
        // One connects, and the others wait for it; what only looks at the connection waits for nobody.
        let _one = self.connecting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = self.alive() {
            return Ok(found);
        }
        let Origin::Socket(socket) = &self.origin else {
            let reason = "the stream that was handed over has ended; connect with another one";
            return Err(unconnected(reason.to_owned()));
        };
        let link = Arc::new(open_patiently(socket, self.app.as_deref())?);
        let mut current = self.current();
        *current = (current.0 + 1, Arc::clone(&link));
        Ok((current.0, link))
    }

    fn foundation(&self) -> Result<FoundationInfo> {
        match self.perform(Call::Foundation, &mut Silence::default())? {
            Reply::Foundation(info) => Ok(info),
            other => Err(unexpected("foundation", &other)),
        }
    }

    fn alive(&self) -> Option<(u64, Arc<Link>)> {
        let current = self.current();
        current.1.is_alive().then(|| (current.0, Arc::clone(&current.1)))
    }

    /// Calls; once more on another connection where the service has not heard of it, for it may have ended unnoticed.
    fn call(
        &self,
        call: &Call,
        files: impl Fn() -> Result<Vec<OwnedFd>>,
        relay: &mut dyn Relay,
    ) -> Result<(u64, Reply)> {
        let (connection, link) = self.link()?;
        match link.call(call, files()?, relay) {
            Ok(reply) => Ok((connection, reply)),
            Err(Failure::Unsent(_)) => {
                let (connection, link) = self.link()?;
                Ok((connection, link.call(call, files()?, relay).map_err(Failure::error)?))
            }
            Err(Failure::Sent(error)) => Err(error),
        }
    }

    /// The connection that something was begun on, and its number there.
    fn link_of(&self, opened: Opened) -> Option<(Opened, Arc<Link>)> {
        let current = self.current();
        let here = opened.0 >> NUMBER_BITS == current.0 && current.1.is_alive();
        here.then(|| (Opened(opened.0 & ((1 << NUMBER_BITS) - 1)), Arc::clone(&current.1)))
    }
}

/// A number that says which connection it is of.
fn on_connection(connection: u64, opened: Opened) -> Opened {
    Opened(connection << NUMBER_BITS | opened.0)
}

fn held_on(connection: u64, info: AdapterInfo) -> AdapterInfo {
    AdapterInfo { hold: on_connection(connection, info.hold), ..info }
}

impl Performer for Remote {
    fn perform(&self, mut call: Call, relay: &mut dyn Relay) -> Result<Reply> {
        if let Some((opened, what)) = call.opened() {
            let found = self.link_of(*opened);
            let (number, link) = found.ok_or_else(|| Error::Lost { what: what.to_owned() })?;
            *opened = number;
            return link.call(&call, Vec::new(), relay).map_err(|failure| match failure {
                Failure::Unsent(_) => Error::Lost { what: what.to_owned() },
                Failure::Sent(error) => error,
            });
        }
        let (connection, reply) = self.call(&call, || Ok(Vec::new()), relay)?;
        Ok(match reply {
            Reply::Opened(opened) => Reply::Opened(on_connection(connection, opened)),
            Reply::Sensor { opened, window_seconds } => {
                Reply::Sensor { opened: on_connection(connection, opened), window_seconds }
            }
            Reply::Adapter(info) => Reply::Adapter(held_on(connection, info)),
            Reply::Adapters(all) => Reply::Adapters(all.into_iter().map(|info| held_on(connection, info)).collect()),
            other => other,
        })
    }

    fn install(&self, alias: &str, path: &Path, policy: InstallPolicy) -> Result<AdapterInfo> {
        let (kinds, _) = open_files(path)?;
        let call = Call::Install { alias: alias.to_owned(), policy, files: kinds };
        let files = || open_files(path).map(|(_, files)| files);
        match self.call(&call, files, &mut Silence::default())? {
            (connection, Reply::Adapter(info)) => Ok(held_on(connection, info)),
            (_, other) => Err(unexpected(call.name(), &other)),
        }
    }

    fn save(&self, session: Opened, path: &Path) -> Result<()> {
        let lost = || Error::Lost { what: "session".to_owned() };
        let (session, link) = self.link_of(session).ok_or_else(lost)?;
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let failed = |error| Error::io(path, error);
        let beside = tempfile::Builder::new().prefix(".context").suffix(".partial").tempfile_in(folder);
        let beside = beside.map_err(failed)?;
        let file = beside.as_file().try_clone().map_err(failed)?;
        match link.call(&Call::Save { session }, vec![file.into()], &mut Silence::default()) {
            Ok(Reply::Done) => {}
            Ok(other) => return Err(unexpected("save", &other)),
            Err(Failure::Unsent(_)) => return Err(lost()),
            Err(Failure::Sent(error)) => return Err(error),
        }
        // It is on disk, under another name.
        beside.persist(path).map_err(|error| failed(error.error))?;
        std::fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(failed)
    }

    fn restore(&self, path: &Path, adapter: Option<&AdapterKey>, mismatch: Mismatch) -> Result<Opened> {
        let call = Call::Restore { adapter: adapter.cloned(), mismatch };
        let files = || Ok(vec![open_file(path)?]);
        match self.call(&call, files, &mut Silence::default())? {
            (connection, Reply::Opened(opened)) => Ok(on_connection(connection, opened)),
            (_, other) => Err(unexpected(call.name(), &other)),
        }
    }

    fn release(&self, thing: Thing) {
        let on_link = |opened: Opened| self.link_of(opened);
        let found = match thing {
            Thing::Adapter(hold) => on_link(hold).map(|(number, link)| (Thing::Adapter(number), link)),
            Thing::Session(opened) => on_link(opened).map(|(number, link)| (Thing::Session(number), link)),
            Thing::Transcriber(opened) => on_link(opened).map(|(number, link)| (Thing::Transcriber(number), link)),
            Thing::Sensor(opened) => on_link(opened).map(|(number, link)| (Thing::Sensor(number), link)),
        };
        if let Some((thing, link)) = found {
            link.release(thing);
        }
    }
}

/// Opens a file to read, without waiting: a pipe in place of a file is refused by the service, not waited for here.
fn open_file(path: &Path) -> Result<OwnedFd> {
    let flags = i32::try_from(OFlags::NONBLOCK.bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path);
    file.map(OwnedFd::from).map_err(|error| Error::io(path, error))
}

/// The files of an adapter, opened by the client: the service reads what its client may read, and no more.
///
/// # Errors
/// [`Error::Io`].
fn open_files(path: &Path) -> Result<(Vec<AdapterFile>, Vec<OwnedFd>)> {
    let open = |path: PathBuf| open_file(&path);
    if !path.is_dir() {
        let (mut kinds, mut files) = (vec![AdapterFile::Package], vec![open(path.to_path_buf())?]);
        let mut signature = path.as_os_str().to_owned();
        signature.push(SIGNATURE_ENDING);
        let signature = PathBuf::from(signature);
        if signature.is_file() {
            kinds.push(AdapterFile::Signature);
            files.push(open(signature)?);
        }
        return Ok((kinds, files));
    }
    let weights = path.join("adapter_model.safetensors");
    if !weights.is_file() && path.join("adapter_model.bin").is_file() {
        let reason = format!(
            "adapter '{}': adapter_model.bin is a pickle; save it again with safe_serialization=True",
            path.display()
        );
        return Err(Error::Adapter { adapter: path.display().to_string(), reason });
    }
    let mut kinds = vec![AdapterFile::Config, AdapterFile::Weights];
    let mut files = vec![open(path.join("adapter_config.json"))?, open(weights)?];
    let task = path.join("task.json");
    if task.is_file() {
        kinds.push(AdapterFile::Task);
        files.push(open(task)?);
    }
    Ok((kinds, files))
}
