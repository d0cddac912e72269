//! Data on its way in and out of a model: tokenizers, chat templates, streamed text, pictures, sound, motion.
//!
//! Everything here works on raw data and token ids; no file knows of tensors, models or sessions. Vocabularies,
//! templates and texts come from outside, so every length is bounded and a hostile one ends in an error.

mod audio;
mod byte_pair_tokenizer;
mod characters;
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
mod imu;
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

pub(crate) use audio::check_samples;
pub use audio::{
    Audio, AudioFeatures, AudioWindows, Channels, Cut, Fbank, FbankConfig, FbankWindow, FeatureExtractor, Log, LogMel,
    MelConfig, MelScale, Normalize, PcmFormat, Resampler, SampleRate, Spectrogram, SpectrogramEnds,
};
pub use characters::{CharacterTokenizer, Script};
pub use chat::{Placeholders, encode_chat, encode_chat_around, encode_chat_with};
pub use chat_template::{ChatOptions, ChatTemplate, GenerationPrompt};
pub use detokenizer::{Detokenizer, Position};
pub use image::{
    Image, ImageLimits, ImageProcessor, MAX_PIXELS, MAX_SIDE, PixelLayout, Pixels, Resampling, TileProcessor, Tiles,
};
pub use imu::{
    Acceleration, AngularRate, Axes, Axis, Gravity, ImuConfig, ImuLayout, ImuSource, ImuStream, ImuWindow, LongWindow,
    Repair, ShortWindow, Sign,
};
pub use media::Input;
pub use message::{Content, ContentPart, Message, Role};
pub use special_tokens::{SpecialTokens, TokenName, special_tokens};
pub use stop::{Step, StopStrings};
pub use tokenizer::{Affixes, Special, Tokenizer};
