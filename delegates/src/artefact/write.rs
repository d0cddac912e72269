//! Writing an artefact: a folder beside its place is filled and then renamed, so that what is there is whole or absent.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use loam::dispatch::Reason;
use loam::weights::sha256_file;
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};

use super::record::{FileRecord, RECORD, Record};
use crate::quantize::{Probe, Probes};

/// Rows that adapters are tried on.
pub(super) const PROBES: &str = "probes.safetensors";

/// A folder that is being filled.
#[derive(Debug)]
pub(crate) struct Writing {
    folder: tempfile::TempDir,
    place: PathBuf,
}

fn failed(path: &Path) -> impl Fn(std::io::Error) -> Reason + '_ {
    move |e| Reason::Failed(format!("{}: {e}", path.display()))
}

/// The folder of a graph among those of a target.
pub(crate) fn store(root: &Path, target: &str, component: &str, segment: &str) -> PathBuf {
    root.join(target).join(component.replace(['/', '\\'], "_")).join(segment)
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
        let folder = tempfile::Builder::new().prefix(".compiling-").tempdir_in(parent).map_err(failed(parent))?;
        Ok(Self { folder, place })
    }

    /// Where files are put.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Keeps the rows that adapters are tried on.
    pub(crate) fn probes(&self, probes: &Probes) -> Result<(), Reason> {
        let path = self.folder().join(PROBES);
        let bytes = |probe: &Probe| probe.values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let data: BTreeMap<&String, (Vec<u8>, [usize; 2])> = probes
            .0
            .iter()
            .map(|(name, probe)| (name, (bytes(probe), [probe.values.len() / probe.width.max(1), probe.width])))
            .collect();
        let views = data.iter().map(|(name, (bytes, shape))| {
            let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes);
            view.map(|view| (*name, view)).map_err(|e| Reason::Failed(e.to_string()))
        });
        let views = views.collect::<Result<Vec<_>, Reason>>()?;
        serialize_to_file(views, None, &path).map_err(|e| Reason::Failed(format!("{}: {e}", path.display())))
    }

    /// Lists the files and puts the folder in its place, where an older one is given up.
    pub(crate) fn finish(self, mut record: Record) -> Result<(), Reason> {
        let folder = self.folder.path();
        list(folder, "", &mut record.files)?;
        record.files.sort_by(|a, b| a.name.cmp(&b.name));
        let path = folder.join(RECORD);
        let text = serde_json::to_vec_pretty(&record).map_err(|e| Reason::Failed(e.to_string()))?;
        std::fs::write(&path, text).map_err(failed(&path))?;
        for name in record.files.iter().map(|file| &file.name[..]).chain([RECORD]) {
            let path = folder.join(name);
            std::fs::File::open(&path).and_then(|file| file.sync_all()).map_err(failed(&path))?;
        }
        // A folder cannot be renamed onto one that is not empty; what is lost in between is compiled again.
        if self.place.exists() {
            let old =
                tempfile::Builder::new().prefix(".old-").tempdir_in(self.place.parent().unwrap_or(Path::new(".")));
            let old = old.map_err(failed(&self.place))?;
            std::fs::rename(&self.place, old.path().join("artefact")).map_err(failed(&self.place))?;
        }
        std::fs::rename(self.folder.keep(), &self.place).map_err(failed(&self.place))
    }
}
