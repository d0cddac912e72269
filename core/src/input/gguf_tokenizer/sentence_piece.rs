//! SentencePiece BPE: `tokenizer.ggml.model = "llama"`.
//!
//! Neighbours are merged whenever their text is a token, best score first and leftmost among equals; what remains
//! unknown falls back to byte tokens. Merge lists derived from the scores agree with this except for ties and for
//! characters that are no tokens of their own, so the rule itself is implemented.

use std::cmp::Ordering;
use std::collections::{BinaryHeap, HashMap};

use tokenizers::decoders::byte_fallback::ByteFallback;
use tokenizers::decoders::fuse::Fuse;
use tokenizers::decoders::sequence::Sequence as Decoders;
use tokenizers::decoders::strip::Strip;
use tokenizers::normalizers::{Prepend, Replace, Sequence as Normalizers};
use tokenizers::{DecoderWrapper, NormalizerWrapper, Token, TokenizerImpl};

use super::vocabulary::{Kind, Vocabulary, flag, malformed};
use super::{Built, Pipeline};
use crate::error::Result;
use crate::input::token_model::{Algorithm, TokenModel};
use crate::weights::Metadata;

/// The visible space of SentencePiece.
const SPACE: &str = "\u{2581}";

pub(super) fn build(metadata: &Metadata, vocabulary: &Vocabulary<'_>) -> Result<Built> {
    let unknown = vocabulary.role(metadata, "unknown", Some(0))?;
    let model = SentencePiece::new(vocabulary, unknown);
    let algorithm = Algorithm::SentencePiece(model);
    let mut pipeline: Pipeline = TokenizerImpl::new(TokenModel::new(algorithm, vocabulary.control().to_vec()));

    let replace = Replace::new(" ", SPACE).map_err(malformed)?;
    let mut normalizers: Vec<NormalizerWrapper> = vec![replace.into()];
    let mut decoders: Vec<DecoderWrapper> =
        vec![Replace::new(SPACE, " ").map_err(malformed)?.into(), ByteFallback::new().into(), Fuse::new().into()];
    if flag(metadata, "add_space_prefix", true) {
        normalizers.insert(0, Prepend::new(SPACE.to_owned()).into());
        decoders.push(Strip::new(' ', 1, 0).into());
    }
    pipeline.with_normalizer(Some(Normalizers::new(normalizers))).map_err(malformed)?;
    pipeline.with_decoder(Some(Decoders::new(decoders)));

    let bos = vocabulary.role(metadata, "bos", Some(1))?;
    let eos = vocabulary.role(metadata, "eos", Some(2))?;
    let prefix = bos.filter(|_| flag(metadata, "add_bos_token", true)).into_iter().collect();
    let suffix = eos.filter(|_| flag(metadata, "add_eos_token", false)).into_iter().collect();
    Ok(Built { pipeline, prefix, suffix, bos, eos, end: Vec::new(), size: vocabulary.len() })
}

/// Texts, scores and byte tokens.
#[derive(Debug)]
pub(crate) struct SentencePiece {
    texts: HashMap<u32, String>,
    ids: HashMap<String, u32>,
    /// By id.
    scores: Vec<f32>,
    bytes: Box<[Option<u32>; 256]>,
    unknown: Option<u32>,
}

impl SentencePiece {
    fn new(vocabulary: &Vocabulary<'_>, unknown: Option<u32>) -> Self {
        let mut texts = HashMap::with_capacity(vocabulary.len());
        let mut ids = HashMap::with_capacity(vocabulary.len());
        let mut bytes = Box::new([None; 256]);
        for (id, text, kind) in vocabulary.ordinary().rev() {
            texts.insert(id, text.to_owned());
            match byte_of(text).filter(|_| kind == Kind::Byte) {
                Some(byte) => bytes[usize::from(byte)] = Some(id),
                None => {
                    ids.insert(text.to_owned(), id);
                }
            }
        }
        let scores = (0..vocabulary.len()).map(|id| vocabulary.score(u32::try_from(id).unwrap_or(u32::MAX))).collect();
        Self { texts, ids, scores, bytes, unknown }
    }

