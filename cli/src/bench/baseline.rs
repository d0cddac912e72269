//! Models of one task each, which a set's score is compared with.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use loam_bench::metric::Metric;
use serde::Deserialize;

use super::summary::IN_SCOPE;

/// Of `make results`: the best of several kinds, chosen on validation rows.
const TRAINED: &str = include_str!("../../../models/results.json");
/// Of `bench/eai/reference/make_baselines.py`: words with a linear classifier, and interpolation; and of `loam_train own`: what writes and looks up.
const SIMPLE: &str = include_str!("../../../bench/eai/baselines.json");

/// Sets by the task of `models/results.json` whose baseline learned from their training rows, with what both are scored by.
const TASKS: [(&str, &str, &str); 17] = [
    ("nlp/sst2", "sst2", "accuracy"),
    ("nlp/trec_qc", "trec_qc", "accuracy"),
    ("nlp/clinc150", "clinc150", IN_SCOPE),
    ("nlp/sms_spam", "sms_spam", "accuracy"),
    ("nlp/tweeteval_emotion", "tweeteval_emotion", "accuracy"),
    ("nlp/slurp_text:topic", "slurp_topic", "accuracy"),
    ("cv/mnist", "mnist", "accuracy"),
    ("cv/fashion_mnist", "fashion_mnist", "accuracy"),
    ("cv/gtsrb", "gtsrb", "accuracy"),
    ("cv/cifar10", "cifar10", "accuracy"),
    ("audio/fsdd", "fsdd", "accuracy"),
    ("audio/esc10", "esc10", "accuracy"),
    ("audio/emodb", "emodb", "accuracy"),
    ("sensing/wisdm51_watch", "wisdm_watch", "accuracy"),
    ("sensing/wisdm51_phone", "wisdm_phone", "accuracy"),
    ("sensing/sisfall:falls", "falls", "accuracy"),
    ("multimodal/easy_vqa", "easy_vqa", "exact match"),
];

/// A model of one task.
#[derive(Clone, Debug, PartialEq)]
pub struct Baseline {
    /// What it is.
    pub model: String,
    /// Of its file.
    pub bytes: u64,
    /// What it was scored by.
    pub metric: String,
    /// In the metric's own unit.
    pub score: f64,
}

#[derive(Deserialize)]
struct Trained {
    tasks: Vec<Task>,
}

#[derive(Deserialize)]
struct Task {
    name: String,
    baseline: Model,
}

#[derive(Deserialize)]
struct Model {
    bytes: u64,
    /// Per cent.
    score: f64,
}

#[derive(Deserialize)]
struct Simple {
    model: String,
    metric: String,
    score: f64,
    bytes: u64,
}

fn trained() -> &'static Trained {
    static READ: OnceLock<Trained> = OnceLock::new();
    READ.get_or_init(|| serde_json::from_str(TRAINED).expect("invariant: the results are checked by a test"))
}

fn simple() -> &'static BTreeMap<String, Simple> {
    static READ: OnceLock<BTreeMap<String, Simple>> = OnceLock::new();
    READ.get_or_init(|| serde_json::from_str(SIMPLE).expect("invariant: the baselines are checked by a test"))
}

/// The model of a set, if there is one; `id` says which answers are meant where the set is asked for several.
#[must_use]
pub fn baseline(id: &str, set: &str) -> Option<Baseline> {
    if let Some((_, name, metric)) = TASKS.iter().find(|(known, ..)| *known == set) {
        let task = trained().tasks.iter().find(|task| task.name == *name)?;
        let (bytes, score) = (task.baseline.bytes, task.baseline.score / 100.0);
        return Some(Baseline {
            model: "best of several kinds".to_owned(),
            bytes,
            metric: (*metric).to_owned(),
            score,
        });
    }
    let found = of_set(simple(), id, set)?;
    let (model, metric) = (found.model.clone(), found.metric.clone());
    Some(Baseline { model, bytes: found.bytes, metric, score: found.score })
}

/// What a table has of a set; `id` says which answers are meant where the set is asked for several.
#[must_use]
pub fn of_set<'a, T>(table: &'a BTreeMap<String, T>, id: &str, set: &str) -> Option<&'a T> {
    table.get(&format!("{set}@{id}")).or_else(|| table.get(set))
}

/// How much worse than a model of its own is still on a par.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Tolerance {
    /// So much less of a share.
    Points(f64),
    /// So much of the other's score.
    Relative(f64),
}

/// Of shares of rows that are right one point, of error rates and scores of texts 2 % of the other's score.
#[must_use]
pub fn tolerance(metric: &str) -> Tolerance {
    let classes = [Metric::Accuracy, Metric::MacroF1, Metric::MultiLabelF1, Metric::Matthews];
    if metric == IN_SCOPE || classes.iter().any(|class| class.name() == metric) {
        return Tolerance::Points(0.01);
    }
    Tolerance::Relative(0.02)
}

impl Tolerance {
    /// Whether `score` is on a par with `other`, of a metric that gets better upwards or downwards.
    #[must_use]
    pub fn holds(self, score: f64, other: f64, direction: loam_bench::metric::Direction) -> bool {
        let slack = match self {
            Self::Points(points) => points,
            Self::Relative(share) => share * other.abs(),
        };
        // What rounding of per cents took away is no difference.
        match direction {
            loam_bench::metric::Direction::Up => score >= other - slack - 1e-9,
            loam_bench::metric::Direction::Down => score <= other + slack + 1e-9,
        }
    }

    /// In words.
    #[must_use]
    pub fn describe(self) -> String {
        match self {
            Self::Points(points) => format!("at most {:.0} point below", points * 100.0),
            Self::Relative(share) => format!("at most {:.0} % worse", share * 100.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use loam_bench::metric::Direction;
    use loam_bench::registry;

    use super::*;

    /// A set that a command writes, whose other model has no weights.
    const INTERPOLATED: &str = "pictures/held";
    /// Sets that commands write.
    const MADE: [&str; 5] =
        [INTERPOLATED, "scenes/detection", "scenes/segmentation", "scenes/counting", "scenes/matting"];

    #[test]
    fn baselines_are_of_sets_and_of_metrics_that_summaries_have() {
        let sets: BTreeSet<String> =
            registry::entries().flat_map(|entry| entry.stand_ins.iter().map(registry::StandIn::name)).collect();
        for (set, name, _) in TASKS {
            assert!(sets.contains(set), "{set}");
            assert!(trained().tasks.iter().any(|task| task.name == name), "{name}");
        }
        for (set, found) in simple() {
            assert!(sets.contains(set.split('@').next().unwrap_or_default()) || MADE.contains(&set.as_str()), "{set}");
            assert!(Metric::ALL.iter().any(|metric| metric.name() == found.metric), "{set}: {}", found.metric);
            // Decibels and BLEU are no shares, and interpolation has no weights.
            assert!(found.score > 0.0 && found.score <= 100.0 && (found.bytes > 0 || set == INTERPOLATED), "{set}");
        }
    }

    #[test]
    fn a_point_is_a_point_and_two_per_cent_are_of_the_score() {
        let points = tolerance("accuracy");
        assert!(points.holds(0.89, 0.90, Direction::Up) && !points.holds(0.8899, 0.90, Direction::Up));
        let relative = tolerance("WER");
        assert!(relative.holds(0.51, 0.50, Direction::Down) && !relative.holds(0.511, 0.50, Direction::Down));
        assert_eq!(tolerance(IN_SCOPE), points);
    }
}
