//! Pictures, sound and motion that a command works on.

use std::path::{Path, PathBuf};

use clap::Args;
use loam::input::{Audio, Channels, Image, Input};
use loam::model::Modality;

use super::motion::MotionArgs;
use crate::audio::AudioFile;
use crate::error::{Error, Result};

/// Samples of one sound: 23 minutes at 48 kHz, 268 MB. Tasks on whole sounds read seconds of it.
const MAX_SAMPLES: usize = 64 << 20;

/// Data other than text.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Input")]
pub struct MediaArgs {
    /// A PNG, JPEG or WebP picture
    #[arg(short, long, value_name = "FILE")]
    image: Vec<PathBuf>,
    /// A WAV, FLAC, MP3, Ogg Vorbis or AAC (M4A, MP4) sound
    #[arg(long, value_name = "FILE")]
    sound: Vec<PathBuf>,
    /// A CSV file of accelerometer x, y, z and, where there is one, gyroscope x, y, z; a first column of seconds if it has
    /// four or seven
    #[arg(long, value_name = "FILE")]
    motion: Vec<PathBuf>,
    #[command(flatten)]
    format: MotionArgs,
    /// What the files show, where their kind does not tell: the name of an encoder's modality, such as speech
    #[arg(long = "as", value_name = "MODALITY", value_parser = modality)]
    modality: Option<Modality>,
}

impl MediaArgs {
    /// The modality that the user named.
    #[must_use]
    pub fn modality(&self) -> Option<Modality> {
        self.modality
    }

    /// All files, decoded: pictures, then sounds, then motion, each in the order in which they were named.
    ///
    /// # Errors
    /// The engine's for pictures; as [`sound`] and [`MotionArgs::read`].
    pub fn read(&self) -> anyhow::Result<Vec<Input>> {
        let mut inputs = Vec::new();
        for path in &self.image {
            inputs.push(Image::open(path)?.into());
        }
        for path in &self.sound {
            inputs.push(sound(path)?.into());
        }
        for path in &self.motion {
            inputs.push(self.format.read(path)?);
        }
        Ok(inputs)
    }

    /// The files as they were named, in the order of [`MediaArgs::read`].
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.image.iter().chain(&self.sound).chain(&self.motion).map(|path| path.display().to_string()).collect()
    }

    /// Succeeds when all files are of one kind, which one encoder reads.
    ///
    /// # Errors
    /// [`Error::Argument`].
    pub fn alike(&self) -> Result<()> {
        let kinds = [&self.image, &self.sound, &self.motion].iter().filter(|files| !files.is_empty()).count();
        if kinds < 2 {
            return Ok(());
        }
        let reason = format!("{kinds} kinds of files; their vectors lie apart, embed them one kind at a time");
        Err(Error::Argument { name: "input", reason })
    }

    /// As [`MediaArgs::read`] for commands that work on one input; `None` when no file is named.
    ///
    /// # Errors
    /// [`Error::Argument`] for more than one.
    pub fn one(&self) -> anyhow::Result<Option<Input>> {
        let count = self.image.len() + self.sound.len() + self.motion.len();
        if count > 1 {
            let reason = format!("{count} files, this command takes one");
            return Err(Error::Argument { name: "input", reason }.into());
        }
        Ok(self.read()?.pop())
    }
}

/// The modality of that name, for options.
///
/// # Errors
/// The names that there are.
pub fn modality(name: &str) -> Result<Modality, String> {
    loam::model::encoder::modality(name).ok_or_else(|| {
        let mut names: Vec<&str> = loam::model::encoder::FAMILIES.iter().map(|f| f.modality.as_str()).collect();
        names.push(Modality::TEXT.as_str());
        names.sort_unstable();
        names.dedup();
        format!("there are {}", names.join(", "))
    })
}

/// A whole sound file, mixed to one channel.
///
/// # Errors
/// As [`AudioFile::open`] and [`AudioFile::next_block`]; [`Error::Argument`] for more than 64 Mi samples.
pub fn sound(path: &Path) -> anyhow::Result<Audio> {
    whole(path, AudioFile::open(path)?)
}

/// As [`sound`], of a file that is in memory; `name` is for messages.
///
/// # Errors
/// As [`sound`].
pub fn sound_of(name: &Path, bytes: Vec<u8>) -> anyhow::Result<Audio> {
    whole(name, AudioFile::of_bytes(name, bytes)?)
}

fn whole(path: &Path, mut file: AudioFile) -> anyhow::Result<Audio> {
    let mut samples = Vec::new();
    while let Some(block) = file.next_block()? {
        samples.extend_from_slice(block.samples());
        if samples.len() > MAX_SAMPLES {
            let reason =
                format!("{}: longer than {MAX_SAMPLES} samples, which is too much for this task", path.display());
            return Err(Error::Argument { name: "sound", reason }.into());
        }
    }
    Ok(Audio::from_f32(&samples, Channels::MONO, file.rate())?)
}
