//! Text in and out: tokenizers, chat templates, streamed text.
//!
//! Expected values come from llama.cpp and transformers by `input/make_fixtures.py`; llama.cpp's own vocabularies are
//! used where `../shared` exists.

#[path = "input/chats.rs"]
mod chats;
#[path = "input/clip.rs"]
mod clip;
#[path = "input/hostile.rs"]
mod hostile;
#[path = "input/images.rs"]
mod images;
#[path = "input/injection.rs"]
mod injection;
#[path = "input/json.rs"]
mod json;
#[path = "input/real.rs"]
mod real;
#[path = "input/stop.rs"]
mod stop;
#[path = "input/stream.rs"]
mod stream;
#[path = "input/support.rs"]
mod support;
#[path = "input/vocabularies.rs"]
mod vocabularies;
