//! Opening a data folder, or a single listing that is split into train, valid and test.

use std::path::{Path, PathBuf};

use loam::input::{Audio, Image, ImuWindow, Input, Repair};
use sha2::{Digest, Sha256};

use super::description::{DataTask, Description, NAME};
use super::example::{Example, Kind, Source, Target};
use super::listing::{self, Base, MAX_ROWS, cut};
use super::recordings::Recordings;
use crate::command::media::sound;
use crate::command::motion::{MotionArgs, read_as};
use crate::error::{Error, Result};

const FORMAT: &str = "data folder";
/// Splits of a folder.
pub const SPLITS: [&str; 3] = ["train", "valid", "test"];

/// One split of a data set.
#[derive(Debug)]
pub struct DataSplit {
    /// What the set says about itself.
    pub description: Description,
    /// As the set calls itself, else its directory's or file's name.
    pub name: String,
    /// What its rows are for: as described, else by what they hold.
    pub task: DataTask,
    /// Classes in the order of a head's outputs: as described, else those of this split, sorted.
    pub labels: Vec<String>,
    /// The rows, at least one.
    pub examples: Vec<Example>,
    /// The listing, directory or file of arrays, for messages.
    pub path: PathBuf,
    recordings: Option<Recordings>,
}

impl DataSplit {
    /// Reads the rows of `split` (`train`, `valid` or `test`) of a folder or of a single `.csv` or `.jsonl` file. Pictures,
    /// sounds and motion are looked for and not opened, but for arrays.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Malformed`] naming the file, the row and the value.
    pub fn open(path: &Path, split: &str) -> Result<Self> {
        let wrong = |reason: String| Error::malformed(path.display(), FORMAT, reason);
        if path.is_dir() {
            let description = Description::read(path)?;
            let found = Found::new(path, split)?;
            let mut examples = Vec::new();
            let mut recordings = None;
            match &found {
                Found::Listing(listing) => {
                    let base = listing.parent().unwrap_or(path);
                    listing::read(listing, base, |example| {
                        examples.push(example);
                        Ok(())
                    })?;
                }
                Found::Arrays(file) => {
                    let read = Recordings::read(file, description.labels.len())?;
                    examples.extend(read.classes().iter().enumerate().map(|(index, class)| Example {
                        place: format!("row {index}"),
                        text: None,
                        source: Some(Source::Recording(index)),
                        target: Target::Label(description.labels[*class].clone()),
                    }));
                    recordings = Some(read);
                }
                Found::Classes(folder) => examples = classes(folder)?,
            }
            return Self::checked(path, found.path(), description, examples, recordings);
        }
        let listed = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv") || e.eq_ignore_ascii_case("jsonl"));
        if !listed || !path.exists() {
            let reason = if path.exists() { "expected a folder, or a .csv or .jsonl file" } else { "it is not there" };
            return Err(wrong(reason.into()));
        }
        let parent = path.parent().unwrap_or(Path::new("."));
        let base = Base::new(parent)?;
        let mut examples = Vec::new();
        listing::read(path, parent, |example| {
            if part(&base.identity(&example)) == split {
                examples.push(example);
            }
            Ok(())
        })?;
        Self::checked(path, path, Description::default(), examples, None)
    }

