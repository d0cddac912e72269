//! Generators: networks whose output is no text. So far speech.

pub mod vits;
