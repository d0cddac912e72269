//! An encoder ready for raw data: network and preprocessing of one component.

use std::path::Path;

use super::trace::Part;
use crate::error::Result;
use crate::input::Input;
use crate::model::Modality;
use crate::model::encoder::{Encoder, Encoding, Item, open};
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
    /// As [`open`].
    pub fn open(part: Part, path: &Path, modality: Modality) -> Result<Self> {
        Ok(Self { part, encoder: open(path, modality)? })
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

    /// Encodes raw inputs, all under one adapter.
    ///
    /// # Errors
    /// As [`Encoder::prepare`] and [`Encoder::encode`].
    pub fn encode(&self, inputs: &[Input], deltas: Option<&Deltas>) -> Result<Vec<Encoding>> {
        let features = inputs.iter().map(|input| self.encoder.prepare(input)).collect::<Result<Vec<_>>>()?;
        let items: Vec<Item<'_>> = features.iter().map(|features| Item { features, deltas }).collect();
        self.encoder.encode(&items)
    }
}
