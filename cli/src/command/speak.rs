//! `loam speak`: a text aloud, into a WAV file.

use std::io::Cursor;
use std::path::{Path, PathBuf};

use clap::Args;
use loam::engine::SpeakOptions;
use loam::model::generator::vits::Noise;

use super::input::message_or_stdin;
use super::model::ModelArgs;
use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;
use crate::install::replace_file;

/// `loam speak` as typed.
#[derive(Debug, Clone, Args)]
pub struct SpeakArgs {
    /// Text to speak; standard input when absent or '-'
    text: Option<String>,
    /// The WAV file: mono, 16-bit PCM, at the model's rate; '-' for standard output
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// Speed; 1 is the trained one, more is faster
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    rate: Option<f32>,
    /// How varied the sound is; 0 for no chance
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    variation: Option<f32>,
    /// How varied the rhythm is; 0 for no chance
    #[arg(long, value_name = "X", allow_negative_numbers = true)]
    rhythm: Option<f32>,
    /// Index of the speaker, for models of several
    #[arg(long, value_name = "N")]
    speaker: Option<usize>,
    /// Seed of the random choices; equal seeds give equal speech
    #[arg(long, value_name = "SEED", default_value_t = 0)]
    seed: u64,
    #[command(flatten)]
    model: ModelArgs,
}

/// Speaks, and writes the file whole or not at all.
///
/// # Errors
/// The engine's, [`Error::Io`], and the console's.
pub fn run(args: &SpeakArgs, home: &Home, console: &Console) -> anyhow::Result<()> {
    let text = message_or_stdin(args.text.as_deref())?;
    let engine = args.model.open(home)?;
    let options = SpeakOptions {
        noise: Noise::Seed(args.seed),
        speaking_rate: args.rate,
        noise_scale: args.variation,
        noise_scale_duration: args.rhythm,
        speaker: args.speaker,
    };
    let speech = engine.speak(&text, &options)?;
    let file = wav(&speech.samples, speech.sample_rate)?;
    if args.output == Path::new("-") {
        return Ok(console.write(&file)?);
    }
    replace_file(&args.output, &file)?;
    let seconds = speech.samples.len() as f64 / f64::from(speech.sample_rate);
    if console.format() == Format::Json {
        console.json(&serde_json::json!({
            "output": args.output,
            "seconds": seconds,
            "samples": speech.samples.len(),
            "sample_rate": speech.sample_rate,
            "trace": speech.trace,
        }))?;
    } else {
        console.line(args.output.display())?;
        let ms: f64 = speech.trace.steps.iter().map(|step| step.ms).sum();
        console.note(format!("[{seconds:.1} s of speech in {ms:.0} ms · {}]", speech.trace.summary()));
    }
    Ok(())
}

/// A WAV file of mono samples within -1 to 1.
fn wav(samples: &[f32], sample_rate: u32) -> Result<Vec<u8>, Error> {
    let spec =
        hound::WavSpec { channels: 1, sample_rate, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut bytes = Cursor::new(Vec::new());
    let written = hound::WavWriter::new(&mut bytes, spec).and_then(|mut writer| {
        for sample in samples {
            writer.write_sample((sample.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16)?;
        }
        writer.finalize()
    });
    written.map_err(|reason| Error::malformed("speech", "WAV file", reason))?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn samples_survive_the_file() {
        let samples = [0.0, 0.5, -0.5, 1.0, -1.0, 2.0];
        let bytes = wav(&samples, 16_000).expect("written");
        let mut reader = hound::WavReader::new(Cursor::new(bytes)).expect("a WAV file");
        assert_eq!((reader.spec().sample_rate, reader.spec().channels), (16_000, 1));
        let read: Vec<i16> = reader.samples().collect::<Result<_, _>>().expect("samples");
        assert_eq!(read, [0, 16384, -16384, 32767, -32767, 32767]);
    }
}
