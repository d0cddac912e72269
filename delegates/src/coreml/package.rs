//! From a graph to a package, by a script that runs coremltools.

use std::path::{Path, PathBuf};
use std::process::Command;

use loam::dispatch::{Reason, Subject};
use loam::graph::Graph;

use crate::artefact::{Record, VERSION, Writing, store};
use crate::onnx::save;
use crate::quantize::{Calibrated, Port, Written};
use crate::target::Target;

/// Names the Python interpreter in the environment; coremltools and onnx must be installed for it.
pub const PYTHON_VARIABLE: &str = "LOAM_PYTHON";
/// A package in a folder: a folder itself.
pub const PACKAGE: &str = "model.mlpackage";

/// A package has it in its folder.
const MANIFEST: &str = "Manifest.json";

const SYSTEM_PYTHON: &str = "python3";
const SCRIPT: &str = include_str!("../../coreml/convert.py");
/// Exit codes of the script.
const REFUSED: i32 = 3;
const UNAVAILABLE: i32 = 4;

/// What packages depend on: a device that opens one has no coremltools to compare with.
pub(super) const COMPILER: &str = concat!("loam ", env!("CARGO_PKG_VERSION"), ", package for iOS 17");

/// Makes packages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Packager {
    python: PathBuf,
}

impl Packager {
    /// With the interpreter at `python`.
    #[must_use]
    pub fn new(python: &Path) -> Self {
        Self { python: python.to_owned() }
    }

    /// With the interpreter that `LOAM_PYTHON` names, else the system's `python3`.
    #[must_use]
    pub fn of_environment() -> Self {
        let named = std::env::var_os(PYTHON_VARIABLE).filter(|value| !value.is_empty());
        Self { python: named.map_or_else(|| PathBuf::from(SYSTEM_PYTHON), PathBuf::from) }
    }

    /// Puts [`PACKAGE`] into `folder`, in half precision with inputs and outputs in single precision; compared with the graph
    /// after it was written.
    ///
    /// # Errors
    /// [`Reason::Unavailable`] without Python, coremltools or onnx; [`Reason::Refused`] in the script's words;
    /// [`Reason::Crashed`] where it ends otherwise.
    pub fn package(&self, graph: &Graph, name: &str, folder: &Path) -> Result<(), Reason> {
        let failed = |e: &dyn std::fmt::Display| Reason::Failed(e.to_string());
        let work = tempfile::tempdir().map_err(|e| failed(&e))?;
        let [script, model] = ["convert.py", "graph.onnx"].map(|name| work.path().join(name));
        std::fs::write(&script, SCRIPT).map_err(|e| failed(&e))?;
        save(graph, name, &model).map_err(|e| failed(&e))?;
        let package = folder.join(PACKAGE);
        let ended = Command::new(&self.python).arg(&script).arg(&model).arg(&package).output();
        let ended = ended.map_err(|e| Reason::Unavailable(format!("{}: {e}", self.python.display())))?;
        let said = String::from_utf8_lossy(&ended.stderr);
        let last = said.lines().last().unwrap_or_default().to_owned();
        match ended.status.code() {
            Some(0) if package.join(MANIFEST).is_file() => Ok(()),
            Some(0) => Err(Reason::Failed(format!("{} ended well and wrote no package", self.python.display()))),
            Some(REFUSED) => Err(Reason::Refused(last)),
            Some(UNAVAILABLE) => Err(Reason::Unavailable(last)),
            _ => Err(Reason::Crashed(format!("{}: {last}", ended.status))),
        }
    }

    /// Makes a package and puts it into its place below `root`, where [`Target::CoreMl`]'s artefacts lie, with the sample that
    /// calibration has kept.
    ///
    /// # Errors
    /// As [`Packager::package`]; [`Reason::Failed`] for a folder that cannot be written.
    pub fn compile(
        &self,
        subject: &Subject<'_>,
        graph: &Graph,
        calibrated: &Calibrated,
        root: &Path,
    ) -> Result<(), Reason> {
        let target = Target::CoreMl.name();
        let writing = Writing::begin(store(root, target, subject.component, subject.segment))?;
        let segment = subject.segment.to_string();
        self.package(graph, &segment, writing.folder())?;
        if let Some(sample) = calibrated.samples.get(&segment) {
            writing.sample(sample)?;
        }
        let Written { inputs, outputs, adapted, .. } = Written::floats(graph, &segment);
        let named = |port: Port| Port { name: identifier(&port.name), ..port };
        writing.finish(Record {
            version: VERSION,
            component: subject.component.to_owned(),
            fingerprint: subject.fingerprint.to_owned(),
            segment,
            target: target.to_owned(),
            compiler: COMPILER.to_owned(),
            signature: graph.signature(),
            inputs: inputs.into_iter().map(named).collect(),
            outputs: outputs.into_iter().map(named).collect(),
            adapted,
            entry: PACKAGE.to_owned(),
            files: Vec::new(),
        })
    }
}

/// A name of an input or output as Core ML allows it: letters, digits and `_`. `convert.py` has this rule too.
fn identifier(name: &str) -> String {
    let allowed = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    let found: String = name.chars().map(allowed).collect();
    if found.starts_with(|c: char| c.is_ascii_digit()) || found.is_empty() { format!("_{found}") } else { found }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use loam::dispatch::Reason;
    use loam::graph::{Graph, Op, Role};

    use super::{Packager, identifier};

    #[test]
    fn names_are_the_scripts() {
        assert_eq!(["a.b", "0", "", "ü1"].map(identifier), ["a_b", "_0", "_", "_1"]);
    }

    #[test]
    fn a_python_that_is_missing_or_writes_nothing_is_told() {
        let mut graph = Graph::new();
        let x = graph.input("x", &[2, 3], Role::Data);
        let y = graph.node("y", Op::Relu, &[x]);
        graph.output(y);
        let folder = tempfile::tempdir().expect("folder");
        let package =
            |python| Packager::new(Path::new(python)).package(&graph, "relu", folder.path()).expect_err("no package");
        let reason = package("no-such-python");
        assert!(matches!(&reason, Reason::Unavailable(what) if what.contains("no-such-python")), "{reason}");
        let reason = package("true");
        assert!(matches!(&reason, Reason::Failed(what) if what.contains("wrote no package")), "{reason}");
    }
}
