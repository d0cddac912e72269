//! What a task works on, whatever its kind.

use super::image::Image;

/// One input of a task. What reads it is named by the task: a grey picture may be a depth map.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// Written language.
    Text(String),
    /// A picture.
    Image(Image),
}

impl Input {
    /// Its kind, for messages.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Text(_) => "text",
            Self::Image(_) => "an image",
        }
    }
}

impl From<&str> for Input {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<Image> for Input {
    fn from(image: Image) -> Self {
        Self::Image(image)
    }
}
