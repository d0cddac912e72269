//! What tasks work on.

use std::sync::Arc;

use loam::input::{self, Audio, Channels, Image, ImuWindow, SampleRate};

use crate::error::{LoamError, Result};

/// Order of the bytes of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum PixelLayout {
    /// One byte of grey.
    Grey,
    /// Red, green, blue.
    Rgb,
    /// Red, green, blue, alpha, as Android's `ARGB_8888` lies in memory.
    Rgba,
    /// Blue, green, red, alpha, as Core Graphics gives it.
    Bgra,
}

/// How the bytes of a sample are read; all are little-endian.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum PcmFormat {
    /// Signed 16 bit.
    I16,
    /// 32-bit floating point in -1 to 1.
    F32,
}

impl PcmFormat {
    pub(crate) fn core(self) -> input::PcmFormat {
        match self {
            Self::I16 => input::PcmFormat::I16,
            Self::F32 => input::PcmFormat::F32,
        }
    }
}

/// Unit of an accelerometer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Acceleration {
    /// m/s^2, as Android gives it.
    MetersPerSecondSquared,
    /// Multiples of 9.80665 m/s^2, as iOS gives it.
    G,
}

/// Unit of a gyroscope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum AngularRate {
    /// Radians per second, as Android and iOS give it.
    RadiansPerSecond,
    /// Degrees per second.
    DegreesPerSecond,
}

/// Whether acceleration holds gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Gravity {
    /// As a sensor measures it.
    Included,
    /// Motion only.
    Removed,
}

/// Channels of a sample, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum ImuLayout {
    /// Acceleration in x, y, z.
    Accelerometer,
    /// Acceleration in x, y, z, then angular rate about x, y, z.
    AccelerometerGyroscope,
}

/// Frame and sign convention of a device.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Axes {
    /// Android's: acceleration points up at rest.
    Android,
    /// iOS's: acceleration points down at rest.
    Ios,
}

/// How motion was recorded.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct ImuSource {
    /// Samples per second, 1 to 10000.
    pub rate: f64,
    /// Channels of a sample.
    pub layout: ImuLayout,
    /// Unit of the accelerometer.
    pub acceleration: Acceleration,
    /// Unit of the gyroscope, if there is one.
    pub rotation: AngularRate,
    /// Whether acceleration holds gravity.
    pub gravity: Gravity,
    /// Frame and sign convention.
    pub axes: Axes,
}

impl ImuSource {
    pub(crate) fn core(&self) -> input::ImuSource {
        input::ImuSource {
            rate: self.rate,
            layout: match self.layout {
                ImuLayout::Accelerometer => input::ImuLayout::Accelerometer,
                ImuLayout::AccelerometerGyroscope => input::ImuLayout::AccelerometerGyroscope,
            },
            acceleration: match self.acceleration {
                Acceleration::MetersPerSecondSquared => input::Acceleration::MetersPerSecondSquared,
                Acceleration::G => input::Acceleration::G,
            },
            rotation: match self.rotation {
                AngularRate::RadiansPerSecond => input::AngularRate::RadiansPerSecond,
                AngularRate::DegreesPerSecond => input::AngularRate::DegreesPerSecond,
            },
            gravity: match self.gravity {
                Gravity::Included => input::Gravity::Included,
                Gravity::Removed => input::Gravity::Removed,
            },
            axes: match self.axes {
                Axes::Android => input::Axes::Android,
                Axes::Ios => input::Axes::Ios,
            },
        }
    }
}

/// What is done about samples that are not finite, and about gaps between timestamps.
#[derive(Clone, Debug, PartialEq, uniffi::Enum)]
pub enum Repair {
    /// They are refused.
    Refuse,
    /// They are interpolated between their neighbours.
    Interpolate {
        /// Longest time between two good samples, in ms, 0 to 10000.
        max_gap_ms: f64,
    },
}

impl Repair {
    pub(crate) fn core(&self) -> input::Repair {
        match *self {
            Self::Refuse => input::Repair::Refuse,
            Self::Interpolate { max_gap_ms } => input::Repair::Interpolate { max_gap_ms },
        }
    }
}

/// One input of a task: text, a picture, sound or motion.
#[derive(Debug, uniffi::Object)]
pub struct Input {
    inner: input::Input,
}

impl Input {
    pub(crate) fn core(&self) -> input::Input {
        self.inner.clone()
    }
}

impl From<input::Input> for Input {
    fn from(inner: input::Input) -> Self {
        Self { inner }
    }
}

#[uniffi::export]
impl Input {
    /// Written language.
    #[uniffi::constructor]
    pub fn text(text: String) -> Arc<Self> {
        Arc::new(input::Input::Text(text).into())
    }

    /// A picture of 8-bit pixels, row by row from the top left, without gaps between rows.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for another number of bytes than pixels take, or a picture above the limits.
    #[uniffi::constructor]
    pub fn pixels(
        pixels: &[u8],
        layout: PixelLayout,
        width: u32,
        height: u32,
    ) -> std::result::Result<Arc<Self>, LoamError> {
        let layout = match layout {
            PixelLayout::Grey => input::PixelLayout::Grey,
            PixelLayout::Rgb => input::PixelLayout::Rgb,
            PixelLayout::Rgba => input::PixelLayout::Rgba,
            PixelLayout::Bgra => input::PixelLayout::Bgra,
        };
        let image = Image::from_pixels(pixels, layout, width as usize, height as usize)?;
        Ok(Arc::new(input::Input::Image(image).into()))
    }

