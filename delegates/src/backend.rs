//! A target as the engine's backend.

use std::path::{Path, PathBuf};

use loam::dispatch::{Backend, Delegate, Reason, Segment, Subject, Support};
use loam::graph::{Graph, Op};

use crate::artefact::{Artefact, compiled, store};
use crate::compile::compiler;
use crate::device::device;
use crate::opened::Opened;
use crate::provider::Provider;
use crate::runtime::{Libraries, Runtime, Session};
use crate::target::Target;

/// The folder for what is compiled of a foundation: that of its name with `.delegates` behind it.
#[must_use]
pub fn beside(foundation: &Path) -> PathBuf {
    let foundation = foundation.canonicalize().unwrap_or_else(|_| foundation.to_owned());
    let mut name = foundation.file_name().unwrap_or_default().to_os_string();
    name.push(".delegates");
    foundation.with_file_name(name)
}

/// Runs what was compiled for a target ahead of time.
#[derive(Clone, Debug)]
pub struct OnnxBackend {
    target: Target,
    libraries: Libraries,
    root: PathBuf,
}

impl OnnxBackend {
    /// With artefacts below `root`.
    #[must_use]
    pub fn new(target: Target, libraries: Libraries, root: &Path) -> Self {
        Self { target, libraries, root: root.to_owned() }
    }

    fn load(&self) -> Result<(Runtime, Box<dyn Provider>), Reason> {
        let provider = self.target.provider(&self.libraries)?;
        Ok((Runtime::load(&self.libraries)?, provider))
    }
}

impl Backend for OnnxBackend {
    fn name(&self) -> &str {
        self.target.name()
    }

    fn is_available(&self) -> Result<(), Reason> {
        let (runtime, provider) = self.load()?;
        provider.builder(&runtime).map(|_| ())
    }

    fn identity(&self) -> Result<String, Reason> {
        let (runtime, provider) = self.load()?;
        Ok(format!("{} on {}", compiler(&runtime, &*provider, self.target)?, device()))
    }

    fn compiled(&self, component: &str) -> Vec<Segment> {
        compiled(&self.root, self.target.name(), component)
    }

    fn open(&self, subject: &Subject<'_>) -> Result<Box<dyn Delegate>, Reason> {
        let folder = store(&self.root, self.target.name(), subject.component, subject.segment);
        if !folder.is_dir() {
            return Err(Reason::NotCompiled);
        }
        let (runtime, provider) = self.load()?;
        let artefact = Artefact::open(&folder, subject, &compiler(&runtime, &*provider, self.target)?)?;
        let builder = || provider.builder(&runtime);
        let session = match self.target.divides() {
            true => Session::open_divided(builder, &artefact.entry())?,
            false => Session::open(builder()?, &artefact.entry())?,
        };
        Ok(Box::new(Opened { artefact, runner: session }))
    }
}

impl Target {
    /// Whether its compiler has an operator of integers for `op`, by what was tried (docs/npu.md).
    #[must_use]
    pub fn takes(self, op: &Op) -> bool {
        match self {
            Self::QnnV75 | Self::QnnV79 | Self::OnnxInteger | Self::OnnxFloat => true,
            // What the lists of operators in the providers' documentation lack.
            Self::CoreMl => !matches!(op, Op::RmsNorm { .. }),
            Self::Nnapi | Self::Xnnpack => {
                !matches!(op, Op::LayerNorm { .. } | Op::RmsNorm { .. } | Op::Gelu | Op::GeluTanh)
            }
        }
    }

    /// Whether the runtime may leave parts of a graph to its own kernels. Core ML without the runtime runs all of a package.
    #[must_use]
    pub fn divides(self) -> bool {
        matches!(self, Self::CoreMl | Self::Nnapi | Self::Xnnpack)
    }

    /// How much of a graph its compiler is expected to take, before it is asked.
    #[must_use]
    pub fn supports(self, graph: &Graph) -> Support {
        match graph.nodes().iter().find(|node| !self.takes(&node.op)) {
            None => Support::Full,
            Some(node) => {
                let reason = Reason::Refused(format!("{} of '{}'", node.op.name(), graph.tensor(node.output).name));
                if self.divides() { Support::Partial(reason) } else { Support::None(reason) }
            }
        }
    }
}
