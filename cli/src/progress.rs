//! How far a transfer of bytes or a count of rows is, shown as a bar, as lines or not at all.
//!
//! A bar that is written into a log file is unreadable, so a stream that is no terminal gets a line now and then. The
//! display never decides anything and never fails.

use std::cell::Cell;
use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, HumanDuration, ProgressBar, ProgressStyle};

/// Time between two lines where there is no terminal.
const LINE_PERIOD: Duration = Duration::from_secs(5);

/// Bar with known length: label, bar, bytes, speed, time left.
const BAR: &str =
    "  {wide_msg} [{bar:16}] {decimal_bytes:>9}/{decimal_total_bytes:<9} {decimal_bytes_per_sec:>11} {eta:>4}";

/// Bar of a count of rows: label, bar, rows, rows per second, time left.
const ROWS: &str = "  {wide_msg} [{bar:16}] {pos:>7}/{len:<7} {per_sec:>11} {eta:>4}";

/// Bar with unknown length.
const COUNTER: &str = "  {wide_msg} {spinner} {decimal_bytes} {decimal_bytes_per_sec}";

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// Bytes of a transfer.
    Bytes,
    /// Rows of data.
    Rows,
}

impl Unit {
    fn show(self, amount: u64) -> String {
        match self {
            Self::Bytes => DecimalBytes(amount).to_string(),
            Self::Rows => format!("{amount} rows"),
        }
    }

    fn rate(self, per_second: f64) -> String {
        match self {
            Self::Bytes => DecimalBytes(per_second as u64).to_string(),
            Self::Rows => format!("{per_second:.1} rows"),
        }
    }
}

/// A display of progress. Dropping it without [`Progress::done`] leaves what was last shown.
#[derive(Debug)]
pub struct Progress(Shape);

#[derive(Debug)]
enum Shape {
    Silent,
    Bar(ProgressBar),
    Lines(Lines),
}

#[derive(Debug)]
struct Lines {
    label: String,
    unit: Unit,
    total: Option<u64>,
    at: Cell<u64>,
    from: Cell<u64>,
    begun: Instant,
    shown: Cell<Instant>,
}

impl Progress {
    /// Shows nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self(Shape::Silent)
    }

    /// Shows a bar.
    #[must_use]
    pub fn bar(label: &str, total: Option<u64>, unit: Unit) -> Self {
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match (total, unit) {
            (None, _) => COUNTER,
            (Some(_), Unit::Bytes) => BAR,
            (Some(_), Unit::Rows) => ROWS,
        };
        let style = ProgressStyle::with_template(template).expect("invariant: the templates are constant and valid");
        bar.set_style(style.progress_chars("=> "));
        bar.set_message(label.to_owned());
        Self(Shape::Bar(bar))
    }

    /// Writes a line every few seconds.
    #[must_use]
    pub fn lines(label: &str, total: Option<u64>, unit: Unit) -> Self {
        let now = Instant::now();
        let label = label.to_owned();
        Self(Shape::Lines(Lines {
            label,
            unit,
            total,
            at: Cell::new(0),
            from: Cell::new(0),
            begun: now,
            shown: Cell::new(now),
        }))
    }

    /// Sets the position to what an earlier run had already got: it does not count as speed.
    pub fn start_at(&self, bytes: u64) {
        match &self.0 {
            Shape::Silent => {}
            Shape::Bar(bar) => {
                bar.set_position(bytes);
                bar.reset_eta();
            }
            Shape::Lines(lines) => {
                lines.at.set(bytes);
                lines.from.set(bytes);
            }
        }
    }

    /// Moves the position by `amount`.
    pub fn advance(&self, amount: u64) {
        match &self.0 {
            Shape::Silent => {}
            Shape::Bar(bar) => bar.inc(amount),
            Shape::Lines(lines) => lines.advance(amount),
        }
    }

    /// Says something without tearing the bar apart.
    pub fn note(&self, text: &str) {
        match &self.0 {
            Shape::Silent => {}
            Shape::Bar(bar) => bar.println(text),
            Shape::Lines(_) => say(text),
        }
    }

    /// Ends the display with the final numbers left visible.
    pub fn done(self) {
        match self.0 {
            Shape::Silent => {}
            Shape::Bar(bar) => bar.finish(),
            Shape::Lines(lines) => lines.finish(),
        }
    }
}

impl Lines {
    fn advance(&self, amount: u64) {
        self.at.set(self.at.get() + amount);
        if self.shown.get().elapsed() < LINE_PERIOD {
            return;
        }
        self.shown.set(Instant::now());
        let at = self.at.get();
        let speed = self.speed();
        match self.total.filter(|total| *total > 0) {
            Some(total) => {
                let left = Duration::try_from_secs_f64(total.saturating_sub(at) as f64 / speed).unwrap_or_default();
                say(format_args!(
                    "  {}: {} % of {}, {}/s, about {} left",
                    self.label,
                    at.saturating_mul(100) / total,
                    self.unit.show(total),
                    self.unit.rate(speed),
                    HumanDuration(left)
                ));
            }
            None => say(format_args!("  {}: {}, {}/s", self.label, self.unit.show(at), self.unit.rate(speed))),
        }
    }

    fn finish(&self) {
        let (at, took) = (self.at.get(), self.begun.elapsed());
        say(format_args!("  {}: {} in {:.1} s", self.label, self.unit.show(at), took.as_secs_f64()));
    }

    /// Per second.
    fn speed(&self) -> f64 {
        self.at.get().saturating_sub(self.from.get()) as f64 / self.begun.elapsed().as_secs_f64().max(1e-3)
    }
}

/// Unlike `eprintln!`, a closed standard error is no reason to stop.
fn say(text: impl Display) {
    let _ = writeln!(std::io::stderr().lock(), "{text}");
}