    /// Rows of one kind, of classes that are known.
    fn checked(
        root: &Path,
        path: &Path,
        description: Description,
        examples: Vec<Example>,
        recordings: Option<Recordings>,
    ) -> Result<Self> {
        let wrong = |reason: String| Error::malformed(path.display(), FORMAT, reason);
        let Some(first) = examples.first() else { return Err(wrong("it has no rows".into())) };
        for example in &examples {
            let (kind, place) = (example.kind().as_str(), &example.place);
            if example.label().is_some() != first.label().is_some() {
                return Err(wrong(format!("{place}: some rows have a label, others an output")));
            }
            if example.kind() != first.kind() {
                let (other, at) = (first.kind().as_str(), &first.place);
                return Err(wrong(format!("{place} is {kind}, {at} {other}; expected one kind")));
            }
            let known = |label: &&str| description.labels.is_empty() || description.labels.iter().any(|l| l == label);
            if let Some(label) = example.label().filter(|label| !known(label)) {
                return Err(wrong(format!("{place}: label is {}, which labels in {NAME} does not name", cut(label))));
            }
        }
        let inferred = match (first.label().is_some(), first.kind(), first.text.is_some()) {
            (true, ..) => DataTask::Classify,
            (_, Kind::Sound, false) => DataTask::Transcribe,
            (_, Kind::Image, _) => DataTask::Answer,
            _ => DataTask::Generate,
        };
        let task = description.task.unwrap_or(inferred);
        if (task == DataTask::Classify) != first.label().is_some() {
            let held = if first.label().is_some() { "a label" } else { "an output" };
            return Err(wrong(format!("task in {NAME} is {task:?}, the rows have {held}")));
        }
        let mut labels = description.labels.clone();
        if labels.is_empty() {
            labels = examples.iter().filter_map(|example| example.label().map(str::to_owned)).collect();
            labels.sort();
            labels.dedup();
        }
        let stem = || root.canonicalize().ok()?.file_stem().map(|stem| stem.to_string_lossy().into_owned());
        let name = description.name.clone().or_else(stem).unwrap_or_default();
        Ok(Self { name, task, labels, examples, path: path.to_path_buf(), recordings, description })
    }

    /// What a row's file or recording holds; its text where it has neither.
    ///
    /// # Errors
    /// Those of the file's format, and the engine's for motion that it refuses.
    pub fn input(&self, example: &Example) -> anyhow::Result<Input> {
        match &example.source {
            None => Ok(Input::Text(example.text.clone().unwrap_or_default())),
            Some(Source::File { path, kind: Kind::Image, .. }) => Ok(Image::open(path)?.into()),
            Some(Source::File { path, kind: Kind::Sound, .. }) => Ok(sound(path)?.into()),
            Some(Source::File { path, .. }) => match self.description.motion {
                Some(motion) => read_as(path, motion.source()),
                None => MotionArgs::default().read(path),
            },
            Some(Source::Recording(index)) => Ok(self.recording(*index)?),
        }
    }

    /// The sound of a row.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a row without one; those of the file's format.
    pub fn sound(&self, example: &Example) -> anyhow::Result<Audio> {
        match &example.source {
            Some(Source::File { path, kind: Kind::Sound, .. }) => sound(path),
            _ => Err(Error::malformed(self.path.display(), FORMAT, "expected the name of a sound file").into()),
        }
    }

    fn recording(&self, index: usize) -> anyhow::Result<Input> {
        let recordings = self.recordings.as_ref().expect("invariant: such rows come from arrays");
        let wrong = |reason: String| Error::malformed(self.path.display(), FORMAT, reason);
        let motion =
            self.description.motion.ok_or_else(|| wrong(format!("{NAME} does not say how motion was recorded")))?;
        let source = motion.source();
        if source.layout.channels() != recordings.channels() {
            let (said, held) = (source.layout.channels(), recordings.channels());
            return Err(wrong(format!("{held} channels, motion.layout in {NAME} has {said}")).into());
        }
        let window = ImuWindow::new(source, recordings.samples(index).to_vec(), None)?;
        Ok(Input::Motion { window, repair: Repair::Refuse })
    }

    /// At most `limit` rows, spread evenly, since neighbours are often of one class.
    pub fn thin(&mut self, limit: usize) {
        let count = self.examples.len();
        if limit < count {
            let all = std::mem::take(&mut self.examples);
            let chosen: std::collections::HashSet<usize> = (0..limit).map(|i| i * count / limit).collect();
            self.examples = all.into_iter().enumerate().filter(|(i, _)| chosen.contains(i)).map(|(_, e)| e).collect();
        }
    }
}

