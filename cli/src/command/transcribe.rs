//! `loam transcribe`: speech to text, from files of any length or as it is spoken.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use loam::engine::{ListenOptions, Pace, Search, Segment, SpeechTask};
use loam::input::{Audio, Channels, PcmFormat, SampleRate};
use loam::task::{TranscribeOptions, TranscriptEvent, TranscriptSummary};

use super::interrupt::Interruptible;
use super::model::{AdapterArgs, ModelArgs};
use super::subtitle::Subtitles;
use crate::audio::AudioFile;
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

/// Bytes of 100 ms of what `-` reads.
const CHUNK: usize = 3_200;

/// How a transcript is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum TranscriptFormat {
    /// The words, one line per segment
    Text,
    /// SubRip subtitles
    Srt,
    /// WebVTT subtitles
    Vtt,
    /// One JSON object per segment, then one for the file
    Json,
}

/// `loam transcribe` as typed.
#[derive(Debug, Clone, Args)]
pub struct TranscribeArgs {
    /// WAV, FLAC, MP3, Ogg Vorbis or M4A files; '-' for raw samples from standard input: mono, 16 bit, little-endian, 16 kHz
    #[arg(required = true, value_name = "FILE")]
    files: Vec<PathBuf>,
    /// Language that is spoken, such as 'en'; found out by default where the model knows several
    #[arg(long, value_name = "CODE")]
    language: Option<String>,
    /// Translate into English instead of writing down, where the model can
    #[arg(long)]
    translate: bool,
    /// Follow so many texts side by side, 1 to 32; by default the best token at each step
    #[arg(long, value_name = "N")]
    beam: Option<usize>,
    /// Seed of chance, for models that try again at random where a text looks wrong
    #[arg(long, value_name = "N", default_value_t = 0)]
    seed: u64,
    /// Form of the transcript
    #[arg(long, value_enum, value_name = "FORM", default_value = "text")]
    format: TranscriptFormat,
    /// Write the time before each segment
    #[arg(long)]
    timestamps: bool,
    /// Write text as early as it is certain, for more work; always so for '-'
    #[arg(long)]
    stream: bool,
    #[command(flatten)]
    model: ModelArgs,
    #[command(flatten)]
    adapter: AdapterArgs,
}

/// Writes each segment as it becomes final.
///
/// # Errors
/// The engine's, the console's, and those of reading the files; [`Error::Interrupted`] for a transcript that Ctrl-C ended.
pub fn run(args: &TranscribeArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let format = if console.format() == Format::Json { TranscriptFormat::Json } else { args.format };
    if args.timestamps && format != TranscriptFormat::Text {
        return Err(Error::Argument {
            name: "timestamps",
            reason: "only text takes them, other forms have them".into(),
        }
        .into());
    }
    if args.files.len() > 1 && matches!(format, TranscriptFormat::Srt | TranscriptFormat::Vtt) {
        return Err(Error::Argument { name: "format", reason: "subtitles are of one file".into() }.into());
    }
    let engine = args.model.open(home)?;
    let adapter = args.adapter.install(&engine, home)?;
    for file in &args.files {
        let live = args.stream || file == Path::new("-");
        let listen = ListenOptions {
            language: args.language.clone(),
            task: if args.translate { SpeechTask::Translate } else { SpeechTask::Transcribe },
            search: args.beam.map_or(Search::Greedy, Search::Beam),
            pace: if live { Pace::Live } else { Pace::Thorough },
            seed: args.seed,
        };
        let options = TranscribeOptions { listen, adapter: adapter.clone() };
        let style = Style { format, timestamps: args.timestamps, file: (args.files.len() > 1).then_some(file) };
        let mut writer = Writer { console, style, subtitles: Subtitles::default(), shown: 0 };
        writer.begin()?;
        transcribe(&engine, file, &options, &mut writer)?;
    }
    Ok(())
}

/// Reads one file block by block.
fn transcribe(
    engine: &loam::Engine,
    file: &Path,
    options: &TranscribeOptions,
    writer: &mut Writer<'_>,
) -> anyhow::Result<()> {
    let mut source = Source::open(file)?;
    let mut transcriber = engine.transcriber(source.rate(), options)?;
    let running = Interruptible::begin();
    let mut interrupted = false;
    while let Some(block) = source.next_block()? {
        writer.events(&transcriber.push(block.samples())?)?;
        if running.is_interrupted() {
            interrupted = true;
            break;
        }
    }
    // What was heard until Ctrl-C is written too.
    let (events, summary) = transcriber.finish()?;
    writer.events(&events)?;
    writer.end(&summary)?;
    if interrupted { Err(Error::Interrupted.into()) } else { Ok(()) }
}

/// Where sound comes from.
enum Source {
    File(Box<AudioFile>),
    /// Raw samples from standard input.
    Input,
}

