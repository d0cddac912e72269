//! An encoder ready for raw data: network and preprocessing of one component.

use std::path::Path;

use serde_json::Value;

use super::trace::Part;
use crate::adapter::BoundAdapter;
use crate::error::Result;
use crate::input::Input;
use crate::model::Modality;
use crate::model::encoder::{Encoder, Encoding, Features, Item, open_with};
use crate::quant::Deltas;

/// A loaded encoder of data other than text. Immutable and shared.
#[derive(Debug)]
pub struct EncoderModel {
    part: Part,
    encoder: Box<dyn Encoder>,
}

impl EncoderModel {
    /// Opens the tower for `modality` of a directory.
    ///
    /// # Errors
    /// As [`open_with`].
    pub fn open(part: Part, path: &Path, modality: Modality) -> Result<Self> {
        Self::open_with(part, path, modality, None)
    }

    /// As [`EncoderModel::open`], with other fields in the place of the directory's `preprocessor_config.json`.
    ///
    /// # Errors
    /// As [`open_with`].
    pub fn open_with(part: Part, path: &Path, modality: Modality, preprocessing: Option<Value>) -> Result<Self> {
        Ok(Self { part, encoder: open_with(path, modality, preprocessing)? })
    }

    /// Its component, as traces name it.
    #[must_use]
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// The network.
    #[must_use]
    pub fn encoder(&self) -> &dyn Encoder {
        &*self.encoder
    }

    /// Encodes raw inputs, all under one adapter's deltas.
    ///
    /// # Errors
    /// As [`Encoder::prepare`] and [`Encoder::encode`]; [`crate::Error::Malformed`] for weights that make an embedding which
    /// is not finite.
    pub fn encode(&self, inputs: &[Input], deltas: Option<&Deltas>) -> Result<Vec<Encoding>> {
        self.run(inputs, |input| self.encoder.prepare(input), deltas)
    }

    /// Encodes raw inputs under an adapter, which may bring preprocessing of its own.
    ///
    /// # Errors
    /// As [`Encoder::prepare`] or [`crate::model::encoder::Preprocessor::prepare`], and [`Encoder::encode`].
    pub fn encode_adapted(&self, inputs: &[Input], adapter: &BoundAdapter) -> Result<Vec<Encoding>> {
        match &adapter.preprocessor {
            None => self.encode(inputs, Some(&adapter.deltas)),
            Some(own) => self.run(inputs, |input| own.prepare(input), Some(&adapter.deltas)),
        }
    }

    fn run(
        &self,
        inputs: &[Input],
        prepare: impl Fn(&Input) -> Result<Features>,
        deltas: Option<&Deltas>,
    ) -> Result<Vec<Encoding>> {
        let features = inputs.iter().map(prepare).collect::<Result<Vec<_>>>()?;
        let items: Vec<Item<'_>> = features.iter().map(|features| Item { features, deltas }).collect();
        let encodings = self.encoder.encode(&items)?;
        encodings.iter().try_for_each(|encoding| self.part.check_finite("an embedding", &encoding.embedding))?;
        Ok(encodings)
    }
}
