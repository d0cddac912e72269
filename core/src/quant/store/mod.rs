//! Packed weights on disk: written once per device, mapped by every process from then on.
//!
//! A store is one safetensors file of byte tensors, in the order in which a network reads them. It belongs to the files that
//! it was packed from (their digest where a manifest has it, else names, sizes and times of change) and to the layout of this
//! version; when either differs it is packed anew. It is written under another name and renamed, so a kill leaves the old one
//! or none; a process that comes meanwhile waits. Where it cannot be written, weights are packed into memory, which costs a
//! copy of them.

mod file;
mod place;
mod session;

use file::StoreFile;
pub(crate) use place::{Check, StorePlace};
pub(in crate::quant) use session::packed;
use session::{Mode, during};

use crate::error::Result;

/// Weights smaller than this are packed into memory: quicker than a file is opened, and no file is left behind.
const LEAST: usize = 4 << 20;

/// What became of a component's weights.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Packed {
    /// They are mapped from a store.
    Mapped,
    /// They are in anonymous memory.
    Memory,
}

/// Runs `open`, which loads a component, so that its weights come from the store at `place`, which is written first where it
/// is missing. `open` may run three times. `fingerprint` is the SHA-256 of the sources.
///
/// # Errors
/// Those of `open`. A store that cannot be read or written is no error: a warning tells why, and memory serves.
pub(crate) fn open_packed<T>(
    place: Option<&StorePlace>,
    fingerprint: impl FnOnce() -> Result<String>,
    open: impl Fn() -> Result<T>,
) -> Result<(T, Packed)> {
    let Some(place) = place.filter(|place| place.holds(LEAST)) else { return Ok((open()?, Packed::Memory)) };
    let store = match StoreFile::open(place) {
        Ok(found) => found,
        Err(error) => {
            log::warn!("packed weights of '{}' are made again: {error}", place.name);
            None
        }
    };
    if let Some(store) = store {
        let (model, mode) = during(Mode::reading(store), &open);
        if !mode.has_missed() {
            return Ok((model?, Packed::Mapped));
        }
        // It was written for a part of the component alone, such as the encoder of a recogniser.
        log::info!("packed weights of '{}' are not all in the store, packing them again", place.name);
    }
    let (model, mode) = during(Mode::collecting(), &open);
    let model = model?;
    let matrices = mode.collected();
    let bytes: usize = matrices.iter().filter_map(|(_, matrix)| matrix.packed_bytes()).sum();
    if bytes < LEAST {
        drop(model);
        return Ok((open()?, Packed::Memory));
    }
    drop(model);
    let written = fingerprint().and_then(|digest| StoreFile::write(place, &digest, &matrices));
    drop(matrices);
    match written {
        Ok(store) => Ok((during(Mode::reading(store), &open).0?, Packed::Mapped)),
        Err(error) => {
            log::warn!("packed weights of '{}' stay in memory ({bytes} bytes): {error}", place.name);
            Ok((open()?, Packed::Memory))
        }
    }
}
