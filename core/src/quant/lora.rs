//! Low-rank deltas beside frozen linears: what an adapter adds to one component.
//!
//! Nothing is merged into base weights. A delta is two small matrices per linear, applied to the rows that carry the
//! adapter, so rows of different apps share one pass over the base.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};

use crate::quant::matrix::Matrix;
use crate::quant::packed::{GROUP, PackedMatrix, UpMatrix};
use crate::quant::panel::PanelMatrix;
use crate::weights::{BlockType, Bytes, Quantization};

/// Index of a linear (or embedding table) within its component.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct LinearId(pub(crate) u32);

/// `y += scale * B (A x)`.
#[derive(Debug)]
pub enum LowRank {
    /// As the adapter has it, beside a linear of floats.
    Floats(FloatPair),
    /// Rounded to bytes, beside a quantized linear: a quarter of what there is to read, and products of integers.
    Codes(CodePair),
}

/// Both factors as floats.
#[derive(Debug)]
pub struct FloatPair {
    /// Down projection, `[rank, in]`; of an embedding table `[vocabulary, rank]`.
    pub a: PanelMatrix,
    /// Up projection, `[out, rank]`.
    pub b: PanelMatrix,
    /// `alpha / rank`, or `alpha / sqrt(rank)` for rank-stabilised LoRA.
    pub scale: f32,
}

/// Both factors as bytes.
#[derive(Debug)]
pub struct CodePair {
    /// Down projection, `[rank, in]`, in blocks of the type Q8_0.
    pub(in crate::quant) a: PackedMatrix,
    /// Up projection, `[out, rank]`.
    pub(in crate::quant) b: UpMatrix,
    /// The adapter's scale, and what `A` was divided by before it was rounded.
    pub(in crate::quant) scale: f32,
}

impl FloatPair {
    /// Packs the factors; `None` when one is not stored as floats.
    #[must_use]
    pub fn new(a: &Matrix, b: &Matrix, scale: f32) -> Option<Self> {
        Some(Self { a: PanelMatrix::of(a)?, b: PanelMatrix::of(b)?, scale })
    }

    fn bytes(&self) -> usize {
        self.a.data().len() + self.b.data().len()
    }
}

impl CodePair {
    /// Rounds the factors; `None` when they are not stored as floats, when a value is not finite, when the inputs are not
    /// whole groups, or all values are too small for their reciprocal.
    #[must_use]
    pub fn new(a: &Matrix, b: &Matrix, scale: f32) -> Option<Self> {
        let floats = |matrix: &Matrix| matrix.kind().block_elements() == 1;
        if !a.cols().is_multiple_of(GROUP) || !floats(a) || !floats(b) {
            return None;
        }
        let (mut down, up) = (finite(a)?, finite(b)?);
        // Blocks have halves for scales, which small values would lose; a power of two loses nothing.
        let largest = down.iter().fold(0.0f32, |largest, v| largest.max(v.abs()));
        let unit = if largest > 0.0 { largest.log2().floor().exp2() } else { 1.0 };
        if !unit.is_normal() {
            return None;
        }
        down.iter_mut().for_each(|v| *v /= unit);
        let kind = BlockType::Q8_0;
        let mut blocks = Vec::with_capacity(a.rows() * kind.bytes(a.cols()));
        Quantization::Q8_0.encode(&down, a.cols(), &mut blocks);
        let bytes = PackedMatrix::packed_bytes(kind, a.rows(), a.cols())?;
        let packed = Bytes::aligned(bytes, |out| PackedMatrix::pack(kind, &blocks, a.rows(), a.cols(), out));
        let a = PackedMatrix::new("low rank", kind, a.rows(), a.cols(), packed).ok()?;
        Some(Self { a, b: UpMatrix::new(&up, b.rows(), b.cols()), scale: scale * unit })
    }
}

/// All values of a matrix, if they are finite.
fn finite(matrix: &Matrix) -> Option<Vec<f32>> {
    let values = matrix.to_f32();
    values.iter().all(|value| value.is_finite()).then_some(values)
}

impl LowRank {
    /// The inner dimension.
    #[must_use]
    pub fn rank(&self) -> usize {
        match self {
            Self::Floats(pair) => pair.a.rows(),
            Self::Codes(pair) => pair.a.rows(),
        }
    }

    /// Input features.
    #[must_use]
    pub fn inputs(&self) -> usize {
        match self {
            Self::Floats(pair) => pair.a.cols(),
            Self::Codes(pair) => pair.a.cols(),
        }
    }

    /// What the product is multiplied by.
    pub(crate) fn scale(&self) -> f32 {
        match self {
            Self::Floats(pair) => pair.scale,
            Self::Codes(pair) => pair.scale,
        }
    }

    /// The down projection as it is applied, `[rank, in]`.
    pub(crate) fn down(&self) -> Vec<f32> {
        let (rank, width) = (self.rank(), self.inputs());
        let mut values = vec![0.0; rank * width];
        for (at, row) in values.chunks_exact_mut(width).enumerate() {
            match self {
                Self::Floats(pair) => pair.a.row(at, row),
                Self::Codes(pair) => pair.a.row(at, row),
            }
        }
        values
    }

