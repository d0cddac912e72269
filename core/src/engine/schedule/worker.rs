//! The thread that runs the requests of all apps: each step is one forward pass over rows of many of them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use super::admission::{Limit, Pass};
use super::caller::{Caller, Priority};
use super::outlet::Outlet;
use super::share::{Demand, STEP_ROWS, share};
use super::{MAX_RUNNING, Shared};
use crate::engine::language::LanguageModel;
use crate::engine::request::Request;
use crate::engine::slot::{DRAFT_ROWS, Receiver as _, Slot, Turn, pass};
use crate::error::{Error, Result};

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
}

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
            job.outlet.is_stopped() || job.caller.patience.is_some_and(|patience| job.arrived.elapsed() > patience)
        };
        let gone: Vec<Job> = self.waiting.extract_if(.., gone).collect();
        for job in gone {
            shared.admission().end(&job.pass, 0);
            if !job.outlet.is_stopped() {
                job.outlet.end(Err(refused(&job.caller, Limit::Patience, 0, self.waiting.len())));
                continue;
            }
            match Slot::new(&job.model, job.request, job.outlet) {
                // It ends as one that was stopped in its prompt.
                Ok(slot) => end(slot, &job.model),
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
                let key = |(at, job): &(usize, &Job)| (served(&job.caller.app), job.caller.priority, *at);
                self.waiting.iter().enumerate().filter(may).min_by_key(key).map(|(at, _)| at)
            };
            let Some(next) = next else { return };
            let mut job = self.waiting.remove(next);
            match Slot::new(&job.model, job.request, job.outlet) {
                Ok(slot) => {
                    shared.admission().start(&mut job.pass);
                    let Caller { app, priority, .. } = job.caller;
                    let tag = Tag { app, priority, pass: job.pass, used: 0, last: 0 };
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
                    outlet.end(Err(error));
                }
            }
        }
    }

    /// One pass of every model, and the ends of those that have ended; false where there was nothing to do but to wait.
    fn step(&mut self, shared: &Shared) -> bool {
        self.steps += 1;
        let mut worked = self.is_idle();
        for group in &mut self.groups {
            group.slots.iter_mut().for_each(Slot::look);
            let turns = group.turns(self.steps);
            for turn in &turns {
                let tag = &mut group.tags[turn.slot];
                tag.used += turn.rows as u64;
                *self.served.entry(tag.app.clone()).or_default() += turn.rows as u64;
            }
            worked |= !turns.is_empty() || group.slots.iter().any(Slot::has_ended);
            let outcome = if turns.is_empty() {
                Ok(Vec::new())
            } else {
                pass(&group.model, &mut group.slots, &turns, DRAFT_ROWS)
            };
            group.finish(outcome, shared);
        }
        self.groups.retain(|group| !group.slots.is_empty());
        worked
    }
}

impl Group {
    /// Slots with something to do, by flow.
    fn flows(&self) -> Vec<Flow<'_>> {
        let mut flows: Vec<Flow<'_>> = Vec::new();
        for (number, (slot, tag)) in self.slots.iter().zip(&self.tags).enumerate() {
            if slot.pending() == 0 || !slot.is_ready() {
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

    /// Reports to those that have ended, and to those that failed: all of them where the pass did.
    fn finish(&mut self, outcome: Result<Vec<(usize, Error)>>, shared: &Shared) {
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
                Some(error) => fail(slot, error),
                None => end(slot, &self.model),
            }
        }
    }
}

fn end(slot: Slot<Outlet>, model: &LanguageModel) {
    let (outlet, finished) = slot.finish(model);
    outlet.end(finished);
}

fn fail(slot: Slot<Outlet>, error: Error) {
    slot.into_receiver().end(Err(error));
}

/// The error of a request that was not taken.
pub(super) fn refused(caller: &Caller, limit: Limit, retry_after_ms: u64, waiting: usize) -> Error {
    let app = caller.app.as_deref().unwrap_or_default().to_owned();
    Error::Refused { app, limit: limit.to_string(), retry_after_ms, waiting }
}