/// Which of its forms a split has.
#[derive(Debug)]
enum Found {
    Listing(PathBuf),
    Arrays(PathBuf),
    Classes(PathBuf),
}

impl Found {
    /// The form of `split`.
    fn new(folder: &Path, split: &str) -> Result<Self> {
        if let Some(found) = Self::look(folder, split)? {
            return Ok(found);
        }
        let others: Vec<&str> =
            SPLITS.into_iter().filter(|other| matches!(Self::look(folder, other), Ok(Some(_)))).collect();
        let others = if others.is_empty() { String::new() } else { format!("; it has {}", others.join(", ")) };
        let reason = format!("expected {split}.jsonl, {split}.csv, {split}.npz or {split}/{others}");
        Err(Error::malformed(folder.display(), FORMAT, reason))
    }

    fn look(folder: &Path, split: &str) -> Result<Option<Self>> {
        let own = folder.join(split);
        let names = ["jsonl", "csv"];
        let listings = names.map(|ending| folder.join(format!("{split}.{ending}")));
        let inner = names.map(|ending| own.join(format!("metadata.{ending}")));
        let arrays = folder.join(format!("{split}.npz"));
        let mut found: Vec<Self> =
            listings.into_iter().chain(inner).filter(|path| path.is_file()).map(Self::Listing).collect();
        found.extend(arrays.is_file().then_some(Self::Arrays(arrays)));
        if let [first, second, ..] = &found[..] {
            let short = |found: &Self| found.path().strip_prefix(folder).unwrap_or(found.path()).display().to_string();
            let reason = format!("{split} is there as {} and as {}", short(first), short(second));
            return Err(Error::malformed(folder.display(), FORMAT, reason));
        }
        Ok(found.pop().or_else(|| own.is_dir().then_some(Self::Classes(own))))
    }

    fn path(&self) -> &Path {
        match self {
            Self::Listing(path) | Self::Arrays(path) | Self::Classes(path) => path,
        }
    }
}

/// A directory for each class; what begins with a dot is no data.
fn classes(folder: &Path) -> Result<Vec<Example>> {
    let base = Base::new(folder)?;
    let mut examples = Vec::new();
    for label in entries(folder)? {
        let directory = folder.join(&label);
        let wrong = |reason: String| Error::malformed(directory.display(), FORMAT, reason);
        if !directory.is_dir() {
            return Err(wrong("expected a directory for each class, or metadata.jsonl".into()));
        }
        for file in entries(&directory)? {
            if examples.len() == MAX_ROWS {
                return Err(wrong(format!("more than {MAX_ROWS} files")));
            }
            let name = format!("{label}/{file}");
            let source = Some(base.file(&name).map_err(wrong)?);
            examples.push(Example { place: name, text: None, source, target: Target::Label(label.clone()) });
        }
    }
    Ok(examples)
}

/// Names in a directory, sorted.
fn entries(directory: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).map_err(Error::io(directory))? {
        let name = entry.map_err(Error::io(directory))?.file_name();
        let name = name.into_string().map_err(|name| {
            Error::malformed(directory.display(), FORMAT, format!("the name {} is not UTF-8", name.display()))
        })?;
        if names.len() > MAX_ROWS {
            return Err(Error::malformed(directory.display(), FORMAT, format!("more than {MAX_ROWS} entries")));
        }
        if !name.starts_with('.') {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// The split of a row of a single file: a row stays where it is when others come.
fn part(identity: &str) -> &'static str {
    let digest = Sha256::digest(identity.as_bytes());
    let first: [u8; 8] = digest[..8].try_into().expect("invariant: a digest has 32 bytes");
    match u64::from_be_bytes(first) % 10 {
        0 | 1 => "test",
        2 => "valid",
        _ => "train",
    }
}

#[cfg(test)]
#[path = "folder_tests.rs"]
mod tests;
