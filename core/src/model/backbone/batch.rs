//! What one forward pass computes: rows of any sequences, positions and adapters.

use crate::quant::Deltas;

/// What enters the first block at a row.
#[derive(Clone, Copy, Debug)]
pub enum Entry<'a> {
    /// A token id, looked up in the embedding table.
    Token(u32),
    /// An embedding of `hidden_size` values made by a projector; not scaled.
    Soft(&'a [f32]),
}

/// What is wanted of a row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    /// Only its keys and values.
    Nothing,
    /// Its logits, `vocab_size` values.
    Logits,
    /// Its state after the last block that runs, under the last norm, `hidden_size` values: what classification heads read.
    Hidden,
}

/// One token of one sequence.
#[derive(Clone, Copy, Debug)]
pub struct Row<'a> {
    /// What enters.
    pub entry: Entry<'a>,
    /// Index of the sequence's cache in the call.
    pub sequence: usize,
    /// Position in the sequence: its cache holds this many tokens before the row.
    pub position: usize,
    /// The adapter's changes, `None` for the bare base.
    pub deltas: Option<&'a Deltas>,
    /// What is wanted.
    pub want: Want,
}

/// Rows of a run of tokens of one sequence, the only one of the call: `ids` begin at position `from`, and `want` says
/// for each position what is wanted there.
pub fn token_rows<'a>(
    ids: &[u32],
    from: usize,
    deltas: Option<&'a Deltas>,
    want: impl Fn(usize) -> Want,
) -> Vec<Row<'a>> {
    (from..)
        .zip(ids)
        .map(|(position, &id)| Row { entry: Entry::Token(id), sequence: 0, position, deltas, want: want(position) })
        .collect()
}