    pub(crate) fn len(&self) -> usize {
        self.texts.len()
    }

    pub(crate) fn id(&self, token: &str) -> Option<u32> {
        self.ids.get(token).copied().or_else(|| byte_of(token).and_then(|byte| self.bytes[usize::from(byte)]))
    }

    pub(crate) fn token(&self, id: u32) -> Option<&str> {
        self.texts.get(&id).map(String::as_str)
    }

    pub(crate) fn vocabulary(&self) -> HashMap<String, u32> {
        self.texts.iter().map(|(&id, text)| (text.clone(), id)).collect()
    }

    /// Ids of `text`, in time `n log n` of its characters.
    pub(crate) fn tokenize(&self, text: &str) -> Vec<Token> {
        let mut symbols = symbols(text);
        let mut queue = BinaryHeap::new();
        for right in 1..symbols.len() {
            queue.extend(self.pair(text, &symbols, right - 1, right));
        }
        while let Some(pair) = queue.pop() {
            let (left, right) = (symbols[pair.left], symbols[pair.right]);
            // A symbol that was merged meanwhile has another length, or none.
            if left.len == 0 || right.len == 0 || left.len + right.len != pair.len {
                continue;
            }
            symbols[pair.left] = Symbol { len: pair.len, next: right.next, ..left };
            symbols[pair.right].len = 0;
            if let Some(next) = right.next {
                symbols[next].previous = Some(pair.left);
                queue.extend(self.pair(text, &symbols, pair.left, next));
            }
            if let Some(previous) = left.previous {
                queue.extend(self.pair(text, &symbols, previous, pair.left));
            }
        }
        let mut tokens = Vec::new();
        for symbol in symbols.iter().filter(|symbol| symbol.len > 0) {
            self.emit(text, *symbol, &mut tokens);
        }
        tokens
    }

    fn pair(&self, text: &str, symbols: &[Symbol], left: usize, right: usize) -> Option<Pair> {
        let len = symbols[left].len + symbols[right].len;
        let start = symbols[left].start;
        let id = *self.ids.get(&text[start..start + len])?;
        Some(Pair { score: self.scores[id as usize], left, right, len })
    }

    fn emit(&self, text: &str, symbol: Symbol, tokens: &mut Vec<Token>) {
        let (start, end) = (symbol.start, symbol.start + symbol.len);
        let piece = &text[start..end];
        if let Some(&id) = self.ids.get(piece) {
            tokens.push(Token::new(id, String::new(), (start, end)));
            return;
        }
        for (at, byte) in (start..).zip(piece.bytes()) {
            if let Some(id) = self.bytes[usize::from(byte)].or(self.unknown) {
                tokens.push(Token::new(id, String::new(), (at, at + 1)));
            }
        }
    }
}

/// A run of the text; merged-away ones have length 0.
#[derive(Clone, Copy)]
struct Symbol {
    start: usize,
    len: usize,
    previous: Option<usize>,
    next: Option<usize>,
}

fn symbols(text: &str) -> Vec<Symbol> {
    let mut symbols: Vec<Symbol> = text
        .char_indices()
        .enumerate()
        .map(|(i, (start, c))| Symbol { start, len: c.len_utf8(), previous: i.checked_sub(1), next: Some(i + 1) })
        .collect();
    if let Some(last) = symbols.last_mut() {
        last.next = None;
    }
    symbols
}

/// Two neighbours that would form a token; ordered by score, then leftmost first.
struct Pair {
    score: f32,
    left: usize,
    right: usize,
    len: usize,
}

impl Ord for Pair {
    fn cmp(&self, other: &Self) -> Ordering {
        self.score.total_cmp(&other.score).then_with(|| other.left.cmp(&self.left))
    }
}

impl PartialOrd for Pair {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Pair {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Pair {}

/// The byte of a token such as `<0x0A>`.
fn byte_of(token: &str) -> Option<u8> {
    let digits = token.strip_prefix("<0x")?.strip_suffix('>')?;
    if digits.len() == 2 { u8::from_str_radix(digits, 16).ok() } else { None }
}
