//! What a packed tile needs from an instruction set.

use super::dots;
use super::tile::Layout;
use crate::quant::kernel::Lanes;

/// Registers of integers and floats that hold one lane per output row, and their operations.
///
/// # Safety
/// Implementors' methods may use instructions that only some processors have: callers make sure, by run-time
/// detection, that the processor has them, and that pointers are valid for what the method reads or writes.
pub(super) unsafe trait Simd {
    /// `LANES` integers of 32 bits, or `4 * LANES` bytes.
    type Int: Copy;
    /// Registers of as many floats.
    type Floats: Lanes;
    /// The codes of one group of one row of activations.
    type Group: Copy;
    /// Output rows per register.
    const LANES: usize = Self::Floats::WIDTH;
    /// Most rows of activations that the registers hold sums for.
    const MAX_ROWS: usize;
    /// What [`Simd::eight`] makes of the code of weight zero.
    const EIGHT_ZERO: u8;

    /// The group at `codes`, 32 bytes.
    unsafe fn group(codes: *const i8) -> Self::Group;
    /// Reads `4 * LANES` bytes.
    unsafe fn load(from: *const u8) -> Self::Int;
    /// The low four bits of each byte.
    unsafe fn low(bytes: Self::Int) -> Self::Int;
    /// The high four bits of each byte.
    unsafe fn high(bytes: Self::Int) -> Self::Int;
    /// `codes` with bit `J` of each byte of `plane` as the fifth.
    unsafe fn fifth<const J: usize>(codes: Self::Int, plane: Self::Int) -> Self::Int;
    /// `codes` with bits `2 J` and `2 J + 1` of each byte of `plane` as the fifth and sixth.
    unsafe fn sixth<const J: usize>(codes: Self::Int, plane: Self::Int) -> Self::Int;
    /// Stored codes of eight bits in the form that [`Simd::dot_eight`] reads.
    unsafe fn eight(codes: Self::Int) -> Self::Int;
    /// All lanes `x`.
    unsafe fn integer(x: i32) -> Self::Int;
    /// `v << by`, for a constant `by`.
    unsafe fn shifted(v: Self::Int, by: usize) -> Self::Int;
    /// `sum` plus, per lane, the products of four codes below 64 with activations `4 J` to `4 J + 3` of the group.
    unsafe fn dot<const J: usize>(sum: Self::Int, codes: Self::Int, group: Self::Group) -> Self::Int;
    /// As [`Simd::dot`], for codes of eight bits.
    unsafe fn dot_eight<const J: usize>(sum: Self::Int, codes: Self::Int, group: Self::Group) -> Self::Int;
    /// The dot products of one group, or of its half `PART`, of `M` rows of activations with the `N` registers of weights at
    /// `codes`, each added to the row's `start`.
    ///
    /// Sets with instructions for more than one row of activations have their own.
    #[inline(always)]
    unsafe fn dots<L: Layout, const M: usize, const N: usize>(
        codes: [*const u8; N],
        rows: [*const i8; M],
        start: [Self::Int; M],
        part: usize,
    ) -> [[Self::Int; N]; M]
    where
        Self: Sized,
    {
        // SAFETY: the caller's promise, handed on.
        unsafe { dots::dots::<Self, L, M, N>(codes, rows, start, part) }
    }
    /// Integers to floats.
    unsafe fn floats(v: Self::Int) -> <Self::Floats as Lanes>::V;
    /// As [`Lanes::prefetch`], into the cache behind the nearest.
    unsafe fn prefetch_far(from: *const u8);
}
