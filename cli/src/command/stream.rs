//! Streams a generation to standard output, and says what it cost.

use std::ops::ControlFlow;

use loam::engine::{Event, FinishReason, GenerateStats};

use super::interrupt::Interruptible;
use crate::console::{Console, Format};
use crate::error::Error;

/// What was generated.
pub struct Streamed {
    /// The whole text.
    pub text: String,
    /// What it cost.
    pub stats: GenerateStats,
}

impl Streamed {
    /// Ends the answer: the whole of it with its stats in JSON form, a line about its cost otherwise.
    ///
    /// # Errors
    /// The console's.
    pub fn show(&self, console: &Console) -> Result<(), Error> {
        if console.format() == Format::Json {
            return console.json(&serde_json::json!({ "text": self.text, "stats": self.stats }));
        }
        console.note(summary(&self.stats));
        Ok(())
    }
}

/// Runs `generate` with a sink that writes each piece at once (in JSON form: nothing until the end).
///
/// # Errors
/// Those of `generate`; [`Error::OutputClosed`] when the reader went away.
pub fn stream(
    console: &Console,
    generate: impl FnOnce(&mut dyn loam::engine::Sink) -> loam::Result<GenerateStats>,
) -> anyhow::Result<Streamed> {
    let running = Interruptible::begin();
    let mut text = String::new();
    let mut failed = None;
    let mut sink = |event: Event<'_>| {
        if let Event::Text(piece) = event {
            text.push_str(piece);
            if console.format() == Format::Text
                && let Err(reason) = console.text(piece)
            {
                failed = Some(reason);
                return Ok(ControlFlow::Break(()));
            }
        }
        Ok(if running.is_interrupted() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    };
    let stats = generate(&mut sink);
    if let Some(reason) = failed {
        return Err(reason.into());
    }
    let stats = stats?;
    if console.format() == Format::Text && !text.ends_with('\n') {
        console.line("")?;
    }
    Ok(Streamed { text, stats })
}

/// One line about a generation, for people.
#[must_use]
pub fn summary(stats: &GenerateStats) -> String {
    let reason = match stats.finish_reason {
        FinishReason::EndOfTurn => "end of turn",
        FinishReason::StopString => "stop string",
        FinishReason::MaxTokens => "token limit",
        FinishReason::ContextFull => "context full",
        FinishReason::Stopped => "stopped",
        FinishReason::Deadline => "out of time",
    };
    let adapter =
        stats.adapter.as_ref().map_or_else(String::new, |a| format!(" · adapter {} #{}", a.alias, a.generation));
    let drafts = stats
        .drafts
        .map_or_else(String::new, |drafts| format!(" ({} of {} guesses right)", drafts.accepted, drafts.drafted));
    format!(
        "[{} prompt tokens ({} cached), {} generated{drafts} · first token {:.0} ms · prefill {:.0} tok/s · decode {:.0} tok/s · {}{adapter} · {reason}]",
        stats.prompt_tokens,
        stats.cached_tokens,
        stats.generated_tokens,
        stats.time_to_first_token_ms,
        stats.prefill_tokens_per_second,
        stats.decode_tokens_per_second,
        stats.trace.summary(),
    )
}

/// Ctrl-C ends the text cleanly, and the exit code says so.
///
/// # Errors
/// [`Error::Interrupted`] for a stopped generation.
pub fn check_interrupted(stats: &GenerateStats) -> Result<(), Error> {
    if stats.finish_reason == FinishReason::Stopped { Err(Error::Interrupted) } else { Ok(()) }
}
