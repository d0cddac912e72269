//! Sound files: WAV, FLAC, MP3, Ogg Vorbis and AAC in MP4, decoded block by block, so that hours of sound take the memory of a
//! packet.

use std::fs::File;
use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use loam::input::{Audio, Channels, SampleRate};
use symphonia::core::codecs::audio::{AudioDecoder, AudioDecoderOptions};
use symphonia::core::errors::Error as SoundError;
use symphonia::core::formats::probe::{Hint, Probe};
use symphonia::core::formats::{FormatOptions, FormatReader, TrackType};
use symphonia::core::io::{MediaSource, MediaSourceStream};
use symphonia::core::meta::MetadataOptions;
use symphonia::default::formats::{FlacReader, MpaReader, OggReader, WavReader};

use crate::error::{Error, Result};
use crate::mp4::{self, Form};

const FORMAT: &str = "sound file";
/// Endings of the names of sound files.
const ENDINGS: [&str; 5] = ["wav", "flac", "mp3", "ogg", "m4a"];

/// Whether a path is a file whose name says that it is sound. What it holds is found out by opening it.
pub fn is_named_as_sound(path: &Path) -> bool {
    let ending = path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase);
    path.is_file() && ending.is_some_and(|ending| ENDINGS.contains(&ending.as_str()))
}

/// Readers of all formats but MP4, which would be looked for anywhere in a file.
fn plain() -> &'static Probe {
    static PLAIN: OnceLock<Probe> = OnceLock::new();
    PLAIN.get_or_init(|| {
        let mut probe = Probe::default();
        probe.register_format::<FlacReader<'_>>();
        probe.register_format::<MpaReader<'_>>();
        probe.register_format::<WavReader<'_>>();
        probe.register_format::<OggReader<'_>>();
        probe
    })
}

/// A sound file at some place of its default track.
pub struct AudioFile {
    path: PathBuf,
    format: Box<dyn FormatReader>,
    decoder: Box<dyn AudioDecoder>,
    track: u32,
    rate: SampleRate,
    channels: Channels,
    /// Samples per channel that the header announces.
    announced: Option<u64>,
    decoded: u64,
    /// The packet at hand, interleaved.
    packet: Vec<f32>,
}

impl AudioFile {
    /// Reads the header; the content decides on the format, not the name.
    ///
    /// # Errors
    /// [`Error::Io`] when the file cannot be opened; [`Error::Malformed`] when it is no sound, or of a codec, rate or number
    /// of channels that is not read.
    pub fn open(path: &Path) -> Result<Self> {
        let file = File::open(path).map_err(Error::io(path))?;
        if path.is_dir() {
            return Err(Error::io(path)(std::io::ErrorKind::IsADirectory.into()));
        }
        Self::read(path, Box::new(file))
    }

    /// As [`AudioFile::open`], of a file that is in memory; `name` is for messages.
    ///
    /// # Errors
    /// As [`AudioFile::open`].
    pub fn of_bytes(name: &Path, bytes: Vec<u8>) -> Result<Self> {
        Self::read(name, Box::new(Cursor::new(bytes)))
    }

