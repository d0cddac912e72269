//! Disjoint parts of one slice, handed to threads.

use std::marker::PhantomData;

/// A mutable slice, cut into chunks that are taken by number.
pub(crate) struct Parts<'a, T> {
    start: *mut T,
    total: usize,
    length: usize,
    owner: PhantomData<&'a mut [T]>,
}

// SAFETY: each part is taken by one thread, as `take` demands; that is sending `&mut [T]` to it.
unsafe impl<T: Send> Sync for Parts<'_, T> {}

impl<'a, T> Parts<'a, T> {
    pub(crate) fn new(items: &'a mut [T], length: usize) -> Self {
        assert!(length > 0, "invariant: chunks hold something");
        Self { start: items.as_mut_ptr(), total: items.len(), length, owner: PhantomData }
    }

    pub(crate) fn len(&self) -> usize {
        self.total.div_ceil(self.length)
    }

    /// Part `index`.
    ///
    /// # Safety
    /// Each part is taken at most once.
    ///
    /// # Panics
    /// When there is no such part.
    #[expect(clippy::mut_from_ref, reason = "parts are disjoint, and each is taken once")]
    pub(crate) unsafe fn take(&self, index: usize) -> &mut [T] {
        let from = index * self.length;
        assert!(from < self.total, "invariant: parts are numbered from zero");
        let length = self.length.min(self.total - from);
        // SAFETY: the range lies within the slice that this borrows mutably, and no other part overlaps it.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(from), length) }
    }
}
