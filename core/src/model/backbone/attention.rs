//! Causal attention of a batch over the blocks of its caches.
//!
//! Work is cut by key head, by rows of one sequence that follow each other, and by stretches of [`SEGMENT`] positions, so
//! that a short batch over a long context keeps all threads busy. Each piece gives, for its queries, the greatest score,
//! the sum of the weights and the weighted values; pieces are joined in the order of positions. Where pieces begin depends
//! on positions alone, so a row's result is the same in any batch.

use std::cell::RefCell;

use super::batch::Row;
use super::config::BackboneConfig;
use crate::arena::Room;
use crate::model::cache::{BLOCK_TOKENS, CacheType, KvCache};
use crate::model::ops::softcap;
use crate::pool;
use crate::quant::{MAX_PLANES, PlaneList, Rows, TILE_ROWS, kernels};

/// Positions per piece.
const SEGMENT: usize = MAX_PLANES * BLOCK_TOKENS;
/// Rows of one sequence that share a read of its keys and values.
const TILE: usize = 8;

/// Rows that follow each other in one sequence.
#[derive(Clone, Copy, Debug)]
struct Tile {
    first: usize,
    rows: usize,
    /// First piece of the tile, and how many there are.
    pieces: (usize, usize),
}

/// A tile with one stretch of positions.
#[derive(Clone, Copy, Debug)]
struct Piece {
    tile: usize,
    segment: usize,
    /// Where its results begin, in queries of one key head.
    at: usize,
}

/// How the attention of one kind of layer is cut for a batch.
#[derive(Debug, Default)]
pub(super) struct Cut {
    window: Option<usize>,
    tiles: Vec<Tile>,
    pieces: Vec<Piece>,
    queries: usize,
}

impl Cut {
    /// Cuts `rows` for layers that see `window` positions, or all.
    pub(super) fn new(rows: &[Row<'_>], window: Option<usize>, group: usize) -> Self {
        let mut cut = Self { window, ..Self::default() };
        let mut first = 0;
        while first < rows.len() {
            let follows = |i: usize| rows[i].sequence == rows[first].sequence;
            let count = (first..rows.len().min(first + TILE)).take_while(|&i| follows(i)).count();
            let from = cut.first(rows[first].position) / SEGMENT;
            let to = rows[first + count - 1].position / SEGMENT;
            cut.tiles.push(Tile { first, rows: count, pieces: (cut.pieces.len(), to - from + 1) });
            for segment in from..=to {
                cut.pieces.push(Piece { tile: cut.tiles.len() - 1, segment, at: cut.queries });
                cut.queries += count * group;
            }
            first += count;
        }
        cut
    }

    /// The first position that a query at `position` sees.
    fn first(&self, position: usize) -> usize {
        self.window.map_or(0, |window| (position + 1).saturating_sub(window))
    }
}

/// Buffers of a piece, one set per thread.
#[derive(Default)]
struct Scratch {
    queries: Vec<f32>,
    scores: Vec<f32>,
    /// One for each position, of its keys and then of its values.
    scales: Vec<f32>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What attention reads.
pub(super) struct Attend<'a> {
    pub(super) config: &'a BackboneConfig,
    pub(super) rows: &'a [Row<'a>],
    pub(super) cut: &'a Cut,
    pub(super) layer: usize,
    pub(super) q: &'a [f32],
    pub(super) caches: &'a [&'a mut KvCache],
}

