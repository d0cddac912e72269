//! Text to token ids and back.
//!
//! One [`Tokenizer`] covers `tokenizer.json` files and the vocabularies inside GGUF files. It never pads; truncation is
//! an argument of the call. Whether control tokens in a text count is always said explicitly, so that text from outside
//! cannot smuggle them in.

use std::ops::Range;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::Arc;

use tokenizers::models::bpe::Vocab;
use tokenizers::{
    AddedVocabulary, Encoding, Model, NormalizedString, OffsetReferential, OffsetType, PreTokenizedString,
    PreTokenizer, Token,
};

use crate::error::{Error, Result};
use crate::input::detokenizer::Detokenizer;
use crate::input::gguf_tokenizer::{self, Built, Pipeline};
use crate::input::piece::Pieces;
use crate::input::special_tokens::{SpecialTokens, TokenName, read_bounded, special_tokens};
use crate::input::{byte_pair_tokenizer, clip_tokenizer};
use crate::weights::Metadata;

const WHAT: &str = "tokenizer";
/// Largest accepted tokenizer.json; vocabularies of 260,000 tokens take about 35 MB.
const MAX_FILE_BYTES: usize = 256 << 20;
/// Longest text of one call: some hundred times any context window.
const MAX_TEXT_BYTES: usize = 16 << 20;
/// Stands for the text when the affixes of a post-processor are probed; no vocabulary reaches this id.
const PROBE: u32 = u32::MAX;

/// Whether the texts of control tokens inside a text become those tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Special {
    /// Yes: for text written by a template or a developer.
    Parse,
    /// No: for text from users, files and the net. Added tokens that are not special still apply.
    Plain,
}

/// Whether the tokens that the model expects around a text (BOS, EOS, \[CLS\], \[SEP\]) are added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Affixes {
    /// As the tokenizer's configuration says.
    Add,
    /// Never.
    None,
}

/// A vocabulary with its rules. Clones share it.
#[derive(Clone, Debug)]
pub struct Tokenizer {
    inner: Arc<Inner>,
    roles: Arc<Roles>,
}

#[derive(Debug)]
struct Inner {
    pipeline: Pipeline,
    /// The added tokens with the special ones switched off.
    plain: AddedVocabulary,
    pieces: Pieces,
    prefix: Vec<u32>,
    suffix: Vec<u32>,
    size: usize,
}

