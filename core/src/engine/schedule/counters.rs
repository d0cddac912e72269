//! What was done for whom, since the engine was opened.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::admission::Limit;
use crate::engine::event::{FinishReason, GenerateStats};

/// Apps that are counted; beyond them the one that asked least is forgotten.
const MAX_APPS: usize = 1024;

/// What was done for one app.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct AppCounters {
    /// Requests that were taken.
    pub requests: u64,
    /// Requests that were refused, for a quota or after their patience.
    pub refused: u64,
    /// Requests that ended, stopped ones included.
    pub finished: u64,
    /// Of these, those that were stopped, or ran out of time.
    pub stopped: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Of these, tokens whose keys and values were at hand.
    pub cached_tokens: u64,
    /// Tokens generated.
    pub generated_tokens: u64,
    /// Rows of passes, those of guesses left out: what shares are counted in.
    pub rows: u64,
    /// Encoder runs, and how long they took in all, in ms.
    pub encoded: u64,
    /// See [`AppCounters::encoded`].
    pub encoder_ms: f64,
    /// Times that keys and values were given up for older requests, and computed again.
    pub preempted: u64,
}

/// What was done.
#[derive(Clone, Debug, Default)]
pub(in crate::engine) struct Counters {
    pub(in crate::engine) apps: BTreeMap<Option<Arc<str>>, AppCounters>,
    /// Passes, and how long they took in all, in ms.
    pub(in crate::engine) steps: u64,
    pub(in crate::engine) step_ms: f64,
}

impl Counters {
    pub(super) fn of(&mut self, app: &Option<Arc<str>>) -> &mut AppCounters {
        if self.apps.len() >= MAX_APPS && !self.apps.contains_key(app) {
            // Names are cheap, and whoever makes up new ones is not to fill the memory with them.
            let least = self.apps.iter().min_by_key(|(_, counters)| counters.requests).map(|(app, _)| app.clone());
            least.map(|app| self.apps.remove(&app));
        }
        self.apps.entry(app.clone()).or_default()
    }

    /// A request ended.
    pub(super) fn finish(&mut self, app: &Option<Arc<str>>, stats: &GenerateStats) {
        let own = self.of(app);
        own.finished += 1;
        own.stopped += u64::from(matches!(stats.finish_reason, FinishReason::Stopped | FinishReason::Deadline));
        own.prompt_tokens += stats.prompt_tokens as u64;
        own.cached_tokens += stats.cached_tokens as u64;
        own.generated_tokens += stats.generated_tokens as u64;
    }

    /// A request was not taken, or given back before it began.
    pub(super) fn refuse(&mut self, app: &Option<Arc<str>>, limit: Limit) {
        log::debug!("a request of {} was refused: {limit}", app.as_deref().unwrap_or("the engine's owner"));
        self.of(app).refused += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn made_up_names_do_not_pile_up() {
        let mut counters = Counters::default();
        let busy = Some(Arc::from("busy"));
        counters.of(&busy).requests = 5;
        for number in 0..3 * MAX_APPS {
            counters.of(&Some(Arc::from(format!("app{number}")))).requests += 1;
        }
        assert_eq!(counters.apps.len(), MAX_APPS);
        assert_eq!(counters.of(&busy).requests, 5);
    }
}
