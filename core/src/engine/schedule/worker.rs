//! The thread that runs the requests of all apps: each step is one forward pass over rows of many of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::admission::{Limit, Pass};
use super::caller::{Caller, Priority};
use super::outlet::Outlet;
use super::share::{Demand, STEP_ROWS, share};
use super::timeline::{Lane, Span};
use super::{MAX_RUNNING, Shared};
use crate::budget::Scope;
use crate::engine::event::GenerateStats;
use crate::engine::holdings::insist;
use crate::engine::language::LanguageModel;
use crate::engine::request::Request;
use crate::engine::slot::{DRAFT_ROWS, Finished, Generated, Receiver as _, Slot, Turn, pass};
use crate::error::{Error, Result};
use crate::model::backbone::KEYS_AND_VALUES;

type App = Option<Arc<str>>;

/// A request that waits for its turn.
pub(super) struct Job {
    pub(super) model: Arc<LanguageModel>,
    pub(super) request: Request,
    pub(super) caller: Caller,
    pub(super) pass: Pass,
    pub(super) outlet: Outlet,
    pub(super) arrived: Instant,
}

/// What the schedule knows of a slot.
struct Tag {
    app: App,
    priority: Priority,
    pass: Pass,
    /// Positions that were computed for it.
    used: u64,
    /// The step that it was last part of.
    last: u64,
    /// Its place among all that have started.
    started: u64,
    /// It gave its memory to an older one, and waits until some request has ended.
    parked: bool,
}

/// Requests that run on one model.
struct Group {
    model: Arc<LanguageModel>,
    slots: Vec<Slot<Outlet>>,
    tags: Vec<Tag>,
}

/// Slots of one app and priority, by number.
struct Flow<'a> {
    app: &'a App,
    priority: Priority,
    decoding: Vec<usize>,
    prompts: Vec<usize>,
}

/// Everything that waits or runs.
#[derive(Default)]
struct Desk {
    waiting: Vec<Job>,
    groups: Vec<Group>,
    /// Rows that each app has had, counted from where the least served one was when it came.
    served: BTreeMap<App, u64>,
    steps: u64,
    starts: u64,
}

/// A slot among all groups.
type Place = (usize, usize);

/// The life of the thread: it ends when nothing has come for a while.
pub(super) fn serve(shared: &Shared) {
    let mut desk = Desk::default();
    while let Some(arrivals) = shared.arrivals(desk.is_idle()) {
        desk.welcome(arrivals);
        desk.dismiss(shared);
        desk.start(shared);
        if !desk.step(shared) {
            shared.breathe();
        }
    }
}

