//! What was said in one window.

use std::io::Write;

use flate2::Compression;
use flate2::write::ZlibEncoder;

use super::WhisperRecognizer;
use super::beam;
use super::options::WhisperOptions;
use super::rules::{Rules, Timestamps};
use super::search::{Begin, Choice, Found, follow};
use crate::engine::recognizer::contract::SpeechTask;
use crate::error::Result;
use crate::model::encoder::Features;
use crate::model::ops::log_sum_exp;
use crate::model::recognizer::whisper::{Hypothesis, WhisperDecoding};
use crate::quant::Deltas;

/// The text of one window.
#[derive(Clone, Debug, PartialEq)]
pub struct WindowText {
    /// What the search was asked with: begin, language, task.
    pub prompt: Vec<u32>,
    /// Tokens behind the prompt, times included, without the one that ends the text.
    pub tokens: Vec<u32>,
    /// Mean natural logarithm of the probabilities of the tokens and of the end.
    pub log_probability: f32,
    /// Probability that nobody speaks.
    pub no_speech_probability: f32,
    /// Temperature that the text was found at.
    pub temperature: f32,
    /// Nobody speaks: the text is made up.
    pub silent: bool,
}

/// What a window is asked for.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ask<'a> {
    pub(super) options: &'a WhisperOptions,
    /// Id of the language, `None` to detect it, and for a model of English only.
    pub(super) language: Option<u32>,
    /// What the text begins with in any case.
    pub(super) forced: &'a [u32],
    pub(super) effort: Effort,
    /// Seed of chance.
    pub(super) seed: u64,
}

/// How much work a window is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Effort {
    /// One greedy search.
    Glance,
    /// The search that was asked for, at each temperature until a text looks right.
    Full,
}

impl WhisperRecognizer {
    /// Writes down one window of prepared features, `[mel bins, frames]`. Work: a pass of the encoder, and at most one
    /// decoder step per position, beam and temperature.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for options out of range, an unknown language, or features of another shape;
    /// [`crate::Error::Unsupported`] for a task that the model cannot do.
    pub fn write_down(
        &self,
        features: &Features,
        options: &WhisperOptions,
        deltas: Option<&Deltas>,
    ) -> Result<WindowText> {
        let language = self.check(options)?;
        let seed = options.listen.seed;
        let ask = Ask { options, language, forced: &[], effort: Effort::Full, seed };
        self.window(features, ask, deltas)
    }

    pub(super) fn window(&self, features: &Features, ask: Ask<'_>, deltas: Option<&Deltas>) -> Result<WindowText> {
        let states = self.network().encode(features, deltas)?;
        let mut decoding = self.network().decode(&states, deltas)?;
        let prompt = self.prompt(&mut decoding, ask)?;
        let mut hypothesis = Hypothesis::default();
        let width = self.network().config().width();
        let states = decoding.feed(&mut [(&mut hypothesis, &prompt)])?;
        let no_speech_probability = self.no_speech(&decoding, &states[..width])?;
        let mut last = states[states.len() - width..].to_vec();
        // What is forced must leave room for a step.
        let limit = self.limit(prompt.len());
        let forced = &ask.forced[..ask.forced.len().min(limit.saturating_sub(prompt.len() + 1))];
        if !forced.is_empty() {
            let states = decoding.feed(&mut [(&mut hypothesis, forced)])?;
            last = states[states.len() - width..].to_vec();
        }
        let logits = decoding.logits(&last)?;
        let rules = Rules { vocabulary: &self.vocabulary, timestamps: ask.options.timestamps };
        let temperatures = match ask.effort {
            Effort::Glance => &[0.0],
            Effort::Full => &ask.options.temperatures[..],
        };
        let beams = if ask.effort == Effort::Full { ask.options.beams() } else { 1 };
        let attempts = temperatures.iter().zip(0u64..).map(|(&temperature, index)| {
            // What the language was detected with, and what earlier attempts said.
            decoding.retain(&mut [&mut hypothesis]);
            let begin = Begin { hypothesis: hypothesis.clone(), logits: &logits, forced, limit };
            let found = if temperature > 0.0 || beams == 1 {
                let seed = ask.seed.wrapping_add(index << 56);
                follow(&mut decoding, &rules, begin, Choice::at(temperature, seed))?
            } else {
                beam::search(&mut decoding, &rules, begin, beams)?
            };
            let verdict = self.judge(&found, no_speech_probability, ask.options)?;
            Ok((temperature, found, verdict))
        });
        let mut best: Option<(f32, Found, Verdict)> = None;
        for attempt in attempts {
            let attempt = attempt?;
            let done = attempt.2 != Verdict::Wrong;
            best = Some(attempt);
            if done {
                break;
            }
        }
        let (temperature, found, verdict) = best.expect("invariant: options have a temperature");
        Ok(WindowText {
            prompt,
            tokens: found.tokens,
            log_probability: found.log_probability,
            no_speech_probability,
            temperature,
            silent: verdict == Verdict::Silence,
        })
    }

