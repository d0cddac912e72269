//! What apps ask for: chat, generation, classification, embedding, scoring. Each task is a thin layer over the engine.

mod chat;
mod classify;
mod embed;
mod score;

pub use chat::Chat;
pub use classify::{Classification, ClassifyOptions, DEFAULT_TEMPLATE, LabelScore};
pub use embed::similarity;
pub use score::{Perplexity, SCORE_CHUNK};
