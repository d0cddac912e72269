//! Requests that run on one model: whose rows are in a pass, and what becomes of them.

use std::sync::Arc;
use std::time::{Duration, Instant};

use super::Shared;
use super::admitted::Admitted;
use super::caller::Priority;
use super::ledger::Ledger;
use super::outlet::Outlet;
use super::share::{Bounds, COMPANY_ROWS, Demand, STEP_ROWS, share};
use super::timeline::{Lane, Span};
use crate::engine::event::GenerateStats;
use crate::engine::holdings::Context;
use crate::engine::language::LanguageModel;
use crate::engine::slot::{DRAFT_ROWS, Finished, Generated, Slot, Turn, pass};
use crate::error::{Error, Result};

type App = Option<Arc<str>>;

/// A request whose receiver is behind for so long holds neither a place nor memory that others need.
const STALLED: Duration = Duration::from_secs(1);

/// What the schedule knows of a slot.
pub(super) struct Tag {
    pub(super) app: App,
    pub(super) priority: Priority,
    pub(super) admitted: Admitted,
    /// The step that it was last part of.
    pub(super) last: u64,
    /// Its place among all that have started.
    pub(super) started: u64,
    /// It gave its memory to an older one, or wants what an older one has: it waits until some request has ended.
    pub(super) parked: bool,
    /// Since when its receiver is behind.
    pub(super) behind: Option<Instant>,
}

/// Requests that run on one model.
pub(super) struct Group {
    pub(super) model: Arc<LanguageModel>,
    pub(super) slots: Vec<Slot<Outlet>>,
    pub(super) tags: Vec<Tag>,
}

/// Slots of one app and priority, by number.
struct Flow<'a> {
    app: &'a App,
    priority: Priority,
    decoding: Vec<usize>,
    prompts: Vec<usize>,
}

impl Tag {
    /// Whether its receiver has been behind for long.
    pub(super) fn is_stalled(&self) -> bool {
        self.behind.is_some_and(|since| since.elapsed() > STALLED)
    }
}

impl Group {
    /// Looks whose receiver listens, and who has run out of time.
    pub(super) fn look(&mut self) {
        for (slot, tag) in self.slots.iter_mut().zip(&mut self.tags) {
            slot.look();
            tag.behind = if slot.is_ready() { None } else { tag.behind.or_else(|| Some(Instant::now())) };
        }
    }

