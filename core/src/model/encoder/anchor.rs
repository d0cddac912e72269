//! How label texts enter a tower's space.
//!
//! Sentence encoders put the names of a domain's classes close together. A tower trained against centred or whitened
//! anchors stores that transform, so that new labels at run time go the same way.

use super::text::normalise;
use crate::error::Result;
use crate::model::layer::Loader;
use crate::quant::Matrix;

/// `normalise(W (x - mean))`, with `W` absent where anchors are only centred.
#[derive(Clone, Debug)]
pub struct Anchor {
    mean: Vec<f32>,
    whitening: Option<Matrix>,
}

impl Anchor {
    /// Takes `anchor.mean`, `[dim]`, and `anchor.whitening`, `[dim, dim]`, where the checkpoint has them.
    ///
    /// # Errors
    /// [`crate::Error::Shape`].
    pub(super) fn load(loader: &Loader<'_>, dim: usize) -> Result<Option<Self>> {
        if !loader.has("anchor.mean") {
            return Ok(None);
        }
        let whitening =
            if loader.has("anchor.whitening") { Some(loader.matrix("anchor.whitening", dim, dim)?) } else { None };
        Ok(Some(Self { mean: loader.values("anchor.mean", &[dim])?, whitening }))
    }

    /// A label's embedding, moved into the tower's space.
    ///
    /// # Panics
    /// When `text` is not as wide as the mean.
    #[must_use]
    pub fn apply(&self, text: &[f32]) -> Vec<f32> {
        assert_eq!(text.len(), self.mean.len(), "embeddings of one space have one length");
        let centred: Vec<f32> = text.iter().zip(&self.mean).map(|(x, m)| x - m).collect();
        let mut moved = match &self.whitening {
            None => centred,
            Some(whitening) => {
                let mut out = vec![0.0; centred.len()];
                whitening.multiply(&centred, 1, &mut out);
                out
            }
        };
        normalise(&mut moved);
        moved
    }
}
