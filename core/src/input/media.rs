//! What a task works on, whatever its kind.

use super::audio::Audio;
use super::image::Image;
use super::imu::{ImuWindow, Repair};

/// One input of a task. What reads it is named by the task: a grey picture may be a depth map.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Written language.
    Text(String),
    /// A picture.
    Image(Image),
    /// Sound, of any rate.
    Sound(Audio),
    /// Motion.
    Motion {
        /// What the sensors gave.
        window: ImuWindow,
        /// What becomes of gaps and values that are not finite.
        repair: Repair,
    },
}

impl Input {
    /// Its kind, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image(_) => "an image",
            Self::Sound(_) => "sound",
            Self::Motion { .. } => "motion",
        }
    }
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Audio> for Input {
    fn from(audio: Audio) -> Self {
        Self::Sound(audio)
    }
}

impl From<Image> for Input {
    fn from(image: Image) -> Self {
        Self::Image(image)
    }
}