    /// Slots with something to do, by flow.
    fn flows(&self) -> Vec<Flow<'_>> {
        let mut flows: Vec<Flow<'_>> = Vec::new();
        for (number, (slot, tag)) in self.slots.iter().zip(&self.tags).enumerate() {
            if slot.pending() == 0 || tag.parked || !slot.is_ready() {
                continue;
            }
            let known = flows.iter().position(|flow| (flow.app, flow.priority) == (&tag.app, tag.priority));
            let at = known.unwrap_or_else(|| {
                flows.push(Flow { app: &tag.app, priority: tag.priority, decoding: Vec::new(), prompts: Vec::new() });
                flows.len() - 1
            });
            if slot.pending() == 1 { &mut flows[at].decoding } else { &mut flows[at].prompts }.push(number);
        }
        flows
    }

    /// What each slot does in this step, and how many tokens may be guessed: `beside` rows double a pass.
    pub(super) fn turns(&mut self, step: u64, ledger: &Ledger, beside: usize) -> (Vec<Turn>, usize) {
        let flows = self.flows();
        let has_company = flows.iter().any(|flow| ledger.has_company(flow.app));
        let bounds = Bounds { alone: if has_company { COMPANY_ROWS } else { STEP_ROWS }, beside };
        let guesses = if flows.len() > 1 { beside.min(DRAFT_ROWS) } else { DRAFT_ROWS };
        // Where there are more apps than rows, those that had least come first.
        let mut apps: Vec<(u64, &App)> = flows.iter().map(|flow| (ledger.served(flow.app), flow.app)).collect();
        apps.sort_unstable();
        apps.dedup();
        let demand = |flow: &Flow<'_>| Demand {
            app: apps.iter().position(|(_, app)| *app == flow.app).unwrap_or(0),
            priority: flow.priority,
            decoding: flow.decoding.len(),
            prompts: flow.prompts.iter().map(|&slot| self.slots[slot].pending()).sum(),
            credit: ledger.credit(flow.app),
        };
        let grants = share(&flows.iter().map(demand).collect::<Vec<_>>(), bounds);
        let mut turns = Vec::new();
        for (Flow { mut decoding, mut prompts, .. }, grant) in flows.into_iter().zip(grants) {
            // In turn, where not all get a row.
            decoding.sort_by_key(|&slot| (self.tags[slot].last, slot));
            turns.extend(decoding.into_iter().take(grant.decoding).map(|slot| Turn { slot, rows: 1 }));
            // The oldest prompt first, whose memory the others may wait for.
            prompts.sort_by_key(|&slot| self.tags[slot].started);
            let mut room = grant.prompts;
            for slot in prompts {
                let rows = self.slots[slot].pending().min(room);
                room -= rows;
                if rows > 0 {
                    turns.push(Turn { slot, rows });
                }
            }
        }
        turns.sort_by_key(|turn| turn.slot);
        debug_assert!(turns.iter().map(|turn| turn.rows).sum::<usize>() <= STEP_ROWS);
        turns.iter().for_each(|turn| self.tags[turn.slot].last = step);
        (turns, guesses)
    }

    /// One pass over the rows of `turns`.
    pub(super) fn pass(&mut self, turns: &[Turn], guesses: usize, shared: &Shared) -> Result<Vec<(usize, Error)>> {
        let start = Instant::now();
        let outcome = pass(&self.model, &mut self.slots, turns, guesses);
        let length = start.elapsed();
        shared.note_pace(&self.model, turns.iter().map(|turn| turn.rows).sum(), length);
        let mut counters = shared.counters();
        counters.steps += 1;
        counters.step_ms += length.as_secs_f64() * 1e3;
        turns.iter().for_each(|turn| counters.of(&self.tags[turn.slot].app).rows += turn.rows as u64);
        drop(counters);
        let mut timeline = shared.timeline();
        if timeline.is_recording() {
            let rows = turns.iter().map(|turn| turn.rows as u64).sum();
            let details = vec![("requests", turns.len() as u64), ("rows", rows)];
            timeline.push(Span { name: "pass", lane: Lane::Steps, start, length, details });
        }
        outcome
    }

    /// Keeps what was computed of prompts that are through.
    pub(super) fn remember(&self, turns: &[Turn], shared: &Shared) {
        for turn in turns.iter().filter(|turn| turn.rows > 1) {
            let (slot, tag) = (&self.slots[turn.slot], &self.tags[turn.slot]);
            if slot.pending() <= 1 {
                let (sequence, adapter, cache) = slot.computed();
                shared.holdings.keep(&self.model, &tag.app, adapter, sequence, cache);
            }
        }
    }

    /// Reports to those that have ended, and to those that failed: all of them where the pass did. How many there were.
    pub(super) fn finish(&mut self, outcome: Result<Vec<(usize, Error)>>, shared: &Shared) -> usize {
        let before = self.slots.len();
        let (mut failed, whole) = match outcome {
            Ok(failed) => (failed, None),
            Err(error) => (Vec::new(), Some(error.to_string())),
        };
        for number in (0..self.slots.len()).rev() {
            let own = failed.pop_if(|(failed, _)| *failed == number).map(|(_, error)| error);
            let error = own.or_else(|| whole.as_ref().map(|reason| Error::Step(reason.clone())));
            if error.is_none() && !self.slots[number].has_ended() {
                continue;
            }
            let (slot, tag) = (self.slots.swap_remove(number), self.tags.swap_remove(number));
            match error {
                Some(error) => {
                    shared.counters().of(&tag.app).failed += 1;
                    drop(tag.admitted);
                    slot.into_receiver().end(Err(error));
                }
                None => end(slot, tag.app, tag.admitted, &self.model, None, shared),
            }
        }
        before - self.slots.len()
    }
}

/// Reports the end, and keeps what was computed; or `kept`, the context of one that computed nothing.
pub(super) fn end(
    slot: Slot<Outlet>,
    app: App,
    admitted: Admitted,
    model: &LanguageModel,
    kept: Option<Arc<Context>>,
    shared: &Shared,
) {
    let (adapter, arrived) = (slot.adapter(), slot.arrived());
    let (outlet, finished) = slot.finish(model);
    let generated = finished.map(|Finished { stats, sequence, generated, cache }| {
        let context = kept.unwrap_or_else(|| {
            shared.holdings.keep(model, &app, adapter.as_deref(), &sequence, &cache);
            shared.holdings.rest(app.clone(), adapter.as_deref(), sequence, cache)
        });
        Generated { stats, generated, context }
    });
    if let Ok(Generated { stats, .. }) = &generated {
        shared.counters().finish(&app, stats);
        shared.timeline().push(span(app, arrived, stats));
    }
    // Whoever hears of the end finds the adapter idle, and room for the next request.
    drop((adapter, admitted));
    outlet.end(generated);
}

/// A request from its arrival to its end.
fn span(app: App, arrived: Instant, stats: &GenerateStats) -> Span {
    let ms = |ms: f64| if ms.is_finite() && ms >= 0.0 { ms as u64 } else { 0 };
    let details = vec![
        ("queue ms", ms(stats.queue_ms)),
        ("first token ms", ms(stats.time_to_first_token_ms)),
        ("prompt tokens", stats.prompt_tokens as u64),
        ("cached tokens", stats.cached_tokens as u64),
        ("generated tokens", stats.generated_tokens as u64),
    ];
    Span { name: "request", lane: Lane::App(app), start: arrived, length: arrived.elapsed(), details }
}
