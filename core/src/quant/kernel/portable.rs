//! No vector kernels for this architecture: the scalar set serves alone.

use super::Kernels;

/// Nothing beyond the scalar set.
pub(super) fn available() -> impl DoubleEndedIterator<Item = Kernels> {
    std::iter::empty()
}
