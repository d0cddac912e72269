//! VITS: text to speech in one network (Kim et al. 2021, arXiv 2106.06103), in its Hugging Face layout.

mod config;
mod convolution;
mod decoder;
mod duration;
mod flow;
mod noise;
mod spline;
mod text;

pub use config::VitsConfig;
pub use noise::Noise;

use crate::error::{Error, Result};
use crate::model::layer::{Loader, Prefix};
use crate::model::table::LinearTable;
use crate::pool;
use crate::quant::Matrix;
use crate::weights::Checkpoint;
use decoder::Decoder;
use duration::DurationPredictor;
use flow::Flow;
use text::TextEncoder;

/// Longest input, in tokens; attention is quadratic in it.
pub const MAX_TOKENS: usize = 4096;
/// Longest output, in samples: a minute at 16 kHz, for which a decoder of the usual 32 last channels needs half a GB.
pub const MAX_SAMPLES: usize = 60 * 16_000;

/// How a text is spoken.
#[derive(Clone, Debug, PartialEq)]
pub struct Voice {
    /// The source of chance.
    pub noise: Noise,
    /// Scale of the noise on latents; 0 for none.
    pub noise_scale: f32,
    /// Scale of the noise on durations; 0 for none.
    pub noise_scale_duration: f32,
    /// 1 for the trained speed, more for faster speech.
    pub speaking_rate: f32,
    /// Index of the speaker, for models of several.
    pub speaker: Option<usize>,
}

/// A loaded VITS model. Immutable and shared.
#[derive(Debug)]
pub struct Vits {
    config: VitsConfig,
    table: LinearTable,
    text: TextEncoder,
    duration: DurationPredictor,
    flow: Flow,
    decoder: Decoder,
    speakers: Option<Matrix>,
}

impl Vits {
    /// Loads all weights that speaking needs; those of training alone are left in the file.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::Shape`], or [`Error::Unsupported`] for a tensor that would go unused.
    pub fn load(checkpoint: &Checkpoint, config: VitsConfig) -> Result<Self> {
        let mut loader = Loader::new(checkpoint, Prefix::default());
        let text = TextEncoder::load(&mut loader, &config)?;
        let duration = DurationPredictor::load(&mut loader, &config)?;
        let flow = Flow::load(&mut loader, &config)?;
        let decoder = Decoder::load(&mut loader, &config)?;
        let speakers = match config.speakers() {
            0 => None,
            count => Some(loader.embedding("embed_speaker", count, config.speaker_width)?.0),
        };
        // The posterior encoder, the posterior of durations and the first spline flow serve training alone.
        let training = ["posterior_encoder.", "duration_predictor.post_", "duration_predictor.flows.1."];
        let stochastic = config.stochastic;
        let ignored = |name: &str| {
            let of_training = training.iter().position(|prefix| name.starts_with(prefix));
            of_training.is_some_and(|at| at == 0 || stochastic)
        };
        let table = loader.finish("VITS model", ignored)?;
        Ok(Self { config, table, text, duration, flow, decoder, speakers })
    }

    /// Its shape and options.
    #[must_use]
    pub fn config(&self) -> &VitsConfig {
        &self.config
    }

    /// Its layers by name.
    #[must_use]
    pub fn linears(&self) -> &LinearTable {
        &self.table
    }

    /// Samples, mono and within -1 to 1, of the tokens `ids`. Cost is linear in the samples and quadratic in the tokens.
    ///
    /// # Errors
    /// [`Error::Argument`] for no or too many tokens, an id or speaker that the model lacks, options out of range, noise
    /// that is too short, or speech of more than [`MAX_SAMPLES`]; [`Error::Malformed`] for weights that make values which are
    /// not finite.
    pub fn speak(&self, ids: &[u32], voice: &Voice) -> Result<Vec<f32>> {
        self.check(ids, voice)?;
        let speaker = voice.speaker.map(|speaker| self.speaker(speaker)).transpose()?;
        let speaker = speaker.as_deref();
        let encoded = pool::pass(|| self.text.forward(ids));
        let mut noise = voice.noise.clone().source();
        let pairs = if self.duration.reads_noise() {
            noise.durations(ids.len(), voice.noise_scale_duration)?
        } else {
            Vec::new()
        };
        let logs = pool::pass(|| self.duration.forward(&encoded.states, speaker, &pairs));
        let frames = self.frames(&logs, voice.speaking_rate)?;
        let mut latents = self.latents(&encoded.prior, &frames);
        let width = self.config.latents;
        let noise = noise.latents(latents.len() / width, width, voice.noise_scale)?;
        for ((latent, deviation), noise) in latents.iter_mut().zip(self.deviations(&encoded.prior, &frames)).zip(noise)
        {
            *latent += noise * deviation;
        }
        let samples = pool::pass(|| {
            self.flow.invert(&mut latents, speaker);
            self.decoder.forward(&latents, speaker)
        });
        // The last layer bounds them, whatever comes in: infinite values look like loud ones.
        let sound = latents.iter().chain(&samples).all(|value| value.is_finite());
        if sound { Ok(samples) } else { Err(not_finite("samples")) }
    }

