//! Speech to text: of a sound at once, or of a stream as it comes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::adapter::{Adapter, DataPath};
use crate::engine::{Engine, ListenOptions, Listener, Recognizer, Segment, Step, Trace};
use crate::error::Result;
use crate::input::{Audio, Resampler, SampleRate};

/// How speech is transcribed.
#[derive(Clone, Debug, Default)]
pub struct TranscribeOptions {
    /// Language, task, search and pace.
    pub listen: ListenOptions,
    /// An adapter of the speech component.
    pub adapter: Option<Arc<Adapter>>,
}

/// What was said.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// The texts of all segments, one after another.
    pub text: String,
    /// Stretches of speech with their times.
    pub segments: Vec<Segment>,
    /// What it took.
    #[serde(flatten)]
    pub summary: TranscriptSummary,
}

/// What a transcription took.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TranscriptSummary {
    /// Code of the language, where the model knows several.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Length of the sound in seconds.
    pub seconds: f64,
    /// Seconds of work per second of sound; below 1 it keeps up with speech.
    pub real_time_factor: f64,
    /// What ran.
    pub trace: Trace,
}

/// What a stream brings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum TranscriptEvent {
    /// A stretch of speech that is final.
    Segment(Segment),
    /// The text after the last final segment, as far as later sound will not take it back. It only grows, and the next
    /// segment's text begins with it.
    Partial {
        /// The whole of it, not what is new.
        text: String,
    },
}

/// One stream of speech. Owns all that it needs, so it outlives the engine; holds a window of sound at most.
pub struct Transcriber {
    recognizer: Arc<dyn Recognizer>,
    listener: Box<dyn Listener + Send>,
    resampler: Resampler,
    rate: SampleRate,
    /// Samples that were pushed, at `rate`.
    received: u64,
    work: Duration,
    /// The last partial text that was handed out.
    partial: String,
}

impl std::fmt::Debug for Transcriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Transcriber({:?}, {} samples)", self.recognizer.part().name, self.received)
    }
}

impl Engine {
    /// Writes down what is said in `audio`; the backbone is neither loaded nor run.
    ///
    /// Sound of any length: memory beside the sound itself is that of one window.
    ///
    /// # Errors
    /// As [`Engine::transcriber`] and [`Transcriber::push`].
    pub fn transcribe(&self, audio: &Audio, options: &TranscribeOptions) -> Result<Transcript> {
        let mut transcriber = self.transcriber(audio.rate(), options)?;
        let mut segments = Vec::new();
        let mut keep = |events: Vec<TranscriptEvent>| {
            segments.extend(events.into_iter().filter_map(|event| match event {
                TranscriptEvent::Segment(segment) => Some(segment),
                TranscriptEvent::Partial { .. } => None,
            }));
        };
        // In blocks of a second, so that resampling holds no second copy of the sound.
        for block in audio.samples().chunks(audio.rate().hertz() as usize) {
            keep(transcriber.push(block)?);
        }
        let (events, summary) = transcriber.finish()?;
        keep(events);
        let text = segments.iter().map(|segment| &*segment.text).collect();
        Ok(Transcript { text, segments, summary })
    }

    /// Begins to transcribe a stream of mono samples at `rate`.
    ///
    /// # Errors
    /// [`crate::Error::MissingComponent`] without a speech encoder, [`crate::Error::Unsupported`] for one without a
    /// recogniser; [`crate::Error::Argument`] for an unknown language or a beam out of range; [`crate::Error::Adapter`] for
    /// an adapter of another component.
    pub fn transcriber(&self, rate: SampleRate, options: &TranscribeOptions) -> Result<Transcriber> {
        let recognizer = self.recognizer()?;
        let resampler = Resampler::new(rate, recognizer.rate())?;
        let listener = Arc::clone(&recognizer).listen(&options.listen, options.adapter.clone())?;
        Ok(Transcriber {
            recognizer,
            listener,
            resampler,
            rate,
            received: 0,
            work: Duration::ZERO,
            partial: String::new(),
        })
    }
}

impl Transcriber {
    /// Takes any number of samples, such as the 100 ms that a microphone gives at a time, and returns what became certain.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for a sample that is not finite or far beyond full scale, naming its index in the stream;
    /// nothing was read then.
    pub fn push(&mut self, samples: &[f32]) -> Result<Vec<TranscriptEvent>> {
        let start = Instant::now();
        let mut resampled = Vec::new();
        self.resampler.push(samples, &mut resampled)?;
        self.received += samples.len() as u64;
        let segments = self.listener.push(&resampled)?;
        self.work += start.elapsed();
        Ok(self.events(segments))
    }

    /// Ends the stream: what is left, and what it took.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for a stream without a sample.
    pub fn finish(mut self) -> Result<(Vec<TranscriptEvent>, TranscriptSummary)> {
        let start = Instant::now();
        let mut resampled = Vec::new();
        self.resampler.finish(&mut resampled)?;
        let mut segments = self.listener.push(&resampled)?;
        segments.extend(self.listener.finish()?);
        self.work += start.elapsed();
        let events = self.events(segments);
        Ok((events, self.summary(start)))
    }

    /// Ends the stream without what is left of it, for a receiver that wants no more.
    #[must_use]
    pub fn stop(self) -> TranscriptSummary {
        self.summary(Instant::now())
    }

    fn summary(&self, start: Instant) -> TranscriptSummary {
        let seconds = self.seconds();
        let part = self.recognizer.part();
        let step = Step { ms: self.work.as_secs_f64() * 1e3, ..part.step(start).on(self.listener.ran()) };
        TranscriptSummary {
            language: self.language().map(str::to_owned),
            seconds,
            real_time_factor: self.work.as_secs_f64() / seconds,
            trace: Trace::new(DataPath::Encoder, vec![step]),
        }
    }

    /// The language that is spoken, once it is known.
    #[must_use]
    pub fn language(&self) -> Option<&str> {
        self.listener.language()
    }

    /// Seconds of sound that were pushed.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.received as f64 / f64::from(self.rate.hertz())
    }

    fn events(&mut self, segments: Vec<Segment>) -> Vec<TranscriptEvent> {
        if !segments.is_empty() {
            self.partial.clear();
        }
        let mut events: Vec<TranscriptEvent> = segments.into_iter().map(TranscriptEvent::Segment).collect();
        let now = self.listener.partial();
        if now != self.partial {
            self.partial = now.to_owned();
            events.push(TranscriptEvent::Partial { text: now.to_owned() });
        }
        events
    }
}
