//! Films: H.264 in MP4, as the sets of films are published. Of a film some pictures are taken, evenly over its time.

use std::io::Cursor;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use loam::input::{Image, PixelLayout};
use loam_bench::loader::Media;
use openh264::OpenH264API;
use openh264::decoder::{DecodeOptions, DecodedYUV, Decoder, DecoderConfig, Flush};
use openh264::formats::YUVSource as _;
use symphonia::core::codecs::video::well_known::CODEC_ID_H264;
use symphonia::core::codecs::video::well_known::extra_data::VIDEO_EXTRA_DATA_ID_AVC_DECODER_CONFIG;
use symphonia::core::codecs::video::{VideoCodecParameters, VideoExtraData};
use symphonia::core::formats::probe::Hint;
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::MediaSourceStream;
use symphonia::core::meta::MetadataOptions;

use crate::error::{Error, Result};
use crate::mp4::{self, Form};

const FORMAT: &str = "film";
/// Pixels of a picture: 4096 x 2304, the largest that level 5.2 of H.264 has.
const MOST_PIXELS: usize = 4096 * 2304;
/// Pictures and pieces of sound up to the last one that counts: ten minutes of 30 and 47 a second.
const MOST_PACKETS: usize = 46_200;
/// The kind of a unit of a picture that needs no other.
const IDR: u8 = 5;
/// What begins a unit of a stream of H.264 (its annex B).
const START: [u8; 4] = [0, 0, 0, 1];

/// `count` pictures of a film in their order, or all of one that has fewer, from the seconds that count of it.
///
/// # Errors
/// Those of reading the file; [`Error::Malformed`] for what is no MP4 with H.264 in it, naming what is wrong.
pub fn pictures(media: &Media, count: usize) -> anyhow::Result<Vec<Image>> {
    let name = media.path().map_or_else(|| PathBuf::from("film"), Path::to_path_buf);
    let bytes = media.bytes().map_err(Error::from)?;
    // Two parsers that others wrote: what stops one of them is an error of the file.
    let found = catch_unwind(|| Film::read(bytes, media.seconds).and_then(|film| film.decode(count)));
    let found = found.unwrap_or_else(|_| Err("its reader gave up".to_owned()));
    found.map_err(|reason| Error::malformed(name.display(), FORMAT, reason).into())
}

/// A film's pictures as they are stored.
struct Film {
    /// What comes before them, as a stream has it.
    sets: Vec<u8>,
    /// Bytes of the length before each unit.
    width: usize,
    /// In the order of decoding.
    pictures: Vec<Box<[u8]>>,
    /// How many of them come before the seconds that count, and are only referred to.
    lead: usize,
}

impl Film {
    /// Up to the end of the seconds that count, from the last picture that is not after their begin and can be decoded alone. Times
    /// are those of decoding; pictures that are shown in another order are off by a few.
    fn read(bytes: Vec<u8>, seconds: Option<(f64, f64)>) -> Result<Self, String> {
        let mut bytes = Cursor::new(bytes);
        if mp4::check(&mut bytes)? == Form::Other {
            return Err("it does not begin as MP4 does".to_owned());
        }
        let probed = symphonia::default::get_probe().probe(
            Hint::new().with_extension("mp4"),
            MediaSourceStream::new(Box::new(bytes), Default::default()),
            FormatOptions::default(),
            MetadataOptions::default(),
        );
        let mut film: Box<dyn FormatReader> = probed.map_err(|reason| reason.to_string())?;
        let track = film.default_track(TrackType::Video).ok_or("it has no pictures")?;
        let coded = track.codec_params.as_ref().and_then(|coded| coded.video());
        let (width, sets) = configuration(coded.ok_or("it does not say how its pictures are coded")?)?;
        let (id, base) = (track.id, track.time_base);
        let unit = base.map_or(0.0, |base| f64::from(base.numer.get()) / f64::from(base.denom.get()));
        let (begin, end) = seconds.unwrap_or((0.0, f64::INFINITY));
        let (mut pictures, mut lead, mut packets) = (Vec::new(), 0, 0);
        while let Some(packet) = film.next_packet().map_err(|reason| reason.to_string())? {
            packets += 1;
            if packets > MOST_PACKETS {
                return Err(format!("more than {MOST_PACKETS} pictures and pieces of sound"));
            }
            if packet.track_id != id {
                continue;
            }
            let time = packet.pts.get() as f64 * unit;
            if time >= end {
                break;
            }
            if time <= begin && is_alone(&packet.data, width) {
                pictures.clear();
                lead = 0;
            }
            lead += usize::from(time < begin);
            pictures.push(packet.data);
        }
        match pictures.len() > lead {
            true => Ok(Self { sets, width, pictures, lead }),
            false => Err("no picture of it counts".to_owned()),
        }
    }

