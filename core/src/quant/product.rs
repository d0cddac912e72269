//! The product of several frozen linears with the same rows, adapters included, in one hand-over to the threads.

use std::cell::RefCell;
use std::ops::Range;

use crate::pool;
use crate::quant::columns::Columns;
use crate::quant::kernel::kernels;
use crate::quant::linear::Linear;
use crate::quant::lora::Group;
use crate::quant::matrix::{Input, Matrix};
use crate::quant::packed::{Activations, Codes, GROUP, PAIRED, TILE_ROWS};
use crate::quant::patch::{Patch, patches, project};

/// Work of a share, in products of a weight with a row: about what takes ten microseconds.
const SHARE: usize = 1 << 21;
/// Reading a weight once costs as much as multiplying it with so many rows.
const READ: usize = 15;
/// From so many values on, activations are quantized by all threads.
const QUANTIZE_ALONE: usize = 1 << 14;

/// One linear, and where its output goes: `[rows, outputs]`.
pub(crate) struct Product<'a>(pub(crate) &'a Linear, pub(crate) &'a mut [f32]);

thread_local! {
    /// Codes of the rows at hand, kept so that a product allocates nothing.
    static CODES: RefCell<Activations> = RefCell::default();
}

/// Bytes of the weights that a thread reads next, which it asks for before it has anything to do with them.
const FETCH_NEXT: usize = 16 << 10;

/// Computes every product with `xs`, `[rows, inputs]`, and adds what the adapters of `groups` do. The weights are read once for
/// all rows; a row's result does not depend on the other rows, on their adapters, or on the number of threads. `next` are the
/// linears of the product that follows: memory is idle meanwhile, so what they read first is fetched.
///
/// # Panics
/// When the lengths do not fit, or the linears read different widths.
pub(crate) fn multiply(products: &mut [Product<'_>], xs: &[f32], rows: usize, groups: &[Group<'_>], next: &[&Linear]) {
    let cols = products.first().map_or(0, |Product(linear, _)| linear.weight().cols());
    assert_eq!(xs.len(), rows * cols, "invariant: activations are [rows, inputs]");
    let same = products.iter().all(|Product(linear, _)| linear.weight().cols() == cols);
    assert!(same, "invariant: all linears read the same rows");
    if rows == 0 {
        return;
    }
    let mut patches: Vec<Vec<Patch<'_>>> = products.iter().map(|Product(linear, _)| patches(linear, groups)).collect();
    let reads_codes = products.iter().any(|Product(linear, _)| linear.weight().reads_codes())
        || patches.iter().flatten().any(Patch::reads_codes);
    if reads_codes {
        CODES.with_borrow_mut(|codes| {
            quantize(codes, xs, cols);
            with_adapters(products, &Input { values: xs, codes, rows }, groups, &mut patches, next);
        });
    } else {
        let input = Input { values: xs, codes: &Activations::default(), rows };
        with_adapters(products, &input, groups, &mut patches, next);
    }
}

/// Quantizes rows, by all threads where they are many.
fn quantize(codes: &mut Activations, xs: &[f32], cols: usize) {
    if xs.len() < QUANTIZE_ALONE {
        codes.quantize(xs, cols);
    } else {
        codes.quantize_shared(xs, cols);
    }
}

