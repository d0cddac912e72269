//! Spelling: the pieces in an input, one after another, by an adapter's CTC head over an encoder's states.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::adapter::{Adapter, AdapterHead, DataPath, HeadSpec};
use crate::engine::{Engine, Trace};
use crate::error::{Error, Result};
use crate::input::Input;
use crate::model::Modality;
use crate::model::recognizer::ctc::{CtcVocabulary, Greedy, log_softmax};

/// How an input is spelled.
#[derive(Clone, Debug)]
pub struct SpellOptions {
    /// An adapter with a CTC head, of the encoder that reads the input.
    pub adapter: Arc<Adapter>,
    /// What the input shows where its kind does not tell; see [`super::ClassifyOptions::modality`].
    pub modality: Option<Modality>,
}

/// The result of spelling.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Spelling {
    /// All pieces, joined.
    pub text: String,
    /// The pieces in order.
    pub pieces: Vec<SpelledPiece>,
    /// What ran.
    pub trace: Trace,
}

/// A piece of the head's vocabulary that was found.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SpelledPiece {
    /// As the vocabulary writes it; `|`, which parts words there, is a space.
    pub piece: String,
    /// The frame of the encoder's states, counted from 0, at which it was found first.
    pub frame: u64,
    /// Natural logarithm of its probability there.
    pub log_probability: f32,
}

impl Engine {
    /// Finds the pieces in one input: spoken digits in a sound, gestures in a window of motion. The best piece of each state is
    /// taken, repetitions and blanks are left out. Recordings of any length are the matter of [`Engine::recognizer`]; this reads
    /// what the encoder reads at once, and the log warns where sound is cut to it.
    ///
    /// # Errors
    /// [`Error::Adapter`] for an adapter without a CTC head, or of another component; as [`Engine::embed`] otherwise.
    pub fn spell(&self, input: impl Into<Input>, options: &SpellOptions) -> Result<Spelling> {
        let adapter = &*options.adapter;
        let (head, vocabulary) = ctc_head(adapter)?;
        let encoded = self.encode_input(&input.into(), options.modality, Some(adapter))?;
        let component = &adapter.package.task().component;
        let in_time = encoded.model.as_ref().and_then(|model| {
            model.encoder().time_axis().frames(&encoded.encoding.states, model.encoder().state_width())
        });
        let in_time = in_time.ok_or_else(|| {
            Error::adapter(&adapter.alias, format!("'{component}' gives no states in the order of time"))
        })?;
        let mut frames = head.logits(&in_time);
        log_softmax(&mut frames, vocabulary.count())?;
        let tokens = Greedy::new(vocabulary.count(), vocabulary.blank()).push(&frames);
        let pieces: Vec<SpelledPiece> = tokens
            .iter()
            .map(|token| SpelledPiece {
                piece: vocabulary.piece(token.id).to_owned(),
                frame: token.frame,
                log_probability: token.log_probability,
            })
            .collect();
        let text = pieces.iter().map(|piece| piece.piece.as_str()).collect();
        Ok(Spelling { text, pieces, trace: Trace::new(DataPath::Encoder, vec![encoded.step]) })
    }
}

fn ctc_head(adapter: &Adapter) -> Result<(&AdapterHead, CtcVocabulary)> {
    match adapter.bound.head.as_ref().map(|head| (head, head.spec())) {
        Some((head, HeadSpec::Ctc { vocabulary, blank })) => Ok((head, CtcVocabulary::from_list(vocabulary, *blank)?)),
        Some((_, other)) => Err(Error::adapter(&adapter.alias, format!("its {} head spells nothing", other.kind()))),
        None => Err(Error::adapter(&adapter.alias, "it brings no ctc head")),
    }
}
