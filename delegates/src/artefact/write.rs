//! Writing an artefact: a folder beside its place is filled and then renamed, so that what is there is whole or absent.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use loam::dispatch::{Reason, Segment};
use loam::weights::sha256_file;
use sha2::{Digest, Sha256};

use super::record::{FileRecord, RECORD, RECORD_DIGEST, Record};
use crate::quantize::Probes;
use crate::tensors::{self, Rows};

/// Rows that adapters are tried on.
pub(super) const PROBES: &str = "probes.safetensors";
/// An input that the graph was calibrated with.
pub(super) const SAMPLE: &str = "sample.safetensors";

/// What names of folders begin with that a process is filling.
const UNFINISHED: &str = ".compiling-";
/// And of those that gave way to a newer artefact.
const OUT_OF_THE_WAY: &str = ".old-";
/// Older ones belong to processes that were killed: no component compiles for so long.
const ABANDONED: Duration = Duration::from_secs(24 * 3600);

/// How often the place of an artefact is cleared for it while others put theirs there.
const TRIES: usize = 100;

/// A folder that is being filled.
#[derive(Debug)]
pub(crate) struct Writing {
    folder: tempfile::TempDir,
    place: PathBuf,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Reason + '_ {
    move |e| Reason::Failed(format!("{}: {e}", path.display()))
}

/// The folder of a component's graphs among those of a target.
fn component_folder(root: &Path, target: &str, component: &str) -> PathBuf {
    root.join(target).join(component.replace(['/', '\\'], "_"))
}

/// The graphs of a component that lie there, whatever weights they are of.
pub(crate) fn compiled(root: &Path, target: &str, component: &str) -> Vec<Segment> {
    let names = std::fs::read_dir(component_folder(root, target, component)).into_iter().flatten().flatten();
    names.filter_map(|name| name.file_name().to_str()?.parse().ok()).collect()
}

/// The folder of a graph.
pub(crate) fn store(root: &Path, target: &str, component: &str, segment: Segment) -> PathBuf {
    component_folder(root, target, component).join(segment.to_string())
}

/// Removes what killed processes left.
fn sweep(folder: &Path) {
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        let age = entry.metadata().and_then(|data| data.modified()).ok().and_then(|time| time.elapsed().ok());
        let is_left = [UNFINISHED, OUT_OF_THE_WAY].iter().any(|prefix| name.starts_with(prefix));
        if is_left && age.is_some_and(|age| age > ABANDONED) {
            log::info!("{}: left by a process that was killed", entry.path().display());
            // Another one may do the same.
            let _ = std::fs::remove_dir_all(entry.path());
        }
    }
}

/// Files in a folder and in those within it, such as Core ML's packages; names have a `/` between folders.
fn list(folder: &Path, prefix: &str, files: &mut Vec<FileRecord>) -> Result<(), Reason> {
    for file in std::fs::read_dir(folder).map_err(failed(folder))? {
        let file = file.map_err(failed(folder))?;
        let (path, name) = (file.path(), format!("{prefix}{}", file.file_name().to_string_lossy()));
        if path.is_dir() {
            list(&path, &format!("{name}/"), files)?;
            continue;
        }
        let bytes = file.metadata().map_err(failed(&path))?.len();
        let sha256 = sha256_file(&path).map_err(|e| Reason::Failed(e.to_string()))?;
        files.push(FileRecord { name, bytes, sha256 });
    }
    Ok(())
}

impl Writing {
    /// Begins an artefact that will lie at `place`.
    pub(crate) fn begin(place: PathBuf) -> Result<Self, Reason> {
        let parent = place.parent().unwrap_or(Path::new("."));
        std::fs::create_dir_all(parent).map_err(failed(parent))?;
        sweep(parent);
        let folder = tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(parent).map_err(failed(parent))?;
        Ok(Self { folder, place })
    }

    /// A folder beside it for what the compiler reads, which goes with the returned value.
    pub(crate) fn scratch(&self) -> Result<tempfile::TempDir, Reason> {
        let parent = self.place.parent().unwrap_or(Path::new("."));
        tempfile::Builder::new().prefix(UNFINISHED).tempdir_in(parent).map_err(failed(parent))
    }

    /// Where files are put.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the rows that adapters are tried on.
    pub(crate) fn probes(&self, probes: &Probes) -> Result<(), Reason> {
        tensors::write(&self.folder().join(PROBES), &probes.0)
    }

    /// Keeps the inputs of a run, each as one row.
    pub(crate) fn sample(&self, sample: &[Vec<f32>]) -> Result<(), Reason> {
        let rows = sample.iter().enumerate().map(|(at, values)| (at.to_string(), Rows::one(values.clone())));
        tensors::write(&self.folder().join(SAMPLE), &rows.collect())
    }

    /// Lists the files and puts the folder in its place, where an older one is given up.
    pub(crate) fn finish(self, mut record: Record) -> Result<(), Reason> {
        let folder = self.folder.path();
        list(folder, "", &mut record.files)?;
        record.files.sort_by(|a, b| a.name.cmp(&b.name));
        let path = folder.join(RECORD);
        let text = serde_json::to_vec_pretty(&record).map_err(|e| Reason::Failed(e.to_string()))?;
        let digest = format!("{:x}  {RECORD}\n", Sha256::digest(&text));
        std::fs::write(&path, text).map_err(failed(&path))?;
        std::fs::write(folder.join(RECORD_DIGEST), digest).map_err(failed(&path))?;
        for name in record.files.iter().map(|file| &file.name[..]).chain([RECORD, RECORD_DIGEST]) {
            let path = folder.join(name);
            std::fs::File::open(&path).and_then(|file| file.sync_all()).map_err(failed(&path))?;
        }
        self.put()
    }

    /// A folder cannot be renamed onto one that is not empty, so an older one goes out of the way; what is lost in between is
    /// compiled again. Another process may put its own there meanwhile, which is as good and goes out of the way, too.
    fn put(self) -> Result<(), Reason> {
        let parent = self.place.parent().unwrap_or(Path::new("."));
        let mut tries = 0;
        loop {
            tries += 1;
            let old =
                tempfile::Builder::new().prefix(OUT_OF_THE_WAY).tempdir_in(parent).map_err(failed(&self.place))?;
            match std::fs::rename(&self.place, old.path().join("artefact")) {
                Err(e) if e.kind() != ErrorKind::NotFound => return Err(failed(&self.place)(e)),
                _ => {}
            }
            match std::fs::rename(self.folder.path(), &self.place) {
                Err(e) if e.kind() == ErrorKind::DirectoryNotEmpty && tries < TRIES => {}
                outcome => return outcome.map_err(failed(&self.place)),
            }
        }
    }
}
