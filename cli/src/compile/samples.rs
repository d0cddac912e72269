//! Sample data for calibration.

use std::path::{Path, PathBuf};

use loam::dispatch::Segment;
use loam::foundation::ComponentKind;
use loam::input::Input;
use loam::model::Modality;
use sha2::{Digest, Sha256};

use crate::data::DataSplit;
use crate::error::{Error, Result};

/// Prose, tables and code of this project: some ten thousand tokens.
const TEXTS: [&str; 5] = [
    include_str!("../../../docs/tasks.md"),
    include_str!("../../../docs/adapters.md"),
    include_str!("../../../docs/many-apps.md"),
    include_str!("../../../models/README.md"),
    include_str!("../../../core/src/input/chat_template.rs"),
];
/// Characters of a piece of text: about as many tokens as a backbone's graph has room for.
const PIECE: usize = 900;
/// Bytes of a text file.
const MAX_TEXT: u64 = 16 << 20;
/// The form of what is kept: a number that changes with it.
const FORM: u32 = 4;

/// Texts of this project, and at most `limit` rows of each of `paths`.
///
/// # Errors
/// Those of data folders and their files; [`Error::Io`] or [`Error::Malformed`] for a text file.
pub fn read(paths: &[PathBuf], limit: usize) -> anyhow::Result<Vec<Input>> {
    let mut samples: Vec<Input> =
        TEXTS.iter().flat_map(|text| pieces(text)).map(|piece| Input::Text(piece.to_owned())).collect();
    thin(&mut samples, limit);
    for path in paths {
        if path.is_file() && path.extension().is_some_and(|ending| ending == "txt" || ending == "md") {
            let text = text(path)?;
            let mut own: Vec<Input> = pieces(&text).map(|piece| Input::Text(piece.to_owned())).collect();
            thin(&mut own, limit);
            samples.extend(own);
            continue;
        }
        let mut split = DataSplit::open(path, "train").or_else(|_| DataSplit::open(path, "test"))?;
        split.thin(limit);
        for example in &split.examples {
            samples.push(split.input(example)?);
        }
    }
    Ok(samples)
}

/// Those of `samples` that a component of this kind reads.
#[must_use]
pub fn read_by(kind: ComponentKind, samples: &[Input]) -> Vec<Input> {
    let is_read = |sample: &&Input| match (kind, sample) {
        (ComponentKind::Backbone, Input::Text(_)) => true,
        (ComponentKind::Encoder(modality), sample) => match sample {
            Input::Text(_) => modality == Modality::TEXT,
            Input::Image(_) => modality == Modality::IMAGE,
            Input::Sound(_) => [Modality::SOUND, Modality::SPEECH].contains(&modality),
            Input::Motion { .. } => modality == Modality::IMU,
        },
        _ => false,
    };
    samples.iter().filter(is_read).cloned().collect()
}

/// At most `limit` of them, spread evenly.
#[must_use]
pub fn some(mut samples: Vec<Input>, limit: usize) -> Vec<Input> {
    thin(&mut samples, limit);
    samples
}

fn text(path: &Path) -> Result<String> {
    let wrong = |reason: String| Error::malformed(path.display(), "text", reason);
    let bytes = loam::weights::read_bounded(path, MAX_TEXT).map_err(|e| wrong(e.to_string()))?;
    String::from_utf8(bytes).map_err(|e| wrong(e.to_string()))
}

/// Pieces that end where lines do.
fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        if rest.trim().is_empty() {
            return None;
        }
        let enough = rest.char_indices().nth(PIECE).map_or(rest.len(), |(at, _)| at);
        let end = rest[enough..].find('\n').map_or(rest.len(), |at| enough + at + 1);
        let piece;
        (piece, rest) = rest.split_at(end);
        Some(piece)
    })
}

/// At most `limit`, spread evenly.
fn thin(samples: &mut Vec<Input>, limit: usize) {
    let count = samples.len();
    if count > limit {
        let mut at = 0;
        samples.retain(|_| {
            at += 1;
            (at * limit) / count > ((at - 1) * limit) / count
        });
    }
}

/// Of all that ranges depend on.
pub fn digest(fingerprint: &str, segments: &[Segment], rank: usize, samples: &[Input]) -> String {
    let mut hasher = Sha256::new();
    hasher.update(format!("{FORM} {} {fingerprint} {rank}", env!("CARGO_PKG_VERSION")));
    for segment in segments {
        hasher.update(format!(" {segment}"));
    }
    let mut floats = |values: &[f32]| values.iter().for_each(|value| hasher.update(value.to_le_bytes()));
    let mut words = Vec::new();
    for sample in samples {
        match sample {
            Input::Text(text) => words.push(text.as_bytes().to_vec()),
            Input::Image(image) => words.push([image.pixels(), &image.width().to_le_bytes()].concat()),
            Input::Sound(sound) => floats(sound.samples()),
            Input::Motion { window, .. } => floats(window.samples()),
        }
    }
    for word in words {
        hasher.update(word.len().to_le_bytes());
        hasher.update(word);
    }
    format!("{:x}", hasher.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_cut_at_lines_and_thinned_evenly() {
        let text = "one line of words\n".repeat(300);
        let pieces: Vec<&str> = pieces(&text).collect();
        assert_eq!(pieces.concat(), text);
        assert!(pieces.iter().all(|piece| piece.ends_with('\n') && piece.len() < PIECE + 20), "{pieces:?}");
        let mut samples: Vec<Input> = (0..10).map(|at| Input::Text(at.to_string())).collect();
        thin(&mut samples, 4);
        assert_eq!(samples.len(), 4);
        let built_in = read(&[], 96).expect("built in");
        let length = |sample: &Input| if let Input::Text(text) = sample { text.len() } else { 0 };
        let letters: usize = built_in.iter().map(length).sum();
        assert!(built_in.len() <= 96 && letters >= 30_000, "{letters} bytes in {} texts", built_in.len());
        let one = [Input::Text("a".to_owned())];
        let keys = [
            digest("f", &[Segment::Whole], 16, &one),
            digest("f", &[Segment::Whole], 0, &one),
            digest("f", &[], 16, &[]),
        ];
        assert!(keys[0] != keys[1] && keys[1] != keys[2]);
    }
}
