//! The product of several frozen linears with the same rows, adapters included, in one hand-over to the threads.

use std::cell::RefCell;
use std::ops::Range;

use crate::arena::Room;
use crate::pool;
use crate::quant::columns::Columns;
use crate::quant::kernel::kernels;
use crate::quant::linear::Linear;
use crate::quant::lora::RowAdapters;
use crate::quant::matrix::{Input, Matrix, Reads};
use crate::quant::packed::{Activations, Codes, GROUP, PAIRED, RowCodes, RowCodesOut, TILE_ROWS};
use crate::quant::patch::{Patch, Patches};

/// Work of a share, in products of a weight with a row: about what takes ten microseconds.
const SHARE: usize = 1 << 21;
/// Reading a weight once costs as much as multiplying it with so many rows.
const READ: usize = 15;
/// Rows from which arithmetic takes longer than reading the weights.
const FEW: usize = 8;
/// From so many values on, activations are quantized by all threads.
const QUANTIZE_ALONE: usize = 1 << 14;

/// One linear, and where its output goes: `[rows, outputs]`.
pub(crate) struct Product<'a> {
    pub(super) linear: &'a Linear,
    out: Columns<'a>,
}

impl<'a> Product<'a> {
    /// # Panics
    /// When `out` has another length.
    pub(crate) fn new(linear: &'a Linear, out: &'a mut [f32], rows: usize) -> Self {
        Self { linear, out: Columns::new(out, linear.outputs(), rows) }
    }
}

thread_local! {
    /// Codes of the rows at hand, kept so that a product allocates nothing.
    static CODES: RefCell<(Activations, RowCodes)> = RefCell::default();
}

/// Bytes of the weights that a thread reads next, which it asks for before it has anything to do with them.
const FETCH_NEXT: usize = 16 << 10;

