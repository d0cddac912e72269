//! One turn of a conversation, as an app hands it over.
//!
//! The field names are those that chat templates read, so a message serialises to exactly what a template expects.

use serde::{Deserialize, Serialize};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// Instructions that frame the conversation.
    System,
    /// The person or the app.
    User,
    /// The model.
    Assistant,
    /// The result of a tool that the model called.
    Tool,
}

impl Role {
    /// The name that templates compare with.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
        }
    }
}

/// A piece of a message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum ContentPart {
    /// Text.
    Text {
        /// What was said.
        text: String,
    },
    /// A picture, handed over beside the messages: the first such part is the first picture, and so on.
    Image,
}

/// What a message holds: a string, or pieces of text and pictures.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Content {
    /// Text alone.
    Text(String),
    /// Pieces in their order.
    Parts(Vec<ContentPart>),
}

impl Content {
    /// Its texts, in order.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let (whole, parts) = match self {
            Self::Text(text) => (Some(text.as_str()), &[][..]),
            Self::Parts(parts) => (None, parts.as_slice()),
        };
        whole.into_iter().chain(parts.iter().filter_map(|part| match part {
            ContentPart::Text { text } => Some(text.as_str()),
            ContentPart::Image => None,
        }))
    }

    /// Pictures among its pieces.
    #[must_use]
    pub fn images(&self) -> usize {
        match self {
            Self::Text(_) => 0,
            Self::Parts(parts) => parts.iter().filter(|part| **part == ContentPart::Image).count(),
        }
    }

    /// The same content as one text, in which `place` stands for each picture.
    pub(super) fn with_places(&self, place: &str) -> Self {
        Self::Text(match self {
            Self::Text(text) => text.clone(),
            Self::Parts(parts) => parts
                .iter()
                .map(|part| match part {
                    ContentPart::Text { text } => text.as_str(),
                    ContentPart::Image => place,
                })
                .collect(),
        })
    }

    /// The same content with its texts changed.
    pub(super) fn try_map<E>(&self, mut change: impl FnMut(&str) -> Result<String, E>) -> Result<Self, E> {
        Ok(match self {
            Self::Text(text) => Self::Text(change(text)?),
            Self::Parts(parts) => Self::Parts(
                parts
                    .iter()
                    .map(|part| match part {
                        ContentPart::Text { text } => Ok(ContentPart::Text { text: change(text)? }),
                        ContentPart::Image => Ok(ContentPart::Image),
                    })
                    .collect::<Result<_, E>>()?,
            ),
        })
    }
}

impl From<String> for Content {
    fn from(text: String) -> Self {
        Self::Text(text)
    }
}

impl From<&str> for Content {
    fn from(text: &str) -> Self {
        Self::Text(text.to_owned())
    }
}

impl From<&String> for Content {
    fn from(text: &String) -> Self {
        Self::Text(text.clone())
    }
}

impl From<Vec<ContentPart>> for Content {
    fn from(parts: Vec<ContentPart>) -> Self {
        Self::Parts(parts)
    }
}

/// For a person to read: a picture is `[image]`.
impl std::fmt::Display for Content {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Parts(parts) => parts.iter().try_for_each(|part| match part {
                ContentPart::Text { text } => f.write_str(text),
                ContentPart::Image => f.write_str("[image]"),
            }),
        }
    }
}

/// A role and what it said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who speaks.
    pub role: Role,
    /// What was said; never read as control tokens by [`encode_chat`](super::encode_chat).
    pub content: Content,
}

impl Message {
    /// A message of `role`.
    pub fn new(role: Role, content: impl Into<Content>) -> Self {
        Self { role, content: content.into() }
    }

    /// Instructions that frame the conversation.
    pub fn system(content: impl Into<Content>) -> Self {
        Self::new(Role::System, content)
    }

    /// What the person or the app says.
    pub fn user(content: impl Into<Content>) -> Self {
        Self::new(Role::User, content)
    }

    /// A user's message that shows `images` pictures and then says `text`.
    pub fn user_with_images(images: usize, text: impl Into<String>) -> Self {
        let mut parts = vec![ContentPart::Image; images];
        parts.push(ContentPart::Text { text: text.into() });
        Self::new(Role::User, parts)
    }

    /// What the model said in an earlier turn.
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self::new(Role::Assistant, content)
    }
}
