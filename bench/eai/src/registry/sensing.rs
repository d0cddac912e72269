//! T38 to T40: motion.

use super::entry::{DatasetId, EnginePath, Entry, Published, set, view};
use super::task::Task;
use crate::loader::{Format, Split, View};
use crate::metric::Metric;

/// Motion.
pub(super) const ENTRIES: &[Entry] = &[
    Entry {
        id: DatasetId(38),
        task: Task::ActivityRecognition,
        dataset: "UCI-HAR",
        split: Split::Test,
        metric: Metric::Accuracy,
        path: EnginePath::Three,
        licence: Some("CC BY 4.0"),
        source: "https://archive.ics.uci.edu/dataset/240/human+activity+recognition+using+smartphones",
        format: Format::UciHar,
        published: Some(Published {
            model: "support vector machine",
            metric: "accuracy in per cent",
            score: 96.0,
            source: "Anguita et al. 2013",
        }),
        stand_ins: &[set("sensing/wisdm51_phone", Metric::Accuracy)],
    },
    Entry {
        id: DatasetId(39),
        task: Task::ActivityRecognition,
        dataset: "HHAR",
        split: Split::Test,
        metric: Metric::Accuracy,
        path: EnginePath::Three,
        licence: Some("CC BY 4.0"),
        source: "https://archive.ics.uci.edu/dataset/344/heterogeneity+activity+recognition",
        format: Format::Hhar,
        published: None,
        stand_ins: &[set("sensing/wisdm51_watch", Metric::Accuracy)],
    },
    Entry {
        id: DatasetId(40),
        task: Task::ActivityRecognition,
        dataset: "MotionSense",
        split: Split::Test,
        metric: Metric::Accuracy,
        path: EnginePath::Three,
        licence: None,
        source: "https://github.com/mmalekzadeh/motion-sense",
        format: Format::MotionSense,
        published: None,
        stand_ins: &[
            set("sensing/sisfall", Metric::Accuracy),
            view("sensing/sisfall", View::Falls),
            set("sensing/utd_mhad_inertial", Metric::Accuracy),
        ],
    },
];