/// Computes every product with `xs`, `[rows, inputs]`, and adds what the rows' adapters do. The weights are read once for
/// all rows; a row's result does not depend on the other rows, on their adapters, or on the number of threads. `next` are the
/// linears of the product that follows: memory is idle meanwhile, so what they read first is fetched.
///
/// # Panics
/// When the lengths do not fit, or the linears read different widths.
pub(crate) fn multiply(products: &mut [Product<'_>], xs: &[f32], adapters: &RowAdapters<'_>, next: &[&Linear]) {
    let rows = adapters.rows();
    let cols = products.first().map_or(0, |product| product.linear.weight().cols());
    assert_eq!(xs.len(), rows * cols, "invariant: activations are [rows, inputs]");
    let fits = |product: &Product<'_>| product.linear.weight().cols() == cols && product.out.rows() == rows;
    assert!(products.iter().all(fits), "invariant: all linears read the same rows");
    if rows == 0 {
        return;
    }
    let mut patches = Patches::new(products, adapters.groups());
    let read = |form: Reads| products.iter().any(|product| product.linear.weight().reads() == form);
    let (grouped, whole) = (read(Reads::Codes) || patches.iter().any(Patch::reads_codes), read(Reads::RowCodes));
    CODES.with_borrow_mut(|(codes, row_codes)| {
        if grouped {
            codes.quantize_shared(xs, cols);
        }
        if whole {
            row_codes.quantize_shared(xs, cols);
        }
        with_adapters(products, &Input { values: xs, codes, row_codes, rows }, adapters, &mut patches, next);
    });
}

fn with_adapters(
    products: &[Product<'_>],
    input: &Input<'_>,
    adapters: &RowAdapters<'_>,
    patches: &mut Patches<'_>,
    next: &[&Linear],
) {
    patches.project(input);
    shares(products, input, patches, next);
    for (number, Product { linear, out }) in products.iter().enumerate() {
        for (deltas, members) in adapters.groups() {
            if let Some(by) = deltas.replaced.get(&linear.id()) {
                // SAFETY: the shares have ended, so nobody else uses the output.
                unsafe {
                    replace(by, input.values, members, out);
                    if let Some(patch) = patches.of(number).find(|patch| patch.is_of(members)) {
                        patch.add(0, linear.outputs(), out);
                    }
                }
            }
        }
    }
}

/// Runs all products, cut into shares of tiles that may span two of them.
fn shares(products: &[Product<'_>], input: &Input<'_>, patches: &Patches<'_>, next: &[&Linear]) {
    let tiles: usize = products.iter().map(|product| product.linear.weight().tiles()).sum();
    let cols = products.first().map_or(0, |product| product.linear.weight().cols());
    let work = (tiles * TILE_ROWS * cols).saturating_mul(input.rows + READ);
    let threads = if input.rows < FEW { pool::threads_for_few_rows() } else { pool::threads() };
    // Some kernels read activations once for several tiles where there are many rows.
    let together = if input.rows >= PAIRED { kernels().together } else { 1 };
    let unit = if tiles >= threads * together { together } else { 1 };
    let units = tiles.div_ceil(unit);
    let per_thread = work.div_ceil(SHARE).min(units).div_ceil(threads);
    let count = per_thread * threads;
    // The first tile of a share.
    let start = |share: usize| (units * share / count * unit).min(tiles);
    pool::run_on(threads, count, |share| {
        let (mut from, to) = (start(share), start(share + 1));
        // The last tile of the thread that comes to this share first.
        let lane_end = start((share / per_thread + 1) * per_thread);
        let mut first = 0;
        for (number, product) in products.iter().enumerate() {
            let linear = product.linear;
            let last = first + linear.weight().tiles();
            let end = to.min(last);
            if from < end {
                // SAFETY: shares are disjoint ranges of tiles, so each column has one writer.
                unsafe {
                    part(product, from - first..end - first, lane_end.min(last) - first, input);
                    let columns = product.columns(from - first..end - first);
                    patches.of(number).for_each(|patch| patch.add(columns.start, columns.end, &product.out));
                }
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

impl Product<'_> {
    /// The columns of some tiles.
    fn columns(&self, tiles: Range<usize>) -> Range<usize> {
        tiles.start * TILE_ROWS..(tiles.end * TILE_ROWS).min(self.linear.outputs())
    }
}

/// Some tiles of one linear: the frozen product and its bias.
///
/// # Safety
/// Nobody else uses the tiles' columns of the output meanwhile.
unsafe fn part(product: &Product<'_>, tiles: Range<usize>, fetch_end: usize, input: &Input<'_>) {
    let (Product { linear, out }, columns) = (product, product.columns(tiles.clone()));
    // SAFETY: the caller's promise.
    unsafe {
        linear.weight().columns(kernels(), tiles, fetch_end, input, out);
        if let Some(bias) = linear.bias() {
            for row in 0..input.rows {
                (kernels().rows.add)(out.window(row, columns.start, columns.end), &bias[columns.clone()]);
            }
        }
    }
}

/// Overwrites the members' rows with their product with another matrix.
///
/// # Safety
/// Nobody else uses the output meanwhile.
unsafe fn replace(by: &Matrix, xs: &[f32], members: &[usize], out: &Columns<'_>) {
    let (width, cols) = (by.rows(), by.cols());
    let (mut gathered, mut product) = (Room::new(members.len() * cols), Room::new(members.len() * width));
    for (values, &member) in gathered.chunks_exact_mut(cols).zip(members) {
        values.copy_from_slice(&xs[member * cols..(member + 1) * cols]);
    }
    by.multiply(&gathered, members.len(), &mut product);
    for (&member, values) in members.iter().zip(product.chunks_exact(width)) {
        // SAFETY: the caller's promise.
        unsafe { out.window(member, 0, width) }.copy_from_slice(values);
    }
}

impl Activations {
    /// As [`Activations::quantize`], by all threads where rows are many.
    fn quantize_shared(&mut self, xs: &[f32], cols: usize) {
        if xs.len() < QUANTIZE_ALONE {
            return self.quantize(xs, cols);
        }
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

impl RowCodes {
    /// As [`RowCodes::quantize`], by all threads where rows are many. Rows are whole groups.
    fn quantize_shared(&mut self, xs: &[f32], cols: usize) {
        if xs.len() < QUANTIZE_ALONE {
            return self.quantize(xs, cols);
        }
        let rows = QUANTIZE_ALONE.div_ceil(cols);
        let RowCodesOut { width, codes, scales, counts } = self.resize(xs.len() / cols, cols);
        let codes = pool::Parts::new(codes, rows * width);
        let (scales, counts) = (pool::Parts::new(scales, rows), pool::Parts::new(counts, rows));
        pool::run(codes.len(), |part| {
            // SAFETY: every part is taken by one share.
            let out = unsafe {
                let (codes, scales) = (codes.take(part), scales.take(part));
                RowCodesOut { width, codes, scales, counts: counts.take(part) }
            };
            let start = part * rows * cols;
            (kernels().quantize_rows)(&xs[start..start + out.scales.len() * cols], cols, out);
        });
    }
}
