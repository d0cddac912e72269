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

/// The metric of a name.
#[must_use]
pub fn metric(name: &str) -> Option<Metric> {
    Metric::ALL.iter().copied().find(|metric| metric.name() == name)
}

/// As [`shown`], for a metric by its name; one of another kind is a share.
#[must_use]
pub fn shown_as(name: &str, score: f64) -> String {
    metric(name).map_or_else(|| format!("{:.1} %", score * 100.0), |metric| shown(metric, score))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_have_the_unit_of_their_metric() {
        assert_eq!(shown_as("BLEU", 7.9036), "7.9");
        assert_eq!(shown_as("accuracy", 0.5), "50.0 %");
        assert_eq!(shown_as("in-scope accuracy", 0.934), "93.4 %");
    }
}
