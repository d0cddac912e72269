//! Commands that run the engine. Each module holds the arguments of one command and what it does.

pub mod adapter;
pub mod chat;
pub mod classify;
pub mod embed;
pub mod generate;
pub mod inspect;
pub mod interrupt;
pub mod logits;
pub mod perplexity;
pub mod speed;
pub mod tour;

mod input;
pub mod model;
mod sampling;
mod stream;
