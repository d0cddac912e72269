//! The one table of the benchmark: 38 tasks on 50 data sets, what each is scored by, how its files are read, what a model made
//! for the task alone reaches, and which sets stand in where the files are not at hand.
//!
//! The ids are those of "Mobile Foundation Model as Firmware" (Yuan et al., MobiCom'24); its public code confirms about half
//! of them, the others are reconstructed from the paper's list of tasks. Published scores are here only where they are known
//! for certain: `None` means that none was looked up, not that there is none.

mod audio;
mod entry;
mod language;
mod markdown;
mod sensing;
mod task;
mod vision;

pub use entry::{DatasetId, EnginePath, Entry, Published, StandIn, Status};
pub use markdown::{files, table};
pub use task::{Domain, Task};

/// Ids of data sets.
pub const DATASETS: usize = 50;

/// Sets at hand that stand for none of the ids, and why.
pub const UNMAPPED: &[(&str, &str)] = &[
    ("lm/chat", "smart replies are no task of the benchmark"),
    ("lm/instruct", "following instructions is no task of the benchmark"),
    ("multimodal/audiocaps_text", "captions of AudioCaps without the sounds"),
    ("nlp/onestop_english", "reading levels are no task of the benchmark"),
    ("nlp/sgd_dialog", "dialogue states are no task of the benchmark"),
    ("nlp/stsb", "likeness of sentences is no task of the benchmark"),
    ("nlp/wnut17", "named entities are no task of the benchmark"),
    ("sensing/utd_mhad_skeleton", "joints from a camera, not motion of a phone"),
];

/// All entries, in the order of their ids.
pub fn entries() -> impl Iterator<Item = &'static Entry> {
    [language::ENTRIES, vision::ENTRIES, audio::ENTRIES, sensing::ENTRIES, audio::MIXED].into_iter().flatten()
}

/// The entry of an id.
#[must_use]
pub fn entry(id: DatasetId) -> &'static Entry {
    entries().find(|entry| entry.id == id).expect("invariant: every id has an entry")
}

/// Sets that stand in for others, each of them once.
#[must_use]
pub fn stand_ins() -> Vec<&'static StandIn> {
    let mut all: Vec<&StandIn> = entries().flat_map(|entry| entry.stand_ins).collect();
    all.sort_by_key(|set| set.path);
    all.dedup_by_key(|set| set.path);
    all
}
