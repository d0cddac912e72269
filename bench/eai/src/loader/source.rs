//! Where a picture, sound or film of an example is. Nothing is opened before it is asked for, and nothing is unpacked.

use std::fs::File;
use std::io::{Cursor, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::ppm;
use crate::error::{Error, Result};
use crate::metric::Picture;

/// Of a picture or sound that is read whole; films are handed on by path.
const MAX_BYTES: u64 = 1 << 30;
/// Pixels of a mask: 16 k by 16 k.
const MAX_PIXELS: u64 = 1 << 28;
/// Pixels of a picture that is held as numbers: 33 million, 0.8 GB.
const MAX_PICTURE: u64 = 1 << 25;

/// Bytes of a medium.
#[derive(Clone, PartialEq)]
pub enum Source {
    /// A file.
    File(PathBuf),
    /// A part of an archive, as it is.
    Packed {
        /// The archive.
        archive: PathBuf,
        /// First byte.
        offset: u64,
        /// Length in bytes.
        bytes: u64,
    },
    /// A file that was compressed with others.
    Memory(Arc<[u8]>),
    /// Pixels without a format, from 0 to 255, `[height, width, channels]`.
    Pixels {
        /// In pixels.
        width: usize,
        /// In pixels.
        height: usize,
        /// 1 or 3.
        channels: usize,
        /// The pixels.
        samples: Arc<[u8]>,
    },
}

/// A picture, sound or film, or a part of one.
#[derive(Clone, Debug, PartialEq)]
pub struct Media {
    /// Its bytes.
    pub source: Source,
    /// The part that counts in time: begin and end in seconds.
    pub seconds: Option<(f64, f64)>,
    /// The part that counts of a picture: left, top, width and height in pixels.
    pub crop: Option<[f64; 4]>,
}

/// A picture of what each pixel is.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    /// A PNG file of one channel or with a palette.
    pub media: Media,
    /// What its values mean.
    pub meaning: MaskMeaning,
}

/// What values of a mask mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaskMeaning {
    /// Classes, but for one value that does not count.
    Classes {
        /// It.
        ignored: u16,
    },
    /// From transparent to opaque.
    Opacity,
}

/// Values of a mask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MaskValues {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// The largest value that there can be: 255 or 65535.
    pub most: u16,
    /// Row after row.
    pub values: Vec<u16>,
}

impl Media {
    pub(super) fn new(source: Source) -> Self {
        Self { source, seconds: None, crop: None }
    }

    pub(super) fn file(path: PathBuf) -> Self {
        Self::new(Source::File(path))
    }

    pub(super) fn between(self, begin: f64, end: f64) -> Self {
        Self { seconds: Some((begin, end)), ..self }
    }

    pub(super) fn cropped(self, crop: [f64; 4]) -> Self {
        Self { crop: Some(crop), ..self }
    }

    /// The whole file, up to 1 GiB; the samples of pixels without a format.
    ///
    /// # Errors
    /// [`Error::Io`] where it is not there, is larger or ends early.
    pub fn bytes(&self) -> Result<Vec<u8>> {
        match &self.source {
            Source::File(path) => {
                let file = File::open(path).map_err(Error::io(path))?;
                let length = file.metadata().map_err(Error::io(path))?.len();
                read(path, file, length)
            }
            Source::Packed { archive, offset, bytes } => {
                let mut file = File::open(archive).map_err(Error::io(archive))?;
                file.seek(SeekFrom::Start(*offset)).map_err(Error::io(archive))?;
                read(archive, file, *bytes)
            }
            Source::Memory(bytes) => Ok(bytes.to_vec()),
            Source::Pixels { samples, .. } => Ok(samples.to_vec()),
        }
    }

    /// The file, for messages and for what reads files by itself; none where it has none of its own.
    #[must_use]
    pub fn path(&self) -> Option<&Path> {
        match &self.source {
            Source::File(path) => Some(path),
            _ => None,
        }
    }
}

fn read(path: &Path, from: impl Read, length: u64) -> Result<Vec<u8>> {
    let wrong = |kind, reason: String| Error::io(path)(std::io::Error::new(kind, reason));
    if length > MAX_BYTES {
        return Err(wrong(std::io::ErrorKind::FileTooLarge, format!("{length} bytes, the limit is {MAX_BYTES}")));
    }
    let mut bytes = Vec::new();
    from.take(length).read_to_end(&mut bytes).map_err(Error::io(path))?;
    if bytes.len() as u64 != length {
        let reason = format!("{} bytes, {length} were announced", bytes.len());
        return Err(wrong(std::io::ErrorKind::UnexpectedEof, reason));
    }
    Ok(bytes)
}

