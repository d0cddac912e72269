//! What adapters add to the outputs of a product: the down projections first, then the up projections, column by column.

use std::cell::{Cell, RefCell};
use std::ops::Deref;

use crate::arena::Room;
use crate::pool;
use crate::quant::columns::Columns;
use crate::quant::kernel::kernels;
use crate::quant::lora::{Group, LowRank};
use crate::quant::matrix::Input;
use crate::quant::packed::{Activations, RowCodes, TILE_ROWS};
use crate::quant::product::Product;

/// Work of a share, in products of a weight with a row: about what takes five microseconds.
const SHARE: usize = 1 << 20;
/// Reading a weight once costs as much as multiplying it with so many rows.
const READ: usize = 15;
/// Rows whose adapters are worked on together.
const ROWS: usize = 16;
/// Rows from which a batch is a prompt.
const LONG: usize = 32;

/// What an adapter adds to the output of one linear.
pub(super) struct Patch<'a> {
    /// Which of the products.
    number: usize,
    delta: &'a LowRank,
    members: &'a [usize],
    down: Down,
}

/// All patches of some products.
pub(super) struct Patches<'a>(Vec<Patch<'a>>);

/// `scale * A x` of each member.
#[derive(Default)]
struct Down {
    /// `[members, rank]`.
    values: Vec<f32>,
    /// The same as codes, for an up projection that reads them.
    codes: RowCodes,
}

thread_local! {
    /// Buffers of patches that are done, kept so that a product allocates nothing large.
    static IDLE: RefCell<Vec<Down>> = const { RefCell::new(Vec::new()) };
    /// The list of patches, while there is none.
    static LIST: Cell<Vec<Patch<'static>>> = const { Cell::new(Vec::new()) };
}

impl Drop for Patch<'_> {
    fn drop(&mut self) {
        let down = std::mem::take(&mut self.down);
        // A thread that is about to end has no list of its own left.
        let _ = IDLE.try_with(|idle| idle.borrow_mut().push(down));
    }
}

/// An empty list in the memory of another one.
fn emptied<'b>(mut list: Vec<Patch<'_>>) -> Vec<Patch<'b>> {
    list.clear();
    list.into_iter().map(|_| unreachable!("the list is empty")).collect()
}

impl Drop for Patches<'_> {
    fn drop(&mut self) {
        let list = emptied(std::mem::take(&mut self.0));
        // As above.
        let _ = LIST.try_with(|place| place.set(list));
    }
}

impl<'a> Deref for Patches<'a> {
    type Target = [Patch<'a>];

    fn deref(&self) -> &[Patch<'a>] {
        &self.0
    }
}

impl<'a> Patches<'a> {
    /// What the groups' adapters add to the products; nothing is computed yet.
    pub(super) fn new(products: &[Product<'_>], groups: &'a [Group<'a>]) -> Self {
        let mut list = emptied(LIST.take());
        // What one adapter has for several linears lies together.
        for (deltas, members) in groups {
            for (number, product) in products.iter().enumerate() {
                if let Some(delta) = deltas.low_rank.get(&product.linear.id()) {
                    list.push(Patch::new(number, delta, members));
                }
            }
        }
        Self(list)
    }

    /// Those of one product.
    pub(super) fn of(&self, number: usize) -> impl Iterator<Item = &Patch<'a>> {
        self.iter().filter(move |patch| patch.number == number)
    }

    /// Computes the down projections: by all threads where they are much work.
    pub(super) fn project(&mut self, input: &Input<'_>) {
        if input.rows >= LONG {
            // A prompt: each projection has rows for all threads.
            self.0.iter_mut().for_each(|patch| patch.project_shared(input));
            return;
        }
        let weight = |patch: &Patch<'_>| patch.delta.rank() * patch.delta.inputs() * (patch.members.len() + READ);
        let weights: usize = self.iter().map(weight).sum();
        let per_share = self.len().div_ceil(weights.div_ceil(SHARE).max(1)).max(1);
        pool::chunks(&mut self.0, per_share, |_, patches| patches.iter_mut().for_each(|patch| patch.project(input)));
    }
}

impl<'a> Patch<'a> {
    fn new(number: usize, delta: &'a LowRank, members: &'a [usize]) -> Self {
        let mut down = IDLE.with_borrow_mut(Vec::pop).unwrap_or_default();
        down.values.resize(members.len() * delta.rank(), 0.0);
        Self { number, delta, members, down }
    }