    /// `count` pictures, each from the middle of its share.
    fn decode(&self, count: usize) -> Result<Vec<Image>, String> {
        let told = |reason: openh264::Error| format!("its pictures cannot be decoded: {reason}");
        let mut wanted = places(self.pictures.len() - self.lead, count);
        wanted.iter_mut().for_each(|place| *place += self.lead);
        // A picture that was decoded may be shown after a later one: what is held back comes in its turn.
        let settings = DecoderConfig::new().flush_after_decode(Flush::NoFlush);
        let mut decoder = Decoder::with_api_config(OpenH264API::from_source(), settings).map_err(told)?;
        let mut taken = Taken { wanted: &wanted, seen: 0, images: Vec::with_capacity(wanted.len()) };
        let mut stream = self.sets.clone();
        for (number, picture) in self.pictures.iter().enumerate() {
            for unit in units(picture, self.width) {
                stream.extend_from_slice(&START);
                stream.extend_from_slice(unit.ok_or_else(|| format!("picture {number} is cut"))?);
            }
            let options = DecodeOptions::new().flush_after_decode(Flush::NoFlush);
            if let Some(shown) = decoder.decode_with_options(&stream, options).map_err(told)? {
                taken.take(&shown)?;
            }
            stream.clear();
            if taken.images.len() == wanted.len() {
                return Ok(taken.images);
            }
        }
        for shown in decoder.flush_remaining().map_err(told)? {
            taken.take(&shown)?;
        }
        match taken.images.is_empty() {
            true => Err(format!("of {} pictures none can be decoded", self.pictures.len())),
            false => Ok(taken.images),
        }
    }
}

/// The width of lengths, and the sets of parameters as a stream has them, of an `avcC` record (ISO/IEC 14496-15, 5.3.3.1).
fn configuration(coded: &VideoCodecParameters) -> Result<(usize, Vec<u8>), String> {
    if coded.codec != CODEC_ID_H264 {
        return Err("its pictures are not H.264".to_owned());
    }
    let (width, height) = (coded.width.unwrap_or(0), coded.height.unwrap_or(0));
    if !(1..=MOST_PIXELS).contains(&(usize::from(width) * usize::from(height))) {
        return Err(format!("{width} x {height} pixels, expected 1 to {MOST_PIXELS}"));
    }
    let known = |data: &&VideoExtraData| data.id == VIDEO_EXTRA_DATA_ID_AVC_DECODER_CONFIG;
    let record = &coded.extra_data.iter().find(known).ok_or("it has no sets of parameters")?.data;
    let cut = || "its sets of parameters are cut".to_owned();
    let width = usize::from(record.get(4).ok_or_else(cut)? & 3) + 1;
    let (mut rest, mut stream) = (record.get(5..).ok_or_else(cut)?, Vec::new());
    for mask in [0x1f, 0xff] {
        let (count, after) = rest.split_first().ok_or_else(cut)?;
        rest = after;
        for _ in 0..count & mask {
            let (length, after) = rest.split_first_chunk().ok_or_else(cut)?;
            let (set, after) = after.split_at_checked(usize::from(u16::from_be_bytes(*length))).ok_or_else(cut)?;
            stream.extend_from_slice(&START);
            stream.extend_from_slice(set);
            rest = after;
        }
    }
    Ok((width, stream))
}

/// Whether a picture needs no other: a unit of it is of the kind IDR.
fn is_alone(picture: &[u8], width: usize) -> bool {
    units(picture, width).flatten().any(|unit| unit.first().is_some_and(|head| head & 0x1f == IDR))
}

/// A picture's units, each behind its length in `width` bytes; none where a length does not fit, and nothing after it.
fn units(picture: &[u8], width: usize) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = Some(picture);
    std::iter::from_fn(move || {
        let data = rest.take().filter(|data| !data.is_empty())?;
        let unit = data.split_at_checked(width).and_then(|(length, after)| {
            let length = length.iter().fold(0usize, |all, byte| all << 8 | usize::from(*byte));
            after.split_at_checked(length)
        });
        rest = unit.map(|(_, after)| after);
        Some(unit.map(|(unit, _)| unit))
    })
}

/// `count` places of `of`, each in the middle of its share.
fn places(of: usize, count: usize) -> Vec<usize> {
    let count = count.clamp(1, of);
    (0..count).map(|at| (2 * at + 1) * of / (2 * count)).collect()
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
        // All pictures but the first refer to others: those of the first second are decoded and not taken.
        let late = pictures(&media(film(), Some((1.45, 2.0))), 2).expect("a film");
        assert_eq!(colours(&late), [2, 2]);
        assert_eq!(pictures(&media(film(), Some((1.45, 2.0))), 100).expect("a film").len(), 5);
        let none = pictures(&media(film(), Some((0.0, 0.0))), 2).expect_err("no second");
        assert!(none.to_string().contains("no picture of it counts"), "{none}");
    }

    #[test]
    fn what_is_no_film_is_refused() {
        for bytes in [Vec::new(), b"no film".to_vec(), film()[..200].to_vec()] {
            let refused = pictures(&media(bytes, None), 2).expect_err("no film");
            assert!(matches!(refused.downcast_ref(), Some(Error::Malformed { .. })), "{refused}");
        }
    }

    /// Cuts, and changed bytes of tables and pictures: an error, or pictures, and no panic.
    #[test]
    fn damaged_films_are_errors_or_pictures() {
        let whole = film();
        for end in (0..whole.len()).step_by(13) {
            let _ = pictures(&media(whole[..end].to_vec(), None), 2);
        }
        for at in (0..whole.len()).step_by(3) {
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
