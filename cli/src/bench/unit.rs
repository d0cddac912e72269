//! Scores as people read them.

use loam_bench::metric::Metric;

/// How a metric's number is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unit {
    /// A share, in per cent.
    Share,
    /// As it is.
    Plain,
}

/// Of a metric.
#[must_use]
pub fn unit(metric: Metric) -> Unit {
    match metric {
        Metric::Perplexity
        | Metric::MeanAbsoluteError
        | Metric::Sad
        | Metric::Psnr
        | Metric::Bleu
        | Metric::SmoothedBleu => Unit::Plain,
        _ => Unit::Share,
    }
}

/// A score with its unit.
#[must_use]
pub fn shown(metric: Metric, score: f64) -> String {
    match unit(metric) {
        Unit::Share => format!("{:.1} %", score * 100.0),
        Unit::Plain => format!("{score:.1}"),
    }
}