    /// The up projection as it is applied, `[out, rank]`.
    pub(crate) fn up(&self) -> Vec<f32> {
        match self {
            Self::Floats(pair) => {
                let mut values = vec![0.0; pair.b.rows() * pair.b.cols()];
                values.chunks_exact_mut(pair.b.cols()).enumerate().for_each(|(at, row)| pair.b.row(at, row));
                values
            }
            Self::Codes(pair) => pair.b.to_f32(),
        }
    }

    /// Whether the down projection reads activations as codes.
    #[must_use]
    pub fn reads_codes(&self) -> bool {
        matches!(self, Self::Codes(_))
    }

    fn bytes(&self) -> usize {
        match self {
            Self::Floats(pair) => pair.bytes(),
            Self::Codes(pair) => pair.a.data().len() + pair.b.data().len(),
        }
    }
}

/// Everything an adapter changes in one component, by linear.
#[derive(Debug, Default)]
pub struct Deltas {
    /// Low-rank deltas of linears.
    pub low_rank: HashMap<LinearId, LowRank>,
    /// Linears that the adapter replaces as a whole (`modules_to_save`).
    pub replaced: HashMap<LinearId, Matrix>,
    /// Low-rank deltas of embedding tables: `A` transposed to `[vocabulary, rank]`.
    pub embedding: HashMap<LinearId, FloatPair>,
    /// Tells them from all others of the process.
    pub identity: Identity,
}

/// A number that nothing else of the process has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Identity(u64);

impl Default for Identity {
    fn default() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl Deltas {
    /// Moves all factors that are codes into one piece of memory, in the order in which a pass reads them: each of a layer is
    /// too short for the processor to see it coming, so the kernels fetch ahead into the next one.
    pub fn settle(&mut self) {
        let mut pairs: Vec<(&LinearId, &mut CodePair)> = self
            .low_rank
            .iter_mut()
            .filter_map(|(id, delta)| match delta {
                LowRank::Codes(pair) => Some((id, pair)),
                LowRank::Floats(_) => None,
            })
            .collect();
        pairs.sort_by_key(|(id, _)| **id);
        let sizes = |of: fn(&CodePair) -> &Bytes| pairs.iter().map(|(_, pair)| of(pair).len()).sum::<usize>();
        let (downs, ups) = (sizes(|pair| pair.a.data()), sizes(|pair| pair.b.data()));
        let whole = Bytes::aligned(downs + ups, |out| {
            let (mut a, mut b) = out.split_at_mut(downs);
            for (_, pair) in &pairs {
                a.split_off_mut(..pair.a.data().len()).into_iter().for_each(|out| out.copy_from_slice(pair.a.data()));
                b.split_off_mut(..pair.b.data().len()).into_iter().for_each(|out| out.copy_from_slice(pair.b.data()));
            }
        });
        let (mut a, mut b) = (0, downs);
        for (_, pair) in pairs {
            a = pair.a.move_to(&whole, a);
            b = pair.b.move_to(&whole, b);
        }
    }

    /// Bytes of the adapter's matrices.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.low_rank.values().map(LowRank::bytes).sum::<usize>()
            + self.embedding.values().map(FloatPair::bytes).sum::<usize>()
            + self.replaced.values().map(|m| m.bytes().0).sum::<usize>()
    }
}

/// An adapter and the rows that carry it.
pub(crate) type Group<'a> = (&'a Deltas, Vec<usize>);

/// Which rows of a batch carry which adapter: found out once, for all linears that the rows pass.
#[derive(Clone, Debug)]
pub struct RowAdapters<'a> {
    rows: usize,
    groups: Vec<Group<'a>>,
}

impl<'a> RowAdapters<'a> {
    /// From the adapter of each row, `None` for the bare base. Rows of one adapter come together even when they are scattered.
    pub fn new(rows: impl IntoIterator<Item = Option<&'a Deltas>>) -> Self {
        let (mut count, mut groups) = (0, Vec::<Group<'a>>::new());
        for (row, deltas) in rows.into_iter().enumerate() {
            count = row + 1;
            let Some(deltas) = deltas else { continue };
            match groups.iter_mut().find(|(known, _)| std::ptr::eq(*known, deltas)) {
                Some((_, members)) => members.push(row),
                None => groups.push((deltas, vec![row])),
            }
        }
        Self { rows: count, groups }
    }

    /// `rows` rows under one adapter.
    #[must_use]
    pub fn same(rows: usize, deltas: Option<&'a Deltas>) -> Self {
        Self { rows, groups: deltas.map(|deltas| (deltas, (0..rows).collect())).into_iter().collect() }
    }

    /// Rows of the batch.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.rows
    }

    /// The adapters, each with its rows in order.
    pub(crate) fn groups(&self) -> &[Group<'a>] {
        &self.groups
    }
}
