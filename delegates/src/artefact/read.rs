//! Reading an artefact.

use std::path::{Component, Path, PathBuf};

use loam::dispatch::{Reason, Subject};
use loam::weights::{read_bounded, sha256_file};
use sha2::{Digest, Sha256};

use super::record::{RECORD, RECORD_DIGEST, Record, VERSION};
use super::write::{PROBES, SAMPLE};
use crate::quantize::{Adapted, Code, Port, Probes};
use crate::tensors;

/// Longest record: some 200 bytes for each of the inputs of a backbone.
const MAX_RECORD: u64 = 16 << 20;

/// Longest content of the file with its digest.
const MAX_DIGEST: u64 = 256;

/// An artefact whose files are as they were written.
#[derive(Clone, Debug)]
pub struct Artefact {
    /// What it is.
    pub record: Record,
    /// Rows that adapters are tried on.
    pub probes: Probes,
    /// Values of all inputs but factors, of an input that the graph was calibrated with.
    pub sample: Vec<Vec<f32>>,
    folder: PathBuf,
}

fn damaged(path: &Path, problem: impl ToString) -> Reason {
    Reason::Damaged { file: path.display().to_string(), problem: problem.to_string() }
}

impl Artefact {
    /// Opens the one in `folder` and reads all its files, once, to compare their digests: about 1 GB/s.
    ///
    /// # Errors
    /// [`Reason::NotCompiled`] where there is none; [`Reason::Stale`] for one of other weights or of another compiler;
    /// [`Reason::Damaged`] naming the file.
    pub fn open(folder: &Path, subject: &Subject<'_>, compiler: &str) -> Result<Self, Reason> {
        let path = folder.join(RECORD);
        if !path.is_file() {
            return Err(Reason::NotCompiled);
        }
        let text = read_bounded(&path, MAX_RECORD).map_err(|e| damaged(&path, e))?;
        let digest = folder.join(RECORD_DIGEST);
        let written = read_bounded(&digest, MAX_DIGEST).map_err(|e| damaged(&digest, e))?;
        if written != format!("{:x}  {RECORD}\n", Sha256::digest(&text)).into_bytes() {
            return Err(damaged(&path, "it is not what was written"));
        }
        let record: Record = serde_json::from_slice(&text).map_err(|e| damaged(&path, e))?;
        let stale = |found: &str, wanted: &str| Reason::Stale { found: found.to_owned(), wanted: wanted.to_owned() };
        if record.version != VERSION {
            return Err(stale(&format!("format {}", record.version), &format!("format {VERSION}")));
        }
        for (found, wanted) in [
            (&record.component[..], subject.component),
            (&record.segment, &subject.segment.to_string()),
            (&record.fingerprint, subject.fingerprint),
            (&record.compiler, compiler),
        ] {
            if found != wanted {
                return Err(stale(found, wanted));
            }
        }
        check_ports(&record).map_err(|problem| damaged(&path, problem))?;
        for file in &record.files {
            check_file(folder, file)?;
        }
        let probes = Probes(tensors::read(&folder.join(PROBES))?);
        let mut kept = tensors::read(&folder.join(SAMPLE))?;
        let sample = (0..).map_while(|at: usize| Some(kept.remove(&at.to_string())?.values)).collect();
        Ok(Self { record, probes, sample, folder: folder.to_owned() })
    }

    /// The file that the runtime opens, or the package.
    #[must_use]
    pub fn entry(&self) -> PathBuf {
        self.folder.join(&self.record.entry)
    }

    /// Bytes of all files.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.record.files.iter().map(|file| file.bytes).sum()
    }
}

fn check_file(folder: &Path, file: &super::FileRecord) -> Result<(), Reason> {
    let path = folder.join(&file.name);
    if !Path::new(&file.name).components().all(|part| matches!(part, Component::Normal(_))) {
        return Err(damaged(&path, "it lies in another folder"));
    }
    let found = std::fs::metadata(&path).map_err(|e| damaged(&path, e))?.len();
    if found != file.bytes {
        return Err(damaged(&path, format!("{found} bytes, {} were written", file.bytes)));
    }
    let sha256 = sha256_file(&path).map_err(|e| damaged(&path, e))?;
    if sha256 != file.sha256 {
        return Err(damaged(&path, format!("sha256 {sha256}, {} was written", file.sha256)));
    }
    Ok(())
}

/// Ports and signature have the same extents, and every index is one of them.
fn check_ports(record: &Record) -> Result<(), String> {
    // Packages are folders.
    let is_entry = |name: &str| !record.entry.is_empty() && Path::new(name).starts_with(&record.entry);
    if !record.files.iter().any(|file| is_entry(&file.name)) {
        return Err(format!("the entry '{}' is not among the files", record.entry));
    }
    let (inputs, outputs) = (&record.signature.inputs, &record.signature.outputs);
    let shapes = inputs.iter().map(|input| &input.shape).chain(outputs.iter().map(|output| &output.shape));
    let ports: Vec<&Port> = record.inputs.iter().chain(&record.outputs).collect();
    let counts = [record.inputs.len(), record.outputs.len()];
    if counts != [inputs.len(), outputs.len()] || !shapes.zip(&ports).all(|(shape, port)| *shape == port.shape) {
        return Err("ports are not those of the signature".to_owned());
    }
    for port in ports {
        if let Some(scheme) = port.scheme {
            let (least, most) = scheme.code.limits();
            let is_whole = matches!(scheme.code, Code::U16 | Code::S16) && (least..=most).contains(&scheme.zero);
            if !is_whole || !scheme.scale.is_normal() || scheme.scale < 0.0 {
                return Err(format!("codes of '{}': {scheme:?}", port.name));
            }
        }
        if port.shape.iter().try_fold(1usize, |count, extent| count.checked_mul(*extent)).is_none() {
            return Err(format!("extents of '{}': {:?}", port.name, port.shape));
        }
    }
    let is_matrix = |at: usize| inputs.get(at).is_some_and(|input| input.is_factor() && input.shape.len() == 2);
    let fits = |adapted: &Adapted| {
        is_matrix(adapted.down) && is_matrix(adapted.up) && inputs[adapted.down].shape[1] == inputs[adapted.up].shape[0]
    };
    match record.adapted.iter().find(|adapted| !fits(adapted)) {
        Some(adapted) => Err(format!("inputs {} and {} are no factors of one linear", adapted.down, adapted.up)),
        None => Ok(()),
    }
}
