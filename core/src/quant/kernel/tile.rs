//! The register tile: every dot product of a few weight rows with a few activation rows.
//!
//! One accumulator register per (weight row, activation row) and one pass over `k`: the additions of an output happen
//! in the same order whatever the tile's size, so a row's result does not depend on its batch.

use super::PANEL;
use super::lanes::Lanes;

/// Runs [`tile`] over all `rows`, four at a time and then one at a time, for the weight rows present.
///
/// # Safety
/// The processor has the instructions of `L`. `weights` holds `out.len() / rows` rows of `k` values, at most
/// [`PANEL`]; `xs` holds `rows` rows of `k` values.
#[inline(always)]
pub(super) unsafe fn dots<L: Lanes>(weights: &[f32], xs: &[f32], k: usize, rows: usize, out: &mut [f32]) {
    assert!(rows > 0 && out.len().is_multiple_of(rows), "invariant: whole output rows");
    let panel = out.len() / rows;
    assert!(panel <= PANEL && weights.len() >= panel * k && xs.len() >= rows * k, "invariant: operands fit");
    // SAFETY: the lengths were just asserted, and each call below stays within `rows` and `panel`.
    unsafe {
        match panel {
            4 => strips::<L, 4>(weights, xs, k, rows, out),
            3 => strips::<L, 3>(weights, xs, k, rows, out),
            2 => strips::<L, 2>(weights, xs, k, rows, out),
            1 => strips::<L, 1>(weights, xs, k, rows, out),
            _ => {}
        }
    }
}

#[inline(always)]
unsafe fn strips<L: Lanes, const N: usize>(weights: &[f32], xs: &[f32], k: usize, rows: usize, out: &mut [f32]) {
    let (w, x, y) = (weights.as_ptr(), xs.as_ptr(), out.as_mut_ptr());
    let mut m = 0;
    // SAFETY: `m + M <= rows` in each call; the caller has asserted that all operands hold that many rows.
    unsafe {
        while m + 4 <= rows {
            tile::<L, N, 4>(w, x.add(m * k), k, rows, y.add(m));
            m += 4;
        }
        while m < rows {
            tile::<L, N, 1>(w, x.add(m * k), k, rows, y.add(m));
            m += 1;
        }
    }
}

/// # Safety
/// `w` is valid for `N * k` reads, `x` for `M * k` reads, `y` for writes at `n * rows + m`.
#[inline(always)]
unsafe fn tile<L: Lanes, const N: usize, const M: usize>(
    w: *const f32,
    x: *const f32,
    k: usize,
    rows: usize,
    y: *mut f32,
) {
    // SAFETY: `i + WIDTH <= k` in the main loop and `k - i` values in the last step keep all reads inside of the rows
    // that the caller vouches for.
    unsafe {
        let mut acc = [[L::zero(); M]; N];
        let mut i = 0;
        while i + L::WIDTH <= k {
            let mut xv = [L::zero(); M];
            for (m, v) in xv.iter_mut().enumerate() {
                *v = L::load(x.add(m * k + i));
            }
            for (n, row) in acc.iter_mut().enumerate() {
                let wv = L::load(w.add(n * k + i));
                for (a, &v) in row.iter_mut().zip(&xv) {
                    *a = L::fma(wv, v, *a);
                }
            }
            i += L::WIDTH;
        }
        if i < k {
            for (n, row) in acc.iter_mut().enumerate() {
                let wv = L::load_part(w.add(n * k + i), k - i);
                for (m, a) in row.iter_mut().enumerate() {
                    *a = L::fma(wv, L::load_part(x.add(m * k + i), k - i), *a);
                }
            }
        }
        for (n, row) in acc.iter().enumerate() {
            for (m, &a) in row.iter().enumerate() {
                *y.add(n * rows + m) = L::sum(a);
            }
        }
    }
}

/// `out += scale * xs`.
///
/// # Safety
/// The processor has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn axpy<L: Lanes>(scale: f32, xs: &[f32], out: &mut [f32]) {
    assert_eq!(xs.len(), out.len(), "invariant: operands of one length");
    let (x, y, len) = (xs.as_ptr(), out.as_mut_ptr(), xs.len());
    let mut i = 0;
    // SAFETY: `i + WIDTH <= len` for both slices.
    unsafe {
        let s = L::splat(scale);
        while i + L::WIDTH <= len {
            L::store(y.add(i), L::fma(s, L::load(x.add(i)), L::load(y.add(i))));
            i += L::WIDTH;
        }
    }
    for (y, &x) in out[i..].iter_mut().zip(&xs[i..]) {
        *y = scale.mul_add(x, *y);
    }
}

/// `out[i] = (codes[i] + offset) * scale + shift` for `N` codes, a multiple of every register width.
///
/// # Safety
/// The processor has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn affine<L: Lanes, const N: usize>(
    codes: &[u8; N],
    offset: f32,
    scale: f32,
    shift: f32,
    out: &mut [f32],
) {
    const { assert!(N.is_multiple_of(L::WIDTH), "whole registers") }
    assert_eq!(out.len(), N, "invariant: one value per code");
    let (c, y) = (codes.as_ptr(), out.as_mut_ptr());
    // SAFETY: `i + WIDTH <= N` for codes and values.
    unsafe {
        let (offset, scale, shift) = (L::splat(offset), L::splat(scale), L::splat(shift));
        for i in (0..N).step_by(L::WIDTH) {
            let value = L::mul(L::add(L::widen(c.add(i)), offset), scale);
            L::store(y.add(i), L::add(value, shift));
        }
    }
}

/// `out[i] = (code + offset) * scale + shift`, the low four bits of each byte first, then the high four.
///
/// # Safety
/// The processor has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn nibbles<L: Lanes, const N: usize>(
    bytes: &[u8; N],
    offset: f32,
    low: (f32, f32),
    high: (f32, f32),
    out: &mut [f32],
) {
    const { assert!(N.is_multiple_of(L::WIDTH), "whole registers") }
    assert_eq!(out.len(), 2 * N, "invariant: two values per byte");
    let (b, y) = (bytes.as_ptr(), out.as_mut_ptr());
    // SAFETY: `i + WIDTH <= N` for bytes, `N + i + WIDTH <= 2 N` for values.
    unsafe {
        let offset = L::splat(offset);
        let (scale_low, shift_low) = (L::splat(low.0), L::splat(low.1));
        let (scale_high, shift_high) = (L::splat(high.0), L::splat(high.1));
        for i in (0..N).step_by(L::WIDTH) {
            let (low, high) = L::widen_nibbles(b.add(i));
            L::store(y.add(i), L::add(L::mul(L::add(low, offset), scale_low), shift_low));
            L::store(y.add(N + i), L::add(L::mul(L::add(high, offset), scale_high), shift_high));
        }
    }
}

/// `out[i] = codes[i] * scale`, the codes as signed bytes.
///
/// # Safety
/// The processor has the instructions of `L`.
#[inline(always)]
pub(super) unsafe fn signed<L: Lanes, const N: usize>(codes: &[u8; N], scale: f32, out: &mut [f32]) {
    const { assert!(N.is_multiple_of(L::WIDTH), "whole registers") }
    assert_eq!(out.len(), N, "invariant: one value per code");
    let (c, y) = (codes.as_ptr(), out.as_mut_ptr());
    // SAFETY: `i + WIDTH <= N` for codes and values.
    unsafe {
        let scale = L::splat(scale);
        for i in (0..N).step_by(L::WIDTH) {
            L::store(y.add(i), L::mul(L::widen_signed(c.add(i)), scale));
        }
    }
}
