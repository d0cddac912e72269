//! What a tile needs from an instruction set: a register of f32 lanes and a few operations.

/// A vector register of f32 and its operations.
///
/// # Safety
/// Implementors' methods may use instructions that only some processors have: callers make sure, by run-time
/// detection, that the processor has them, and that pointers are valid for [`Lanes::WIDTH`] values (or `count` values
/// for the partial forms).
pub(in crate::quant) unsafe trait Lanes {
    /// The register.
    type V: Copy;
    /// f32 values per register.
    const WIDTH: usize;

    /// All lanes zero.
    unsafe fn zero() -> Self::V;
    /// All lanes `x`.
    unsafe fn splat(x: f32) -> Self::V;
    /// Reads a whole register.
    unsafe fn load(from: *const f32) -> Self::V;
    /// Reads `count < WIDTH` values, the other lanes zero.
    unsafe fn load_part(from: *const f32, count: usize) -> Self::V;
    /// Writes a whole register.
    unsafe fn store(to: *mut f32, v: Self::V);
    /// Reads [`Lanes::WIDTH`] bytes as numbers from 0 to 255.
    unsafe fn widen(from: *const u8) -> Self::V;
    /// Reads [`Lanes::WIDTH`] bytes as numbers from -128 to 127.
    unsafe fn widen_signed(from: *const u8) -> Self::V;
    /// Reads [`Lanes::WIDTH`] bytes as their low and their high four bits.
    unsafe fn widen_nibbles(from: *const u8) -> (Self::V, Self::V);
    /// Reads [`Lanes::WIDTH`] halves.
    unsafe fn halves(from: *const u8) -> Self::V;
    /// Reads [`Lanes::WIDTH`] numbers of type bf16.
    unsafe fn brains(from: *const u8) -> Self::V;
    /// Asks for the cache line at `from`, which need not be readable.
    unsafe fn prefetch(from: *const u8);
    /// `a + b`.
    unsafe fn add(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    unsafe fn mul(a: Self::V, b: Self::V) -> Self::V;
    /// `a * b + c`, rounded once.
    unsafe fn fma(a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// Sum of all lanes, in a fixed order.
    unsafe fn sum(v: Self::V) -> f32;
}
