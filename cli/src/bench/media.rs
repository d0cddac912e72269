//! A row's pictures, sounds and motion as the engine takes them.

use std::path::{Path, PathBuf};

use loam::Engine;
use loam::input::{Audio, Channels, Image, ImuLayout, ImuSource, ImuWindow, Input, PixelLayout, Repair};
use loam::task::TranscribeOptions;
use loam_bench::loader::{Input as Given, Media, Motion, Source};
use loam_bench::registry::Task;

use super::film;
use crate::command::media::sound_of;
use crate::error::Error;
use crate::eval::heard;

/// Pictures of a film by which it is told what happens, as many as uniform sampling usually takes (Wang et al. 2016,
/// arXiv 1608.00859, three; Arnab et al. 2021, arXiv 2103.15691, eight and more).
const SHOWN: usize = 8;
/// What a command is where nothing was understood of it.
const SILENCE: &str = "(silence)";

/// Motion of this many values a sample has no angular rate.
const ACCELERATION_ALONE: usize = 3;

/// Decodes a picture; the part that counts of it, where there is one.
///
/// # Errors
/// Those of reading the file, and the engine's for what is no picture.
pub fn picture(media: &Media) -> anyhow::Result<Image> {
    let bytes = media.bytes().map_err(Error::from)?;
    if let Source::Pixels { width, height, channels, .. } = media.source {
        let layout = if channels == 1 { PixelLayout::Grey } else { PixelLayout::Rgb };
        return Ok(Image::from_pixels(&bytes, layout, width, height)?);
    }
    if bytes.starts_with(b"P6") {
        // The engine reads what phones have; GTSRB's format is read by its loader, which cuts too.
        let decoded = media.picture().map_err(Error::from)?;
        let pixels: Vec<u8> = decoded.samples.iter().map(|sample| *sample as u8).collect();
        return Ok(Image::from_pixels(&pixels, PixelLayout::Rgb, decoded.width, decoded.height)?);
    }
    let whole = Image::decode(&bytes)?;
    let Some([left, top, width, height]) = media.crop else { return Ok(whole) };
    Ok(whole.crop(left as usize, top as usize, width as usize, height as usize)?)
}

/// Decodes a sound; the seconds that count of it, where there are some.
///
/// # Errors
/// Those of reading the file; [`Error::Malformed`] for what is no sound, or where no second of it counts.
pub fn sound(media: &Media) -> anyhow::Result<Audio> {
    let name = media.path().map_or_else(|| PathBuf::from("sound"), Path::to_path_buf);
    let whole = sound_of(&name, media.bytes().map_err(Error::from)?)?;
    let Some((begin, end)) = media.seconds else { return Ok(whole) };
    let rate = f64::from(whole.rate().hertz());
    let place = |seconds: f64| ((seconds * rate).max(0.0) as usize).min(whole.samples().len());
    let part = &whole.samples()[place(begin)..place(end).max(place(begin))];
    if part.is_empty() {
        let reason = format!("it has {:.1} s, seconds {begin} to {end} count", whole.seconds());
        return Err(Error::malformed(name.display(), "sound file", reason).into());
    }
    Ok(Audio::from_f32(part, Channels::MONO, whole.rate())?)
}

fn motion(motion: &Motion) -> anyhow::Result<Input> {
    let layout = match motion.channels {
        ACCELERATION_ALONE => ImuLayout::Accelerometer,
        _ => ImuLayout::AccelerometerGyroscope,
    };
    let window = ImuWindow::new(ImuSource::android(motion.rate, layout), motion.samples.clone(), None)?;
    Ok(Input::Motion { window, repair: Repair::Refuse })
}

/// What a row gives to a model that reads one thing: texts of a pair are on a line each, a question stands below its text; a film
/// is the picture in its middle.
///
/// # Errors
/// As [`picture`], [`sound`] and [`film::pictures`].
pub fn input(given: &Given) -> anyhow::Result<Input> {
    Ok(match given {
        Given::Text(text) => Input::Text(text.clone()),
        Given::Texts(one, other) => Input::Text(format!("{one}\n{other}")),
        Given::Words(words) => Input::Text(words.join(" ")),
        Given::Question { context, question } => Input::Text(format!("{context}\n\n{question}")),
        Given::Image(media) | Given::Images(media, _) | Given::ImageQuestion { image: media, .. } => {
            picture(media)?.into()
        }
        Given::Sound(media) => sound(media)?.into(),
        Given::Motion(window) => motion(window)?,
        Given::Video(media) => {
            let shown = film::pictures(media, 1)?.pop();
            shown.ok_or_else(|| Error::malformed("film", "film", "it shows nothing"))?.into()
        }
    })
}

/// As [`input`], but for films, of which there are pictures from all of their time: what is said of each counts alike; and for spoken
/// commands, whose words say what is meant: no encoder of sound was trained on meanings.
///
/// # Errors
/// As [`input`] and [`transcribe`].
pub fn views(engine: &Engine, task: Task, given: &Given) -> anyhow::Result<Vec<Input>> {
    match (task, given) {
        (_, Given::Video(media)) => Ok(film::pictures(media, SHOWN)?.into_iter().map(Input::from).collect()),
        (Task::SpokenLanguageUnderstanding, Given::Sound(media)) => {
            let text = transcribe(engine, &sound(media)?)?;
            Ok(vec![Input::Text(if text.is_empty() { SILENCE.to_owned() } else { text })])
        }
        (_, other) => Ok(vec![input(other)?]),
    }
}

/// What is said in a sound.
pub fn transcribe(engine: &Engine, sound: &Audio) -> anyhow::Result<String> {
    heard(engine, sound, &TranscribeOptions::default())
}
