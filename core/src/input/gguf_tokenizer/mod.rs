//! Tokenizers from GGUF metadata, which holds a vocabulary but names its pipeline only by keywords.
//!
//! One file per algorithm turns a [`Vocabulary`] into a library pipeline; results follow llama.cpp, which defined the
//! keys. Unigram ("t5"), RWKV and other rare models are refused with an error that names them.

mod bpe;
mod pre_tokenizer;
mod sentence_piece;
mod vocabulary;
mod wordpiece;

pub(crate) use sentence_piece::SentencePiece;
pub(crate) use vocabulary::Vocabulary;

use tokenizers::{
    AddedToken, DecoderWrapper, NormalizerWrapper, PostProcessorWrapper, PreTokenizerWrapper, TokenizerImpl,
};

use crate::error::{Error, Result};
use crate::input::token_model::TokenModel;
use crate::weights::Metadata;

/// The library's pipeline around our model.
pub(crate) type Pipeline =
    TokenizerImpl<TokenModel, NormalizerWrapper, PreTokenizerWrapper, PostProcessorWrapper, DecoderWrapper>;

/// A pipeline and the ids that it adds around a text.
pub(crate) struct Built {
    pub(crate) pipeline: Pipeline,
    pub(crate) prefix: Vec<u32>,
    pub(crate) suffix: Vec<u32>,
    pub(crate) bos: Option<u32>,
    pub(crate) eos: Option<u32>,
    pub(crate) end: Vec<u32>,
    pub(crate) size: usize,
}

/// Builds the tokenizer that `metadata` describes.
pub(crate) fn build(metadata: &Metadata) -> Result<Built> {
    let model = metadata
        .str("tokenizer.ggml.model")
        .ok_or_else(|| vocabulary::malformed("'tokenizer.ggml.model' is missing or no string"))?;
    let vocabulary = Vocabulary::read(metadata)?;
    let mut built = match model {
        "gpt2" => bpe::build(metadata, &vocabulary)?,
        "llama" => sentence_piece::build(metadata, &vocabulary)?,
        "bert" => wordpiece::build(metadata, &vocabulary)?,
        other => {
            let reason = "'gpt2' (byte-level BPE), 'llama' (SentencePiece BPE) and 'bert' (WordPiece) are built";
            return Err(Error::unsupported(format!("GGUF tokenizer model '{other}'"), reason));
        }
    };
    let special = vocabulary.control().iter().map(|(_, text)| added(text, Matched::WhenParsed));
    let plain = vocabulary.user_defined().map(|text| added(text, Matched::Always));
    let swallows = swallows_spaces(metadata);
    let rstrip = |token: AddedToken| {
        let keeps = KEEPING.contains(&token.content.as_str());
        token.rstrip(swallows && !keeps)
    };
    let tokens: Vec<AddedToken> = special.chain(plain).map(rstrip).collect();
    built.pipeline.add_tokens(tokens).map_err(vocabulary::malformed)?;
    built.end = vocabulary.end_tokens(metadata, built.eos);
    Ok(built)
}

/// Phi-3's tokens that leave the white space behind them alone.
const KEEPING: [&str; 3] = ["<unk>", "<s>", "<|endoftext|>"];

/// Whether control tokens take the white space behind them along: a property of Phi-3 that GGUF has no key for, so it
/// goes by the model's name, as in llama.cpp.
fn swallows_spaces(metadata: &Metadata) -> bool {
    let name = metadata.str("general.name").unwrap_or_default().to_lowercase();
    name.contains("phi-3") || name.contains("phi3")
}

/// When an added token's text in the input becomes its id.
#[derive(Clone, Copy, PartialEq)]
enum Matched {
    Always,
    WhenParsed,
}

fn added(text: &str, matched: Matched) -> AddedToken {
    AddedToken::from(text, matched == Matched::WhenParsed).normalized(false)
}
