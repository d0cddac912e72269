//! Where the matrices that a thread loads get their packed bytes from.
//!
//! Networks are loaded by many readers, which know nothing of stores: what a matrix turns into when it is packed depends on
//! the load that its thread is in.

use std::cell::{Cell, RefCell};
use std::collections::HashSet;

use super::file::{StoreFile, key};
use crate::quant::matrix::Matrix;

thread_local! {
    static MODE: RefCell<Option<Mode>> = const { RefCell::new(None) };
}

/// How matrices are packed during a load.
pub(super) enum Mode {
    /// From a store; those that it lacks, in memory.
    Reading { store: StoreFile, missed: Cell<usize> },
    /// Not at all: they are noted, once each, in the order in which they are loaded.
    Collecting { keys: HashSet<String>, matrices: Vec<(String, Matrix)> },
}

impl Mode {
    pub(super) fn reading(store: StoreFile) -> Self {
        Self::Reading { store, missed: Cell::new(0) }
    }

    pub(super) fn collecting() -> Self {
        Self::Collecting { keys: HashSet::new(), matrices: Vec::new() }
    }

    /// Whether a matrix was not in the store.
    pub(super) fn has_missed(&self) -> bool {
        matches!(self, Self::Reading { missed, .. } if missed.get() > 0)
    }

    /// The matrices that were noted.
    pub(super) fn collected(self) -> Vec<(String, Matrix)> {
        match self {
            Self::Reading { .. } => Vec::new(),
            Self::Collecting { matrices, .. } => matrices,
        }
    }

    fn pack(&mut self, matrix: &Matrix) -> Option<Matrix> {
        let key = key(matrix)?;
        match self {
            Self::Reading { store, missed } => {
                let found = store.bytes(&key).and_then(|data| matrix.with_packed(&key, data).ok());
                if found.is_none() {
                    missed.set(missed.get() + 1);
                }
                found
            }
            Self::Collecting { keys, matrices } => {
                if keys.insert(key.clone()) {
                    matrices.push((key, matrix.clone()));
                }
                Some(matrix.clone())
            }
        }
    }
}

/// Restores the mode of a load around this one, also when this one panics.
struct Restore(Option<Mode>);

impl Drop for Restore {
    fn drop(&mut self) {
        MODE.with_borrow_mut(|mode| *mode = self.0.take());
    }
}

/// Runs `open` in a mode; gives the mode back with what it has seen.
pub(super) fn during<T>(mode: Mode, open: impl Fn() -> T) -> (T, Mode) {
    let restore = Restore(MODE.replace(Some(mode)));
    let result = open();
    let mode = MODE.take().expect("invariant: loads within restore the mode");
    drop(restore);
    (result, mode)
}

/// The packed form of `matrix` by the mode of this thread's load; `None` where memory has to serve.
pub(in crate::quant) fn packed(matrix: &Matrix) -> Option<Matrix> {
    MODE.with_borrow_mut(|mode| mode.as_mut().and_then(|mode| mode.pack(matrix)))
}
