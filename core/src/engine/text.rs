//! A text encoder ready for text: network and tokenizer of one component.

use std::collections::HashMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::dispatcher::{Compared, Placed, median_ms};
use super::trace::Part;
use crate::dispatch::{Placement, Ran, Reason, Segment};
use crate::error::{Error, Result};
use crate::input::{Affixes, Special, Tokenizer};
use crate::model::encoder::{TextEncoder, open_text};
use crate::quant::Deltas;

/// Texts per forward pass: bounds the activations of long lists.
const TEXTS_PER_PASS: usize = 32;
/// Sentences of labels whose embeddings are kept, as many as one classification may have: 6 MiB at 384 values.
const MAX_ANCHORS: usize = 4096;
/// Bytes of a sentence that is kept; labels are words.
const MAX_ANCHOR_BYTES: usize = 1024;

/// What a delegate is compared on, and how many tokens of it every tokenizer makes at least.
const SAMPLE: &str = "The quick brown fox jumps over the lazy dog. ";
const SAMPLE_TOKENS: usize = 9;

/// A loaded text encoder. Immutable and shared.
#[derive(Debug)]
pub struct TextModel {
    part: Part,
    encoder: Box<dyn TextEncoder>,
    tokenizer: Tokenizer,
    /// Of sentences around labels, by the bare network: the same ones come with every input.
    anchors: Mutex<HashMap<String, Arc<[f32]>>>,
}

impl TextModel {
    /// Opens a directory with a text encoder and its tokenizer.
    ///
    /// # Errors
    /// As [`open_text`] and [`Tokenizer::from_dir`].
    pub fn open(part: Part, path: &Path) -> Result<Self> {
        let anchors = Mutex::default();
        Ok(Self { part, encoder: open_text(path)?, tokenizer: Tokenizer::from_dir(path)?, anchors })
    }

    /// Its component, as traces name it.
    #[must_use]
    pub fn part(&self) -> &Part {
        &self.part
    }

    /// The network.
    #[must_use]
    pub fn encoder(&self) -> &dyn TextEncoder {
        &*self.encoder
    }

    /// The vocabulary.
    #[must_use]
    pub fn tokenizer(&self) -> &Tokenizer {
        &self.tokenizer
    }

    fn padding(&self) -> Result<u32> {
        let reason = "the encoder reads texts of one length, and the tokenizer's configuration names no pad_token";
        self.tokenizer.pad().ok_or_else(|| Error::unsupported("texts without padding", reason))
    }

    /// A text as the encoder reads it, with special tokens, cut to `limit` tokens.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_within`]; [`Error::Unsupported`] without a token to fill up with, where the encoder needs one.
    pub fn tokens(&self, text: &str, limit: usize) -> Result<Vec<u32>> {
        let limit = limit.min(self.encoder.max_tokens());
        self.filled(self.tokenizer.encode_within(text, Special::Plain, Affixes::Add, limit)?)
    }

    /// As [`TextModel::tokens`] where the beginning of a text is what is wanted: nothing is logged.
    ///
    /// # Errors
    /// As [`TextModel::tokens`].
    pub fn beginning(&self, text: &str, limit: usize) -> Result<Vec<u32>> {
        let limit = limit.min(self.encoder.max_tokens());
        self.filled(self.tokenizer.encode_beginning(text, Special::Plain, Affixes::Add, limit)?)
    }

    fn filled(&self, mut tokens: Vec<u32>) -> Result<Vec<u32>> {
        if let Some(length) = self.encoder.padded_length() {
            tokens.resize(length, self.padding()?);
        }
        Ok(tokens)
    }

    /// Unit-length embeddings of `texts`, each cut to the encoder's token limit.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_within`]; [`crate::Error::Malformed`] for weights that make an embedding which is not finite.
    pub fn embed<T: AsRef<str>>(&self, texts: &[T], deltas: Option<&Deltas>) -> Result<(Vec<Vec<f32>>, Ran)> {
        let (mut embeddings, mut ran) = (Vec::with_capacity(texts.len()), Ran::default());
        for texts in texts.chunks(TEXTS_PER_PASS) {
            let limit = self.encoder.max_tokens();
            let tokens = texts.iter().map(|text| self.tokens(text.as_ref(), limit)).collect::<Result<Vec<_>>>()?;
            let on_delegate = |placement: &Placement, text: &Vec<u32>| self.embed_on(placement, text, deltas);
            let (made, by) = self.part.divide(tokens, on_delegate, |texts| self.encoder.embed(&texts, deltas))?;
            embeddings.extend(made);
            ran.with(by);
        }
        embeddings.iter().try_for_each(|embedding| self.part.check_finite("an embedding", embedding))?;
        Ok((embeddings, ran))
    }

