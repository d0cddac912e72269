//! Where a command's words go: results to standard output, everything else to standard error.
//!
//! Commands never call `println!`: a reader that goes away (`loam ... | head`) must end the program quietly instead of
//! with a panic, and `--json` and `--quiet` must hold everywhere. What a command says is its own business.

use std::fmt::Display;
use std::io::{IsTerminal, Write};

use serde::Serialize;

use crate::error::{Error, Result};
use crate::progress::{Progress, Unit};

/// Form of the results on standard output.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Lines for people.
    Text,
    /// One JSON object (or one a line, where a command streams).
    Json,
}

/// How much is said beside the results.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Detail {
    /// Nothing but results and errors.
    Quiet,
    /// Notes and progress.
    Normal,
    /// Also what the program does and why (`-v`), or all of its libraries do (`-vv`).
    Verbose,
}

/// Standard output and standard error as the user wants them.
#[derive(Debug, Clone, Copy)]
pub struct Console {
    format: Format,
    detail: Detail,
}

impl Console {
    /// A console of that form.
    #[must_use]
    pub fn new(format: Format, detail: Detail) -> Self {
        Self { format, detail }
    }

    /// Form of the results.
    #[must_use]
    pub fn format(&self) -> Format {
        self.format
    }

    /// How much is said beside the results.
    #[must_use]
    pub fn detail(&self) -> Detail {
        self.detail
    }

    /// Writes a line of the result and flushes.
    ///
    /// # Errors
    /// [`Error::OutputClosed`] if nobody reads, [`Error::Io`] otherwise.
    pub fn line(&self, text: impl Display) -> Result<()> {
        self.text(&format!("{text}\n"))
    }

    /// Writes text of the result and flushes. On a terminal, control characters are shown as escapes: labels, file names and
    /// what a model says come from others.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn text(&self, text: &str) -> Result<()> {
        if std::io::stdout().is_terminal() { self.write(shown(text).as_bytes()) } else { self.write(text.as_bytes()) }
    }

    /// Writes bytes of the result and flushes.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn write(&self, bytes: &[u8]) -> Result<()> {
        let mut stdout = std::io::stdout().lock();
        stdout.write_all(bytes).and_then(|()| stdout.flush()).map_err(|e| match e.kind() {
            std::io::ErrorKind::BrokenPipe => Error::OutputClosed,
            _ => Error::io("standard output")(e),
        })
    }

    /// Writes a value as one line of JSON.
    ///
    /// # Errors
    /// As [`Console::line`].
    pub fn json(&self, value: &impl Serialize) -> Result<()> {
        let text = serde_json::to_string(value).map_err(|e| Error::malformed("result", "JSON", e))?;
        self.line(text)
    }

    /// Says something that is no result; silent with `--quiet`. A closed standard error is ignored.
    pub fn note(&self, text: impl Display) {
        if self.detail != Detail::Quiet {
            let _ = writeln!(std::io::stderr().lock(), "{text}");
        }
    }

    /// Says what went wrong where the program goes on: to standard error, also with `--quiet`, and as a JSON object in
    /// JSON form.
    pub fn complain(&self, reason: &impl Display) {
        let _ = writeln!(std::io::stderr().lock(), "loam: {reason}");
        if self.format == Format::Json {
            let _ = self.json(&serde_json::json!({ "error": { "message": reason.to_string() } }));
        }
    }

    /// Starts a progress display of `total` bytes (if known) on standard error: a bar on a terminal, lines otherwise,
    /// nothing with `--quiet`.
    #[must_use]
    pub fn progress(&self, label: &str, total: Option<u64>) -> Progress {
        self.shown(label, total, Unit::Bytes)
    }

    /// As [`Console::progress`], of `total` rows.
    #[must_use]
    pub fn count(&self, label: &str, total: u64) -> Progress {
        self.shown(label, Some(total), Unit::Rows)
    }

    fn shown(&self, label: &str, total: Option<u64>, unit: Unit) -> Progress {
        match self.detail {
            Detail::Quiet => Progress::silent(),
            _ if std::io::stderr().is_terminal() => Progress::bar(label, total, unit),
            _ => Progress::lines(label, total, unit),
        }
    }
}

/// Ends what is said on standard output. Libraries of drivers write there when a process ends; that goes to standard error.
#[cfg(unix)]
pub fn close() {
    let mut stdout = std::io::stdout().lock();
    // Whoever read it is gone otherwise.
    let _ = stdout.flush();
    let _ = rustix::stdio::dup2_stdout(std::io::stderr());
}

/// Ends what is said on standard output.
#[cfg(not(unix))]
pub fn close() {
    let _ = std::io::stdout().lock().flush();
}

/// Text without control characters but for line ends and tabs.
fn shown(text: &str) -> String {
    let shown = |c: char| -> String {
        if c.is_control() && !matches!(c, '\n' | '\t') { c.escape_default().to_string() } else { c.to_string() }
    };
    text.chars().map(shown).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn control_characters_are_shown() {
        assert_eq!(super::shown("a\u{1b}[2J\tb\n\u{9b}é"), "a\\u{1b}[2J\tb\n\\u{9b}é");
    }
}