    fn check(&self, ids: &[u32], voice: &Voice) -> Result<()> {
        if ids.is_empty() || ids.len() > MAX_TOKENS {
            return Err(Error::argument("text", format!("{} tokens, expected 1 to {MAX_TOKENS}", ids.len())));
        }
        if let Some(id) = ids.iter().find(|id| **id as usize >= self.config.vocabulary) {
            return Err(Error::argument("text", format!("token {id}, the vocabulary has {}", self.config.vocabulary)));
        }
        for (name, value, low, high) in [
            ("noise_scale", voice.noise_scale, 0.0, 10.0),
            ("noise_scale_duration", voice.noise_scale_duration, 0.0, 10.0),
            ("speaking_rate", voice.speaking_rate, 0.05, 20.0),
        ] {
            if !(low..=high).contains(&value) {
                return Err(Error::argument(name, format!("{value}, expected {low} to {high}")));
            }
        }
        Ok(())
    }

    fn speaker(&self, index: usize) -> Result<Vec<f32>> {
        let count = self.config.speakers();
        let table = self.speakers.as_ref().filter(|_| index < count);
        let table = table.ok_or_else(|| Error::argument("speaker", format!("{index}, the model has {count}")))?;
        let mut row = vec![0.0; table.cols()];
        table.row(index, &mut row);
        Ok(row)
    }

    /// Frames of each token.
    fn frames(&self, logs: &[f32], rate: f32) -> Result<Vec<usize>> {
        let limit = (MAX_SAMPLES / self.config.hop()) as f32;
        let length_scale = 1.0 / rate;
        let frames: Vec<f32> = logs.iter().map(|log| (log.exp() * length_scale).ceil()).collect();
        let total: f32 = frames.iter().sum();
        if total.is_nan() || logs.iter().any(|log| !log.is_finite()) {
            return Err(not_finite("durations"));
        }
        if total <= limit {
            return Ok(frames.into_iter().map(|count| count as usize).collect());
        }
        let seconds = total as f64 * self.config.hop() as f64 / self.config.sampling_rate as f64;
        let limit = MAX_SAMPLES / self.config.sampling_rate;
        Err(Error::argument("text", format!("{seconds:.1} s of speech, the limit is {limit} s; divide the text")))
    }

    /// Means of the prior, a row per frame; at least one frame, of zeros where no token lasts.
    fn latents(&self, prior: &[f32], frames: &[usize]) -> Vec<f32> {
        let mut means = expanded(prior, frames, self.config.latents, 0);
        if means.is_empty() {
            means.resize(self.config.latents, 0.0);
        }
        means
    }

    /// Deviations of the prior, a row per frame.
    fn deviations(&self, prior: &[f32], frames: &[usize]) -> impl Iterator<Item = f32> {
        let logs = expanded(prior, frames, self.config.latents, self.config.latents);
        logs.into_iter().map(f32::exp)
    }
}

fn not_finite(what: &str) -> Error {
    Error::malformed(
        "speech generator",
        "checkpoint",
        format!("its weights make {what} that are not finite; verify the files"),
    )
}

/// `width` values from `start` of each token's row of the prior, repeated for its frames.
fn expanded(prior: &[f32], frames: &[usize], width: usize, start: usize) -> Vec<f32> {
    prior
        .chunks_exact(2 * width)
        .zip(frames)
        .flat_map(|(row, &count)| row[start..start + width].repeat(count))
        .collect()
}