impl Source {
    fn open(path: &Path) -> Result<Self, Error> {
        if path == Path::new("-") { Ok(Self::Input) } else { Ok(Self::File(Box::new(AudioFile::open(path)?))) }
    }

    fn rate(&self) -> SampleRate {
        match self {
            Self::File(file) => file.rate(),
            Self::Input => SampleRate::SPEECH,
        }
    }

    /// The next block, `None` at the end.
    fn next_block(&mut self) -> anyhow::Result<Option<Audio>> {
        let Self::File(file) = self else { return raw_block() };
        Ok(file.next_block()?)
    }
}

/// 100 ms of standard input, less at its end.
fn raw_block() -> anyhow::Result<Option<Audio>> {
    let mut bytes = Vec::with_capacity(CHUNK);
    let mut input = std::io::stdin().lock().take(CHUNK as u64);
    input.read_to_end(&mut bytes).map_err(Error::io("standard input"))?;
    if bytes.is_empty() {
        return Ok(None);
    }
    if bytes.len() % 2 == 1 {
        return Err(Error::malformed("standard input", "16-bit samples", "it ends in the middle of a sample").into());
    }
    Ok(Some(Audio::from_bytes(&bytes, PcmFormat::I16, Channels::MONO, SampleRate::SPEECH)?))
}

/// How one file's transcript is written.
struct Style<'a> {
    format: TranscriptFormat,
    timestamps: bool,
    /// Its name, where there are several.
    file: Option<&'a PathBuf>,
}

/// Writes one file's transcript.
struct Writer<'a> {
    console: &'a Console,
    style: Style<'a>,
    subtitles: Subtitles,
    /// Bytes of the open segment that were written already.
    shown: usize,
}

impl Writer<'_> {
    fn begin(&self) -> Result<(), Error> {
        match (self.style.format, self.style.file) {
            (TranscriptFormat::Vtt, _) => self.console.line("WEBVTT\n"),
            (TranscriptFormat::Text, Some(file)) => self.console.line(format!("{}:", file.display())),
            _ => Ok(()),
        }
    }

    fn events(&mut self, events: &[TranscriptEvent]) -> Result<(), Error> {
        events.iter().try_for_each(|event| self.event(event))
    }

    fn event(&mut self, event: &TranscriptEvent) -> Result<(), Error> {
        match (self.style.format, event) {
            (TranscriptFormat::Json, event) => self.console.json(event),
            (TranscriptFormat::Text, TranscriptEvent::Segment(segment)) if self.style.timestamps => {
                let text = segment.text.trim();
                self.console.line(format!("[{:8.2} - {:8.2}] {text}", segment.start, segment.end))
            }
            (TranscriptFormat::Text, TranscriptEvent::Segment(segment)) => {
                self.write(&segment.text)?;
                self.shown = 0;
                self.console.line("")
            }
            // Text that is certain is shown at once, unless its time is to stand before it.
            (TranscriptFormat::Text, TranscriptEvent::Partial { text }) if !self.style.timestamps => self.write(text),
            (TranscriptFormat::Srt, TranscriptEvent::Segment(segment)) => self.subtitle(segment, Subtitles::srt),
            (TranscriptFormat::Vtt, TranscriptEvent::Segment(segment)) => self.subtitle(segment, Subtitles::vtt),
            (_, TranscriptEvent::Partial { .. }) => Ok(()),
        }
    }

    /// Writes what of the open segment's text is new.
    fn write(&mut self, text: &str) -> Result<(), Error> {
        let new = text.get(self.shown..).unwrap_or_default();
        // A segment begins with the space that parts it from the one before; here each has its own line.
        let new = if self.shown == 0 { new.trim_start() } else { new };
        self.shown = text.len();
        if new.is_empty() { Ok(()) } else { self.console.text(new) }
    }

    fn subtitle(&mut self, segment: &Segment, form: fn(&mut Subtitles, &Segment) -> String) -> Result<(), Error> {
        let text = form(&mut self.subtitles, segment);
        self.console.line(text)
    }

    fn end(&self, summary: &TranscriptSummary) -> Result<(), Error> {
        if self.style.format == TranscriptFormat::Json {
            let mut value = serde_json::json!({ "event": "done", "stats": summary });
            if let Some(file) = self.style.file {
                value["file"] = file.display().to_string().into();
            }
            return self.console.json(&value);
        }
        let language = summary.language.as_ref().map_or_else(String::new, |language| format!(" · {language}"));
        let line = format!(
            "[{:.1} s of sound{language} · {:.2} of its time · {}]",
            summary.seconds,
            summary.real_time_factor,
            summary.trace.summary()
        );
        self.console.note(line);
        Ok(())
    }
}