    /// The embedding of one text, by the shortest graph that holds it.
    fn embed_on(&self, placement: &Placement, text: &[u32], deltas: Option<&Deltas>) -> Result<Vec<f32>, Reason> {
        let holds = |segment: &Segment| matches!(segment, Segment::Text { tokens } if *tokens >= text.len());
        match placement.choose(self.part.place.preference(), holds)? {
            Some(segment @ Segment::Text { tokens }) => self.run_graph(placement, (segment, tokens), text, deltas),
            _ => Err(placement.lack(holds, Reason::TooLong { length: text.len(), most: longest(placement) })),
        }
    }

    fn run_graph(
        &self,
        placement: &Placement,
        (segment, tokens): (Segment, usize),
        text: &[u32],
        deltas: Option<&Deltas>,
    ) -> Result<Vec<f32>, Reason> {
        let inputs = self.encoder.graph_inputs(text, deltas, tokens).map_err(|e| Reason::Failed(e.to_string()))?;
        let inputs: Vec<&[f32]> = inputs.iter().map(|values| &values[..]).collect();
        Ok(placement.run(segment, &inputs, deltas)?.into_iter().next().unwrap_or_default())
    }

    /// As [`TextModel::embed`] without an adapter, of sentences that are likely to come again: what was embedded before is
    /// looked up. Holds at most 4096 sentences, and forgets all of them when more come; inputs do not belong here.
    ///
    /// # Errors
    /// As [`TextModel::embed`].
    pub fn anchors(&self, sentences: &[String]) -> Result<(Vec<Arc<[f32]>>, Ran)> {
        let known: Vec<Option<Arc<[f32]>>> = {
            let kept = self.anchors.lock().unwrap_or_else(PoisonError::into_inner);
            sentences.iter().map(|sentence| kept.get(sentence).map(Arc::clone)).collect()
        };
        let absent = sentences.iter().zip(&known).filter(|(_, anchor)| anchor.is_none()).map(|(sentence, _)| sentence);
        let absent: Vec<&String> = absent.collect();
        // Unlocked: others may classify meanwhile.
        let (made, ran) = self.embed(&absent, None)?;
        let made: Vec<Arc<[f32]>> = made.into_iter().map(Arc::from).collect();
        let mut kept = self.anchors.lock().unwrap_or_else(PoisonError::into_inner);
        let new = absent.iter().zip(&made).filter(|(sentence, _)| sentence.len() <= MAX_ANCHOR_BYTES);
        for (sentence, anchor) in new {
            if kept.len() >= MAX_ANCHORS {
                kept.clear();
            }
            kept.insert((*sentence).clone(), Arc::clone(anchor));
        }
        let mut made = made.into_iter();
        let missing = "invariant: an embedding for each absent sentence";
        let all = known.into_iter().map(|anchor| anchor.unwrap_or_else(|| made.next().expect(missing)));
        Ok((all.collect(), ran))
    }
}

/// Tokens of the longest text graph.
fn longest(placement: &Placement) -> usize {
    let lengths = placement.segments().map(|segment| if let Segment::Text { tokens } = segment { tokens } else { 0 });
    lengths.max().unwrap_or(0)
}

impl Placed for TextModel {
    fn runs(&self, segment: Segment) -> bool {
        matches!(segment, Segment::Text { .. })
    }

    fn compare(&self, placement: &Placement, segment: Segment) -> Result<Compared, Reason> {
        let failed = |e: Error| Reason::Failed(e.to_string());
        let Segment::Text { tokens } = segment else { return Err(Reason::NotCompiled) };
        let text = self.beginning(&SAMPLE.repeat(tokens / SAMPLE_TOKENS + 1), tokens).map_err(failed)?;
        let texts = [text];
        let (ours, processor_ms) = median_ms(|| self.encoder.embed(&texts, None).map_err(failed))?;
        let (delegate, delegate_ms) = median_ms(|| self.run_graph(placement, (segment, tokens), &texts[0], None))?;
        Ok(Compared { delegate: vec![delegate], processor: ours, delegate_ms, processor_ms })
    }
}
