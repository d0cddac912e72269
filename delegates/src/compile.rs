//! From a graph and its ranges to an artefact.

use std::path::Path;

use loam::dispatch::{Reason, Subject};
use loam::graph::Graph;
use prost::Message;

use crate::artefact::{Record, VERSION, Writing, store};
use crate::provider::Provider;
use crate::quantize::{Calibrated, Written, quantize};
use crate::runtime::Runtime;
use crate::target::{Form, Target};

/// Name of the graph while it is compiled, outside of the artefact.
const GRAPH: &str = "graph.onnx";

/// What compiles, and where artefacts lie.
#[derive(Clone, Copy, Debug)]
pub struct Compiler<'a> {
    /// The runtime.
    pub runtime: &'a Runtime,
    /// Its provider.
    pub provider: &'a dyn Provider,
    /// What it is compiled for.
    pub target: Target,
    /// The folder of all artefacts.
    pub root: &'a Path,
}

impl Compiler<'_> {
    /// Quantizes `graph` by the ranges that calibration has shown, compiles it and puts the artefact in its place.
    ///
    /// # Errors
    /// [`Reason::NoRange`] for a graph that was not calibrated, [`Reason::Refused`] in the runtime's words.
    pub fn compile(&self, subject: &Subject<'_>, graph: &Graph, calibrated: &Calibrated) -> Result<(), Reason> {
        let name = subject.segment.to_string();
        let written = match self.target.form() {
            Form::Integers => quantize(graph, &calibrated.ranges, &name)?,
            Form::Floats => Written::floats(graph, &name),
        };
        let writing = Writing::begin(store(self.root, self.target.name(), subject.component, subject.segment))?;
        let work = tempfile::tempdir().map_err(|e| Reason::Failed(e.to_string()))?;
        let model = work.path().join(GRAPH);
        let saved = std::fs::write(&model, written.model.encode_to_vec());
        saved.map_err(|e| Reason::Failed(format!("{}: {e}", model.display())))?;
        let entry = self.provider.compile(self.runtime, &model, writing.folder())?;
        if !written.adapted.is_empty() {
            writing.probes(&calibrated.probes)?;
        }
        if let Some(sample) = calibrated.samples.get(&name) {
            writing.sample(sample)?;
        }
        writing.finish(Record {
            version: VERSION,
            component: subject.component.to_owned(),
            fingerprint: subject.fingerprint.to_owned(),
            segment: name,
            target: self.target.name().to_owned(),
            compiler: compiler(self.runtime, self.provider)?,
            signature: graph.signature(),
            inputs: written.inputs,
            outputs: written.outputs,
            adapted: written.adapted,
            entry,
            files: Vec::new(),
        })
    }
}

/// Build of the runtime and of the provider's libraries.
pub(crate) fn compiler(runtime: &Runtime, provider: &dyn Provider) -> Result<String, Reason> {
    Ok(format!("loam {}, {} {}", env!("CARGO_PKG_VERSION"), runtime.build(), provider.build()?).trim_end().to_owned())
}
