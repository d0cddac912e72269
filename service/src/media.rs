//! Inputs and numbers as they lie in messages: bulk data is one run of bytes, lists are bounded.

use std::borrow::Cow;

use loam::input::{Audio, Channels, Image, ImuSource, ImuWindow, Input, PcmFormat, PixelLayout, Repair, SampleRate};
use serde::de::{Error as _, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An input on the wire. Pixels are RGB, numbers little-endian.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Media<'a> {
    Text(#[serde(borrow)] Cow<'a, str>),
    Image {
        width: usize,
        height: usize,
        #[serde(borrow, with = "serde_bytes")]
        pixels: Cow<'a, [u8]>,
    },
    Sound {
        rate: u32,
        #[serde(borrow, with = "serde_bytes")]
        samples: Cow<'a, [u8]>,
    },
    Motion {
        source: ImuSource,
        repair: Repair,
        #[serde(borrow, with = "serde_bytes")]
        samples: Cow<'a, [u8]>,
        #[serde(borrow)]
        times: Option<&'a serde_bytes::Bytes>,
    },
}

/// For `#[serde(with)]` of an [`Input`].
pub(crate) mod input {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(input: &Input, serializer: S) -> Result<S::Ok, S::Error> {
        let times;
        let media = match input {
            Input::Text(text) => Media::Text(Cow::Borrowed(text)),
            Input::Image(image) => {
                Media::Image { width: image.width(), height: image.height(), pixels: Cow::Borrowed(image.pixels()) }
            }
            Input::Sound(audio) => {
                Media::Sound { rate: audio.rate().hertz(), samples: Cow::Owned(pack(audio.samples())) }
            }
            Input::Motion { window, repair } => {
                times = window.timestamps().map(pack_times);
                Media::Motion {
                    source: *window.source(),
                    repair: *repair,
                    samples: Cow::Owned(pack(window.samples())),
                    times: times.as_deref().map(serde_bytes::Bytes::new),
                }
            }
        };
        media.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Input, D::Error> {
        let input = match Media::deserialize(deserializer)? {
            Media::Text(text) => Ok(Input::Text(text::within(text)?)),
            Media::Image { width, height, pixels } => {
                Image::from_pixels(&pixels, PixelLayout::Rgb, width, height).map(Input::Image)
            }
            Media::Sound { rate, samples } => SampleRate::new(rate)
                .and_then(|rate| Audio::from_bytes(&samples, PcmFormat::F32, Channels::MONO, rate))
                .map(Input::Sound),
            Media::Motion { source, repair, samples, times } => {
                let samples = unpack(&samples).map_err(D::Error::custom)?;
                let times = times.map(|times| unpack_times(times)).transpose().map_err(D::Error::custom)?;
                ImuWindow::new(source, samples, times).map(|window| Input::Motion { window, repair })
            }
        };
        input.map_err(D::Error::custom)
    }
}

/// A picture alone.
pub(crate) mod image {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(image: &Image, serializer: S) -> Result<S::Ok, S::Error> {
        let (width, height) = (image.width(), image.height());
        Media::Image { width, height, pixels: Cow::Borrowed(image.pixels()) }.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Image, D::Error> {
        match input::deserialize(deserializer)? {
            Input::Image(image) => Ok(image),
            other => Err(D::Error::custom(format!("{}, expected a picture", other.kind()))),
        }
    }
}

/// A text that a model is to read.
pub(crate) mod text {
    use super::*;

    /// Longest one, in bytes: several times what the widest window takes. Tokenizing takes a multiple of it in memory.
    const MOST: usize = 4 << 20;

    pub(super) fn within<E: serde::de::Error>(text: Cow<'_, str>) -> Result<String, E> {
        if text.len() > MOST {
            return Err(E::custom(format!("a text of {} bytes, the limit is {MOST}", text.len())));
        }
        Ok(text.into_owned())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<String, D::Error> {
        within(Cow::deserialize(deserializer)?)
    }
}

/// A text that a model is to read, or none.
pub(crate) mod any_text {
    use super::*;

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<String>, D::Error> {
        Option::<Cow<'de, str>>::deserialize(deserializer)?.map(text::within).transpose()
    }
}

/// Inputs of a question, at most as many as the engine takes.
pub(crate) mod inputs {
    use super::*;

    const MOST: usize = 64;

    #[derive(Serialize, Deserialize)]
    struct One(#[serde(with = "super::input")] Input);

    #[derive(Serialize)]
    struct Lent<'a>(#[serde(with = "super::input")] &'a Input);

    pub(crate) fn serialize<S: Serializer>(inputs: &[Input], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(inputs.iter().map(Lent))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<Input>, D::Error> {
        let all = bounded::<D, One>(deserializer, MOST)?;
        Ok(all.into_iter().map(|one| one.0).collect())
    }
}

/// Texts of a list: labels, stop strings. Each costs memory of its own, however short it is on the wire.
pub(crate) mod texts {
    use super::*;

    /// More than any classifier has labels.
    const MOST: usize = 1 << 14;

    pub(crate) fn serialize<S: Serializer>(texts: &[String], serializer: S) -> Result<S::Ok, S::Error> {
        texts.serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
        bounded(deserializer, MOST)
    }
}

/// A vector as bytes.
pub(crate) mod floats {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(values: &[f32], serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&pack(values))
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<f32>, D::Error> {
        let bytes: Cow<'de, serde_bytes::Bytes> = Cow::deserialize(deserializer)?;
        unpack(&bytes).map_err(D::Error::custom)
    }
}

/// Timestamps as bytes, if there are any.
pub(crate) mod times {
    use super::*;

    pub(crate) fn serialize<S: Serializer>(times: &Option<Vec<f64>>, serializer: S) -> Result<S::Ok, S::Error> {
        times.as_deref().map(pack_times).as_deref().map(serde_bytes::Bytes::new).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Vec<f64>>, D::Error> {
        let bytes: Option<&'de serde_bytes::Bytes> = Option::deserialize(deserializer)?;
        bytes.map(|bytes| unpack_times(bytes)).transpose().map_err(D::Error::custom)
    }
}

/// A modality by its name.
pub(crate) mod modality {
    use super::*;
    use loam::model::Modality;

    pub(crate) fn serialize<S: Serializer>(modality: &Modality, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(modality.as_str())
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Modality, D::Error> {
        let name: Cow<'de, str> = Cow::deserialize(deserializer)?;
        let shown: String = name.chars().take(40).collect();
        loam::model::encoder::modality(&name)
            .ok_or_else(|| D::Error::custom(format!("this engine has no encoder of '{shown}'")))
    }
}

/// A modality by its name, or none.
pub(crate) mod any_modality {
    use super::*;
    use loam::model::Modality;

    #[derive(Serialize, Deserialize)]
    struct Named(#[serde(with = "super::modality")] Modality);

    pub(crate) fn serialize<S: Serializer>(modality: &Option<Modality>, serializer: S) -> Result<S::Ok, S::Error> {
        modality.map(Named).serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Modality>, D::Error> {
        Ok(Option::<Named>::deserialize(deserializer)?.map(|named| named.0))
    }
}

/// By whole pieces of one buffer: the compiler makes one copy of it.
fn pack(values: &[f32]) -> Vec<u8> {
    let mut bytes = vec![0; size_of_val(values)];
    bytes.as_chunks_mut::<4>().0.iter_mut().zip(values).for_each(|(place, value)| *place = value.to_le_bytes());
    bytes
}

fn pack_times(values: &[f64]) -> Vec<u8> {
    values.iter().flat_map(|value| value.to_le_bytes()).collect()
}

/// About how many bytes an input takes on the wire.
pub(crate) fn size(input: &Input) -> usize {
    match input {
        Input::Text(text) => text.len(),
        Input::Image(image) => image.pixels().len(),
        Input::Sound(audio) => size_of_val(audio.samples()),
        Input::Motion { window, .. } => size_of_val(window.samples()) + window.timestamps().map_or(0, size_of_val),
    }
}

fn unpack(bytes: &[u8]) -> Result<Vec<f32>, String> {
    let (values, rest) = bytes.as_chunks::<4>();
    if !rest.is_empty() {
        return Err(format!("{} bytes, values have 4", bytes.len()));
    }
    Ok(values.iter().map(|value| f32::from_le_bytes(*value)).collect())
}

fn unpack_times(bytes: &[u8]) -> Result<Vec<f64>, String> {
    let (values, rest) = bytes.as_chunks::<8>();
    if !rest.is_empty() {
        return Err(format!("{} bytes, times have 8", bytes.len()));
    }
    Ok(values.iter().map(|value| f64::from_le_bytes(*value)).collect())
}

/// A list of at most `most` entries; a longer one ends in an error before its memory is taken.
fn bounded<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D, most: usize) -> Result<Vec<T>, D::Error> {
    struct Bounded<T> {
        most: usize,
        of: std::marker::PhantomData<T>,
    }

    impl<'de, T: Deserialize<'de>> Visitor<'de> for Bounded<T> {
        type Value = Vec<T>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            write!(f, "a list of at most {}", self.most)
        }

        fn visit_seq<A: SeqAccess<'de>>(self, mut entries: A) -> Result<Vec<T>, A::Error> {
            let mut all = Vec::new();
            while let Some(entry) = entries.next_element()? {
                if all.len() == self.most {
                    return Err(A::Error::invalid_length(all.len() + 1, &self));
                }
                all.push(entry);
            }
            Ok(all)
        }
    }

    deserializer.deserialize_seq(Bounded { most, of: std::marker::PhantomData })
}
