//! What a request feeds to the backbone: tokens, and soft tokens that a projector made of other data.

use std::ops::Range;
use std::sync::Arc;

use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::model::backbone::Entry;

/// One position.
#[derive(Clone, Debug)]
enum Place {
    Token(u32),
    /// Row `row` of `[rows, width]` values.
    Soft {
        rows: Arc<[f32]>,
        row: usize,
        width: usize,
    },
}

impl Place {
    fn values(&self) -> Option<&[f32]> {
        match self {
            Self::Token(_) => None,
            Self::Soft { rows, row, width } => Some(&rows[row * width..(row + 1) * width]),
        }
    }

    /// Whether the backbone computes the same keys and values for both: the same token, or the same bits. A soft token
    /// never equals a token.
    fn same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Token(a), Self::Token(b)) => a == b,
            (Self::Soft { rows: a, row: i, .. }, Self::Soft { rows: b, row: j, .. }) if Arc::ptr_eq(a, b) && i == j => {
                true
            }
            _ => match (self.values(), other.values()) {
                (Some(a), Some(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| a.to_bits() == b.to_bits()),
                _ => false,
            },
        }
    }
}

/// A sequence of tokens and soft tokens. Soft values are shared, not copied, between clones.
#[derive(Clone, Debug, Default)]
pub struct Prompt {
    places: Vec<Place>,
}

impl From<Vec<u32>> for Prompt {
    fn from(ids: Vec<u32>) -> Self {
        Self { places: ids.into_iter().map(Place::Token).collect() }
    }
}

impl Prompt {
    /// An empty one.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a token.
    pub fn push_token(&mut self, id: u32) {
        self.places.push(Place::Token(id));
    }

    /// Appends the soft tokens `[rows, width]`, as [`Projector::project`](crate::model::projector::Projector::project)
    /// gives them.
    ///
    /// # Errors
    /// [`Error::Argument`] for values that are no whole number of rows, at least one, or not finite.
    pub fn push_soft(&mut self, values: impl Into<Arc<[f32]>>, width: usize) -> Result<()> {
        let rows: Arc<[f32]> = values.into();
        if width == 0 || rows.is_empty() || !rows.len().is_multiple_of(width) {
            return Err(Error::argument("soft tokens", format!("{} values in rows of {width}", rows.len())));
        }
        if let Some(at) = rows.iter().position(|value| !value.is_finite()) {
            return Err(Error::argument("soft tokens", format!("value {at} is {}", rows[at])));
        }
        self.places.extend((0..rows.len() / width).map(|row| Place::Soft { rows: Arc::clone(&rows), row, width }));
        Ok(())
    }

    /// Forgets everything from position `len` on.
    pub(crate) fn truncate(&mut self, len: usize) {
        self.places.truncate(len);
    }

    /// Positions.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether it has none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// What enters the backbone at `position`.
    ///
    /// # Panics
    /// When `position` is not below [`Prompt::len`].
    #[must_use]
    pub fn entry(&self, position: usize) -> Entry<'_> {
        match &self.places[position] {
            Place::Token(id) => Entry::Token(*id),
            Place::Soft { rows, row, width } => Entry::Soft(&rows[row * width..(row + 1) * width]),
        }
    }

    /// Ids of its tokens, soft tokens left out.
    pub fn token_ids(&self) -> impl Iterator<Item = u32> + '_ {
        self.places.iter().filter_map(|place| match place {
            Place::Token(id) => Some(*id),
            Place::Soft { .. } => None,
        })
    }

    /// Widths of its soft tokens.
    pub(crate) fn soft_widths(&self) -> impl Iterator<Item = usize> + '_ {
        self.places.iter().filter_map(|place| place.values().map(<[f32]>::len))
    }

    /// Adds what enters the backbone at `positions` to `hash`.
    pub(crate) fn hash(&self, positions: Range<usize>, hash: &mut Sha256) {
        for place in &self.places[positions] {
            match place {
                Place::Token(id) => {
                    hash.update([0]);
                    hash.update(id.to_le_bytes());
                }
                Place::Soft { width, .. } => {
                    hash.update([1]);
                    hash.update((*width as u64).to_le_bytes());
                    place.values().into_iter().flatten().for_each(|value| hash.update(value.to_le_bytes()));
                }
            }
        }
    }

    /// Takes `count` positions from `at` on out of it.
    pub(crate) fn cut_out(&mut self, at: usize, count: usize) {
        self.places.drain(at..at + count);
    }

    /// Positions from the start at which both feed the same to the backbone: whose keys and values can be reused, under
    /// one adapter. Soft tokens are compared by their values, bit by bit.
    #[must_use]
    pub fn shared_prefix(&self, other: &Self) -> usize {
        self.places.iter().zip(&other.places).take_while(|(a, b)| a.same(b)).count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn soft_tokens_are_shared_only_when_their_values_are_equal() {
        let build = |id: u32, soft: &[f32]| {
            let mut prompt = Prompt::from(vec![7, id]);
            prompt.push_soft(soft, 2).expect("soft");
            prompt.push_token(9);
            prompt
        };
        let a = build(1, &[0.5, -1.0, 2.0, 3.0]);
        assert_eq!(a.len(), 5);
        assert_eq!(a.shared_prefix(&a.clone()), 5);
        assert_eq!(a.shared_prefix(&build(1, &[0.5, -1.0, 2.0, 3.0])), 5, "equal values in other memory");
        assert_eq!(a.shared_prefix(&build(1, &[0.5, -1.0, 2.0, 3.5])), 3);
        assert_eq!(a.shared_prefix(&build(1, &[0.5, -1.5, 2.0, 3.0])), 2);
        assert_eq!(a.shared_prefix(&build(2, &[0.5, -1.0, 2.0, 3.0])), 1);
        assert_eq!(a.shared_prefix(&Prompt::from(vec![7, 1, 7, 7, 9])), 2, "a token is no soft token");
        assert_eq!(a.token_ids().collect::<Vec<_>>(), [7, 1, 9]);
    }

    #[test]
    fn malformed_soft_tokens_are_refused() {
        let mut prompt = Prompt::new();
        for (values, width) in [(&[][..], 2), (&[1.0; 3][..], 2), (&[1.0][..], 0), (&[1.0, f32::NAN][..], 2)] {
            assert!(prompt.push_soft(values, width).is_err(), "{values:?} in rows of {width}");
        }
        assert!(prompt.is_empty());
    }
}
