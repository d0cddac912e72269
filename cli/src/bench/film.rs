//! Films: H.264 in MP4, as the sets of films are published. Of a film some pictures are taken, evenly over its time.

use std::path::{Path, PathBuf};

use loam::input::{Image, PixelLayout};
use loam_bench::loader::Media;
use openh264::OpenH264API;
use openh264::decoder::{DecodeOptions, DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource as _;
use re_mp4::{Avc1Box, Mp4, Sample, StsdBoxContent, Track, TrackKind};

use crate::error::{Error, Result};

const FORMAT: &str = "film";
/// Pixels of a picture: 4096 x 2304, the largest that level 5.2 of H.264 has.
const MOST_PIXELS: usize = 4096 * 2304;
/// Pictures that are decoded to come to the last one that is asked for: ten minutes at 30 a second.
const MOST_DECODED: usize = 18_000;
/// What begins a unit of a stream of H.264 (its annex B).
const START: [u8; 4] = [0, 0, 0, 1];

/// `count` pictures of a film in their order, or all of one that has fewer, from the seconds that count of it.
///
/// # Errors
/// Those of reading the file; [`Error::Malformed`] for what is no MP4 with H.264 in it, naming what is wrong.
pub fn pictures(media: &Media, count: usize) -> anyhow::Result<Vec<Image>> {
    let name = media.path().map_or_else(|| PathBuf::from("film"), Path::to_path_buf);
    let bytes = media.bytes().map_err(Error::from)?;
    let wrong = |reason: &dyn ToString| Error::malformed(name.display(), FORMAT, reason.to_string());
    let film = Mp4::read_bytes(&bytes).map_err(|reason| wrong(&reason))?;
    let shown = film.tracks().values().find(|track| track.kind == Some(TrackKind::Video));
    let track = shown.ok_or_else(|| wrong(&"it has no pictures"))?;
    let StsdBoxContent::Avc1(coded) = &track.trak(&film).mdia.minf.stbl.stsd.contents else {
        return Err(wrong(&"its pictures are not H.264").into());
    };
    let size = usize::from(coded.width) * usize::from(coded.height);
    if size == 0 || size > MOST_PIXELS {
        let reason = format!("{} x {} pixels, expected 1 to {MOST_PIXELS}", coded.width, coded.height);
        return Err(wrong(&reason).into());
    }
    let samples = within(track, media.seconds);
    if samples.is_empty() || samples.len() > MOST_DECODED {
        return Err(wrong(&format!("{} pictures count, expected 1 to {MOST_DECODED}", samples.len())).into());
    }
    let wanted = places(samples.len(), count);
    decode(&bytes, coded, &samples, &wanted).map_err(|reason| wrong(&reason).into())
}

/// What is decoded up to the end of the seconds that count: pictures before them are what later ones refer to.
fn within(track: &Track, seconds: Option<(f64, f64)>) -> Vec<Sample> {
    let Some((begin, end)) = seconds else { return track.samples.clone() };
    let time = |sample: &Sample| sample.composition_timestamp as f64 / sample.timescale.max(1) as f64;
    let until = track.samples.iter().take_while(|sample| time(sample) < end);
    let all: Vec<Sample> = until.copied().collect();
    // The last picture that can be decoded alone and is not after the begin.
    let first = all.iter().rposition(|sample| sample.is_sync && time(sample) <= begin).unwrap_or(0);
    all[first..].to_vec()
}

/// `count` places of `of`, each in the middle of its share.
fn places(of: usize, count: usize) -> Vec<usize> {
    let count = count.clamp(1, of);
    (0..count).map(|at| (2 * at + 1) * of / (2 * count)).collect()
}

/// The pictures at `wanted`, which rise, in the order in which they are shown.
fn decode(bytes: &[u8], coded: &Avc1Box, samples: &[Sample], wanted: &[usize]) -> Result<Vec<Image>, String> {
    let told = |reason: openh264::Error| format!("its pictures cannot be decoded: {reason}");
    // A picture that was decoded may be shown after a later one: what is held back comes in its turn.
    let settings = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
    let mut decoder = Decoder::with_api_config(OpenH264API::from_source(), settings).map_err(told)?;
    let mut taken = Taken { wanted, seen: 0, images: Vec::with_capacity(wanted.len()) };
    let mut stream = Vec::new();
    for set in coded.avcc.sequence_parameter_sets.iter().chain(&coded.avcc.picture_parameter_sets) {
        stream.extend_from_slice(&START);
        stream.extend_from_slice(&set.bytes);
    }
    for sample in samples {
        let begin = usize::try_from(sample.offset).unwrap_or(usize::MAX);
        let end = begin.saturating_add(usize::try_from(sample.size).unwrap_or(usize::MAX));
        let data = bytes.get(begin..end).ok_or_else(|| format!("picture {} lies beyond its end", sample.id))?;
        units(data, usize::from(coded.avcc.length_size_minus_one & 3) + 1, &mut stream)
            .ok_or_else(|| format!("picture {} is cut", sample.id))?;
        let options = DecodeOptions::new().flush_after_decode(Flush::NoFlush);
        if let Some(picture) = decoder.decode_with_options(&stream, options).map_err(told)? {
            taken.take(&picture)?;
        }
        stream.clear();
        if taken.images.len() == wanted.len() {
            return Ok(taken.images);
        }
    }
    for picture in decoder.flush_remaining().map_err(told)? {
        taken.take(&picture)?;
    }
    if taken.images.is_empty() {
        return Err(format!("of {} pictures none can be decoded", samples.len()));
    }
    Ok(taken.images)
}

/// A sample's units, each behind its length in `width` bytes, as a stream has them; none where a length does not fit.
fn units(mut data: &[u8], width: usize, stream: &mut Vec<u8>) -> Option<()> {
    while !data.is_empty() {
        let (length, rest) = data.split_at_checked(width)?;
        let length = length.iter().fold(0usize, |all, byte| all << 8 | usize::from(*byte));
        let (unit, rest) = rest.split_at_checked(length)?;
        stream.extend_from_slice(&START);
        stream.extend_from_slice(unit);
        data = rest;
    }
    Some(())
}

struct Taken<'a> {
    wanted: &'a [usize],
    seen: usize,
    images: Vec<Image>,
}

