//! Recognisers: networks that turn what is heard into text.

pub mod ctc;
pub mod whisper;
