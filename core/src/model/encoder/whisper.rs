//! Whisper's encoder alone: states of speech, for projectors and heads; the decoder's tensors are left out.

use super::contract::{Encoder, Encoding, Features, Item, TimeAxis};
use super::registry::Source;
use crate::error::{Error, Result};
use crate::graph::{Graph, Op};
use crate::input::{FeatureExtractor, Input};
use crate::model::layer::{Loader, Prefix};
use crate::model::modality::Modality;
use crate::model::ops::mean_rows;
use crate::model::recognizer::whisper::{EncoderStack, WhisperConfig};
use crate::model::table::LinearTable;
use crate::pool;

/// A loaded encoder. An embedding is the mean of the states of a whole window, silence at its end included.
struct WhisperEncoder {
    config: WhisperConfig,
    extractor: Option<FeatureExtractor>,
    stack: EncoderStack,
    table: LinearTable,
}

impl std::fmt::Debug for WhisperEncoder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("WhisperEncoder").field(&self.config).finish()
    }
}

/// Opens the encoder of a whole model (`model.encoder...` or `encoder...`) or one that was saved alone (`layers...`).
///
/// # Errors
/// [`Error::Malformed`] or [`Error::Unsupported`] naming the field; [`Error::MissingTensor`], [`Error::Shape`], or
/// [`Error::Unsupported`] for a tensor of the encoder that would go unused.
pub(super) fn open(source: &Source<'_>) -> Result<Box<dyn Encoder>> {
    let config = WhisperConfig::parse(source.config)?;
    let extractor = source.preprocessor.map(FeatureExtractor::parse).transpose()?;
    if let Some(extractor) = &extractor {
        config.check_features(extractor)?;
    }
    let mut loader =
        Loader::new(source.checkpoint, Prefix::find(source.checkpoint, &["model.encoder.", "encoder.", ""]));
    let stack = EncoderStack::load(&mut loader, "", &config)?;
    let mut table = loader.finish("Whisper encoder", |_| false)?;
    table.respell(|module| Some(format!("encoder.{module}")));
    Ok(Box::new(WhisperEncoder { config, extractor, stack, table }))
}

impl Encoder for WhisperEncoder {
    fn modality(&self) -> Modality {
        Modality::SPEECH
    }

    fn dim(&self) -> usize {
        self.config.width()
    }

    fn state_width(&self) -> usize {
        self.config.width()
    }

    fn reads(&self) -> Option<Vec<usize>> {
        Some(self.config.input().to_vec())
    }

    fn linears(&self) -> &LinearTable {
        &self.table
    }

    fn time_axis(&self) -> TimeAxis {
        TimeAxis::STATES
    }

    fn prepare(&self, input: &Input) -> Result<Features> {
        let Input::Sound(audio) = input else {
            return Err(Error::argument("input", format!("{}, the encoder reads sound", input.kind())));
        };
        let extractor = self.extractor.as_ref().ok_or_else(|| {
            Error::unsupported("raw sound", "the component has no preprocessor_config.json; give prepared features")
        })?;
        let features = extractor.extract(audio)?;
        Features::new(features.values, features.shape)
    }

    fn lower(&self, rank: usize) -> Option<Graph> {
        let mut graph = Graph::new();
        let states = self.stack.lower(&mut graph, rank);
        let embedding = graph.node("mean", Op::Mean { axis: 0 }, &[states]);
        graph.output(embedding);
        graph.output(states);
        Some(graph)
    }

    fn encode(&self, items: &[Item<'_>]) -> Result<Vec<Encoding>> {
        for item in items {
            item.features.expect_shape(&self.config.input())?;
        }
        // One window at a time: its attention alone keeps all cores busy.
        let encode = |item: &Item<'_>| {
            let states = pool::pass(|| self.stack.forward(&item.features.values, item.deltas));
            Encoding { embedding: mean_rows(&states, self.config.width()), states: states.to_vec() }
        };
        Ok(items.iter().map(encode).collect())
    }
}