#[derive(Debug, Default)]
struct Roles {
    bos: Option<u32>,
    eos: Option<u32>,
    pad: Option<u32>,
    end: Vec<u32>,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`. Such a file does not say which tokens begin and end a text; see
    /// [`Tokenizer::from_dir`].
    ///
    /// # Errors
    /// [`Error::Io`], or [`Error::Malformed`] when the file is none or exceeds 256 MiB.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let missing = || Error::io(path, std::io::ErrorKind::NotFound.into());
        let bytes = read_bounded(path, MAX_FILE_BYTES as u64)?.ok_or_else(missing)?;
        Self::from_json(&path.display().to_string(), &bytes)
    }

    /// Reads the bytes of a `tokenizer.json`.
    ///
    /// # Errors
    /// [`Error::Malformed`] when they are none or exceed 256 MiB.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self> {
        Self::from_json("tokenizer.json", bytes)
    }

    /// Reads `tokenizer.json` in a model folder, and its special tokens from the files beside it; or `vocab.json` and
    /// `merges.txt`, of CLIP or in GPT-2's form.
    ///
    /// # Errors
    /// As [`Tokenizer::from_file`] and [`special_tokens`].
    pub fn from_dir(folder: impl AsRef<Path>) -> Result<Self> {
        let folder = folder.as_ref();
        let whole = folder.join("tokenizer.json");
        let bytes = |name: &str| read_bounded(&folder.join(name), MAX_FILE_BYTES as u64);
        let parts = if whole.exists() { None } else { bytes("vocab.json")?.zip(bytes("merges.txt")?) };
        if let Some((vocab, merges)) = parts {
            let vocab: Vocab = serde_json::from_slice(&vocab).map_err(|e| Error::malformed("vocab.json", "JSON", e))?;
            if byte_pair_tokenizer::fits(&vocab) {
                let added = bytes("added_tokens.json")?;
                let Built { pipeline, prefix, suffix, size, .. } =
                    guarded(|| Ok(byte_pair_tokenizer::build(vocab, &merges, added.as_deref())))??;
                let plain = Self::assemble(pipeline, prefix, suffix, size, Roles::default());
                return Ok(plain.with_special_tokens(&special_tokens(folder)?));
            }
            let Built { pipeline, prefix, suffix, bos, eos, end, size } =
                guarded(|| Ok(clip_tokenizer::build(vocab, &merges)))??;
            return Ok(Self::assemble(pipeline, prefix, suffix, size, Roles { bos, eos, pad: eos, end }));
        }
        Ok(Self::from_file(whole)?.with_special_tokens(&special_tokens(folder)?))
    }

    /// Builds the tokenizer that a GGUF file's metadata describes.
    ///
    /// # Errors
    /// [`Error::Malformed`] for inconsistent metadata, [`Error::Unsupported`] for models and pre-tokenizers without a
    /// rule here.
    pub fn from_gguf(metadata: &Metadata) -> Result<Self> {
        let Built { pipeline, prefix, suffix, bos, eos, end, size } = guarded(|| Ok(gguf_tokenizer::build(metadata)))??;
        Ok(Self::assemble(pipeline, prefix, suffix, size, Roles { bos, eos, pad: None, end }))
    }

    fn from_json(what: &str, bytes: &[u8]) -> Result<Self> {
        if bytes.len() > MAX_FILE_BYTES {
            let reason = format!("{} bytes, the limit is {MAX_FILE_BYTES}", bytes.len());
            return Err(Error::malformed(what, "tokenizer.json", reason));
        }
        let parse = || serde_json::from_slice::<Pipeline>(bytes).map_err(Into::into);
        let mut pipeline = guarded(parse).map_err(|error| Error::malformed(what, "tokenizer.json", error))?;
        pipeline.with_padding(None);
        guarded(|| pipeline.with_truncation(None).map(|_| ()))?;
        let (prefix, suffix) = affixes(&pipeline)?;
        let size = pipeline.get_vocab_size(true);
        Ok(Self::assemble(pipeline, prefix, suffix, size, Roles::default()))
    }

    fn assemble(pipeline: Pipeline, prefix: Vec<u32>, suffix: Vec<u32>, size: usize, roles: Roles) -> Self {
        let mut plain = pipeline.get_added_vocabulary().clone();
        plain.set_encode_special_tokens(true);
        let pieces = Pieces::of(pipeline.get_decoder());
        let inner = Arc::new(Inner { pipeline, plain, pieces, prefix, suffix, size });
        Self { inner, roles: Arc::new(roles) }
    }

    /// The same tokenizer with these begin and end tokens; names that the vocabulary lacks are left out.
    #[must_use]
    pub fn with_special_tokens(self, tokens: &SpecialTokens) -> Self {
        let resolve = |name: &TokenName| match name {
            TokenName::Id(id) => self.token(*id).map(|_| *id),
            TokenName::Text(text) => self.id(text),
        };
        let of = |name: &Option<TokenName>| name.as_ref().and_then(resolve);
        let (bos, eos, pad) = (of(&tokens.bos), of(&tokens.eos), of(&tokens.pad));
        let mut end: Vec<u32> = tokens.end.iter().filter_map(resolve).chain(eos).collect();
        end.sort_unstable();
        end.dedup();
        Self { roles: Arc::new(Roles { bos, eos, pad, end }), ..self }
    }

    /// Ids of `text`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a text over 16 MiB, [`Error::Text`] when the library refuses it.
    pub fn encode(&self, text: &str, special: Special, affixes: Affixes) -> Result<Vec<u32>> {
        self.encode_within(text, special, affixes, usize::MAX)
    }

    /// Ids of as much of `text` as fits into `max_tokens`; what is cut is the end of the text, never an affix.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`], and [`Error::Argument`] when not even the affixes fit.
    pub fn encode_within(&self, text: &str, special: Special, affixes: Affixes, max_tokens: usize) -> Result<Vec<u32>> {
        let (ids, cut) = self.encode_cut(text, special, affixes, max_tokens)?;
        if cut > 0 {
            log::warn!("a text is cut to {max_tokens} tokens, by {cut}");
        }
        Ok(ids)
    }

    /// As [`Tokenizer::encode_within`] where the beginning of a text is what is wanted: nothing is logged.
    ///
    /// # Errors
    /// As [`Tokenizer::encode_within`].
    pub fn encode_beginning(
        &self,
        text: &str,
        special: Special,
        affixes: Affixes,
        max_tokens: usize,
    ) -> Result<Vec<u32>> {
        Ok(self.encode_cut(text, special, affixes, max_tokens)?.0)
    }

    /// The tokens, and how many were cut off.
    fn encode_cut(
        &self,
        text: &str,
        special: Special,
        affixes: Affixes,
        max_tokens: usize,
    ) -> Result<(Vec<u32>, usize)> {
        let (prefix, suffix): (&[u32], &[u32]) = match affixes {
            Affixes::Add => (&self.inner.prefix, &self.inner.suffix),
            Affixes::None => (&[], &[]),
        };
        let around = prefix.len() + suffix.len();
        let room = max_tokens.checked_sub(around).ok_or_else(|| {
            Error::argument("max_tokens", format!("{max_tokens}, but {around} special tokens surround a text"))
        })?;
        let mut ids = prefix.to_vec();
        let own = self.ids(text, special, None)?;
        let cut = own.len().saturating_sub(room);
        ids.extend(own.into_iter().take(room));
        ids.extend_from_slice(suffix);
        Ok((ids, cut))
    }

    /// Tokens of `text` alone, without affixes, each with the bytes of `text` that it stands for.
    ///
    /// # Errors
    /// As [`Tokenizer::encode`].
    pub fn encode_places(&self, text: &str, special: Special) -> Result<Vec<(u32, Range<usize>)>> {
        let pieces = self.split(text, special, None)?;
        let encoding = guarded(|| pieces.into_encoding(None, 0, OffsetType::Byte))?;
        let offsets = encoding.get_offsets().iter().map(|&(start, end)| start..end);
        Ok(encoding.get_ids().iter().copied().zip(offsets).collect())
    }

    /// The tokens that surround a text: before and behind it.
    #[must_use]
    pub fn affixes(&self) -> (&[u32], &[u32]) {
        (&self.inner.prefix, &self.inner.suffix)
    }

    /// Ids of a rendered template, in which `marker` splits the control tokens that are not the template's own. Markers
    /// are removed once special tokens have been found.
    pub(super) fn encode_marked(&self, text: &str, marker: Option<char>) -> Result<Vec<u32>> {
        self.ids(text, Special::Parse, marker)
    }

    fn ids(&self, text: &str, special: Special, marker: Option<char>) -> Result<Vec<u32>> {
        let pieces = self.split(text, special, marker)?;
        let splits = pieces.get_splits(OffsetReferential::Normalized, OffsetType::None);
        Ok(splits.iter().filter_map(|(_, _, tokens)| tokens.as_ref()).flatten().map(|token| token.id).collect())
    }

    fn split(&self, text: &str, special: Special, marker: Option<char>) -> Result<PreTokenizedString> {
        if text.len() > MAX_TEXT_BYTES {
            return Err(Error::argument("text", format!("{} bytes, the limit is {MAX_TEXT_BYTES}", text.len())));
        }
        let pipeline = &self.inner.pipeline;
        let added = match special {
            Special::Parse => pipeline.get_added_vocabulary(),
            Special::Plain => &self.inner.plain,
        };
        guarded(|| {
            let mut pieces = added.extract_and_normalize(pipeline.get_normalizer(), text);
            if let Some(marker) = marker {
                pieces.normalize(|piece| {
                    piece.filter(|c| c != marker);
                    Ok(())
                })?;
            }
            if let Some(pre_tokenizer) = pipeline.get_pre_tokenizer() {
                pre_tokenizer.pre_tokenize(&mut pieces)?;
            }
            tokenize(&mut pieces, pipeline.get_model())?;
            Ok(pieces)
        })
    }

    /// Text of `ids`. Special and unknown ids are skipped, bytes that are no UTF-8 become U+FFFD.
    ///
    /// # Errors
    /// [`Error::Text`] when the library's decoder fails.
    pub fn decode(&self, ids: &[u32]) -> Result<String> {
        let mut stream = Detokenizer::new(self);
        let mut text = String::new();
        for &id in ids {
            text.extend(stream.push(id)?);
        }
        text.push_str(&stream.finish()?);
        Ok(text)
    }

    /// The token of `id` as the vocabulary writes it.
    #[must_use]
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.pipeline.id_to_token(id)
    }

    /// The id of a token as the vocabulary writes it.
    #[must_use]
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.pipeline.token_to_id(token)
    }

    /// Number of ids.
    #[must_use]
    pub fn vocab_size(&self) -> usize {
        self.inner.size
    }

    /// The token that begins a sequence.
    #[must_use]
    pub fn bos(&self) -> Option<u32> {
        self.roles.bos
    }

    /// The token that ends a sequence.
    #[must_use]
    pub fn eos(&self) -> Option<u32> {
        self.roles.eos
    }

    /// The token that texts are filled up with, where every text must have one length.
    #[must_use]
    pub fn pad(&self) -> Option<u32> {
        self.roles.pad
    }

    /// All tokens that end a turn, in ascending order.
    #[must_use]
    pub fn end_tokens(&self) -> &[u32] {
        &self.roles.end
    }

    pub(super) fn pieces(&self) -> &Pieces {
        &self.inner.pieces
    }

    /// The token of `id` unless it is special.
    pub(super) fn visible(&self, id: u32) -> Option<String> {
        self.token(id).filter(|token| !self.inner.plain.is_special_token(token))
    }

    /// The texts of all special tokens.
    pub(super) fn special_texts(&self) -> Vec<String> {
        let tokens = self.inner.plain.get_added_tokens_decoder();
        tokens.values().filter(|token| token.special).map(|token| token.content.clone()).collect()
    }

    pub(super) fn library_decode(&self, ids: &[u32]) -> Result<String> {
        guarded(|| self.inner.pipeline.decode(ids, true))
    }
}