    fn read(path: &Path, mut source: Box<dyn MediaSource>) -> Result<Self> {
        let wrong = |reason: &dyn ToString| Error::malformed(path.display(), FORMAT, reason.to_string());
        // Pipes cannot be looked at twice; MP4 is read from files alone.
        let form =
            if source.is_seekable() { mp4::check(&mut source).map_err(|reason| wrong(&reason))? } else { Form::Other };
        let probe = if form == Form::Mp4 { symphonia::default::get_probe() } else { plain() };
        let stream = MediaSourceStream::new(source, Default::default());
        let mut hint = Hint::new();
        if let Some(ending) = path.extension().and_then(|ending| ending.to_str()) {
            hint.with_extension(ending);
        }
        let format = probe
            .probe(&hint, stream, FormatOptions::default(), MetadataOptions::default())
            .map_err(|reason| wrong(&reason))?;
        let track = format.default_track(TrackType::Audio).ok_or_else(|| wrong(&"it has no sound"))?;
        let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
        let parameters = parameters.ok_or_else(|| wrong(&"it does not say how its sound is coded"))?;
        let rate = parameters.sample_rate.ok_or_else(|| wrong(&"it does not say its sample rate"))?;
        let channels = parameters.channels.as_ref().ok_or_else(|| wrong(&"it does not say its channels"))?.count();
        let channels = Channels::new(u16::try_from(channels).unwrap_or(u16::MAX)).map_err(|reason| wrong(&reason))?;
        let rate = SampleRate::new(rate).map_err(|reason| wrong(&reason))?;
        let decoder = symphonia::default::get_codecs()
            .make_audio_decoder(parameters, &AudioDecoderOptions::default())
            .map_err(|reason| wrong(&reason))?;
        let (track, announced) = (track.id, track.num_frames);
        let path = path.to_path_buf();
        Ok(Self { path, format, decoder, track, rate, channels, announced, decoded: 0, packet: Vec::new() })
    }

    /// Samples per second.
    pub fn rate(&self) -> SampleRate {
        self.rate
    }

    /// Channels, which are mixed to one.
    pub fn channels(&self) -> Channels {
        self.channels
    }

    /// The next block of some thousand samples, `None` after the last one.
    ///
    /// # Errors
    /// [`Error::Io`] when reading fails; [`Error::Malformed`] for damage, for rate or channels that change, and for a file
    /// that ends before what its header announces or that holds no sample. A cut Ogg file announces nothing and is read up
    /// to its last whole page.
    pub fn next_block(&mut self) -> Result<Option<Audio>> {
        loop {
            let packet = match self.format.next_packet() {
                Ok(Some(packet)) => packet,
                Ok(None) => return self.end().map(|()| None),
                Err(reason) => return Err(self.failed(reason)),
            };
            if packet.track_id != self.track {
                continue;
            }
            let decoded = match self.decoder.decode(&packet) {
                Ok(decoded) => decoded,
                Err(reason) => return Err(self.failed(reason)),
            };
            let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
            if (rate, channels) != (self.rate.hertz(), self.channels.count()) {
                let began = format!("{} Hz with {} channels", self.rate.hertz(), self.channels.count());
                return Err(self.malformed(format!("it changes from {began} to {rate} Hz with {channels}")));
            }
            decoded.copy_to_vec_interleaved(&mut self.packet);
            if self.packet.is_empty() {
                continue;
            }
            let block = Audio::from_f32(&self.packet, self.channels, self.rate)
                .map_err(|reason| self.malformed(format!("in the packet after sample {}: {reason}", self.decoded)))?;
            self.decoded += block.samples().len() as u64;
            return Ok(Some(block));
        }
    }

    fn end(&self) -> Result<()> {
        match self.announced {
            Some(announced) if self.decoded < announced => {
                Err(self.malformed(format!("it ends after {} of {announced} samples", self.decoded)))
            }
            _ if self.decoded == 0 => Err(self.malformed("it holds no sample")),
            _ => Ok(()),
        }
    }

    fn failed(&self, reason: SoundError) -> Error {
        match reason {
            // A file that ends in the middle of something is damaged; the disk is fine.
            SoundError::IoError(source) if source.kind() == std::io::ErrorKind::UnexpectedEof => {
                let announced = self.announced.map_or_else(String::new, |announced| format!(" of {announced}"));
                self.malformed(format!("it ends after {}{announced} samples, in the middle of a packet", self.decoded))
            }
            SoundError::IoError(source) => Error::Io { path: self.path.clone(), source },
            reason => self.malformed(format!("after {} samples: {reason}", self.decoded)),
        }
    }

    fn malformed(&self, reason: impl ToString) -> Error {
        Error::malformed(self.path.display(), FORMAT, reason)
    }
}

#[cfg(test)]
#[path = "audio/tests.rs"]
mod tests;