fn with_adapters(
    products: &mut [Product<'_>],
    input: &Input<'_>,
    groups: &[Group<'_>],
    patches: &mut [Vec<Patch<'_>>],
    next: &[&Linear],
) {
    project(patches, input);
    shares(products, input, patches, next);
    for (Product(linear, out), patches) in products.iter_mut().zip(patches) {
        for (deltas, members) in groups {
            if let Some(by) = deltas.replaced.get(&linear.id()) {
                replace(by, input.values, members, out);
                if let Some(patch) = patches.iter().find(|patch| patch.is_of(members)) {
                    let columns = Columns::new(out, linear.outputs(), input.rows);
                    // SAFETY: the shares have ended, so nobody else uses the output.
                    unsafe { patch.add(0, linear.outputs(), &columns) }
                }
            }
        }
    }
}

/// Runs all products, cut into shares of tiles that may span two of them.
fn shares(products: &mut [Product<'_>], input: &Input<'_>, patches: &[Vec<Patch<'_>>], next: &[&Linear]) {
    let tiles: usize = products.iter().map(|Product(linear, _)| linear.weight().tiles()).sum();
    let cols = products.first().map_or(0, |Product(linear, _)| linear.weight().cols());
    let outputs: Vec<(&Linear, Columns<'_>)> = products
        .iter_mut()
        .map(|Product(linear, out)| (*linear, Columns::new(out, linear.outputs(), input.rows)))
        .collect();
    let work = (tiles * TILE_ROWS * cols).saturating_mul(input.rows + READ);
    let threads = pool::threads();
    // Some kernels read activations once for several tiles where there are many rows.
    let together = if input.rows >= PAIRED { kernels().together } else { 1 };
    let unit = if tiles >= threads * together { together } else { 1 };
    let units = tiles.div_ceil(unit);
    let per_thread = work.div_ceil(SHARE).min(units).div_ceil(threads);
    let count = per_thread * threads;
    // The first tile of a share.
    let start = |share: usize| (units * share / count * unit).min(tiles);
    pool::run(count, |share| {
        let (mut from, to) = (start(share), start(share + 1));
        // The last tile of the thread that comes to this share first.
        let lane_end = start((share / per_thread + 1) * per_thread);
        let mut first = 0;
        for ((linear, out), patches) in outputs.iter().zip(patches) {
            let last = first + linear.weight().tiles();
            let end = to.min(last);
            if from < end {
                // SAFETY: shares are disjoint ranges of tiles, so each column has one writer.
                unsafe { part(linear, from - first..end - first, lane_end.min(last) - first, input, patches, out) }
                from = end;
            }
            first = last;
        }
        if share % per_thread + 1 == per_thread {
            fetch_next(next, share / per_thread, threads);
        }
    });
}

/// Asks for the first weights that thread `thread` of `threads` reads in the product of `next`.
fn fetch_next(next: &[&Linear], thread: usize, threads: usize) {
    let tiles: usize = next.iter().map(|linear| linear.weight().tiles()).sum();
    let mut tile = tiles * thread / threads;
    for linear in next {
        if tile < linear.weight().tiles() {
            (kernels().prefetch)(linear.weight().bytes_from(tile, FETCH_NEXT));
            return;
        }
        tile -= linear.weight().tiles();
    }
}

/// Some tiles of one linear: the frozen product, its bias, and what adapters add.
///
/// # Safety
/// Nobody else uses the tiles' columns of `out` meanwhile.
unsafe fn part(
    linear: &Linear,
    tiles: Range<usize>,
    fetch_end: usize,
    input: &Input<'_>,
    patches: &[Patch<'_>],
    out: &Columns<'_>,
) {
    let columns = tiles.start * TILE_ROWS..(tiles.end * TILE_ROWS).min(linear.outputs());
    // SAFETY: the caller's promise.
    unsafe {
        linear.weight().columns(kernels(), tiles, fetch_end, input, out);
        if let Some(bias) = linear.bias() {
            for row in 0..input.rows {
                (kernels().rows.add)(out.window(row, columns.start, columns.end), &bias[columns.clone()]);
            }
        }
        for patch in patches {
            patch.add(columns.start, columns.end, out);
        }
    }
}

/// Overwrites the members' rows with their product with another matrix.
fn replace(by: &Matrix, xs: &[f32], members: &[usize], out: &mut [f32]) {
    let (width, cols) = (by.rows(), by.cols());
    let gathered: Vec<f32> = members.iter().flat_map(|&m| &xs[m * cols..(m + 1) * cols]).copied().collect();
    let mut product = vec![0.0; members.len() * width];
    by.multiply(&gathered, members.len(), &mut product);
    for (&m, values) in members.iter().zip(product.chunks_exact(width)) {
        out[m * width..(m + 1) * width].copy_from_slice(values);
    }
}

impl Activations {
    /// As [`Activations::quantize`], by all threads.
    fn quantize_shared(&mut self, xs: &[f32], cols: usize) {
        let rows = QUANTIZE_ALONE.div_ceil(cols);
        let out = self.resize(xs.len() / cols, cols);
        let groups = rows * (cols / GROUP);
        let (codes, scales, sums, counts) = (
            pool::Parts::new(out.codes, rows * cols),
            pool::Parts::new(out.scales, groups),
            pool::Parts::new(out.sums, groups),
            pool::Parts::new(out.counts, groups * 3),
        );
        pool::run(codes.len(), |part| {
            // SAFETY: every part is taken by one share.
            let out = unsafe {
                let (codes, scales) = (codes.take(part), scales.take(part));
                Codes { codes, scales, sums: sums.take(part), counts: counts.take(part) }
            };
            let start = part * rows * cols;
            (kernels().quantize)(&xs[start..start + out.codes.len()], out);
        });
    }
}