fn tokenize(pieces: &mut PreTokenizedString, model: &impl Model) -> tokenizers::Result<()> {
    pieces.tokenize(|piece: &NormalizedString| model.tokenize(piece.get()))
}

/// What the post-processor puts before and behind a text, found by processing a single token.
fn affixes(pipeline: &Pipeline) -> Result<(Vec<u32>, Vec<u32>)> {
    let probe = || Encoding::from_tokens(vec![Token::new(PROBE, String::new(), (0, 0))], 0);
    let ids = guarded(|| pipeline.post_process(probe(), None, true))?.get_ids().to_vec();
    let mut parts = ids.split(|&id| id == PROBE);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(prefix), Some(suffix), None) => Ok((prefix.to_vec(), suffix.to_vec())),
        _ => Err(Error::unsupported("post-processor", "it must keep the text once, between special tokens")),
    }
}

/// Runs library code, whose errors and panics on damaged vocabularies become [`Error::Text`].
fn guarded<T>(run: impl FnOnce() -> tokenizers::Result<T>) -> Result<T> {
    let reason = match catch_unwind(AssertUnwindSafe(run)) {
        Ok(Ok(value)) => return Ok(value),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "the vocabulary is inconsistent".to_owned(),
    };
    Err(Error::Text { what: WHAT, reason })
}
