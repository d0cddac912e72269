//! An encoder ready for raw data: network and preprocessing of one component.

use std::path::Path;

use serde_json::Value;

use super::dispatcher::{Compared, Placed, any_values, median_ms};
use super::trace::Part;
use crate::adapter::BoundAdapter;
use crate::dispatch::{Placement, Ran, Reason, Segment};
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
    pub fn encode(&self, inputs: &[Input], deltas: Option<&Deltas>) -> Result<(Vec<Encoding>, Ran)> {
        self.run(inputs, |input| self.encoder.prepare(input), deltas)
    }

    /// Encodes raw inputs under an adapter, which may bring preprocessing of its own.
    ///
    /// # Errors
    /// As [`Encoder::prepare`] or [`crate::model::encoder::Preprocessor::prepare`], and [`Encoder::encode`].
    pub fn encode_adapted(&self, inputs: &[Input], adapter: &BoundAdapter) -> Result<(Vec<Encoding>, Ran)> {
        match &adapter.preprocessor {
            None => self.encode(inputs, Some(&adapter.deltas)),
            Some(own) => self.run(inputs, |input| own.prepare(input), Some(&adapter.deltas)),
        }
    }

    /// Last hidden states of a picture as an adapter prepares it, one after another as they lie on their grid. On the processor:
    /// graphs of delegates are of the component's own size.
    ///
    /// # Errors
    /// As [`crate::model::encoder::Preprocessor::prepare`] and [`Encoder::map`]; [`crate::Error::Delegate`] where the component is to
    /// run on a delegate alone.
    pub fn map_adapted(&self, input: &Input, adapter: &BoundAdapter) -> Result<(Vec<f32>, Ran)> {
        let features = match &adapter.preprocessor {
            None => self.encoder.prepare(input)?,
            Some(own) => own.prepare(input)?,
        };
        let on_delegate = |_: &Placement, _: &Features| {
            Err(Reason::NoGraph("its graph is of the component's own size of pictures".to_owned()))
        };
        let on_processor = |all: Vec<Features>| -> Result<Vec<Vec<f32>>> {
            all.iter().map(|features| self.encoder.map(&Item { features, deltas: Some(&adapter.deltas) })).collect()
        };
        let (mut states, ran) = self.part.divide(vec![features], on_delegate, on_processor)?;
        let states = states.pop().expect("invariant: one input gives one result");
        self.part.check_finite("states", &states)?;
        Ok((states, ran))
    }

    fn run(
        &self,
        inputs: &[Input],
        prepare: impl Fn(&Input) -> Result<Features>,
        deltas: Option<&Deltas>,
    ) -> Result<(Vec<Encoding>, Ran)> {
        let features = inputs.iter().map(prepare).collect::<Result<Vec<_>>>()?;
        let (encodings, ran) = self.encode_features(&features, deltas)?;
        encodings.iter().try_for_each(|encoding| self.part.check_finite("an embedding", &encoding.embedding))?;
        Ok((encodings, ran))
    }

    fn encode_features(&self, features: &[Features], deltas: Option<&Deltas>) -> Result<(Vec<Encoding>, Ran)> {
        let on_delegate = |placement: &Placement, features: &&Features| {
            let is_whole = |segment: &Segment| *segment == Segment::Whole;
            let segment = placement.choose(self.part.place.preference(), is_whole)?.ok_or(Reason::NotCompiled)?;
            placement.run(segment, &[&features.values], deltas).map(encoding_of)
        };
        let on_processor = |features: Vec<&Features>| {
            let items: Vec<Item<'_>> = features.into_iter().map(|features| Item { features, deltas }).collect();
            self.encoder.encode(&items)
        };
        self.part.divide(features.iter().collect(), on_delegate, on_processor)
    }
}

/// What a graph gives, as [`Encoder::lower`] says.
fn encoding_of(outputs: Vec<Vec<f32>>) -> Encoding {
    let mut outputs = outputs.into_iter();
    let mut next = || outputs.next().unwrap_or_default();
    Encoding { embedding: next(), states: next() }
}

impl Placed for EncoderModel {
    fn runs(&self, segment: Segment) -> bool {
        segment == Segment::Whole
    }

    fn compare(&self, placement: &Placement, segment: Segment) -> Result<Compared, Reason> {
        let failed = |e: crate::Error| Reason::Failed(e.to_string());
        let delegate = placement.delegate(segment).ok_or(Reason::NotCompiled)?;
        let reads = self.encoder.reads().ok_or_else(|| Reason::NoGraph("it reads features of any shape".to_owned()))?;
        let sample = delegate.sample().first().cloned().unwrap_or_else(|| any_values(reads.iter().product()));
        let features = Features::new(sample, reads).map_err(failed)?;
        let items = [Item { features: &features, deltas: None }];
        let (ours, processor_ms) = median_ms(|| self.encoder.encode(&items).map_err(failed))?;
        let (theirs, delegate_ms) = median_ms(|| placement.run(segment, &[&features.values], None))?;
        let parts = |encoding: Encoding| vec![encoding.embedding, encoding.states];
        let processor = ours.into_iter().next().map(parts).unwrap_or_default();
        Ok(Compared { delegate: theirs, processor, delegate_ms, processor_ms })
    }
}