impl Desk {
    fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.groups.is_empty()
    }

    fn running(&self) -> usize {
        self.groups.iter().map(|group| group.slots.len()).sum()
    }

    /// Takes new requests. An app that had nothing to do begins where the least served one is: it has saved up nothing.
    fn welcome(&mut self, arrivals: Vec<Job>) {
        for job in arrivals {
            let waiting = self.waiting.iter().map(|job| &job.caller.app);
            let active: Vec<&App> =
                waiting.chain(self.groups.iter().flat_map(|g| g.tags.iter().map(|t| &t.app))).collect();
            if !active.contains(&&job.caller.app) {
                let least = active.iter().filter_map(|app| self.served.get(*app)).min().copied().unwrap_or(0);
                let served = self.served.entry(job.caller.app.clone()).or_default();
                *served = least.max(*served);
            }
            self.waiting.push(job);
        }
        if self.is_idle() {
            self.served.clear();
        }
    }

    /// Lets those go that were stopped while they waited, or have waited for too long.
    fn dismiss(&mut self, shared: &Shared) {
        let gone = |job: &mut Job| {
            job.outlet.is_stopped() || job.caller.longest_wait().is_some_and(|longest| job.arrived.elapsed() > longest)
        };
        let gone: Vec<Job> = self.waiting.extract_if(.., gone).collect();
        for job in gone {
            shared.admission().end(&job.pass, 0);
            if !job.outlet.is_stopped() {
                shared.counters().refuse(&job.caller.app, Limit::Patience);
                job.outlet.end(Err(refused(&job.caller, Limit::Patience, 0, self.waiting.len())));
                continue;
            }
            match Slot::new(&job.model, job.request, job.outlet, job.arrived) {
                // It ends as one that was stopped in its prompt.
                Ok(slot) => end(slot, job.caller.app, &job.model, shared),
                Err((outlet, error)) => outlet.end(Err(error)),
            }
        }
    }

    /// Starts requests while there is room: of the app that was served least, the most urgent one that came first.
    fn start(&mut self, shared: &Shared) {
        while self.running() < MAX_RUNNING {
            let next = {
                let admission = shared.admission();
                let may = |(_, job): &(usize, &Job)| admission.may_start(job.caller.app.as_ref());
                let served = |app: &App| self.served.get(app).copied().unwrap_or(0);
                // Without a target, one is due when all others are through.
                let due = |job: &Job| (job.caller.due().is_none(), job.caller.due().map(|due| job.arrived + due));
                let key = |(at, job): &(usize, &Job)| (served(&job.caller.app), job.caller.priority, due(job), *at);
                self.waiting.iter().enumerate().filter(may).min_by_key(key).map(|(at, _)| at)
            };
            let Some(next) = next else { return };
            let mut job = self.waiting.remove(next);
            shared.holdings.prime(&job.model, &mut job.request);
            match Slot::new(&job.model, job.request, job.outlet, job.arrived) {
                Ok(slot) => {
                    shared.admission().start(&mut job.pass);
                    let Caller { app, priority, .. } = job.caller;
                    self.starts += 1;
                    let started = self.starts;
                    let tag = Tag { app, priority, pass: job.pass, used: 0, last: 0, started, parked: false };
                    let group = match self.groups.iter().position(|group| Arc::ptr_eq(&group.model, &job.model)) {
                        Some(at) => &mut self.groups[at],
                        None => {
                            self.groups.push(Group { model: job.model, slots: Vec::new(), tags: Vec::new() });
                            self.groups.last_mut().expect("invariant: just pushed")
                        }
                    };
                    group.slots.push(slot);
                    group.tags.push(tag);
                }
                Err((outlet, error)) => {
                    shared.admission().end(&job.pass, 0);
                    shared.counters().of(&job.caller.app).failed += 1;
                    outlet.end(Err(error));
                }
            }
        }
    }

    /// One pass of every model, and the ends of those that have ended; false where there was nothing to do but to wait.
    fn step(&mut self, shared: &Shared) -> bool {
        self.steps += 1;
        let mut worked = self.is_idle();
        let mut ended = 0;
        for at in 0..self.groups.len() {
            self.groups[at].slots.iter_mut().for_each(Slot::look);
            let turns = self.groups[at].turns(self.steps);
            let (turns, mut failed) = self.make_room(at, turns, shared);
            let group = &mut self.groups[at];
            for turn in &turns {
                let tag = &mut group.tags[turn.slot];
                tag.used += turn.rows as u64;
                *self.served.entry(tag.app.clone()).or_default() += turn.rows as u64;
            }
            worked |= !turns.is_empty() || !failed.is_empty() || group.slots.iter().any(Slot::has_ended);
            let outcome = if turns.is_empty() { Ok(Vec::new()) } else { group.pass(&turns, shared) };
            group.remember(&turns, shared);
            let outcome = outcome.map(|own| {
                failed.extend(own);
                failed.sort_by_key(|(slot, _)| *slot);
                failed
            });
            ended += group.finish(outcome, shared);
        }
        self.groups.retain(|group| !group.slots.is_empty());
        if ended > 0 || !worked {
            self.groups.iter_mut().flat_map(|group| &mut group.tags).for_each(|tag| tag.parked = false);
        }
        worked
    }

    /// Takes memory for the turns of a group, for those first whose requests started first. One that gets none waits, or fails
    /// where it would wait for itself alone. The oldest request always goes on: it takes what younger ones have, which compute it
    /// again later.
    fn make_room(&mut self, group: usize, turns: Vec<Turn>, shared: &Shared) -> (Vec<Turn>, Vec<(usize, Error)>) {
        let mut order = turns;
        order.sort_by_key(|turn| self.groups[group].tags[turn.slot].started);
        let (mut granted, mut failed) = (Vec::with_capacity(order.len()), Vec::new());
        for turn in order {
            let own = (group, turn.slot);
            loop {
                let tag = &self.groups[group].tags[turn.slot];
                // It was in the way of an older one.
                if tag.parked {
                    break;
                }
                let app = tag.app.clone();
                let slot = &mut self.groups[group].slots[turn.slot];
                let Err(shortage) = insist(&shared.holdings, &app, || slot.reserve(turn.rows)) else {
                    granted.push(turn);
                    break;
                };
                match self.in_the_way(own, shortage.scope) {
                    InTheWay::Younger((group, slot)) => {
                        self.groups[group].slots[slot].forget();
                        let tag = &mut self.groups[group].tags[slot];
                        tag.parked = true;
                        shared.counters().of(&tag.app).preempted += 1;
                    }
                    InTheWay::Older => break,
                    InTheWay::Nobody => {
                        failed.push((turn.slot, shortage.error(KEYS_AND_VALUES)));
                        break;
                    }
                }
            }
        }
        granted.retain(|turn| !self.groups[group].tags[turn.slot].parked);
        granted.sort_by_key(|turn| turn.slot);
        (granted, failed)
    }

    /// Who has memory that the request at `own` could use.
    fn in_the_way(&self, own: Place, scope: Scope) -> InTheWay {
        let tag = |(group, slot): Place| &self.groups[group].tags[slot];
        let slots = |(at, group): (usize, &Group)| (0..group.slots.len()).map(move |slot| (at, slot));
        let others = self.groups.iter().enumerate().flat_map(slots).filter(|&place| {
            let of_app = scope != Scope::App || tag(place).app == tag(own).app;
            place != own && of_app && self.groups[place.0].slots[place.1].bytes() > 0
        });
        let mut any = false;
        let mut younger: Option<(bool, u64, Place)> = None;
        for place in others {
            any = true;
            // Nobody waits for one whose receiver does not listen.
            let waits = !self.groups[place.0].slots[place.1].is_ready();
            if waits || tag(place).started > tag(own).started {
                younger = younger.max(Some((waits, tag(place).started, place)));
            }
        }
        match younger {
            Some((_, _, place)) => InTheWay::Younger(place),
            None if any => InTheWay::Older,
            None => InTheWay::Nobody,
        }
    }
}

