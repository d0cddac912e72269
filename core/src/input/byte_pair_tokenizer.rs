//! GPT-2's tokenizer from `vocab.json`, `merges.txt` and `added_tokens.json`, for checkpoints without `tokenizer.json`,
//! such as older ones of Whisper.
//!
//! Text is cut by GPT-2's rule, and bytes are merged within a piece. Added tokens, and those of the vocabulary that are
//! written as `<|name|>`, are special: no text becomes one unless special tokens are parsed, and none is shown.

use std::collections::HashMap;

use tokenizers::models::bpe::{BPE, Vocab};
use tokenizers::pre_tokenizers::byte_level::ByteLevel;
use tokenizers::{AddedToken, TokenizerImpl};

use super::clip_tokenizer::merge_list;
use super::gguf_tokenizer::{Built, Pipeline};
use super::token_model::{Algorithm, TokenModel};
use crate::error::{Error, Result};

const FORMAT: &str = "byte-level vocabulary";
/// Words whose merging is remembered per thread; bounds memory for texts that never repeat.
const CACHED_WORDS: usize = 10_000;
const BYTES: usize = 256;

/// Whether a vocabulary is of this kind: it has all bytes, each as a token of its own that ends no word.
pub(super) fn fits(vocab: &Vocab) -> bool {
    !vocab.keys().any(|token| token.ends_with("</w>"))
}

/// Builds the tokenizer from a vocabulary, the bytes of the merges, and those of the added tokens where there are some.
///
/// # Errors
/// [`Error::Malformed`] for a byte that is missing, for two tokens of one id, or for merges that do not fit.
pub(super) fn build(mut vocab: Vocab, merges: &[u8], added: Option<&[u8]>) -> Result<Built> {
    let added: HashMap<String, u32> = match added {
        None => HashMap::new(),
        Some(bytes) => serde_json::from_slice(bytes).map_err(|e| Error::malformed("added_tokens.json", "JSON", e))?,
    };
    if let Some(symbol) = ByteLevel::alphabet().into_iter().find(|symbol| !vocab.contains_key(&symbol.to_string())) {
        return Err(Error::malformed("vocab.json", FORMAT, format!("'{symbol}' is missing")));
    }
    let marked = |token: &str| token.len() > 4 && token.starts_with("<|") && token.ends_with("|>");
    let mut controls: Vec<(u32, String)> = vocab
        .extract_if(|token, _| marked(token) || added.contains_key(token))
        .map(|(token, id)| (id, token))
        .collect();
    controls.extend(added.into_iter().map(|(token, id)| (id, token)));
    controls.sort();
    controls.dedup();
    let mut ids: Vec<u32> = vocab.values().copied().chain(controls.iter().map(|(id, _)| *id)).collect();
    ids.sort_unstable();
    if let Some(pair) = ids.windows(2).find(|pair| pair[0] == pair[1]) {
        return Err(Error::malformed("vocab.json", FORMAT, format!("two tokens have id {}", pair[0])));
    }
    let size = ids.len();
    let merges = merge_list(merges, vocab.len().saturating_sub(BYTES))?;
    let model = BPE::builder().vocab_and_merges(vocab, merges).cache_capacity(CACHED_WORDS).build();
    let model = model.map_err(|e| Error::malformed("merges.txt", FORMAT, e))?;
    let names: Vec<AddedToken> =
        controls.iter().map(|(_, name)| AddedToken::from(name.clone(), true).normalized(false)).collect();
    let mut pipeline: Pipeline = TokenizerImpl::new(TokenModel::new(Algorithm::Library(model.into()), controls));
    pipeline.with_pre_tokenizer(Some(ByteLevel::new(false, true, true)));
    pipeline.with_decoder(Some(ByteLevel::default()));
    pipeline.add_tokens(names).map_err(|e| Error::malformed("added_tokens.json", FORMAT, e))?;
    Ok(Built { pipeline, prefix: Vec::new(), suffix: Vec::new(), bos: None, eos: None, end: Vec::new(), size })
}
