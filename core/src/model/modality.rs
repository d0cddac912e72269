//! Kinds of data that encoders read.

/// A kind of data with an encoder of its own, by the name that manifests, adapters and commands use.
///
/// A new one is a constant beside its encoder; nothing here lists them all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize)]
#[serde(transparent)]
pub struct Modality(&'static str);

impl Modality {
    /// Written language.
    pub const TEXT: Self = Self("text");
    /// Pictures.
    pub const IMAGE: Self = Self("image");
    /// Background sound.
    pub const SOUND: Self = Self("sound");
    /// Intelligible speech.
    pub const SPEECH: Self = Self("speech");
    /// Accelerometer and gyroscope.
    pub const IMU: Self = Self("imu");

    /// A modality of that name: lower-case letters and hyphens.
    #[must_use]
    pub const fn new(name: &'static str) -> Self {
        Self(name)
    }

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.0
    }
}

impl std::fmt::Display for Modality {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.0)
    }
}
