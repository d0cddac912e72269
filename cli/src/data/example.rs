//! A row of a data folder: what goes into a task, and what is to come out.

use std::path::PathBuf;

/// Endings of the names of pictures, sounds and recordings of motion.
const IMAGES: [&str; 3] = ["png", "jpg", "jpeg"];
const SOUNDS: [&str; 2] = ["wav", "flac"];
const MOTIONS: [&str; 1] = ["csv"];

/// What kind of data a row's input is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A text, or two.
    Text,
    /// A picture, perhaps with a text about it.
    Image,
    /// A sound.
    Sound,
    /// Motion.
    Motion,
}

impl Kind {
    /// As messages name it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Image => "image",
            Self::Sound => "sound",
            Self::Motion => "motion",
        }
    }

    /// Of a file by the ending of its name.
    #[must_use]
    pub fn of_ending(ending: &str) -> Option<Self> {
        let ending = ending.to_ascii_lowercase();
        let holds = |endings: &[&str]| endings.contains(&ending.as_str());
        [(Self::Image, holds(&IMAGES)), (Self::Sound, holds(&SOUNDS)), (Self::Motion, holds(&MOTIONS))]
            .into_iter()
            .find_map(|(kind, held)| held.then_some(kind))
    }

    /// All endings, for messages.
    #[must_use]
    pub fn endings() -> String {
        let all: Vec<&str> = IMAGES.into_iter().chain(SOUNDS).chain(MOTIONS).collect();
        format!(".{}", all.join(", ."))
    }
}

/// Where a row's picture, sound or motion is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A file that was there, inside the folder.
    File {
        /// Where it is.
        path: PathBuf,
        /// As the listing names it.
        name: String,
        /// What it holds.
        kind: Kind,
    },
    /// The recording of that index in the split's arrays.
    Recording(usize),
}

/// What is to come out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// A class.
    Label(String),
    /// Texts of which each is right; at least one.
    Texts(Vec<String>),
}

/// One row.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Example {
    /// The row as errors name it, such as `row 3`.
    pub place: String,
    /// Its text; both of a pair on a line each.
    pub text: Option<String>,
    /// Its picture, sound or motion.
    pub source: Option<Source>,
    /// What is right.
    pub target: Target,
}

impl Example {
    /// What kind of data its input is: that of its file, where it has one.
    #[must_use]
    pub fn kind(&self) -> Kind {
        match &self.source {
            None => Kind::Text,
            Some(Source::File { kind, .. }) => *kind,
            Some(Source::Recording(_)) => Kind::Motion,
        }
    }

    /// Its class, if it is to be classified.
    #[must_use]
    pub fn label(&self) -> Option<&str> {
        match &self.target {
            Target::Label(label) => Some(label),
            Target::Texts(_) => None,
        }
    }

    /// The texts of which each is right; none for a class.
    #[must_use]
    pub fn texts(&self) -> &[String] {
        match &self.target {
            Target::Label(_) => &[],
            Target::Texts(texts) => texts,
        }
    }

    /// The file as its listing names it.
    #[must_use]
    pub fn file_name(&self) -> Option<&str> {
        match &self.source {
            Some(Source::File { name, .. }) => Some(name),
            _ => None,
        }
    }
}
