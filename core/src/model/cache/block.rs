//! Keys and values of 16 tokens.

use std::sync::Arc;

use super::shape::CacheShape;
use crate::budget::{Budget, Held, Shortage};

/// One block of keys and values. Caches whose sequences begin alike may share it; whoever writes to it has it alone.
#[derive(Debug)]
pub struct CacheBlock {
    bytes: Box<[u8]>,
    /// Counts it, until it is freed.
    _held: Option<Held>,
}

impl CacheBlock {
    /// A block of zeros.
    pub(super) fn new(shape: CacheShape, budget: Option<&Arc<Budget>>) -> Result<Arc<Self>, Shortage> {
        let held = budget.map(|budget| budget.take(shape.block() as u64)).transpose()?;
        Ok(Arc::new(Self { bytes: vec![0; shape.block()].into_boxed_slice(), _held: held }))
    }

    /// A block of what [`CacheBlock::bytes`] gave, for a cache of `shape`.
    ///
    /// # Errors
    /// [`Shortage`].
    ///
    /// # Panics
    /// For another number of bytes than a block has.
    pub(crate) fn restore(shape: CacheShape, budget: &Arc<Budget>, bytes: &[u8]) -> Result<Arc<Self>, Shortage> {
        assert_eq!(bytes.len(), shape.block(), "invariant: whoever reads a block knows its size");
        let held = Some(budget.take(bytes.len() as u64)?);
        Ok(Arc::new(Self { bytes: bytes.into(), _held: held }))
    }

    /// A copy that nobody shares.
    pub(super) fn copy(&self, budget: Option<&Arc<Budget>>) -> Result<Arc<Self>, Shortage> {
        let held = budget.map(|budget| budget.take(self.bytes.len() as u64)).transpose()?;
        Ok(Arc::new(Self { bytes: self.bytes.clone(), _held: held }))
    }

    /// What it holds, as [`super::KvCache`] lays it out.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The same, to be written; `None` where others read it.
    pub(super) fn own(this: &mut Arc<Self>) -> Option<&mut [u8]> {
        Arc::get_mut(this).map(|block| &mut block.bytes[..])
    }

    /// Whether others read it, too.
    pub(super) fn is_shared(this: &Arc<Self>) -> bool {
        Arc::strong_count(this) > 1
    }
}
