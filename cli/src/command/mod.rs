//! Commands that run the engine. Each module holds the arguments of one command and what it does.

pub mod adapter;
pub mod answer;
pub mod chat;
pub mod classify;
pub mod crowd;
pub mod embed;
pub mod eval;
pub mod generate;
pub mod inspect;
pub mod interrupt;
pub mod logits;
pub mod ops;
pub mod perplexity;
pub mod place;
pub mod places;
pub mod regress;
pub mod retrieve;
pub mod sense;
pub mod speak;
pub mod speed;
pub mod spell;
pub mod tag;
pub mod tasks;
pub mod top;
pub mod tour;
pub mod transcribe;
pub mod upscale;

mod input;
pub mod media;
pub mod model;
pub mod motion;
mod sampling;
mod signature;
mod stream;
mod subtitle;
