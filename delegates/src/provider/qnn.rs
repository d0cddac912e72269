//! Qualcomm's NPU, the Hexagon tensor processor; on x86 its simulator.

use std::io::Read;
use std::path::{Path, PathBuf};

use loam::dispatch::Reason;
use ort::session::Session;
use ort::session::builder::SessionBuilder;
use serde::{Deserialize, Serialize};

use super::{Provider, refused};
use crate::runtime::{Libraries, QNN_VARIABLE, Runtime};

const NAME: &str = "QNNExecutionProvider";
const PLUGIN: &str = "libonnxruntime_providers_qnn.so";
const BACKEND: &str = "libQnnHtp.so";
/// The file that leads to a context's binary, which lies beside it.
const CONTEXT_FILE: &str = "context.onnx";

/// Generation of the processor, as QNN counts it, with the number of one chip that has it (`soc_model`, `QnnHtpDevice.h`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Arch {
    /// Snapdragon 8 Gen 2.
    V73,
    /// Snapdragon 8 Gen 3.
    V75,
    /// Snapdragon 8 Elite.
    V79,
}

impl Arch {
    fn numbers(self) -> (&'static str, &'static str) {
        match self {
            Self::V73 => ("43", "73"),
            Self::V75 => ("57", "75"),
            Self::V79 => ("69", "79"),
        }
    }
}

/// The provider for one generation.
#[derive(Clone, Debug)]
pub struct Qnn {
    arch: Arch,
    folder: PathBuf,
    dump: Option<PathBuf>,
}

impl Qnn {
    /// With the libraries in `folder`.
    #[must_use]
    pub fn new(arch: Arch, folder: &Path) -> Self {
        Self { arch, folder: folder.to_owned(), dump: None }
    }

    /// With the libraries that are known.
    ///
    /// # Errors
    /// [`Reason::Unavailable`] where none are.
    pub fn find(arch: Arch, libraries: &Libraries) -> Result<Box<dyn Provider>, Reason> {
        let folder = libraries.qnn.as_ref();
        let folder =
            folder.ok_or_else(|| Reason::Unavailable(format!("no folder of QNN's libraries: {QNN_VARIABLE}")))?;
        Ok(Box::new(Self::new(arch, folder)))
    }

    /// Writes the graphs that it compiles to `folder` as JSON, as they are given to QNN: placement on the NPU does not mean that
    /// integers are computed there.
    #[must_use]
    pub fn dumping_to(mut self, folder: &Path) -> Self {
        self.dump = Some(folder.to_owned());
        self
    }
}

/// The version that a library of QNN's has within it, such as `v2.51.0.260929181845`: three numbers and the time of the build.
fn find_version(mut library: impl Read) -> std::io::Result<Option<String>> {
    const MOST: usize = 32;
    let is_version = |word: &[u8]| {
        let parts: Vec<&[u8]> = word.split(|byte| *byte == b'.').collect();
        let is_number = |part: &&[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
        word.len() <= MOST && parts.len() == 4 && parts.iter().all(is_number) && parts[3].len() >= 6
    };
    let (mut word, mut block) = (Vec::new(), vec![0; 1 << 16]);
    // Whether a `v` came before.
    let mut within = false;
    loop {
        let count = library.read(&mut block)?;
        // The end of the file ends a word, too.
        let bytes = if count == 0 { &[0][..] } else { &block[..count] };
        for &byte in bytes {
            if within && (byte.is_ascii_digit() || byte == b'.') {
                // One more than there may be, which tells that it is too long.
                if word.len() <= MOST {
                    word.push(byte);
                }
                continue;
            }
            if within && is_version(&word) {
                return Ok(Some(format!("v{}", String::from_utf8_lossy(&word))));
            }
            word.clear();
            within = byte == b'v';
        }
        if count == 0 {
            return Ok(None);
        }
    }
}

impl Provider for Qnn {
    fn name(&self) -> &'static str {
        NAME
    }

    fn build(&self) -> Result<String, Reason> {
        let path = self.folder.join(BACKEND);
        let unavailable = |e: std::io::Error| Reason::Unavailable(format!("{}: {e}", path.display()));
        let file = std::fs::File::open(&path).map_err(unavailable)?;
        let version = find_version(std::io::BufReader::with_capacity(1 << 16, file)).map_err(unavailable)?;
        // The same on the machine that compiles and on the phone that runs, whose libraries are other files.
        version
            .map(|version| format!("QNN {version}"))
            .ok_or_else(|| Reason::Unavailable(format!("{}: it names no version of QNN", path.display())))
    }

    fn builder(&self, runtime: &Runtime) -> Result<SessionBuilder, Reason> {
        let backend = self.folder.join(BACKEND);
        if !backend.is_file() {
            return Err(Reason::Unavailable(format!("{}: there is no such file", backend.display())));
        }
        runtime.register(NAME, &self.folder.join(PLUGIN))?;
        let (soc, arch) = self.arch.numbers();
        let mut options: Vec<(String, String)> = Vec::new();
        let mut option = |key: &str, value: String| options.push((format!("{NAME}.{key}"), value));
        option("backend_path", backend.to_string_lossy().into_owned());
        option("soc_model", soc.to_owned());
        option("htp_arch", arch.to_owned());
        if let Some(folder) = &self.dump {
            option("dump_json_qnn_graph", "1".to_owned());
            option("json_qnn_graph_dir", folder.to_string_lossy().into_owned());
        }
        let environment = runtime.environment();
        let devices = environment.devices().filter(|device| device.ep().is_ok_and(|name| name == NAME)).take(1);
        // Without this a session that cannot be set up runs on the processor and says nothing.
        let builder = Session::builder(environment).map_err(refused)?.with_disable_cpu_fallback().map_err(refused)?;
        builder.with_devices(devices, Some(&options)).map_err(refused)
    }

    fn compile(&self, runtime: &Runtime, model: &Path, folder: &Path) -> Result<String, Reason> {
        let context = folder.join(CONTEXT_FILE);
        let mut builder = self.builder(runtime)?;
        for (key, value) in [
            ("ep.context_enable", "1"),
            ("ep.context_file_path", &context.to_string_lossy()),
            ("ep.context_embed_mode", "0"),
        ] {
            builder = builder.with_config_entry(key, value).map_err(refused)?;
        }
        crate::runtime::Session::open(builder, model)?;
        if !context.is_file() {
            return Err(Reason::Failed(format!("{} was not written", context.display())));
        }
        Ok(CONTEXT_FILE.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_found_wherever_it_lies() {
        let find = |bytes: &[u8]| find_version(bytes).expect("readable");
        assert_eq!(find(b"\0vv2.51.0.260929181845\0"), Some("v2.51.0.260929181845".to_owned()));
        assert_eq!(find(b"hexnn_ver_v2.51.0.260929181845"), Some("v2.51.0.260929181845".to_owned()));
        let far = [vec![b'v'; (1 << 16) - 3], b"2.5.1.123456 v1".to_vec()].concat();
        assert_eq!(find(&far), Some("v2.5.1.123456".to_owned()), "over the end of a block");
        for other in [&b""[..], b"v2.51.0", b"v2.51.0.1", b"v2..0.260929181845", b"2.51.0.260929181845"] {
            assert_eq!(find(other), None, "{other:?}");
        }
        assert_eq!(find(&[b'v'; 100]), None);
        assert_eq!(find(&[b"v1.2.3.".to_vec(), vec![b'9'; 100]].concat()), None, "too long for a version");
    }
}
