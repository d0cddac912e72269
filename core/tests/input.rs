//! Data in and out: tokenizers, chat templates, streamed text, pictures.
//!
//! Expected values come from llama.cpp and transformers by `input/make_fixtures.py`; llama.cpp's own vocabularies are
//! used where `../shared` exists. Those of pictures come from Pillow and transformers by `parity/make_pictures.py`.

#[path = "input/audio.rs"]
mod audio;
#[path = "input/audio_stream.rs"]
mod audio_stream;
#[path = "input/chats.rs"]
mod chats;
#[path = "input/clip.rs"]
mod clip;
#[path = "input/hostile.rs"]
mod hostile;
#[path = "input/images.rs"]
mod images;
#[path = "input/imu.rs"]
mod imu;
#[path = "input/injection.rs"]
mod injection;
#[path = "input/json.rs"]
mod json;
#[path = "input/picture_bounds.rs"]
mod picture_bounds;
#[path = "input/picture_config.rs"]
mod picture_config;
#[path = "input/pictures.rs"]
mod pictures;
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
#[path = "input/whisper_vocabulary.rs"]
mod whisper_vocabulary;
