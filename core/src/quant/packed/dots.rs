//! Codes out of their registers, and the dot products of a group.

use super::format::TILE_ROWS;
use super::simd::Simd;
use super::tile::{Layout, parts};

/// The dot products of a group or of its half, four inputs at a time.
///
/// # Safety
/// As [`Simd::dots`].
#[inline(always)]
pub(super) unsafe fn dots<S: Simd, L: Layout, const M: usize, const N: usize>(
    codes: [*const u8; N],
    rows: [*const i8; M],
    start: [S::Int; M],
    part: usize,
) -> [[S::Int; N]; M] {
    // SAFETY: the caller's promise: a group of codes, and of each row of activations.
    unsafe {
        let mut xs = [S::group(rows[0]); M];
        for m in 1..M {
            xs[m] = S::group(rows[m]);
        }
        let mut dots = [[start[0]; N]; M];
        for m in 1..M {
            dots[m] = [start[m]; N];
        }
        if part == 0 {
            quads::<S, L, M, N, 0>(codes, &xs, &mut dots);
            quads::<S, L, M, N, 2>(codes, &xs, &mut dots);
        }
        if part + 1 == const { parts(L::FORMAT) } {
            quads::<S, L, M, N, 4>(codes, &xs, &mut dots);
            quads::<S, L, M, N, 6>(codes, &xs, &mut dots);
        }
        dots
    }
}

/// Adds the products of inputs `4 J` to `4 J + 7` of a group.
#[inline(always)]
unsafe fn quads<S: Simd, L: Layout, const M: usize, const N: usize, const J: usize>(
    codes: [*const u8; N],
    xs: &[S::Group; M],
    dots: &mut [[S::Int; N]; M],
) {
    // SAFETY: the caller's promise.
    unsafe {
        for n in 0..N {
            let (first, second) = codes_of::<S, L, J>(codes[n]);
            for m in 0..M {
                dots[m][n] = if const { L::FORMAT.bits } == 8 {
                    eight::<S, J>(dots[m][n], first, second, xs[m])
                } else {
                    four::<S, J>(dots[m][n], first, second, xs[m])
                };
            }
        }
    }
}

/// The codes of inputs `4 J` to `4 J + 3` and of the next four, in two registers.
///
/// # Safety
/// `codes` points to the rows of a register in a group of the layout; the processor has the instructions of `S`.
#[inline(always)]
pub(super) unsafe fn codes_of<S: Simd, L: Layout, const J: usize>(codes: *const u8) -> (S::Int, S::Int) {
    const REGISTER: usize = 4 * TILE_ROWS;
    // SAFETY: the registers of a group, as its format lays them out.
    unsafe {
        if const { L::FORMAT.bits } == 8 {
            let load = |quad: usize| S::eight(S::load(codes.add(quad * REGISTER)));
            return (load(J), load(J + 1));
        }
        let both = S::load(codes.add(J / 2 * REGISTER));
        let (first, second) = (S::low(both), S::high(both));
        match const { L::FORMAT.bits } {
            5 => five::<S, J>(first, second, S::load(codes.add(4 * REGISTER))),
            6 => six::<S, J>(first, second, S::load(codes.add((4 + J / 4) * REGISTER))),
            _ => (first, second),
        }
    }
}

/// Expands to a function that does something with inputs `4 J` to `4 J + 3` and with the next four.
macro_rules! by_quad {
    ($name:ident, ($($arg:ident: $ty:ty),*) -> $out:ty, |$j:ident| $body:expr) => {
        #[inline(always)]
        pub(super) unsafe fn $name<S: Simd, const J: usize>($($arg: $ty),*) -> $out {
            // SAFETY: the caller has the instructions of `S`.
            unsafe {
                match J {
                    0 => { const $j: usize = 0; $body }
                    2 => { const $j: usize = 2; $body }
                    4 => { const $j: usize = 4; $body }
                    _ => { const $j: usize = 6; $body }
                }
            }
        }
    };
}

by_quad!(eight, (sum: S::Int, first: S::Int, second: S::Int, xs: S::Group) -> S::Int, |Q| {
    S::dot_eight::<{ Q + 1 }>(S::dot_eight::<Q>(sum, first, xs), second, xs)
});
by_quad!(four, (sum: S::Int, first: S::Int, second: S::Int, xs: S::Group) -> S::Int, |Q| {
    S::dot::<{ Q + 1 }>(S::dot::<Q>(sum, first, xs), second, xs)
});
by_quad!(five, (first: S::Int, second: S::Int, plane: S::Int) -> (S::Int, S::Int), |Q| {
    (S::fifth::<Q>(first, plane), S::fifth::<{ Q + 1 }>(second, plane))
});
by_quad!(six, (first: S::Int, second: S::Int, plane: S::Int) -> (S::Int, S::Int), |Q| {
    (S::sixth::<{ Q % 4 }>(first, plane), S::sixth::<{ Q % 4 + 1 }>(second, plane))
});
