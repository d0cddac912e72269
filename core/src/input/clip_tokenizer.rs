//! CLIP's tokenizer from `vocab.json` and `merges.txt`, for checkpoints without `tokenizer.json`.
//!
//! Lower-cased text is cut into words, and byte pairs are merged within a word whose last symbol is marked. The rules are
//! those of OpenAI's `SimpleTokenizer`, without its repair of wrongly decoded text, as transformers runs them.

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::normalizers::replace::{Replace, ReplacePattern};
use tokenizers::normalizers::{Lowercase, NFC, Sequence as Normalizers};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::pre_tokenizers::sequence::Sequence;
use tokenizers::pre_tokenizers::split::{Split, SplitPattern};
use tokenizers::{AddedToken, SplitDelimiterBehavior, TokenizerImpl};

use super::gguf_tokenizer::{Built, Pipeline};
use super::token_model::{Algorithm, TokenModel};
use crate::error::{Error, Result};

const BEGIN: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";
/// Marks the last symbol of a word.
const WORD_END: &str = "</w>";
/// Single bytes, each also as the end of a word.
const BYTES: usize = 2 * 256;
/// Published merge lists hold up to 262,144 lines.
const MAX_MERGES: usize = 2 << 20;
/// Words whose merging is remembered per thread; bounds memory for texts that never repeat.
const CACHED_WORDS: usize = 10_000;
/// What a word is: a contraction's ending, letters, one digit, or other characters but white space.
const WORDS: &str = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+";

/// Builds the tokenizer from a vocabulary and the bytes of the merges.
///
/// # Errors
/// [`Error::Unsupported`] for a vocabulary that is not CLIP's, [`Error::Malformed`] for a damaged one.
pub(super) fn build(mut vocab: Vocab, merges: &[u8]) -> Result<Built> {
    let mut control = |name: &str| {
        vocab.remove(name).ok_or_else(|| {
            let what = "a vocabulary whose words end in '</w>'";
            Error::unsupported(what, format!("only CLIP's is read, and it has no '{name}'"))
        })
    };
    let (begin, end) = (control(BEGIN)?, control(END)?);
    let size = vocab.len() + 2;
    // A byte that is missing would be dropped from texts without a sign.
    let missing = ByteLevel::alphabet().into_iter().find(|symbol| {
        let symbol = symbol.to_string();
        !vocab.contains_key(&symbol) || !vocab.contains_key(&format!("{symbol}{WORD_END}"))
    });
    if let Some(symbol) = missing {
        return Err(Error::malformed("vocab.json", "CLIP vocabulary", format!("'{symbol}' is missing")));
    }
    let merges = merge_list(merges, vocab.len() - BYTES)?;
    let model = BPE::builder()
        .vocab_and_merges(vocab, merges)
        .end_of_word_suffix(WORD_END.to_owned())
        .cache_capacity(CACHED_WORDS)
        .build()
        .map_err(malformed)?;
    let controls = vec![(begin, BEGIN.to_owned()), (end, END.to_owned())];
    let mut pipeline: Pipeline = TokenizerImpl::new(TokenModel::new(Algorithm::Library(model.into()), controls));
    let spaces = Replace::new(ReplacePattern::Regex(r"\s+".into()), " ").map_err(malformed)?;
    let normalizers = Normalizers::new(vec![NFC.into(), spaces.into(), Lowercase.into()]);
    pipeline.with_normalizer(Some(normalizers)).map_err(malformed)?;
    let words = Split::new(SplitPattern::Regex(WORDS.into()), SplitDelimiterBehavior::Removed, true);
    let steps = vec![words.map_err(malformed)?.into(), ByteLevel::new(false, false, false).into()];
    pipeline.with_pre_tokenizer(Some(Sequence::new(steps)));
    pipeline.with_decoder(Some(ByteLevel::default()));
    let special = [BEGIN, END].map(|text| AddedToken::from(text, true).normalized(false));
    pipeline.add_tokens(special).map_err(malformed)?;
    Ok(Built {
        pipeline,
        prefix: vec![begin],
        suffix: vec![end],
        bos: Some(begin),
        eos: Some(end),
        end: Vec::new(),
        size,
    })
}

/// The first `count` merges, one per token that is no byte: the lists that circulate go on beyond the vocabulary.
///
/// # Errors
/// [`Error::Malformed`] for a line that is no pair.
pub(super) fn merge_list(text: &[u8], count: usize) -> Result<Vec<(String, String)>> {
    let text = std::str::from_utf8(text).map_err(|e| Error::malformed("merges.txt", "merges", e))?;
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with("#version")).take(count);
    let mut merges = Vec::with_capacity(count.min(MAX_MERGES));
    for line in lines {
        let pair = line.split_once(' ').filter(|(left, right)| !left.is_empty() && !right.is_empty());
        let Some((left, right)) = pair.filter(|_| merges.len() < MAX_MERGES) else {
            let line: String = line.chars().take(80).collect();
            return Err(Error::malformed("merges.txt", "merges", format!("merge {} is '{line}'", merges.len())));
        };
        merges.push((left.to_owned(), right.to_owned()));
    }
    Ok(merges)
}

fn malformed(reason: impl ToString) -> Error {
    Error::malformed("vocab.json and merges.txt", "CLIP tokenizer", reason)
}