/// Requests that hold memory which another one needs.
enum InTheWay {
    /// This one may give it up.
    Younger(Place),
    /// Some that will end.
    Older,
    Nobody,
}

impl Group {
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

    /// What each slot does in this step.
    fn turns(&mut self, step: u64) -> Vec<Turn> {
        let flows = self.flows();
        let demand = |flow: &Flow<'_>| Demand {
            priority: flow.priority,
            decoding: flow.decoding.len(),
            prompts: flow.prompts.iter().map(|&slot| self.slots[slot].pending()).sum(),
        };
        let grants = share(&flows.iter().map(demand).collect::<Vec<_>>());
        let mut turns = Vec::new();
        for (Flow { mut decoding, prompts, .. }, grant) in flows.into_iter().zip(grants) {
            // In turn, where not all get a row.
            decoding.sort_by_key(|&slot| (self.tags[slot].last, slot));
            turns.extend(decoding.into_iter().take(grant.decoding).map(|slot| Turn { slot, rows: 1 }));
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
        turns
    }

    /// One pass over the rows of `turns`.
    fn pass(&mut self, turns: &[Turn], shared: &Shared) -> Result<Vec<(usize, Error)>> {
        let start = Instant::now();
        let outcome = pass(&self.model, &mut self.slots, turns, DRAFT_ROWS);
        let length = start.elapsed();
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
    fn remember(&self, turns: &[Turn], shared: &Shared) {
        for turn in turns.iter().filter(|turn| turn.rows > 1) {
            let (slot, tag) = (&self.slots[turn.slot], &self.tags[turn.slot]);
            if slot.pending() <= 1 {
                let (sequence, adapter, cache) = slot.computed();
                shared.holdings.keep(&self.model, &tag.app, adapter, sequence, cache);
            }
        }
    }

    /// Reports to those that have ended, and to those that failed: all of them where the pass did. How many there were.
    fn finish(&mut self, outcome: Result<Vec<(usize, Error)>>, shared: &Shared) -> usize {
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
            shared.admission().end(&tag.pass, tag.used);
            match error {
                Some(error) => {
                    shared.counters().of(&tag.app).failed += 1;
                    fail(slot, error);
                }
                None => end(slot, tag.app, &self.model, shared),
            }
        }
        before - self.slots.len()
    }
}

/// Reports the end, and keeps what was computed.
fn end(slot: Slot<Outlet>, app: App, model: &LanguageModel, shared: &Shared) {
    let (adapter, arrived) = (slot.adapter(), slot.arrived());
    let (outlet, finished) = slot.finish(model);
    let generated = finished.map(|Finished { stats, sequence, generated, cache }| {
        shared.holdings.keep(model, &app, adapter.as_deref(), &sequence, &cache);
        let context = shared.holdings.rest(app.clone(), adapter.as_deref(), sequence, cache);
        Generated { stats, generated, context }
    });
    if let Ok(Generated { stats, .. }) = &generated {
        shared.counters().finish(&app, stats);
        shared.timeline().push(span(app, arrived, stats));
    }
    // Whoever hears of the end finds the adapter idle.
    drop(adapter);
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

fn fail(slot: Slot<Outlet>, error: Error) {
    slot.into_receiver().end(Err(error));
}

/// The error of a request that was not taken.
pub(super) fn refused(caller: &Caller, limit: Limit, retry_after_ms: u64, waiting: usize) -> Error {
    let app = caller.app.as_deref().unwrap_or_default().to_owned();
    Error::Refused { app, limit: limit.to_string(), retry_after_ms, waiting }
}
