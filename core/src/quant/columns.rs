//! An output of which several threads write different columns.

use std::marker::PhantomData;

/// `[rows, width]` values, handed out by column. Every access is the caller's promise that nobody else has the place.
#[derive(Debug)]
pub(crate) struct Columns<'a> {
    start: *mut f32,
    width: usize,
    rows: usize,
    owner: PhantomData<&'a mut [f32]>,
}

// SAFETY: a pointer into a slice that this borrows mutably; whoever uses it promises that places do not overlap.
unsafe impl Sync for Columns<'_> {}
// SAFETY: as above.
unsafe impl Send for Columns<'_> {}

impl<'a> Columns<'a> {
    /// Borrows `rows` rows of `width` values.
    ///
    /// # Panics
    /// When `values` has another length.
    pub(crate) fn new(values: &'a mut [f32], width: usize, rows: usize) -> Self {
        assert_eq!(values.len(), width * rows, "invariant: output is [rows, width]");
        Self { start: values.as_mut_ptr(), width, rows, owner: PhantomData }
    }

    /// Rows.
    pub(crate) fn rows(&self) -> usize {
        self.rows
    }

    /// Values from one row to the next.
    pub(crate) fn stride(&self) -> usize {
        self.width
    }

    /// The place of a value.
    ///
    /// # Panics
    /// When it is not in the output.
    pub(crate) fn at(&self, row: usize, column: usize) -> *mut f32 {
        assert!(row < self.rows && column < self.width, "invariant: the place is in the output");
        // SAFETY: within the slice, as just asserted.
        unsafe { self.start.add(row * self.width + column) }
    }

    /// Columns `from..to` of a row.
    ///
    /// # Safety
    /// Nobody else uses them while the result lives.
    ///
    /// # Panics
    /// When they are not in the output.
    #[expect(clippy::mut_from_ref, reason = "disjointness is the caller's promise")]
    pub(crate) unsafe fn window(&self, row: usize, from: usize, to: usize) -> &mut [f32] {
        assert!(row < self.rows && from <= to && to <= self.width, "invariant: the window is in the output");
        // SAFETY: within the slice, as just asserted; exclusive by the caller's promise.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(row * self.width + from), to - from) }
    }
}
