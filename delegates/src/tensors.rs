//! Matrices by name in a safetensors file.

use std::collections::BTreeMap;
use std::path::Path;

use loam::dispatch::Reason;
use loam::weights::Safetensors;
use safetensors::tensor::{Dtype, TensorView, serialize_to_file};
use sha2::{Digest, Sha256};

/// Values `[rows, width]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Rows {
    /// Values of a row.
    pub width: usize,
    /// All rows, one after the other.
    pub values: Vec<f32>,
}

impl Rows {
    /// One row.
    #[must_use]
    pub fn one(values: Vec<f32>) -> Self {
        Self { width: values.len(), values }
    }
}

/// Writes a file.
///
/// # Errors
/// [`Reason::Failed`] naming it.
pub(crate) fn write(path: &Path, tensors: &BTreeMap<String, Rows>) -> Result<(), Reason> {
    let failed = |e: &dyn std::fmt::Display| Reason::Failed(format!("{}: {e}", path.display()));
    let bytes = |rows: &Rows| rows.values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
    let data: Vec<(&String, [usize; 2], Vec<u8>)> = tensors
        .iter()
        .map(|(name, rows)| (name, [rows.values.len() / rows.width.max(1), rows.width], bytes(rows)))
        .collect();
    let views = data.iter().map(|(name, shape, bytes)| {
        let view = TensorView::new(Dtype::F32, shape.to_vec(), bytes);
        view.map(|view| (*name, view)).map_err(|e| failed(&e))
    });
    let views = views.collect::<Result<Vec<_>, _>>()?;
    let metadata = std::iter::once((DIGEST.to_owned(), digest(tensors))).collect();
    serialize_to_file(views, Some(metadata), path).map_err(|e| failed(&e))
}

/// Name of the digest among the file's metadata.
const DIGEST: &str = "sha256";

/// Of all names, shapes and values.
fn digest(tensors: &BTreeMap<String, Rows>) -> String {
    let mut hasher = Sha256::new();
    for (name, rows) in tensors {
        hasher.update(format!("{} {name} {} {} ", name.len(), rows.width, rows.values.len()));
        rows.values.iter().for_each(|value| hasher.update(value.to_le_bytes()));
    }
    format!("{:x}", hasher.finalize())
}

/// Reads a file; nothing where there is none.
///
/// # Errors
/// [`Reason::Damaged`] naming it.
pub(crate) fn read(path: &Path) -> Result<BTreeMap<String, Rows>, Reason> {
    if !path.is_file() {
        return Ok(BTreeMap::new());
    }
    let damaged = |problem: &dyn std::fmt::Display| Reason::Damaged {
        file: path.display().to_string(),
        problem: problem.to_string(),
    };
    let file = Safetensors::open(path).map_err(|e| damaged(&e))?;
    let mut tensors = BTreeMap::new();
    for name in file.names() {
        let tensor = file.tensor(&name).map_err(|e| damaged(&e))?;
        let tensor = tensor.filter(|tensor| tensor.shape.len() == 2).ok_or_else(|| damaged(&name))?;
        tensors.insert(name, Rows { width: tensor.shape[1], values: tensor.to_f32() });
    }
    match file.metadata().get(DIGEST) {
        Some(written) if *written == digest(&tensors) => Ok(tensors),
        Some(_) => Err(damaged(&"its values are not those that were written")),
        None => Err(damaged(&"it has no digest")),
    }
}