impl Media {
    /// Decodes a picture (PNG, JPEG, WebP or binary PPM), whole or the part that counts of it: red, green and blue between 0 and 255.
    ///
    /// # Errors
    /// Those of [`Media::bytes`]; [`Error::Malformed`] for what is no picture, for more than 2^25 pixels, and for a part that
    /// does not lie within.
    pub fn picture(&self) -> Result<Picture> {
        let path = self.path().unwrap_or(Path::new("picture")).to_path_buf();
        let wrong = |place: &str, reason: String| Error::Malformed {
            path: path.clone(),
            place: place.to_owned(),
            format: "picture",
            reason,
        };
        let whole = match &self.source {
            Source::Pixels { width, height, channels, samples } => {
                let repeat = if *channels == 1 { 3 } else { 1 };
                let values = samples.iter().flat_map(|sample| std::iter::repeat_n(f64::from(*sample), repeat));
                Picture::new(*width, *height, 3, values.collect())?
            }
            _ => {
                let bytes = self.bytes()?;
                if bytes.starts_with(b"P6") {
                    let (width, height, samples) =
                        ppm::read(&bytes, MAX_PICTURE).map_err(|error| wrong("PPM", error))?;
                    Picture::new(width, height, 3, samples.iter().map(|sample| f64::from(*sample)).collect())?
                } else {
                    let decoded = decoded(bytes).map_err(|error| wrong("pixels", error))?;
                    let (width, height) = (decoded.width() as usize, decoded.height() as usize);
                    Picture::new(width, height, 3, decoded.into_raw().into_iter().map(f64::from).collect())?
                }
            }
        };
        let Some(crop) = self.crop else { return Ok(whole) };
        whole.part(crop).ok_or_else(|| wrong("part", format!("{crop:?} of {} x {} pixels", whole.width, whole.height)))
    }
}

/// PNG, JPEG or WebP.
fn decoded(bytes: Vec<u8>) -> Result<image::RgbImage, String> {
    let reader = image::ImageReader::new(Cursor::new(bytes)).with_guessed_format();
    let mut reader = reader.map_err(|error| error.to_string())?;
    let mut limits = image::Limits::default();
    limits.max_alloc = Some(MAX_PICTURE * 4);
    reader.limits(limits);
    let decoded = reader.decode().map_err(|error| error.to_string())?;
    let pixels = u64::from(decoded.width()) * u64::from(decoded.height());
    if pixels > MAX_PICTURE {
        return Err(format!("{pixels} pixels, the limit is {MAX_PICTURE}"));
    }
    Ok(decoded.into_rgb8())
}

impl Mask {
    /// Decodes it. Palettes are left aside: their indices are the values.
    ///
    /// # Errors
    /// [`Error::Io`], and [`Error::Malformed`] for what is no PNG of one channel, or of more than 2^28 pixels.
    pub fn values(&self) -> Result<MaskValues> {
        const FORMAT: &str = "PNG mask";
        let path = self.media.path().unwrap_or(Path::new("mask")).to_path_buf();
        let wrong = |reason: String| Error::Malformed {
            path: path.clone(),
            place: "header or pixels".to_owned(),
            format: FORMAT,
            reason,
        };
        let bytes = self.media.bytes()?;
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::IDENTITY);
        let mut reader = decoder.read_info().map_err(|error| wrong(error.to_string()))?;
        let info = reader.info();
        let (width, height, depth, color) = (info.width, info.height, info.bit_depth, info.color_type);
        if u64::from(width) * u64::from(height) > MAX_PIXELS {
            return Err(wrong(format!("{width} x {height} pixels, the limit is {MAX_PIXELS}")));
        }
        let wide = match (color, depth) {
            (png::ColorType::Grayscale | png::ColorType::Indexed, png::BitDepth::Eight) => false,
            (png::ColorType::Grayscale, png::BitDepth::Sixteen) => true,
            _ => return Err(wrong(format!("{color:?} of {depth:?} bits, expected one channel of 8 or 16"))),
        };
        let size = reader.output_buffer_size().ok_or_else(|| wrong("the size overflows".to_owned()))?;
        let mut samples = vec![0; size];
        reader.next_frame(&mut samples).map_err(|error| wrong(error.to_string()))?;
        let values = if wide {
            samples.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect()
        } else {
            samples.iter().map(|sample| u16::from(*sample)).collect()
        };
        let most = if wide { u16::MAX } else { u16::from(u8::MAX) };
        Ok(MaskValues { width: width as usize, height: height as usize, most, values })
    }
}

impl std::fmt::Debug for Source {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::File(path) => write!(f, "File({})", path.display()),
            Self::Packed { archive, offset, bytes } => {
                write!(f, "Packed({}, {bytes} bytes at {offset})", archive.display())
            }
            Self::Memory(bytes) => write!(f, "Memory({} bytes)", bytes.len()),
            Self::Pixels { width, height, channels, .. } => write!(f, "Pixels({width} x {height} x {channels})"),
        }
    }
}
