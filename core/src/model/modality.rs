//! Kinds of data that encoders read.

use serde::{Deserialize, Serialize};

/// A kind of data with an encoder of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Modality {
    /// Written language.
    Text,
    /// Pictures.
    Image,
    /// Background sound.
    Sound,
    /// Intelligible speech.
    Speech,
    /// Accelerometer and gyroscope.
    Imu,
}

impl Modality {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Text, Self::Image, Self::Sound, Self::Speech, Self::Imu];

    /// The modality as manifests and commands spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Sound => "sound",
            Self::Speech => "speech",
            Self::Imu => "imu",
        }
    }
}
