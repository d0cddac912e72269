//! An adapter as a file: one safetensors file with its configuration in the metadata, or a PEFT directory.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};

use safetensors::tensor::{Dtype, TensorView as Stored};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::config::LoraConfig;
use super::signature::{Signature, SignaturePolicy, Signer, TrustedKeys, signature_path};
use super::task::AdapterTask;
use crate::error::{Error, Result};
use crate::weights::{BlockType, Bytes, Safetensors, TensorView, read_json, read_shared};

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
/// What is signed is read into memory, and so is bounded by what a registry takes.
const MAX_SIGNED: u64 = 512 << 20;

/// An adapter that was read and checked on its own, not yet matched against a foundation.
#[derive(Debug)]
pub struct AdapterPackage {
    name: String,
    path: PathBuf,
    config: LoraConfig,
    task: AdapterTask,
    tensors: Safetensors,
    digest: String,
    signer: Option<Signer>,
}

impl AdapterPackage {
    /// Opens a package file, or a PEFT directory (`adapter_config.json` + `adapter_model.safetensors`).
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`], [`Error::Digest`] for a package whose tensors were changed, or
    /// [`Error::Adapter`] naming the field.
    pub fn open(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        if path.is_dir() {
            return Self::open_peft(name(path), path);
        }
        refuse_gguf(path)?;
        Self::assemble_file(path, open_tensors(&name(path), path)?)
    }

    /// Opens a package file that one of `keys` has signed, in a `.minisig` file beside it. What is verified is what was read: a
    /// file that changes meanwhile changes nothing.
    ///
    /// # Errors
    /// [`Error::Signature`] for a package that is unsigned or signed with another key, whose content was changed, or whose
    /// signature is damaged, and for a PEFT directory; as [`AdapterPackage::open`] otherwise.
    pub fn open_signed(path: impl AsRef<Path>, keys: &TrustedKeys) -> Result<Self> {
        let path = path.as_ref();
        let name = name(path);
        if path.is_dir() {
            let reason =
                "a PEFT directory has no signature; make one file of it by `loam adapter import`, and sign that";
            return Err(Error::signature(name, reason));
        }
        let signature = Signature::beside(path)?.ok_or_else(|| {
            let place = signature_path(path);
            Error::signature(&name, format!("it has to be signed, and {} is not there", place.display()))
        })?;
        let bytes = read_shared(path, MAX_SIGNED)?;
        let signer = keys.verify(&name, &bytes, &signature)?;
        let package = Self::assemble_file(path, check_count(&name, Safetensors::from_bytes(path, bytes)?)?)?;
        Ok(Self { signer: Some(signer), ..package })
    }

    /// Opens a package as `policy` has it.
    ///
    /// # Errors
    /// As [`AdapterPackage::open`] or [`AdapterPackage::open_signed`].
    pub fn open_as(path: impl AsRef<Path>, policy: &SignaturePolicy) -> Result<Self> {
        match policy {
            SignaturePolicy::Any => Self::open(path),
            SignaturePolicy::Required(keys) => Self::open_signed(path, keys),
        }
    }

    /// Opens once more what was open before, with this digest, and signed by `signer`.
    ///
    /// # Errors
    /// [`Error::Digest`] for another content; as [`AdapterPackage::open`] otherwise.
    pub(crate) fn reopen(path: &Path, digest: &str, signer: Option<Signer>) -> Result<Self> {
        let differs = |found: String, expected: &str| {
            Err(Error::Digest { path: path.to_path_buf(), found, expected: expected.to_owned() })
        };
        let package = match &signer {
            None => Self::open(path)?,
            // In place of the signature, which may be gone: what was verified is what is bound.
            Some(signer) => {
                let bytes: Bytes = read_shared(path, MAX_SIGNED)?;
                let found = format!("{:x}", Sha256::digest(&*bytes));
                if found != signer.sha256() {
                    return differs(found, signer.sha256());
                }
                Self::assemble_file(path, Safetensors::from_bytes(path, bytes)?)?
            }
        };
        if package.digest != digest {
            return differs(package.digest, digest);
        }
        Ok(Self { signer, ..package })
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
        let tensors = open_tensors(&name, &weights)?;
        Self::assemble(name, dir, config, task, tensors)
    }

    fn assemble_file(path: &Path, tensors: Safetensors) -> Result<Self> {
        let name = name(path);
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
        Self::assemble(name, path, config, task, tensors)
    }

    fn assemble(name: String, path: &Path, config: Value, task: Option<Value>, tensors: Safetensors) -> Result<Self> {
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
        whole.update(digest(&views(&tensors)?));
        let digest = format!("{:x}", whole.finalize());
        let name = task.name.clone().unwrap_or(name);
        Ok(Self { name, path: path.to_path_buf(), config, task, tensors, digest, signer: None })
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

    /// Who signed it; `None` where nobody has asked.
    #[must_use]
    pub fn signer(&self) -> Option<&Signer> {
        self.signer.as_ref()
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

    /// Replaces the description, before the package is saved. What results is signed by nobody.
    pub fn set_task(&mut self, task: AdapterTask) {
        self.task = task;
        self.signer = None;
    }

    /// Gives back the memory that its file was read into; a file that is mapped takes none. It has no tensors then.
    pub(crate) fn release(&mut self) {
        if self.signer.is_some() {
            self.tensors = Safetensors::default();
        }
    }

    /// Its tensors by PEFT's names; none of a signed package that is installed, whose matrices have taken what they need.
    #[must_use]
    pub fn tensors(&self) -> &Safetensors {
        &self.tensors
    }

    /// Writes the one-file package. The file appears whole or not at all: it is written beside `path`, flushed to disk
    /// and renamed.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Adapter`] for one without tensors; what was at `path` before stays in these cases.
    pub fn save(&self, path: impl AsRef<Path>) -> Result<()> {
        let path = path.as_ref();
        if self.tensors.names().is_empty() {
            return Err(Error::adapter(&self.name, "it holds no tensor"));
        }
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

/// What a package is called that does not say so itself.
fn name(path: &Path) -> String {
    path.file_stem().map_or_else(|| "adapter".into(), |stem| stem.to_string_lossy().into_owned())
}

fn refuse_gguf(path: &Path) -> Result<()> {
    let mut magic = [0; 4];
    if File::open(path).and_then(|mut file| file.read_exact(&mut magic)).is_ok() && magic == *b"GGUF" {
        return Err(Error::adapter(
            name(path),
            "it is a GGUF file; give the PEFT directory that it was converted from",
        ));
    }
    Ok(())
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
    check_count(name, Safetensors::open(path)?)
}

fn check_count(name: &str, tensors: Safetensors) -> Result<Safetensors> {
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
