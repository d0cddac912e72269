//! Core ML as the engine's backend, without a runtime in between.

use std::path::{Path, PathBuf};

use loam::dispatch::{Backend, Delegate, Reason, Segment, Subject};

use super::model::Loaded;
use super::package::COMPILER;
use crate::artefact::{Artefact, compiled, store};
use crate::device::device;
use crate::opened::Opened;
use crate::target::Target;

/// Runs packages that [`Packager`](super::Packager) made.
#[derive(Clone, Debug)]
pub struct CoreMlBackend {
    root: PathBuf,
}

impl CoreMlBackend {
    /// With artefacts below `root`.
    #[must_use]
    pub fn new(root: &Path) -> Self {
        Self { root: root.to_owned() }
    }
}

impl Backend for CoreMlBackend {
    fn name(&self) -> &str {
        Target::CoreMl.name()
    }

    fn is_available(&self) -> Result<(), Reason> {
        Ok(())
    }

    /// The format and the device: Core ML compiles the package for the system when it is opened.
    fn identity(&self) -> Result<String, Reason> {
        Ok(format!("{COMPILER} on {}", device()))
    }

    fn compiled(&self, component: &str) -> Vec<Segment> {
        compiled(&self.root, self.name(), component)
    }

    fn open(&self, subject: &Subject<'_>) -> Result<Box<dyn Delegate>, Reason> {
        let folder = store(&self.root, self.name(), subject.component, subject.segment);
        if !folder.is_dir() {
            return Err(Reason::NotCompiled);
        }
        let artefact = Artefact::open(&folder, subject, COMPILER)?;
        Ok(Box::new(Opened { runner: Loaded::load(&artefact.entry())?, artefact }))
    }
}