impl Taken<'_> {
    fn take(&mut self, picture: &DecodedYUV<'_>) -> Result<(), String> {
        if self.wanted.get(self.images.len()).is_some_and(|place| *place <= self.seen) {
            let (width, height) = picture.dimensions();
            if width * height > MOST_PIXELS {
                return Err(format!("{width} x {height} pixels, the limit is {MOST_PIXELS}"));
            }
            let mut pixels = vec![0; width * height * 3];
            picture.write_rgb8(&mut pixels);
            let image = Image::from_pixels(&pixels, PixelLayout::Rgb, width, height);
            self.images.push(image.map_err(|reason| reason.to_string())?);
        }
        self.seen += 1;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use loam_bench::loader::Source;

    use super::*;

    fn film() -> Vec<u8> {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/film/film.mp4");
        std::fs::read(path).expect("the film of make.py")
    }

    fn media(bytes: Vec<u8>, seconds: Option<(f64, f64)>) -> Media {
        Media { source: Source::Memory(bytes.into()), seconds, crop: None }
    }

    /// Red, green or blue: what most of a picture is.
    fn colours(images: &[Image]) -> Vec<usize> {
        let most = |image: &Image| {
            let corner = &image.pixels()[..3];
            (0..3).max_by_key(|at| corner[*at]).expect("three")
        };
        images.iter().map(most).collect()
    }

    #[test]
    fn pictures_come_evenly_and_in_their_order() {
        let found = pictures(&media(film(), None), 6).expect("a film");
        assert_eq!((found[0].width(), found[0].height()), (96, 64));
        // The bar is at the left edge in the first pictures alone.
        assert_eq!(colours(&found), [0, 0, 1, 1, 2, 2]);
        let one = pictures(&media(film(), None), 1).expect("a film");
        assert_eq!(colours(&one), [1], "the middle");
        assert_eq!(pictures(&media(film(), None), 1000).expect("a film").len(), 20, "all that there are");
    }

    #[test]
    fn of_a_part_only_the_part_is_shown() {
        let found = pictures(&media(film(), Some((0.0, 0.6))), 2).expect("a film");
        assert_eq!(colours(&found), [0, 0]);
        let none = pictures(&media(film(), Some((0.0, 0.0))), 2).expect_err("no second");
        assert!(none.to_string().contains("0 pictures count"), "{none}");
    }

    #[test]
    fn what_is_no_film_is_refused() {
        for bytes in [Vec::new(), b"no film".to_vec(), film()[..200].to_vec()] {
            let refused = pictures(&media(bytes, None), 2).expect_err("no film");
            assert!(matches!(refused.downcast_ref(), Some(Error::Malformed { .. })), "{refused}");
        }
    }

    /// Every cut, and every byte of the tables changed: an error, or pictures, and no panic.
    #[test]
    fn damaged_films_are_errors_or_pictures() {
        let whole = film();
        for end in (0..whole.len()).step_by(7) {
            let _ = pictures(&media(whole[..end].to_vec(), None), 2);
        }
        for at in 0..whole.len() {
            let mut damaged = whole.clone();
            damaged[at] ^= 0xff;
            if let Ok(found) = pictures(&media(damaged, None), 2) {
                assert!(!found.is_empty(), "byte {at}");
            }
        }
    }

    #[test]
    fn places_lie_in_the_middle_of_their_shares() {
        assert_eq!(places(20, 2), [5, 15]);
        assert_eq!(places(3, 8), [0, 1, 2]);
        assert_eq!(places(1, 1), [0]);
    }
}
