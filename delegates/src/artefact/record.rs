//! The record of an artefact, `artefact.json`.

use loam::graph::Signature;
use serde::{Deserialize, Serialize};

use crate::quantize::{Adapted, Port};

/// Name of the record in the folder.
pub(super) const RECORD: &str = "artefact.json";
/// Name of the file with the record's own digest, in the form of `sha256sum`.
pub(super) const RECORD_DIGEST: &str = "artefact.json.sha256";
/// Version of the format.
pub(crate) const VERSION: u32 = 2;

/// All that is known of a compiled graph.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// Version of the format.
    pub version: u32,
    /// The component.
    pub component: String,
    /// SHA-256 of its weights.
    pub fingerprint: String,
    /// Which of its graphs.
    pub segment: String,
    /// The target's name.
    pub target: String,
    /// Build of the runtime and of the provider's libraries that compiled it.
    pub compiler: String,
    /// Inputs and outputs.
    pub signature: Signature,
    /// Codes of the inputs.
    pub inputs: Vec<Port>,
    /// Codes of the outputs.
    pub outputs: Vec<Port>,
    /// Where adapters act.
    pub adapted: Vec<Adapted>,
    /// The file that the runtime opens, or the package.
    pub entry: String,
    /// All files but this record.
    pub files: Vec<FileRecord>,
}

/// A file of an artefact.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileRecord {
    /// Its name in the folder, with a `/` between folders.
    pub name: String,
    /// Its length.
    pub bytes: u64,
    /// Its digest.
    pub sha256: String,
}
