//! Sound: PCM, resampling, windows of long recordings, and the spectrograms that networks read.
//!
//! Everything is mono. A recording of any length is read block by block: [`Resampler`] and [`AudioWindows`] hold a window
//! and a block, never the whole.

mod extractor;
mod fbank;
mod log_mel;
mod mel_bank;
mod mel_config;
mod normalize;
mod pcm;
mod resample;
mod spectrogram;
mod stft;
mod windows;

pub use extractor::{AudioFeatures, FeatureExtractor};
pub use fbank::{Fbank, FbankConfig, FbankWindow};
pub use log_mel::LogMel;
pub use mel_config::{Cut, Log, MelConfig, MelScale, SpectrogramEnds};
pub use normalize::Normalize;
pub(crate) use pcm::check as check_samples;
pub use pcm::{Audio, Channels, PcmFormat, SampleRate};
pub use resample::Resampler;
pub use spectrogram::Spectrogram;
pub use windows::AudioWindows;