    /// A picture as the bytes of a PNG, JPEG or WebP file.
    ///
    /// # Errors
    /// [`LoamError::Malformed`], [`LoamError::Unsupported`], or [`LoamError::Argument`] for a picture above the limits.
    #[uniffi::constructor]
    pub fn encoded_image(bytes: &[u8]) -> std::result::Result<Arc<Self>, LoamError> {
        Ok(Arc::new(input::Input::Image(Image::decode(bytes)?).into()))
    }

    /// A picture in a PNG, JPEG or WebP file.
    ///
    /// # Errors
    /// As [`Input::encoded_image`]; [`LoamError::Io`].
    #[uniffi::constructor]
    pub fn image_file(path: String) -> Result<Arc<Self>> {
        Ok(Arc::new(input::Input::Image(Image::open(path)?).into()))
    }

    /// Sound as interleaved samples at `sample_rate` Hz; channels are mixed to one.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for no sample, a rate outside of 4000 to 192000, or a sample that is not finite.
    #[uniffi::constructor]
    pub fn pcm(
        samples: &[u8],
        format: PcmFormat,
        sample_rate: u32,
        channels: u16,
    ) -> std::result::Result<Arc<Self>, LoamError> {
        let (channels, rate) = (Channels::new(channels)?, SampleRate::new(sample_rate)?);
        Ok(Arc::new(input::Input::Sound(Audio::from_bytes(samples, format.core(), channels, rate)?).into()))
    }

    /// Sound in a WAV file.
    ///
    /// # Errors
    /// [`LoamError::Io`] or [`LoamError::Malformed`]; as [`Input::pcm`] otherwise.
    #[uniffi::constructor]
    pub fn wav_file(path: String) -> Result<Arc<Self>> {
        Ok(Arc::new(input::Input::Sound(wav(&path)?).into()))
    }

    /// Motion: samples as f32 in the order of the source's layout, and their times as f64 seconds, or no byte where they are
    /// evenly spaced.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for fewer than two samples, bytes that are no whole samples, or values out of range.
    #[uniffi::constructor]
    pub fn motion(
        samples: &[u8],
        timestamps: &[u8],
        source: ImuSource,
        repair: Repair,
    ) -> std::result::Result<Arc<Self>, LoamError> {
        let times = doubles("timestamps", timestamps)?;
        let times = (!times.is_empty()).then_some(times);
        let window = ImuWindow::new(source.core(), floats("samples", samples)?, times)?;
        Ok(Arc::new(input::Input::Motion { window, repair: repair.core() }.into()))
    }

    /// Its kind, for messages.
    pub fn kind(&self) -> String {
        self.inner.kind().to_owned()
    }
}

/// Samples of a WAV file: 8 to 32 bit, or 32-bit floating point.
fn wav(path: &str) -> Result<Audio> {
    let failed = |error: hound::Error| match error {
        hound::Error::IoError(source) if source.kind() != std::io::ErrorKind::UnexpectedEof => {
            LoamError::Io { path: path.to_owned(), reason: format!("{path}: {source}") }
        }
        other => LoamError::Malformed { what: path.to_owned(), reason: format!("{path}: malformed WAV file: {other}") },
    };
    let mut reader = hound::WavReader::open(path).map_err(failed)?;
    let spec = reader.spec();
    let (channels, rate) = (Channels::new(spec.channels)?, SampleRate::new(spec.sample_rate)?);
    let samples: Vec<f32> = match spec.sample_format {
        hound::SampleFormat::Float => reader.samples::<f32>().collect::<std::result::Result<_, _>>().map_err(failed)?,
        hound::SampleFormat::Int => {
            let scale = 0.5f32.powi(i32::from(spec.bits_per_sample) - 1);
            let scaled = reader.samples::<i32>().map(|sample| sample.map(|value| value as f32 * scale));
            scaled.collect::<std::result::Result<_, _>>().map_err(failed)?
        }
    };
    Ok(Audio::from_f32(&samples, channels, rate)?)
}

fn argument(name: &str, reason: impl std::fmt::Display) -> LoamError {
    LoamError::Argument { name: name.to_owned(), reason: format!("invalid {name}: {reason}") }
}

/// Packed f32, little-endian; the slice need not be aligned.
pub(crate) fn floats(name: &str, bytes: &[u8]) -> Result<Vec<f32>> {
    let chunks = bytes.chunks_exact(4);
    if !chunks.remainder().is_empty() {
        return Err(argument(name, format!("{} bytes, values have 4", bytes.len())));
    }
    Ok(chunks.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}

/// Packed f64, little-endian; the slice need not be aligned.
pub(crate) fn doubles(name: &str, bytes: &[u8]) -> Result<Vec<f64>> {
    let chunks = bytes.chunks_exact(8);
    if !chunks.remainder().is_empty() {
        return Err(argument(name, format!("{} bytes, values have 8", bytes.len())));
    }
    Ok(chunks.map(|b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]])).collect())
}
