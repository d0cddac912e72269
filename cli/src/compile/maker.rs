//! What makes artefacts for a target.

use std::path::{Path, PathBuf};

use loam::dispatch::{Backend, Reason, Subject};
use loam::graph::Graph;
use loam_delegates::coreml::Packager;
use loam_delegates::provider::Provider;
use loam_delegates::quantize::Calibrated;
use loam_delegates::runtime::{Libraries, Runtime};
use loam_delegates::{Compiler, Form, OnnxBackend, Target, keep};

/// One target, and the folder of its artefacts.
pub struct Maker {
    pub target: Target,
    pub root: PathBuf,
    how: How,
}

enum How {
    /// ONNX Runtime compiles.
    Runtime { runtime: Runtime, provider: Box<dyn Provider>, backend: OnnxBackend },
    /// The graph is kept for a provider that compiles when it opens.
    Keep,
    /// coremltools.
    Package(Packager),
}

impl Maker {
    /// Looks for what the target needs.
    ///
    /// # Errors
    /// [`Reason::Unavailable`].
    pub fn new(target: Target, root: &Path) -> Result<Self, Reason> {
        let how = match (target, target.form()) {
            (Target::CoreMl, _) => How::Package(Packager::of_environment()),
            (_, Form::Floats) => How::Keep,
            (_, Form::Integers) => {
                let libraries = Libraries::of_environment();
                let runtime = Runtime::load(&libraries)?;
                let provider = target.provider(&libraries)?;
                provider.builder(&runtime)?;
                How::Runtime { runtime, provider, backend: OnnxBackend::new(target, libraries, root) }
            }
        };
        Ok(Self { target, root: root.to_owned(), how })
    }

    /// Compiles a graph, and opens it again where that can be done here. Bytes of its files, where they were counted.
    ///
    /// # Errors
    /// Those of the compiler.
    pub fn make(&self, subject: &Subject<'_>, graph: &Graph, calibrated: &Calibrated) -> Result<Option<u64>, Reason> {
        match &self.how {
            How::Keep => keep(self.target, &self.root, subject, graph, calibrated).map(|()| None),
            How::Package(packager) => packager.compile(subject, graph, calibrated, &self.root).map(|()| None),
            How::Runtime { runtime, provider, backend } => {
                let compiler = Compiler { runtime, provider: &**provider, target: self.target, root: &self.root };
                compiler.compile(subject, graph, calibrated)?;
                Ok(Some(backend.open(subject)?.bytes()))
            }
        }
    }
}
