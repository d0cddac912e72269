//! What a data set is made of: examples with an input and what is right about it.

use std::fmt;

use super::source::{Mask, Media};
use crate::error::{Error, Result};
use crate::metric::{Annotated, AnnotatedPose, Appearance, Frame};

/// A part of a data set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Split {
    /// What models are trained on.
    Train,
    /// What choices are made on; where the answers to the test are not public, what scores are reported on.
    Valid,
    /// What scores are reported on.
    Test,
}

impl Split {
    /// As messages and commands name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Train => "train",
            Self::Valid => "valid",
            Self::Test => "test",
        }
    }
}

/// One example.
#[derive(Clone, Debug, PartialEq)]
pub struct Example {
    /// As its set names it, else its file's name or the number of its row.
    pub id: String,
    /// What goes into a model.
    pub input: Input,
    /// What is right.
    pub target: Target,
}

/// What goes into a model.
#[derive(Clone, Debug, PartialEq)]
pub enum Input {
    /// A text.
    Text(String),
    /// Two texts.
    Texts(String, String),
    /// Words that are each tagged.
    Words(Vec<String>),
    /// A question about a text.
    Question {
        /// What it is about.
        context: String,
        /// The question.
        question: String,
    },
    /// A picture.
    Image(Media),
    /// A picture, and another one whose style it is to take.
    Images(Media, Media),
    /// A question, or a phrase, about a picture.
    ImageQuestion {
        /// The picture.
        image: Media,
        /// The question or phrase.
        question: String,
    },
    /// A sound.
    Sound(Media),
    /// Moving pictures, with their sound if there is one.
    Video(Media),
    /// A window of motion.
    Motion(Motion),
}

/// What is right.
#[derive(Clone, Debug, PartialEq)]
pub enum Target {
    /// Nothing is known.
    Unknown,
    /// A class: an index into [`Examples::labels`].
    Label(usize),
    /// Several classes.
    LabelSet(Vec<usize>),
    /// Texts of which each is right; none where a question has no answer.
    Texts(Vec<String>),
    /// A tag of each word.
    Tags(Vec<String>),
    /// Meaning of what is said.
    Frame(Frame),
    /// Objects, in the numbers of images and categories of the file.
    Boxes(Boxes),
    /// Poses.
    Poses(Vec<AnnotatedPose>),
    /// Classes of pixels, or how opaque they are.
    Mask(Mask),
    /// A picture.
    Image(Media),
    /// Places of heads: across and down, in pixels.
    Points(Vec<[f64; 2]>),
    /// A number.
    Number(f64),
    /// Who is seen, and by which camera; a query or an entry of the gallery.
    Appearance(Appearance, Role),
}

/// What retrieval does with an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It is looked for.
    Query,
    /// It is looked for among these.
    Gallery,
}

/// Objects in an image.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Boxes {
    /// Number of the image.
    pub image: u64,
    /// Its objects.
    pub objects: Vec<Annotated>,
    /// Categories that are known to be absent, where not all are known (LVIS).
    pub absent: Vec<u64>,
    /// Categories of which not all objects are there (LVIS).
    pub partial: Vec<u64>,
}

/// A window of motion.
#[derive(Clone, Debug, PartialEq)]
pub struct Motion {
    /// Samples a second.
    pub rate: f64,
    /// Per sample: acceleration in m/s² (gravity included), then angular rate in rad/s, where there is one.
    pub channels: usize,
    /// `[time, channels]`.
    pub samples: Vec<f32>,
    /// Who moves.
    pub subject: String,
}

/// Examples of a split, read one by one as they are asked for.
pub struct Examples {
    labels: Vec<String>,
    numbers: Vec<u64>,
    rows: Box<dyn Iterator<Item = Result<Example>> + Send>,
    failed: Failed,
}

/// Whether a row was wrong: none follows it.
#[derive(PartialEq, Eq)]
enum Failed {
    No,
    Yes,
}

impl Examples {
    pub(super) fn new(labels: Vec<String>, rows: impl Iterator<Item = Result<Example>> + Send + 'static) -> Self {
        Self { labels, numbers: Vec::new(), rows: Box::new(rows), failed: Failed::No }
    }

    /// Of classes that have numbers of their own in the files.
    pub(super) fn numbered(self, numbers: Vec<u64>) -> Self {
        Self { numbers, ..self }
    }

    /// Names of classes, in the order of [`Target::Label`]; empty where there are none.
    #[must_use]
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The number of each class in the files, as [`Boxes`] have them; empty where classes are known by their place alone.
    #[must_use]
    pub fn numbers(&self) -> &[u64] {
        &self.numbers
    }
}

impl Iterator for Examples {
    type Item = Result<Example, Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed == Failed::Yes {
            return None;
        }
        let row = self.rows.next()?;
        if row.is_err() {
            self.failed = Failed::Yes;
        }
        Some(row)
    }
}

impl fmt::Debug for Examples {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Examples").field("labels", &self.labels).finish_non_exhaustive()
    }
}
