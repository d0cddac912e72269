//! From a graph and its ranges to an artefact.

use std::path::Path;

use loam::dispatch::{Reason, Subject};
use loam::graph::Graph;
use prost::Message;

use crate::artefact::{Record, VERSION, Writing, store};
use crate::provider::{GRAPH_FILE, Provider};
use crate::quantize::{Calibrated, Written, quantize};
use crate::runtime::Runtime;
use crate::target::{Form, Target};

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
        if self.target.form() == Form::Floats {
            return keep(self.target, self.root, subject, graph, calibrated);
        }
        let written = quantize(graph, calibrated, &subject.segment.to_string())?;
        let writing = Writing::begin(store(self.root, self.target.name(), subject.component, subject.segment))?;
        let work = writing.scratch()?;
        let model = work.path().join(GRAPH_FILE);
        save(&written, &model)?;
        let entry = self.provider.compile(self.runtime, &model, writing.folder())?;
        if !written.adapted.is_empty() {
            writing.probes(&calibrated.probes)?;
        }
        let compiler = compiler(self.runtime, self.provider, self.target)?;
        finish(writing, self.target, subject, graph, calibrated, written, entry, compiler)
    }
}

/// Keeps a graph in single precision for a provider that compiles it when it opens: neither runtime nor device has to be here.
///
/// # Errors
/// [`Reason::Failed`] for a folder that cannot be written.
pub fn keep(
    target: Target,
    root: &Path,
    subject: &Subject<'_>,
    graph: &Graph,
    calibrated: &Calibrated,
) -> Result<(), Reason> {
    let written = Written::floats(graph, &subject.segment.to_string());
    let writing = Writing::begin(store(root, target.name(), subject.component, subject.segment))?;
    save(&written, &writing.folder().join(GRAPH_FILE))?;
    finish(writing, target, subject, graph, calibrated, written, GRAPH_FILE.to_owned(), portable())
}

fn save(written: &Written, path: &Path) -> Result<(), Reason> {
    let saved = std::fs::write(path, written.model.encode_to_vec());
    saved.map_err(|e| Reason::Failed(format!("{}: {e}", path.display())))
}

#[expect(clippy::too_many_arguments, reason = "all that a record holds")]
fn finish(
    writing: Writing,
    target: Target,
    subject: &Subject<'_>,
    graph: &Graph,
    calibrated: &Calibrated,
    written: Written,
    entry: String,
    compiler: String,
) -> Result<(), Reason> {
    let segment = subject.segment.to_string();
    if let Some(sample) = calibrated.samples.get(&segment) {
        writing.sample(sample)?;
    }
    writing.finish(Record {
        version: VERSION,
        component: subject.component.to_owned(),
        fingerprint: subject.fingerprint.to_owned(),
        segment,
        target: target.name().to_owned(),
        compiler,
        signature: graph.signature(),
        inputs: written.inputs,
        outputs: written.outputs,
        adapted: written.adapted,
        entry,
        files: Vec::new(),
    })
}

/// What wrote a graph that any build of the runtime opens.
fn portable() -> String {
    format!("loam {}", env!("CARGO_PKG_VERSION"))
}

/// Build of the runtime and of the provider's libraries, where what was compiled is for these alone.
pub(crate) fn compiler(runtime: &Runtime, provider: &dyn Provider, target: Target) -> Result<String, Reason> {
    match target.form() {
        Form::Floats => Ok(portable()),
        Form::Integers => {
            let (own, build) = (portable(), provider.build()?);
            Ok(format!("{own} for {}, {} {build}", target.name(), runtime.build()).trim_end().to_owned())
        }
    }
}
