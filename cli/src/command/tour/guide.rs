//! What the tour says: words for people, or results alone as JSON.

use std::fmt::Display;

use crate::console::{Console, Format};

/// Counts chapters and writes to the console.
pub(super) struct Guide<'a> {
    console: &'a Console,
    chapter: usize,
}

impl<'a> Guide<'a> {
    pub(super) fn new(console: &'a Console) -> Self {
        Self { console, chapter: 0 }
    }

    /// Where streams of text go.
    pub(super) fn console(&self) -> &'a Console {
        self.console
    }

    /// The title of the next chapter.
    pub(super) fn chapter(&mut self, title: impl Display) -> anyhow::Result<()> {
        self.chapter += 1;
        self.say(format_args!("\n== {}. {title}", self.chapter))
    }

    /// The last title.
    pub(super) fn end(&self, title: impl Display) -> anyhow::Result<()> {
        self.say(format_args!("\n== {title}"))
    }

    /// Words around the results; JSON has the results alone.
    pub(super) fn say(&self, text: impl Display) -> anyhow::Result<()> {
        if self.console.format() == Format::Text {
            self.console.line(text)?;
        }
        Ok(())
    }

    /// A result in JSON form.
    pub(super) fn record(&self, value: &serde_json::Value) -> anyhow::Result<()> {
        if self.console.format() == Format::Json {
            self.console.json(value)?;
        }
        Ok(())
    }
}