impl Attend<'_> {
    /// Writes `[rows, heads * head_dim]` to `out`.
    pub(super) fn run(&self, out: &mut [f32]) {
        let (config, cut) = (self.config, self.cut);
        let (kv_heads, width) = (config.num_key_value_heads, self.partial_width());
        let mut partial = Room::new(cut.queries * kv_heads * width);
        // Pieces differ in size, so each is a share; those of one key head write next to each other.
        let results = PartialResults::new(&mut partial, cut, kv_heads, width, config.group());
        pool::run(cut.pieces.len() * kv_heads, |share| {
            let (piece, head) = (share / kv_heads, share % kv_heads);
            // SAFETY: every share has its own piece and head.
            let result = unsafe { results.of(piece, head) };
            SCRATCH.with_borrow_mut(|scratch| self.piece(cut.pieces[piece], head, scratch, result));
        });
        let dim = config.head_dim;
        for tile in &cut.tiles {
            for row in 0..tile.rows {
                let start = (tile.first + row) * config.num_attention_heads * dim;
                for (head, out) in
                    out[start..start + config.num_attention_heads * dim].chunks_exact_mut(dim).enumerate()
                {
                    let (kv_head, within) = (head / config.group(), head % config.group());
                    let query = row * config.group() + within;
                    let pieces = (tile.pieces.0..tile.pieces.0 + tile.pieces.1)
                        .map(|piece| results.range(piece, kv_head).start + query * width);
                    join(&partial, pieces, width, out);
                }
            }
        }
    }

    /// Values per query of a piece: its greatest score, its sum, and its weighted values in whole panels.
    fn partial_width(&self) -> usize {
        self.config.head_dim.next_multiple_of(TILE_ROWS) + 2
    }

    fn piece(&self, piece: Piece, head: usize, scratch: &mut Scratch, out: &mut [f32]) {
        let (config, tile) = (self.config, self.cut.tiles[piece.tile]);
        let (dim, group) = (config.head_dim, config.group());
        let cache = &*self.caches[self.rows[tile.first].sequence];
        let element = cache.shape().kind.into();
        let is_scaled = cache.shape().kind == CacheType::Q8;
        let (first, last) = (self.rows[tile.first].position, self.rows[tile.first + tile.rows - 1].position);
        let blocks = self.cut.first(first).max(piece.segment * SEGMENT) / BLOCK_TOKENS
            ..last.min((piece.segment + 1) * SEGMENT - 1) / BLOCK_TOKENS + 1;
        let (start, width) = (blocks.start * BLOCK_TOKENS, blocks.len() * BLOCK_TOKENS);

        let Scratch { queries, scores, scales } = scratch;
        queries.clear();
        for row in tile.first..tile.first + tile.rows {
            let at = (row * config.num_attention_heads + head * group) * dim;
            queries.extend_from_slice(&self.q[at..at + group * dim]);
        }
        scores.resize(tile.rows * group * width, 0.0);
        let planes = |block: usize| cache.planes(self.layer, head, blocks.start + block);
        PlaneList::new(blocks.len(), |block| planes(block).0).score(element, dim, queries, scores, width);
        if is_scaled {
            scales.clear();
            blocks.clone().for_each(|block| cache.scales(self.layer, head, block).0.read(scales));
            scale_columns(scores, scales);
        }
        let result_width = self.partial_width();
        for (query, scores) in scores.chunks_exact_mut(width).enumerate() {
            let position = first + query / group;
            let from = self.cut.first(position).saturating_sub(start).min(width);
            let to = (position + 1).saturating_sub(start).min(width);
            let (before, rest) = scores.split_at_mut(from.min(to));
            let (seen, after) = rest.split_at_mut(to - from.min(to));
            before.fill(0.0);
            after.fill(0.0);
            let result = &mut out[query * result_width..(query + 1) * result_width];
            (result[0], result[1]) = weights(seen, config);
        }
        if is_scaled {
            scales.clear();
            blocks.clone().for_each(|block| cache.scales(self.layer, head, block).1.read(scales));
            scale_columns(scores, scales);
        }
        let weights = Rows { values: scores, count: tile.rows * group, stride: width };
        PlaneList::new(blocks.len(), |block| planes(block).1).blend(
            element,
            BLOCK_TOKENS,
            weights,
            &mut out[2..],
            result_width,
        );
    }
}

/// Multiplies each of the rows, as long as there are `scales`, by them.
fn scale_columns(rows: &mut [f32], scales: &[f32]) {
    for row in rows.chunks_exact_mut(scales.len()) {
        for (value, scale) in row.iter_mut().zip(scales) {
            *value *= scale;
        }
    }
}

/// Turns scores into weights relative to their greatest one; returns that and their sum, which is zero for no scores.
fn weights(scores: &mut [f32], config: &BackboneConfig) -> (f32, f32) {
    if scores.is_empty() {
        return (f32::NEG_INFINITY, 0.0);
    }
    match config.attn_logit_softcapping {
        None => (kernels().rows.exp_sum)(scores, config.attention_scale),
        Some(cap) => {
            scores.iter_mut().for_each(|score| *score = softcap(*score * config.attention_scale, cap));
            (kernels().rows.exp_sum)(scores, 1.0)
        }
    }
}

/// Joins the pieces of one query, which begin at `starts`.
fn join(partial: &[f32], starts: impl Iterator<Item = usize> + Clone, width: usize, out: &mut [f32]) {
    let pieces = starts.map(|start| &partial[start..start + width]);
    let greatest = pieces.clone().map(|piece| piece[0]).fold(f32::NEG_INFINITY, f32::max);
    let mut total = 0.0;
    out.fill(0.0);
    for piece in pieces {
        // Pieces that a window leaves out weigh nothing.
        let weight = if piece[0] == f32::NEG_INFINITY { 0.0 } else { (piece[0] - greatest).exp() };
        total += piece[1] * weight;
        out.iter_mut().zip(&piece[2..]).for_each(|(sum, value)| *sum += value * weight);
    }
    let scale = 1.0 / total;
    out.iter_mut().for_each(|value| *value *= scale);
}

/// The pieces' results: for each piece and key head, its queries' rows.
struct PartialResults<'a> {
    cut: &'a Cut,
    start: *mut f32,
    len: usize,
    kv_heads: usize,
    width: usize,
    group: usize,
}

// SAFETY: a pointer into a buffer that outlives the job; `of` is called once for each piece and head.
unsafe impl Sync for PartialResults<'_> {}

impl<'a> PartialResults<'a> {
    fn new(partial: &mut [f32], cut: &'a Cut, kv_heads: usize, width: usize, group: usize) -> Self {
        Self { cut, start: partial.as_mut_ptr(), len: partial.len(), kv_heads, width, group }
    }

    fn range(&self, piece: usize, head: usize) -> std::ops::Range<usize> {
        let Piece { tile, at, .. } = self.cut.pieces[piece];
        let queries = self.cut.tiles[tile].rows * self.group;
        let start = (at * self.kv_heads + head * queries) * self.width;
        start..start + queries * self.width
    }

    /// # Safety
    /// Each piece and head is taken once per job, while nothing else uses the buffer.
    #[expect(clippy::mut_from_ref, reason = "ranges are disjoint, and each is taken once")]
    unsafe fn of(&self, piece: usize, head: usize) -> &mut [f32] {
        let range = self.range(piece, head);
        assert!(range.end <= self.len, "invariant: the buffer has room for all pieces");
        // SAFETY: within the buffer; disjoint by piece and head.
        unsafe { std::slice::from_raw_parts_mut(self.start.add(range.start), range.len()) }
    }
}
