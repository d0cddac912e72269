//! What was measured, id by id and set by set, and what was not with the command that would.

use std::collections::BTreeMap;

use loam_bench::metric::Metric;
use loam_bench::registry::{self, Entry, StandIn, Status};

use crate::bench::baseline::{Baseline, baseline};
use crate::bench::compare::{Comparison, Pairing, Verdict};
use crate::bench::peers::{Peers, Timed};
use crate::bench::plan::Way;
use crate::bench::summary::{Measured, Summary};
use crate::bench::unit::metric;

/// A set that was measured for an id, in all ways.
#[derive(Clone, Debug)]
pub struct SetEvidence {
    /// The id that it was measured for.
    pub entry: &'static Entry,
    /// Its name; `official` for the official files.
    pub set: String,
    /// What it is scored by.
    pub metric: Metric,
    /// By an adapter.
    pub adapter: Option<Measured>,
    /// By so many rows of each class.
    pub few: BTreeMap<usize, Measured>,
    /// By the foundation alone.
    pub zero: Option<Measured>,
    /// A model of its own.
    pub baseline: Option<Baseline>,
    /// Beside it, by the adapter.
    pub pairing: Option<Pairing>,
}

/// How far an id is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Standing {
    /// An adapter on a set, on a par with a model of its own.
    OnPar,
    /// An adapter on a set, below a model of its own.
    Below,
    /// An adapter on too few rows of a set to say.
    TooFewRows,
    /// An adapter on a set that no model of its own is known for.
    Alone,
    /// The foundation alone, or with a few rows of each class.
    NoAdapter,
    /// Nothing was measured: the reason, and where files would do the command.
    Nothing(String),
}

impl Standing {
    /// As the table says it.
    #[must_use]
    pub fn describe(&self) -> String {
        match self {
            Self::OnPar => "on a par".to_owned(),
            Self::Below => "below its own model".to_owned(),
            Self::TooFewRows => Verdict::TooFewRows.describe().to_owned(),
            Self::Alone => "measured, nothing to compare with".to_owned(),
            Self::NoAdapter => "measured, no adapter".to_owned(),
            Self::Nothing(reason) => reason.clone(),
        }
    }

    /// Its class in style sheets.
    #[must_use]
    pub fn class(&self) -> &'static str {
        match self {
            Self::OnPar => "par",
            Self::Below => "below",
            Self::TooFewRows => "few-rows",
            Self::Alone => "alone",
            Self::NoAdapter => "bare",
            Self::Nothing(_) => "none",
        }
    }
}

/// All of it.
#[derive(Clone, Debug)]
pub struct Evidence {
    /// What was measured, in the order of ids.
    pub sets: Vec<SetEvidence>,
    /// Why not, by id and set.
    pub refused: BTreeMap<(String, String), String>,
    /// Beside models of one task each.
    pub comparison: Comparison,
    /// Where and when models of one task were timed.
    pub timed: (String, String),
    /// Of all runs, for what they have in common.
    pub runs: Vec<Measured>,
}

impl SetEvidence {
    /// The best that a set was answered by: its adapter, else the most rows of each class, else the foundation alone.
    #[must_use]
    pub fn best(&self) -> Option<&Measured> {
        self.adapter.as_ref().or_else(|| self.few.values().last()).or(self.zero.as_ref())
    }

    /// Median milliseconds of a row by the adapter, and what the model of its own takes, where both are known.
    #[must_use]
    pub fn latencies(&self) -> Option<(f64, &Timed)> {
        let pairing = self.pairing.as_ref()?;
        Some((pairing.ms, pairing.timed.as_ref()?))
    }

    /// How far it is.
    #[must_use]
    pub fn standing(&self) -> Standing {
        if self.adapter.is_none() {
            return Standing::NoAdapter;
        }
        match self.pairing.as_ref().map(|pairing| pairing.verdict) {
            Some(Verdict::OnPar) => Standing::OnPar,
            Some(Verdict::Below) => Standing::Below,
            Some(Verdict::TooFewRows) => Standing::TooFewRows,
            None => Standing::Alone,
        }
    }
}

impl Evidence {
    /// Of a folder's summaries.
    #[must_use]
    pub fn new(summaries: &[Summary], peers: &Peers) -> Self {
        let mut sets: Vec<SetEvidence> = Vec::new();
        let timed = (peers.machine.clone(), peers.date.clone());
        let mut refused = BTreeMap::new();
        let mut runs = Vec::new();
        for summary in summaries {
            let run = match summary {
                Summary::Measured(run) => run,
                Summary::NotMeasured { id, set, reason, .. } => {
                    refused.insert((id.clone(), set.clone()), reason.clone());
                    continue;
                }
            };
            runs.push((**run).clone());
            let settings = &run.settings;
            let Ok(id) = settings.id.parse() else { continue };
            let entry = registry::entry(id);
            let Some(metric) = metric(&settings.metric) else { continue };
            let at = sets.iter().position(|set| set.entry.id == entry.id && set.set == settings.set);
            let at = at.unwrap_or_else(|| {
                sets.push(SetEvidence {
                    entry,
                    set: settings.set.clone(),
                    metric,
                    adapter: None,
                    few: BTreeMap::new(),
                    zero: None,
                    baseline: baseline(&settings.id, &settings.set),
                    pairing: None,
                });
                sets.len() - 1
            });
            match settings.way {
                Way::Adapter(_) => {
                    sets[at].pairing = Pairing::new(run, peers);
                    sets[at].adapter = Some((**run).clone());
                }
                Way::FewShot(shots) => {
                    sets[at].few.insert(shots, (**run).clone());
                }
                Way::ZeroShot => sets[at].zero = Some((**run).clone()),
            }
        }
        Self { sets, refused, comparison: Comparison::new(summaries, peers), timed, runs }
    }

    /// The sets of an id.
    pub fn of(&self, entry: &Entry) -> impl Iterator<Item = &SetEvidence> {
        let id = entry.id;
        self.sets.iter().filter(move |set| set.entry.id == id)
    }

    /// Sets that were measured, each once however many ids it stands in for.
    #[must_use]
    pub fn distinct(&self) -> Vec<&SetEvidence> {
        let mut found: Vec<&SetEvidence> = Vec::new();
        for set in &self.sets {
            if !found.iter().any(|known| known.set == set.set && known.metric == set.metric) {
                found.push(set);
            }
        }
        found
    }

    /// How far an id is: as its best set.
    #[must_use]
    pub fn standing(&self, entry: &Entry) -> Standing {
        const ORDER: [&str; 5] = ["par", "below", "few-rows", "alone", "bare"];
        let standings = self.of(entry).map(SetEvidence::standing);
        let best = standings.min_by_key(|standing| ORDER.iter().position(|name| *name == standing.class()));
        best.unwrap_or_else(|| Standing::Nothing(self.lacking(entry)))
    }

    fn lacking(&self, entry: &Entry) -> String {
        let id = entry.id.to_string();
        let told = |set: &StandIn| self.refused.get(&(id.clone(), set.name()));
        match entry.status() {
            Status::OfficialFiles => format!("no data here: {}", entry.command()),
            Status::StandIn => match entry.stand_ins.iter().find_map(told) {
                Some(reason) => reason.clone(),
                None => format!("not run: {}", entry.stand_in_command(&entry.stand_ins[0])),
            },
        }
    }
}
