//! What adapters add to the outputs of a product: the down projections first, then the up projections, column by column.

use std::cell::RefCell;

use crate::pool;
use crate::quant::columns::Columns;
use crate::quant::kernel::kernels;
use crate::quant::linear::Linear;
use crate::quant::lora::{Group, LowRank};
use crate::quant::matrix::Input;
use crate::quant::packed::{Activations, SmallRows, TILE_ROWS};

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
    delta: &'a LowRank,
    members: &'a [usize],
    down: Down,
}

/// `scale * A x` of each member.
#[derive(Default)]
struct Down {
    /// `[members, rank]`.
    values: Vec<f32>,
    /// The same as codes, for an up projection that reads them.
    codes: SmallRows,
}

thread_local! {
    /// Buffers of patches that are done, kept so that a product allocates nothing large.
    static IDLE: RefCell<Vec<Down>> = const { RefCell::new(Vec::new()) };
    /// What an adapter of floats adds to some columns of a row.
    static ROOM: RefCell<Vec<f32>> = const { RefCell::new(Vec::new()) };
}

impl Drop for Patch<'_> {
    fn drop(&mut self) {
        let down = std::mem::take(&mut self.down);
        // A thread that is about to end has no list of its own left.
        let _ = IDLE.try_with(|idle| idle.borrow_mut().push(down));
    }
}

/// What the groups' adapters add to `linear`; nothing is computed yet.
pub(super) fn patches<'a>(linear: &Linear, groups: &'a [Group<'a>]) -> Vec<Patch<'a>> {
    let found = groups.iter().filter_map(|(deltas, members)| Some((deltas.low_rank.get(&linear.id())?, members)));
    found.map(|(delta, members)| Patch::new(delta, members)).collect()
}

/// Computes the down projections: by all threads where they are much work.
pub(super) fn project(patches: &mut [Vec<Patch<'_>>], input: &Input<'_>) {
    let mut all: Vec<&mut Patch<'_>> = patches.iter_mut().flatten().collect();
    // What one adapter has for several linears lies together.
    all.sort_by_key(|patch| patch.members.first().copied());
    if input.rows >= LONG {
        // A prompt: each projection has rows for all threads.
        all.into_iter().for_each(|patch| patch.project_shared(input));
        return;
    }
    let weights: usize = all.iter().map(|p| p.delta.rank() * p.delta.inputs() * (p.members.len() + READ)).sum();
    let per_share = all.len().div_ceil(weights.div_ceil(SHARE).max(1)).max(1);
    pool::chunks(&mut all, per_share, |_, patches| patches.iter_mut().for_each(|patch| patch.project(input)));
}

impl<'a> Patch<'a> {
    fn new(delta: &'a LowRank, members: &'a [usize]) -> Self {
        let mut down = IDLE.with_borrow_mut(Vec::pop).unwrap_or_default();
        down.values.resize(members.len() * delta.rank(), 0.0);
        Self { delta, members, down }
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
            LowRank::Floats(pair) => ROOM.with_borrow_mut(|room| {
                let rank = pair.a.rows();
                for (members, down) in self.members.chunks(ROWS).zip(self.down.values.chunks(ROWS * rank)) {
                    room.resize(members.len() * (to - from), 0.0);
                    pair.b.multiply_rows(from..to, down, room);
                    for (&row, values) in members.iter().zip(room.chunks_exact(to - from)) {
                        // SAFETY: the caller's promise.
                        (kernels().rows.add)(unsafe { out.window(row, from, to) }, values);
                    }
                }
            }),
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
    let mut patch = Patch::new(delta, &members);
    patch.project(&Input { values: xs, codes: &codes, rows });
    let width = out.len() / rows;
    // SAFETY: the output is borrowed mutably, and this thread alone works on it.
    unsafe { patch.add(0, width, &Columns::new(out, width, rows)) }
}
