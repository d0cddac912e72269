//! WordPiece: `tokenizer.ggml.model = "bert"`.
//!
//! GGUF writes the start of a word as "▁word" and a continuation bare; the library wants "word" and "##word".

use std::borrow::Cow;

use tokenizers::TokenizerImpl;
use tokenizers::decoders::wordpiece::WordPiece as WordPieceDecoder;
use tokenizers::models::bpe::Vocab;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;

use super::vocabulary::{Vocabulary, flag, malformed};
use super::{Built, Pipeline};
use crate::error::Result;
use crate::input::token_model::{Algorithm, TokenModel};
use crate::weights::Metadata;

const WORD_START: char = '\u{2581}';
const CONTINUATION: &str = "##";
/// Longer words become the unknown token, as in the reference implementation.
const MAX_WORD_CHARS: usize = 100;
/// Ids of the original BERT vocabulary, which old files leave out.
const CLS: u32 = 101;
const SEP: u32 = 102;
const UNK: u32 = 100;

pub(super) fn build(metadata: &Metadata, vocabulary: &Vocabulary<'_>) -> Result<Built> {
    let unknown = vocabulary
        .role(metadata, "unknown", Some(UNK))?
        .ok_or_else(|| malformed("'tokenizer.ggml.unknown_token_id' is missing"))?;
    let unknown_text = vocabulary.text(unknown).unwrap_or_default().to_owned();
    let mut vocab: Vocab = vocabulary.ordinary().rev().map(|(id, text, _)| (rename(text).into_owned(), id)).collect();
    // The model emits the unknown token itself, so it must know it even though text cannot spell it.
    vocab.insert(unknown_text.clone(), unknown);
    let model = WordPiece::builder()
        .vocab(vocab)
        .unk_token(unknown_text)
        .continuing_subword_prefix(CONTINUATION.to_owned())
        .max_input_chars_per_word(MAX_WORD_CHARS)
        .build()
        .map_err(malformed)?;
    let algorithm = Algorithm::Library(model.into());
    let mut pipeline: Pipeline = TokenizerImpl::new(TokenModel::new(algorithm, vocabulary.control().to_vec()));
    let lowercase = flag(metadata, "normalizer.lowercase", true);
    let strip_accents = flag(metadata, "normalizer.strip_accents", lowercase);
    let normalizer = BertNormalizer::new(true, true, Some(strip_accents), lowercase);
    pipeline.with_normalizer(Some(normalizer)).map_err(malformed)?;
    pipeline.with_pre_tokenizer(Some(BertPreTokenizer));
    pipeline.with_decoder(Some(WordPieceDecoder::new(CONTINUATION.to_owned(), true)));

    let cls = vocabulary.role(metadata, "cls", Some(CLS))?;
    let bos = vocabulary.role(metadata, "bos", cls)?;
    let sep = vocabulary.role(metadata, "seperator", Some(SEP))?;
    let eos = vocabulary.role(metadata, "eos", sep)?;
    let prefix = bos.filter(|_| flag(metadata, "add_bos_token", true)).into_iter().collect();
    let suffix = sep.filter(|_| flag(metadata, "add_sep_token", true)).into_iter().collect();
    Ok(Built { pipeline, prefix, suffix, bos, eos, end: Vec::new(), size: vocabulary.len() })
}

fn rename(text: &str) -> Cow<'_, str> {
    match text.strip_prefix(WORD_START) {
        _ if is_bracketed(text) => text.into(),
        Some(word) if !word.is_empty() => word.into(),
        _ => format!("{CONTINUATION}{text}").into(),
    }
}

/// Special tokens such as "[unused5]" are stored as they are, even where their type says ordinary.
fn is_bracketed(text: &str) -> bool {
    text.len() > 2 && text.starts_with('[') && text.ends_with(']')
}
