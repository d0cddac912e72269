//! Spoken language understanding as the evaluation of SLURP scores it: F1 of scenario, action, intent and entities, and
//! SLU-F1, which forgives entities what was misheard by how far it is from the right words.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

use super::average::{Average, Counts, Scores};
use super::edits::{edit_distance, normalised_distance};
use super::{paired, share};
use crate::error::Result;
use crate::tokenize::whitespace;

/// A named part of what was said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entity {
    /// Such as `date`.
    pub kind: String,
    /// Its words.
    pub filler: String,
}

/// What a sentence means.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Such as `calendar`.
    pub scenario: String,
    /// Such as `set`.
    pub action: String,
    /// In the order in which they are said.
    pub entities: Vec<Entity>,
}

/// All of them micro averages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SluScores {
    /// Of the scenario.
    pub scenario: Scores,
    /// Of the action.
    pub action: Scores,
    /// Of both together.
    pub intent: Scores,
    /// Of entities that are right to the letter.
    pub entities: Scores,
    /// Of entities, short of the error rate of their words.
    pub word_entities: Scores,
    /// Of entities, short of the edit distance of their letters.
    pub letter_entities: Scores,
    /// Of the last two together.
    pub slu: Scores,
}

#[derive(Default)]
struct Tally(HashMap<String, Counts>);

/// Of all sentences.
///
/// # Errors
/// [`Error::Metric`](crate::Error::Metric) for lists of unlike length, and for empty ones.
pub fn slu(found: &[Frame], right: &[Frame]) -> Result<SluScores> {
    paired("SLU-F1", found.len(), right.len())?;
    let mut tallies: [Tally; 6] = Default::default();
    let [scenario, action, intent, entities, words, letters] = &mut tallies;
    for (found, right) in found.iter().zip(right) {
        scenario.label(&found.scenario, &right.scenario);
        action.label(&found.action, &right.action);
        let both = |frame: &Frame| format!("{}_{}", frame.scenario, frame.action);
        intent.label(&both(found), &both(right));
        entities.exact(&found.entities, &right.entities);
        words.near(&found.entities, &right.entities, word_distance);
        letters.near(&found.entities, &right.entities, letter_distance);
    }
    let both = words.0.values().chain(letters.0.values()).copied().collect::<Vec<_>>();
    let slu = Average::Micro.of(&both);
    let [scenario, action, intent, entities, word_entities, letter_entities] = tallies.map(|tally| tally.scores());
    Ok(SluScores { scenario, action, intent, entities, word_entities, letter_entities, slu })
}

/// Error rate of words; more than 1 where more were put in than are right.
fn word_distance(found: &str, right: &str) -> f64 {
    let [found, right] = [found, right].map(|text| whitespace(text).collect::<Vec<_>>());
    share(edit_distance(&found, &right) as f64, right.len().max(1) as f64)
}

fn letter_distance(found: &str, right: &str) -> f64 {
    let [found, right] = [found, right].map(|text| text.chars().collect::<Vec<_>>());
    normalised_distance(&found, &right)
}

impl Tally {
    fn of(&mut self, kind: &str) -> &mut Counts {
        self.0.entry(kind.to_owned()).or_default()
    }

    fn label(&mut self, found: &str, right: &str) {
        if found == right {
            self.of(right).hits += 1.0;
        } else {
            self.of(found).wrong += 1.0;
            self.of(right).missed += 1.0;
        }
    }

    fn exact(&mut self, found: &[Entity], right: &[Entity]) {
        let mut left: Vec<&Entity> = right.iter().collect();
        for entity in found {
            if let Some(i) = left.iter().position(|other| *other == entity) {
                left.remove(i);
                self.of(&entity.kind).hits += 1.0;
            } else {
                self.of(&entity.kind).wrong += 1.0;
            }
        }
        left.iter().for_each(|entity| self.of(&entity.kind).missed += 1.0);
    }

    /// Each entity takes the nearest right one of its kind; its distance counts as wrong and as missed.
    fn near(&mut self, found: &[Entity], right: &[Entity], distance: fn(&str, &str) -> f64) {
        let mut left: Vec<&Entity> = right.iter().collect();
        for entity in found {
            let candidates = left.iter().enumerate().filter(|(_, other)| other.kind == entity.kind);
            let nearest = candidates
                .map(|(i, other)| (i, distance(&entity.filler, &other.filler)))
                .min_by(|a, b| a.1.total_cmp(&b.1));
            let counts = self.of(&entity.kind);
            match nearest {
                Some((i, far)) => {
                    left.remove(i);
                    counts.add(Counts { hits: 1.0, wrong: far, missed: far });
                }
                None => counts.wrong += 1.0,
            }
        }
        left.iter().for_each(|entity| self.of(&entity.kind).missed += 1.0);
    }

    fn scores(self) -> Scores {
        Average::Micro.of(&self.0.into_values().collect::<Vec<_>>())
    }
}
