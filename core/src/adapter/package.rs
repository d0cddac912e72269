//! An adapter as a file: one safetensors file with its configuration in the metadata, or a PEFT directory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView as Stored};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::config::LoraConfig;
use super::task::AdapterTask;
use crate::error::{Error, Result};
use crate::weights::{BlockType, Safetensors, TensorView, read_json};

/// Metadata key of PEFT's configuration in a package.
const CONFIG_KEY: &str = "loam.adapter_config";
/// Metadata key of the SHA-256 over all tensors' names and bytes, in the order of names.
const DIGEST_KEY: &str = "loam.sha256";
/// Metadata key of the task description.
const TASK_KEY: &str = "loam.task";
const MAX_JSON: u64 = 4 << 20;
/// An adapter is small by definition; whole replaced heads of large vocabularies still fit.
const MAX_BYTES: u64 = 4 << 30;
const MAX_TENSORS: usize = 1 << 16;

/// An adapter that was read and checked on its own, not yet matched against a foundation.
#[derive(Debug)]
pub struct AdapterPackage {
    name: String,
    path: PathBuf,
    config: LoraConfig,
    task: AdapterTask,
    tensors: Safetensors,
    digest: String,
}

impl AdapterPackage {
    /// Opens a package file, or a PEFT directory (`adapter_config.json` + `adapter_model.safetensors`).
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`], [`Error::Digest`] for a package whose tensors were changed, or
    /// [`Error::Adapter`] naming the field.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let name = path.file_stem().map_or_else(|| "adapter".into(), |s| s.to_string_lossy().into_owned());
        if path.is_dir() { Self::open_peft(name, path) } else { Self::open_file(name, path) }
    }

    fn open_peft(name: String, dir: &Path) -> Result<Self> {
        let weights = dir.join("adapter_model.safetensors");
        if !weights.is_file() && dir.join("adapter_model.bin").is_file() {
            let reason = "adapter_model.bin is a pickle; save it again with safe_serialization=True";
            return Err(Error::adapter(name, reason));
        }
        let config = read_json(&dir.join("adapter_config.json"), MAX_JSON)?;
        let task = dir.join("task.json");
        let task = if task.is_file() { Some(read_json(&task, MAX_JSON)?) } else { None };
        Self::assemble(name, dir, config, task, weights)
    }

    fn open_file(name: String, path: &Path) -> Result<Self> {
        let mut magic = [0; 4];
        if File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"GGUF" {
            let reason = "it is a GGUF file; give the PEFT directory that it was converted from";
            return Err(Error::adapter(name, reason));
        }
        let tensors = open_tensors(&name, path)?;
        let json = |key: &str| match tensors.metadata().get(key) {
            None => Ok(None),
            Some(text) => serde_json::from_str::<Value>(text)
                .map(Some)
                .map_err(|e| Error::malformed(path.display(), "adapter package", format!("metadata '{key}': {e}"))),
        };
        let Some(config) = json(CONFIG_KEY)? else {
            let reason = format!("the file has no '{CONFIG_KEY}' metadata; give the PEFT directory, or import it");
            return Err(Error::adapter(name, reason));
        };
        if let Some(expected) = tensors.metadata().get(DIGEST_KEY) {
            let found = digest(&views(&tensors)?);
            if found != *expected {
                return Err(Error::Digest { path: path.to_path_buf(), found, expected: expected.clone() });
            }
        }
        let task = json(TASK_KEY)?;
        Self::assemble(name, path, config, task, path.to_path_buf())
    }

    fn assemble(name: String, path: &Path, config: Value, task: Option<Value>, weights: PathBuf) -> Result<Self> {
        let mut whole = Sha256::new();
        for part in [Some(&config), task.as_ref()] {
            whole.update(part.map(Value::to_string).unwrap_or_default());
            whole.update([0]);
        }
        let config = LoraConfig::parse(&name, config)?;
        let task: AdapterTask = match task {
            None => AdapterTask::default(),
            Some(json) => serde_json::from_value(json).map_err(|e| Error::adapter(&name, format!("task.json: {e}")))?,
        };
        task.check_fields(&name)?;
        let tensors = open_tensors(&name, &weights)?;
        whole.update(digest(&views(&tensors)?));
        let digest = format!("{:x}", whole.finalize());
        let name = task.name.clone().unwrap_or(name);
        Ok(Self { name, path: path.to_path_buf(), config, task, tensors, digest })
    }

    /// The name it suggests for itself, else its file's name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it was read from.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// SHA-256 over its configuration, its task and its tensors, as they were when it was opened.
    #[must_use]
    pub fn digest(&self) -> &str {
        &self.digest
    }

    /// PEFT's configuration.
    #[must_use]
    pub fn config(&self) -> &LoraConfig {
        &self.config
    }

    /// What it is for.
    #[must_use]
    pub fn task(&self) -> &AdapterTask {
        &self.task
    }

    /// Replaces the description, before the package is saved.
    pub fn set_task(&mut self, task: AdapterTask) {
        self.task = task;
    }

    /// Its tensors by PEFT's names.
    #[must_use]
    pub fn tensors(&self) -> &Safetensors {
        &self.tensors
    }

    /// Writes the one-file package. The file appears whole or not at all: it is written beside `path`, flushed to disk
    /// and renamed.
    ///
    /// # Errors
    /// [`Error::Io`]; what was at `path` before stays in that case.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        let views = views(&self.tensors)?;
        let stored = views.iter().map(|view| {
            let dtype = match view.kind {
                BlockType::F16 => Dtype::F16,
                BlockType::BF16 => Dtype::BF16,
                _ => Dtype::F32,
            };
            let stored = Stored::new(dtype, view.shape.clone(), &view.data);
            Ok((view.name.as_str(), stored.map_err(|e| Error::malformed(&view.name, "safetensors", e))?))
        });
        let stored: Vec<(&str, Stored<'_>)> = stored.collect::<Result<_>>()?;
        let task = serde_json::to_string(&self.task).map_err(|e| Error::adapter(&self.name, e))?;
        let metadata = HashMap::from([
            ("format".to_owned(), "pt".to_owned()),
            (CONFIG_KEY.to_owned(), self.config.json().to_string()),
            (TASK_KEY.to_owned(), task),
            (DIGEST_KEY.to_owned(), digest(&views)),
        ]);
        let bytes = safetensors::serialize(stored, Some(metadata))
            .map_err(|e| Error::malformed(path.display(), "safetensors", e))?;
        write_whole(path, &bytes)
    }
}

/// All tensors, in the order of names.
fn views(tensors: &Safetensors) -> Result<Vec<TensorView>> {
    let names = tensors.names();
    names.iter().map(|name| tensors.tensor(name)?.ok_or_else(|| Error::MissingTensor(name.clone()))).collect()
}

fn digest(views: &[TensorView]) -> String {
    let mut hasher = Sha256::new();
    for view in views {
        hasher.update(&view.name);
        hasher.update([0]);
        hasher.update(&*view.data);
    }
    format!("{:x}", hasher.finalize())
}

fn open_tensors(name: &str, path: &Path) -> Result<Safetensors> {
    let size = std::fs::metadata(path).map_err(|e| Error::io(path, e))?.len();
    if size > MAX_BYTES {
        return Err(Error::adapter(name, format!("{size} bytes, the limit is {MAX_BYTES}")));
    }
    let tensors = Safetensors::open(path)?;
    let count = tensors.names().len();
    if count > MAX_TENSORS {
        return Err(Error::adapter(name, format!("{count} tensors, the limit is {MAX_TENSORS}")));
    }
    Ok(tensors)
}

/// What is no plain file, such as a pipe or a device, is written to as it is; a link is followed.
fn write_whole(path: &Path, bytes: &[u8]) -> Result<()> {
    if std::fs::metadata(path).is_ok_and(|found| !found.is_file()) {
        let written = std::fs::File::options().write(true).open(path).and_then(|mut file| file.write_all(bytes));
        return written.map_err(|e| Error::io(path, e));
    }
    let real = std::fs::canonicalize(path);
    let path = real.as_deref().unwrap_or(path);
    let mut beside = path.as_os_str().to_owned();
    beside.push(format!(".{}.partial", std::process::id()));
    let beside = PathBuf::from(beside);
    let written = std::fs::File::create(&beside).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        std::fs::rename(&beside, path)
    });
    written.map_err(|e| {
        // The error that matters is the first one; a left-over file is only untidy.
        let _ = std::fs::remove_file(&beside);
        Error::io(path, e)
    })
}
