//! The thread that runs the requests of all apps: each step is one forward pass over rows of many of them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Instant;

use super::admission::Limit;
use super::admitted::Admitted;
use super::caller::Caller;
use super::group::{Group, Tag, end};
use super::ledger::{Ledger, cost};
use super::outlet::Outlet;
use super::{MAX_RUNNING, Shared};
use crate::engine::language::LanguageModel;
use crate::engine::request::Request;
use crate::engine::slot::{Receiver as _, Slot};
use crate::error::Error;

type App = Option<Arc<str>>;

/// Steps after which those that wait for memory ask again, though no request has ended: a receiver may have fallen behind, or an
/// owner have let a context go.
const AGAIN: u64 = 16;

/// A request that waits for its turn.
pub(super) struct Job {
    pub(super) model: Arc<LanguageModel>,
    pub(super) request: Request,
    pub(super) caller: Caller,
    pub(super) admitted: Admitted,
    pub(super) outlet: Outlet,
    pub(super) arrived: Instant,
}

/// Everything that waits or runs.
#[derive(Default)]
pub(super) struct Desk {
    waiting: Vec<Job>,
    pub(super) groups: Vec<Group>,
    ledger: Ledger,
    steps: u64,
    starts: u64,
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
    pub(super) fn is_idle(&self) -> bool {
        self.waiting.is_empty() && self.groups.is_empty()
    }

    /// Requests that have a place. Those whose receivers do not listen take none from others.
    fn running(&self) -> usize {
        self.groups.iter().flat_map(|group| &group.tags).filter(|tag| !tag.is_stalled()).count()
    }

    /// Takes new requests.
    pub(super) fn welcome(&mut self, arrivals: Vec<Job>) {
        for job in arrivals {
            let waiting = self.waiting.iter().map(|job| &job.caller.app);
            let tags = self.groups.iter().flat_map(|group| &group.tags);
            let running = tags.filter(|tag| !tag.is_stalled()).map(|tag| &tag.app);
            let active: BTreeSet<&App> = waiting.chain(running).collect();
            if !active.contains(&job.caller.app) {
                self.ledger.come(&job.caller.app, &active);
            }
            self.waiting.push(job);
        }
    }

    /// Lets those go that were stopped while they waited, or have waited for too long.
    fn dismiss(&mut self, shared: &Shared) {
        let gone = |job: &mut Job| {
            job.outlet.is_stopped() || job.caller.longest_wait().is_some_and(|longest| job.arrived.elapsed() > longest)
        };
        let gone: Vec<Job> = self.waiting.extract_if(.., gone).collect();
        for Job { model, mut request, caller, admitted, outlet, arrived } in gone {
            if !outlet.is_stopped() {
                shared.counters().refuse(&caller.app, Limit::Patience);
                drop(admitted);
                let waiting = shared.admission().at_work(caller.app.as_ref()).0;
                outlet.end(Err(refused(&caller, Limit::Patience, 0, waiting)));
                continue;
            }
            // It ends as one that was stopped in its prompt, and leaves its context as it was.
            let kept = request.context.take();
            request.cache = Some(model.backbone().new_cache_within(shared.holdings.budget(&caller.app)));
            match Slot::new(&model, request, outlet, arrived) {
                Ok(slot) => end(slot, caller.app, admitted, &model, kept, shared),
                Err((outlet, error)) => {
                    drop(admitted);
                    outlet.end(Err(error));
                }
            }
        }
    }

    /// Starts requests while there is room: of the app that was served least, the most urgent one that came first.
    pub(super) fn start(&mut self, shared: &Shared) {
        while self.running() < MAX_RUNNING {
            let next = {
                let admission = shared.admission();
                let may = |(_, job): &(usize, &Job)| admission.may_start(job.caller.app.as_ref());
                // Without a target, one is due when all others are through.
                let due = |job: &Job| (job.caller.due().is_none(), job.caller.due().map(|due| job.arrived + due));
                let key = |(at, job): &(usize, &Job)| {
                    (self.ledger.served(&job.caller.app), job.caller.priority, due(job), *at)
                };
                self.waiting.iter().enumerate().filter(may).min_by_key(key).map(|(at, _)| at)
            };
            let Some(next) = next else { return };
            let mut job = self.waiting.remove(next);
            shared.holdings.prime(&job.model, &mut job.request);
            match Slot::new(&job.model, job.request, job.outlet, job.arrived) {
                Ok(slot) => {
                    job.admitted.start();
                    let (Caller { app, priority, .. }, admitted) = (job.caller, job.admitted);
                    self.starts += 1;
                    let started = self.starts;
                    let tag = Tag { app, priority, admitted, last: 0, started, parked: false, behind: None };
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
                    drop(job.admitted);
                    shared.counters().of(&job.caller.app).failed += 1;
                    outlet.end(Err(error));
                }
            }
        }
    }

    /// One pass of every model, and the ends of those that have ended; false where there was nothing to do but to wait.
    pub(super) fn step(&mut self, shared: &Shared) -> bool {
        self.steps += 1;
        let mut worked = self.is_idle();
        let mut ended = 0;
        for at in 0..self.groups.len() {
            self.groups[at].look();
            let beside = shared.pace(&self.groups[at].model);
            let (turns, guesses) = self.groups[at].turns(self.steps, &self.ledger, beside);
            // Each of them goes on, fails or waits for memory: something changes.
            worked |= !turns.is_empty();
            let (turns, mut failed) = self.make_room(at, turns, shared);
            let group = &mut self.groups[at];
            let mut had = BTreeMap::new();
            for turn in &turns {
                let tag = &mut group.tags[turn.slot];
                tag.admitted.used += turn.rows as u64;
                *had.entry(tag.app.clone()).or_default() += cost(turn);
            }
            self.ledger.charge(&had);
            worked |= group.slots.iter().any(Slot::has_ended);
            let outcome = if turns.is_empty() { Ok(Vec::new()) } else { group.pass(&turns, guesses, shared) };
            group.remember(&turns, shared);
            let outcome = outcome.map(|own| {
                failed.extend(own);
                failed.sort_by_key(|(slot, _)| *slot);
                failed
            });
            ended += group.finish(outcome, shared);
        }
        self.groups.retain(|group| !group.slots.is_empty());
        if ended > 0 || !worked || self.steps.is_multiple_of(AGAIN) {
            self.groups.iter_mut().flat_map(|group| &mut group.tags).for_each(|tag| tag.parked = false);
        }
        worked
    }
}

/// The error of a request that was not taken.
pub(super) fn refused(caller: &Caller, limit: Limit, retry_after_ms: u64, waiting: usize) -> Error {
    let app = caller.app.as_deref().unwrap_or_default().to_owned();
    Error::Refused { app, limit: limit.to_string(), retry_after_ms, waiting }
}
