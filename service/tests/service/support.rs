//! A foundation, services in this process and in others, and sinks.

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use loam_service::{
    Engine, Error, Event, EventSink, GenerateOptions, InstallPolicy, Limits, Listener, Result, Server, TaskHandle,
};
use tempfile::TempDir;

/// How long anything may take that is not a wait for its own sake.
pub const SOON: Duration = Duration::from_secs(20);

/// The folder with the foundation `tiny`, adapters and inputs.
pub fn root() -> &'static Path {
    static ROOT: OnceLock<TempDir> = OnceLock::new();
    let root = ROOT.get_or_init(|| {
        let dir = tempfile::tempdir().expect("folder");
        crate::prepare::prepare(&dir.path().join("all")).expect("prepared");
        let heads = [
            (
                "tilt-regression",
                r#"{"kind":"regression","outputs":[{"name":"a"},{"name":"b","unit":"m"},{"name":"c"}]}"#,
            ),
            ("tilt-ctc", r#"{"kind":"ctc","vocabulary":["","a","b"],"blank":0}"#),
        ];
        for (name, head) in heads {
            let (from, to) = (dir.path().join("all/adapters/tilt"), dir.path().join("all/adapters").join(name));
            std::fs::create_dir(&to).expect("made");
            for file in ["adapter_config.json", "adapter_model.safetensors"] {
                std::fs::copy(from.join(file), to.join(file)).expect("copied");
            }
            let task = format!(r#"{{"path":"encoder","component":"imu","head":{head}}}"#);
            std::fs::write(to.join("task.json"), task).expect("written");
        }
        dir
    });
    Box::leak(Box::new(root.path().join("all")))
}

pub fn foundation() -> PathBuf {
    root().join("tiny")
}

pub fn adapter(name: &str) -> PathBuf {
    root().join("adapters").join(name)
}

/// The engine of this process, one for all tests.
pub fn core() -> Arc<loam::Engine> {
    static ENGINE: OnceLock<Arc<loam::Engine>> = OnceLock::new();
    Arc::clone(ENGINE.get_or_init(|| Arc::new(loam::Engine::open(foundation()).expect("opened"))))
}

/// A service in this process, with an engine of its own.
pub struct Served {
    pub dir: TempDir,
    pub server: Arc<Server>,
    listener: Arc<Listener>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Served {
    pub fn new(limits: Limits) -> Self {
        Self::of(loam::Engine::open(foundation()).expect("opened"), limits)
    }

    pub fn of(engine: loam::Engine, limits: Limits) -> Self {
        let dir = tempfile::tempdir().expect("folder");
        let engine = Arc::new(engine);
        let server = Server::open(engine, dir.path().join("state"), limits).expect("server");
        let listener = Arc::new(Listener::bind(dir.path().join("socket"), 0o600, None).expect("bound"));
        let (accepting, serving) = (Arc::clone(&listener), Arc::clone(&server));
        let thread = Some(std::thread::spawn(move || accepting.serve(&serving)));
        Self { dir, server, listener, thread }
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    pub fn connect(&self) -> Engine {
        Engine::connect(self.socket()).expect("connected")
    }

    /// Waits until nothing runs and nobody but `clients` is connected.
    pub fn wait_until_idle(&self, clients: u64) {
        wait_until("the service is idle", || self.server.active_calls() == 0 && self.server.connections() == clients);
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        self.listener.end();
        let ended = self.thread.take().map(JoinHandle::join);
        assert!(std::thread::panicking() || matches!(ended, Some(Ok(Ok(())))), "{ended:?}");
    }
}

/// A `loamd` of its own.
pub struct Daemon {
    pub dir: TempDir,
    pub child: Child,
}

impl Daemon {
    pub fn command(dir: &Path) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loamd"));
        command.arg("--foundation").arg(foundation()).arg("--socket").arg(dir.join("socket"));
        command.arg("--state").arg(dir.join("state")).env("LOAM_LOG", "off");
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    pub fn start() -> Self {
        let dir = tempfile::tempdir().expect("folder");
        let child = Self::command(dir.path()).spawn().expect("started");
        let daemon = Self { dir, child };
        daemon.wait();
        daemon
    }

    /// Waits until it answers.
    pub fn wait(&self) {
        wait_until("loamd answers", || Engine::connect(self.socket()).is_ok());
    }

    pub fn socket(&self) -> PathBuf {
        self.dir.path().join("socket")
    }

    /// As a crash ends it.
    pub fn kill(&mut self) {
        self.child.kill().expect("killed");
        self.child.wait().expect("ended");
    }

    pub fn restart(&mut self) {
        self.child = Self::command(self.dir.path()).spawn().expect("started");
        self.wait();
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// This test binary once more, as a client that does what the test `role` does.
pub fn client(role: &str, socket: &Path) -> Command {
    let mut command = Command::new(std::env::current_exe().expect("this binary"));
    command.args(["--exact", role, "--ignored", "--nocapture", "--test-threads=1"]).env("LOAM_TEST_SOCKET", socket);
    command.stdout(Stdio::piped()).stderr(Stdio::null());
    command
}

/// The socket that a client was given; `None` when the test runs on its own.
pub fn given_socket() -> Option<PathBuf> {
    std::env::var_os("LOAM_TEST_SOCKET").map(PathBuf::from)
}

pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !holds() {
        assert!(begin.elapsed() < SOON, "in vain: {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Keeps the events of a stream; waits `pause` at each, and has enough after `enough` texts.
#[derive(Default)]
pub struct Keeper {
    pub events: Mutex<Vec<Event>>,
    pub pause: Duration,
    pub enough: Option<usize>,
    pub failure: Option<Error>,
}

impl Keeper {
    pub fn new() -> Arc<Self> {
        Arc::default()
    }

    pub fn slow(pause: Duration) -> Arc<Self> {
        Arc::new(Self { pause, ..Self::default() })
    }

    pub fn texts(&self) -> Vec<String> {
        let text = |event: &Event| if let Event::Text { text } = event { Some(text.clone()) } else { None };
        self.events.lock().expect("no panic").iter().filter_map(text).collect()
    }

    pub fn text(&self) -> String {
        self.texts().concat()
    }
}

impl EventSink for Keeper {
    fn on_event(&self, event: Event) -> Result<ControlFlow<()>> {
        let is_text = matches!(event, Event::Text { .. });
        self.events.lock().expect("no panic").push(event);
        std::thread::sleep(self.pause);
        match &self.failure {
            Some(error) if is_text => Err(error.clone()),
            _ if is_text && self.enough.is_some_and(|enough| self.texts().len() >= enough) => {
                Ok(ControlFlow::Break(()))
            }
            _ => Ok(ControlFlow::Continue(())),
        }
    }
}

/// Waits for a stream, but not forever.
pub fn ended(handle: &TaskHandle) -> Result<()> {
    wait_until("the stream has ended", || handle.is_finished());
    handle.wait()
}

pub fn tokens(count: u32) -> GenerateOptions {
    GenerateOptions { max_tokens: count, ..GenerateOptions::default() }
}

/// A picture of noise.
pub fn picture(width: usize, height: usize) -> loam::input::Image {
    let pixels: Vec<u8> = (0..width * height * 3).map(|i| ((i * 2_654_435_761) >> 7) as u8).collect();
    loam::input::Image::from_pixels(&pixels, loam::input::PixelLayout::Rgb, width, height).expect("picture")
}

pub fn sound() -> loam::input::Audio {
    let bytes = std::fs::read(root().join("speech.wav")).expect("prepared");
    let rate = loam::input::SampleRate::SPEECH;
    // After the header of a plain WAV file.
    loam::input::Audio::from_bytes(&bytes[44..], loam::input::PcmFormat::I16, loam::input::Channels::MONO, rate)
        .expect("sound")
}

pub fn motion() -> Vec<f32> {
    let bytes = std::fs::read(root().join("walk.f32")).expect("prepared");
    bytes.as_chunks::<4>().0.iter().map(|b| f32::from_le_bytes(*b)).collect()
}

pub fn source() -> loam::input::ImuSource {
    loam::input::ImuSource::android(50.0, loam::input::ImuLayout::AccelerometerGyroscope)
}

/// Installs what the name says.
pub fn install(app: &loam_service::App, name: &str) -> Result<Arc<loam_service::Adapter>> {
    app.install_adapter(name, adapter(name), InstallPolicy::Upsert)
}

pub struct Unmount(std::path::PathBuf);

impl Drop for Unmount {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Mounts a disk of 300 KB at `path`, which is made; `None` where that is not allowed.
pub fn small_disk(path: &Path) -> Option<Unmount> {
    std::fs::create_dir(path).expect("made");
    let mount = ["-t", "tmpfs", "-o", "size=300k,mode=0700", "loam-test"];
    let mounted = Command::new("mount").args(mount).arg(path).stderr(Stdio::null()).status();
    mounted.is_ok_and(|status| status.success()).then(|| Unmount(path.to_path_buf()))
}