    /// Whether the down projection reads activations as codes.
    pub(super) fn reads_codes(&self) -> bool {
        self.delta.reads_codes()
    }

    /// Whether it belongs to the rows of `members`.
    pub(super) fn is_of(&self, members: &[usize]) -> bool {
        std::ptr::eq(self.members, members)
    }

    /// Projects all members on this thread.
    fn project(&mut self, input: &Input<'_>) {
        down_rows(self.delta, self.members, input, &mut self.down.values);
        self.round();
    }

    /// As [`Patch::project`], by all threads.
    fn project_shared(&mut self, input: &Input<'_>) {
        let (delta, members, rank) = (self.delta, self.members, self.delta.rank());
        pool::chunks(&mut self.down.values, ROWS * rank, |share, down| {
            down_rows(delta, &members[share * ROWS..][..down.len() / rank], input, down);
        });
        self.round();
    }

    fn round(&mut self) {
        if self.reads_codes() {
            self.down.codes.quantize(&self.down.values, self.delta.rank());
        }
    }

    /// Adds `scale * B (A x)` to columns `from..to` of the members' rows. `from` begins a tile.
    ///
    /// # Safety
    /// Nobody else uses those columns meanwhile.
    pub(super) unsafe fn add(&self, from: usize, to: usize, out: &Columns<'_>) {
        match self.delta {
            LowRank::Codes(pair) => {
                for (i, &row) in self.members.iter().enumerate() {
                    // SAFETY: the caller's promise.
                    let window = unsafe { out.window(row, from, to) };
                    pair.b.add(kernels(), from / TILE_ROWS, &self.down.codes, i, window);
                }
            }
            LowRank::Floats(pair) => {
                let rank = pair.a.rows();
                for (members, down) in self.members.chunks(ROWS).zip(self.down.values.chunks(ROWS * rank)) {
                    let mut room = Room::new(members.len() * (to - from));
                    pair.b.multiply_rows(from..to, down, &mut room);
                    for (&row, values) in members.iter().zip(room.chunks_exact(to - from)) {
                        // SAFETY: the caller's promise.
                        (kernels().rows.add)(unsafe { out.window(row, from, to) }, values);
                    }
                }
            }
        }
    }
}

/// `scale * A x` of some members, those that follow each other together.
fn down_rows(delta: &LowRank, members: &[usize], input: &Input<'_>, down: &mut [f32]) {
    let (cols, rank) = (delta.inputs(), delta.rank());
    let mut rest = &mut *down;
    for run in members.chunk_by(|a, b| a + 1 == *b) {
        let (now, later) = rest.split_at_mut(run.len() * rank);
        let rows = run[0]..run[0] + run.len();
        match delta {
            LowRank::Floats(pair) => pair.a.multiply(&input.values[rows.start * cols..rows.end * cols], now),
            LowRank::Codes(pair) => pair.a.multiply(input.codes.some(rows), now),
        }
        rest = later;
    }
    let scale = match delta {
        LowRank::Floats(pair) => pair.scale,
        LowRank::Codes(pair) => pair.scale,
    };
    down.iter_mut().for_each(|value| *value *= scale);
}

/// Adds the delta of rows that are no part of a shared product, on the calling thread: `xs` is `[rows, inputs]`.
///
/// # Panics
/// When the lengths do not fit.
pub(crate) fn add_delta(delta: &LowRank, xs: &[f32], rows: usize, out: &mut [f32]) {
    let members: Vec<usize> = (0..rows).collect();
    let mut codes = Activations::default();
    if delta.reads_codes() {
        codes.quantize(xs, delta.inputs());
    }
    let mut patch = Patch::new(0, delta, &members);
    patch.project(&Input { values: xs, codes: &codes, row_codes: &RowCodes::default(), rows });
    let width = out.len() / rows;
    // SAFETY: the output is borrowed mutably, and this thread alone works on it.
    unsafe { patch.add(0, width, &Columns::new(out, width, rows)) }
}