    /// The tokens that ask for a text: begin, and for a model of several languages the language and the task.
    fn prompt(&self, decoding: &mut WhisperDecoding<'_>, ask: Ask<'_>) -> Result<Vec<u32>> {
        let vocabulary = &self.vocabulary;
        let mut prompt = vec![vocabulary.start];
        if let Some([transcribe, translate]) = vocabulary.tasks {
            let language = match ask.language {
                Some(language) => language,
                None => self.detect(decoding)?,
            };
            prompt.push(language);
            prompt.push(match ask.options.listen.task {
                SpeechTask::Transcribe => transcribe,
                SpeechTask::Translate => translate,
            });
        }
        if ask.options.timestamps == Timestamps::Absent {
            prompt.push(vocabulary.no_timestamps);
        }
        Ok(prompt)
    }

    /// The id of the most probable language: what follows the token that begins a transcript.
    fn detect(&self, decoding: &mut WhisperDecoding<'_>) -> Result<u32> {
        let states = decoding.feed(&mut [(&mut Hypothesis::default(), &[self.vocabulary.start])])?;
        let logits = decoding.logits(&states)?;
        let ids = self.vocabulary.languages.iter().map(|(_, id)| *id);
        let best = ids.max_by(|a, b| logits[*a as usize].total_cmp(&logits[*b as usize]).then(b.cmp(a)));
        Ok(best.expect("invariant: a model with tasks has languages"))
    }

    /// Probability of silence at the state of the token that begins the transcript.
    fn no_speech(&self, decoding: &WhisperDecoding<'_>, state: &[f32]) -> Result<f32> {
        let logits = decoding.logits(state)?;
        Ok((logits[self.vocabulary.no_speech as usize] - log_sum_exp(&logits)).exp())
    }

    /// Most tokens, prompt included, as transformers counts them.
    pub(super) fn limit(&self, prompt: usize) -> usize {
        let positions = self.network().config().target_positions();
        let own = self.vocabulary.max_length.map(|max| max.saturating_add(prompt.min(positions / 2 - 1)));
        own.unwrap_or(positions).min(positions)
    }

    fn judge(&self, found: &Found, no_speech: f32, options: &WhisperOptions) -> Result<Verdict> {
        let unlikely = options.least_log_probability.is_some_and(|least| found.log_probability < least);
        if unlikely && options.silence.is_some_and(|silence| no_speech > silence) {
            return Ok(Verdict::Silence);
        }
        let text = self.text(&found.tokens)?;
        let repeats = options.most_compression.is_some_and(|most| compression_ratio(&text) > most);
        Ok(if unlikely || repeats { Verdict::Wrong } else { Verdict::Right })
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    Right,
    Wrong,
    Silence,
}

/// How many times smaller zlib makes a text; 0 for none.
fn compression_ratio(text: &str) -> f32 {
    let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(text.as_bytes()).expect("invariant: writing to memory does not fail");
    let compressed = encoder.finish().expect("invariant: writing to memory does not fail");
    text.len() as f32 / compressed.len() as f32
}

#[cfg(test)]
mod tests {
    use super::compression_ratio;

    #[test]
    fn repetition_is_what_zlib_makes_small() {
        assert!(compression_ratio("") < 1.0);
        let speech = "And so my fellow Americans, ask not what your country can do for you";
        assert!(compression_ratio(speech) < 1.2, "{}", compression_ratio(speech));
        assert!(compression_ratio(&" so so".repeat(20)) > 2.4);
    }
}
