//! Data on its way in and out of a model: tokenizers, chat templates, streamed text, pictures.
//!
//! Everything here works on raw data and token ids; no file knows of tensors, models or sessions. Vocabularies,
//! templates and texts come from outside, so every length is bounded and a hostile one ends in an error.

mod chat;
mod chat_environment;
mod chat_guard;
mod chat_meter;
mod chat_program;
mod chat_template;
mod clip_tokenizer;
mod detokenizer;
mod gguf_tokenizer;
mod image;
mod json_value;
mod media;
mod message;
mod piece;
mod special_tokens;
mod stop;
mod strftime;
mod to_json;
mod token_model;
mod tokenizer;

pub use chat::encode_chat;
pub use chat_template::{ChatOptions, ChatTemplate, GenerationPrompt};
pub use detokenizer::{Detokenizer, Position};
pub use image::{Image, ImageProcessor, MAX_PIXELS, PixelLayout, Pixels, Resampling};
pub use media::Input;
pub use message::{Message, Role};
pub use special_tokens::{SpecialTokens, TokenName, special_tokens};
pub use stop::{Step, StopStrings};
pub use tokenizer::{Affixes, Special, Tokenizer};
