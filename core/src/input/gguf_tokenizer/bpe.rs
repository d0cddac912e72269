//! Byte-level BPE: `tokenizer.ggml.model = "gpt2"`.
//!
//! The vocabulary and merges go to the library's model as they are; how text is cut before merging comes from
//! `tokenizer.ggml.pre`.

use tokenizers::TokenizerImpl;
use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;

use super::pre_tokenizer::{self, Rules};
use super::vocabulary::{Vocabulary, flag, malformed};
use super::{Built, Pipeline};
use crate::error::Result;
use crate::input::token_model::{Algorithm, TokenModel};
use crate::weights::Metadata;

/// Twice the merges of the largest known vocabulary.
const MAX_MERGES: usize = 2 << 20;
/// Words whose merging is remembered per thread; bounds memory for texts that never repeat.
const CACHED_WORDS: usize = 10_000;

pub(super) fn build(metadata: &Metadata, vocabulary: &Vocabulary<'_>) -> Result<Built> {
    let rules = pre_tokenizer::rules(metadata.str("tokenizer.ggml.pre").unwrap_or("default"))?;
    let lines = metadata
        .strings("tokenizer.ggml.merges")
        .ok_or_else(|| malformed("'tokenizer.ggml.merges' is missing or no array of strings"))?;
    if lines.len() > MAX_MERGES {
        return Err(malformed(format!("{} merges, the limit is {MAX_MERGES}", lines.len())));
    }
    // Checking every merge costs as much as building; only damaged files need it.
    let model = model(vocabulary, lines, &rules, Merges::All)
        .or_else(|_| model(vocabulary, lines, &rules, Merges::Possible))?;
    let algorithm = Algorithm::Library(model.into());
    let mut pipeline: Pipeline = TokenizerImpl::new(TokenModel::new(algorithm, vocabulary.control().to_vec()));
    pipeline.with_pre_tokenizer(Some(rules.pre_tokenizer()?));
    pipeline.with_decoder(Some(ByteLevel::default()));

    let bos = vocabulary.role(metadata, "bos", None)?;
    let eos = vocabulary.role(metadata, "eos", None)?;
    let prefix = bos.filter(|_| flag(metadata, "add_bos_token", rules.adds_bos)).into_iter().collect();
    let suffix = eos.filter(|_| flag(metadata, "add_eos_token", false)).into_iter().collect();
    Ok(Built { pipeline, prefix, suffix, bos, eos, end: Vec::new(), size: vocabulary.len() })
}

/// Which merges are handed to the library, which refuses a list with a single one of or into text that is no token.
#[derive(Clone, Copy, PartialEq)]
enum Merges {
    All,
    /// Those that can apply.
    Possible,
}

fn model(vocabulary: &Vocabulary<'_>, lines: &[String], rules: &Rules, which: Merges) -> Result<BPE> {
    let mut vocab = Vocab::with_capacity(vocabulary.len());
    vocab.extend(vocabulary.ordinary().rev().map(|(id, text, _)| (text.to_owned(), id)));
    let longest = vocab.keys().map(String::len).max().unwrap_or(0);
    let mut merges = Vec::with_capacity(lines.len());
    for (index, line) in lines.iter().enumerate() {
        // The left part may itself start with a space in vocabularies that are not byte-level.
        let space = line.char_indices().skip(1).find(|&(_, c)| c == ' ').map(|(at, _)| at);
        let Some(at) = space else { return Err(malformed(format!("merge {index} is '{line}'"))) };
        let (left, right) = (&line[..at], &line[at + 1..]);
        let known = |text: &str| vocab.contains_key(text);
        // The library's buffer has the size of the longest token.
        let possible = left.len() + right.len() <= longest
            && (which == Merges::All || known(left) && known(right) && known(&format!("{left}{right}")));
        if possible {
            merges.push((left.to_owned(), right.to_owned()));
        }
    }
    BPE::builder()
        .vocab_and_merges(vocab, merges)
        .ignore_merges(rules.whole_words)
        .cache_capacity(CACHED_WORDS)
        .build()
        .map_err(malformed)
}
