//! Whose encoder runs next.
//!
//! Encoders run on the threads of those who ask, beside the passes of the backbone, which go on meanwhile. One runs at a time,
//! so that a crowd of them takes no more of the processor than one, and the app that has had the least time is next: an app that
//! asks for a thousand pictures holds another one up by one picture at most.
//!
//! A thread that has a turn and asks for another one gets it at once: a log sink that uses the engine runs within the call that
//! is logged, and would wait for itself.

use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::ThreadId;
use std::time::{Duration, Instant};

use super::admission::Limit;
use super::caller::{Caller, Priority};

type App = Option<Arc<str>>;

/// Between two looks whether a turn is still wanted.
const LOOK: Duration = Duration::from_millis(20);

/// The queue before the encoders.
#[derive(Debug, Default)]
pub(super) struct Turns {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    /// Who has the turn, for which app, and since when.
    holder: Option<(ThreadId, App, Instant)>,
    waiting: Vec<Waiting>,
    /// Time that each app has had, counted from where the one with the least was when it came.
    served: BTreeMap<App, Duration>,
    last: u64,
}

#[derive(Clone, Debug)]
struct Waiting {
    number: u64,
    app: App,
    priority: Priority,
}

impl Turns {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for a turn.
    ///
    /// # Errors
    /// [`Limit::Patience`] when it has not come in time, [`Limit::Stopped`] when nobody waits for it any more.
    pub(super) fn take(&self, caller: &Caller, is_stopped: &dyn Fn() -> bool) -> Result<Taken<'_>, Limit> {
        let arrived = Instant::now();
        let thread = std::thread::current().id();
        let mut state = self.state();
        let taken = |place| Ok(Taken { turns: self, place, app: caller.app.clone(), begun: Instant::now() });
        if state.holder.as_ref().is_some_and(|(holder, ..)| *holder == thread) {
            return taken(Place::Within);
        }
        let number = state.enter(caller);
        loop {
            if state.holder.is_none() && state.next() == Some(number) {
                state.waiting.retain(|waiting| waiting.number != number);
                state.holder = Some((thread, caller.app.clone(), Instant::now()));
                return taken(Place::First);
            }
            let left = caller.longest_wait().map(|longest| longest.saturating_sub(arrived.elapsed()));
            let patience = (left == Some(Duration::ZERO)).then_some(Limit::Patience);
            if let Some(limit) = patience.or_else(|| is_stopped().then_some(Limit::Stopped)) {
                state.waiting.retain(|waiting| waiting.number != number);
                // The turn may have been this one's.
                self.changed.notify_all();
                return Err(limit);
            }
            let pause = left.map_or(LOOK, |left| left.min(LOOK));
            state = self.changed.wait_timeout(state, pause).unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Those that wait.
    pub(super) fn waiting(&self) -> usize {
        self.state().waiting.len()
    }
}

impl State {
    /// Joins the queue. An app that had nothing to do begins where the least served one is: it has saved up nothing.
    fn enter(&mut self, caller: &Caller) -> u64 {
        if self.waiting.is_empty() && self.holder.is_none() {
            self.served.clear();
        }
        let (holder, held) = match &self.holder {
            Some((_, app, since)) => (Some(app), since.elapsed()),
            None => (None, Duration::ZERO),
        };
        if holder != Some(&caller.app) && !self.waiting.iter().any(|waiting| waiting.app == caller.app) {
            let had = |app: &App| self.served.get(app).copied().unwrap_or_default();
            let waiting = self.waiting.iter().map(|waiting| had(&waiting.app));
            let least = waiting.chain(holder.map(|app| had(app) + held)).min();
            let served = self.served.entry(caller.app.clone()).or_default();
            *served = (*served).max(least.unwrap_or_default());
        }
        self.last += 1;
        self.waiting.push(Waiting { number: self.last, app: caller.app.clone(), priority: caller.priority });
        self.last
    }

    /// Who is next: of the app that has had least, the most urgent one that came first.
    fn next(&self) -> Option<u64> {
        let served = |app: &App| self.served.get(app).copied().unwrap_or_default();
        let key = |waiting: &&Waiting| (served(&waiting.app), waiting.priority, waiting.number);
        self.waiting.iter().min_by_key(key).map(|waiting| waiting.number)
    }
}

/// Where a turn is among those of its thread.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Place {
    First,
    /// Within another one, whose time its own is part of.
    Within,
}

/// A turn, until it is dropped.
#[derive(Debug)]
pub(super) struct Taken<'a> {
    turns: &'a Turns,
    place: Place,
    app: App,
    begun: Instant,
}

impl Taken<'_> {
    pub(super) fn begun(&self) -> Instant {
        self.begun
    }
}

impl Drop for Taken<'_> {
    fn drop(&mut self) {
        if self.place == Place::Within {
            return;
        }
        let mut state = self.turns.state();
        state.holder = None;
        *state.served.entry(self.app.clone()).or_default() += self.begun.elapsed();
        drop(state);
        self.turns.changed.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    fn caller(app: &str, priority: Priority) -> Caller {
        Caller { app: Some(Arc::from(app)), priority, ..Caller::default() }
    }

    /// Takes a turn on another thread: why there was none.
    fn elsewhere(turns: &Turns, caller: &Caller, is_stopped: &(dyn Fn() -> bool + Sync)) -> Option<Limit> {
        let take = || turns.take(caller, &|| is_stopped()).err();
        std::thread::scope(|scope| scope.spawn(take).join().expect("no panic"))
    }

    #[test]
    fn a_crowd_of_one_app_holds_another_up_by_one_run() {
        let turns = Turns::default();
        let (order, taken) = channel();
        let first = turns.take(&caller("flood", Priority::Normal), &|| false).expect("nobody waits");
        std::thread::scope(|scope| {
            let enter = |name: &'static str, caller: Caller| {
                let (before, order, turns) = (turns.waiting(), order.clone(), &turns);
                scope.spawn(move || {
                    let turn = turns.take(&caller, &|| false).expect("no limit");
                    std::thread::sleep(Duration::from_millis(5));
                    order.send(name).expect("listened to");
                    drop(turn);
                });
                while turns.waiting() == before {
                    std::thread::yield_now();
                }
            };
            for _ in 0..4 {
                enter("flood", caller("flood", Priority::Interactive));
            }
            enter("mail later", caller("mail", Priority::Background));
            enter("mail", caller("mail", Priority::Normal));
            std::thread::sleep(Duration::from_millis(5));
            drop(first);
        });
        let order: Vec<_> = taken.try_iter().collect();
        assert_eq!(order.len(), 6);
        let place = |name: &str| order.iter().position(|one| *one == name).expect("taken");
        assert!(place("mail") <= 1 && place("mail later") > place("mail") && place("mail later") <= 3, "{order:?}");
        assert_eq!(turns.waiting(), 0);
    }

    #[test]
    fn a_turn_within_a_turn_waits_for_nobody() {
        let turns = Turns::default();
        let first = turns.take(&caller("a", Priority::Normal), &|| false).expect("nobody waits");
        drop(turns.take(&caller("a", Priority::Background), &|| false).expect("its own thread's"));
        let impatient = Caller { patience: Some(Duration::from_millis(5)), ..caller("b", Priority::Normal) };
        let other = || elsewhere(&turns, &impatient, &|| false);
        assert_eq!(other(), Some(Limit::Patience), "the first one still runs");
        drop(first);
        assert_eq!(other(), None);
    }

    #[test]
    fn whoever_runs_out_of_patience_leaves_the_queue() {
        let turns = Turns::default();
        let first = turns.take(&caller("a", Priority::Normal), &|| false).expect("nobody waits");
        let impatient = Caller { patience: Some(Duration::from_millis(5)), ..caller("b", Priority::Normal) };
        let other = || elsewhere(&turns, &impatient, &|| false);
        assert_eq!(other(), Some(Limit::Patience));
        assert_eq!(turns.waiting(), 0);
        drop(first);
        assert_eq!(other(), None);
    }

    #[test]
    fn whoever_is_stopped_leaves_the_queue() {
        let turns = Turns::default();
        let first = turns.take(&caller("a", Priority::Normal), &|| false).expect("nobody waits");
        let begin = Instant::now();
        let is_stopped = || begin.elapsed() > Duration::from_millis(5);
        assert_eq!(elsewhere(&turns, &caller("b", Priority::Normal), &is_stopped), Some(Limit::Stopped));
        assert_eq!(turns.waiting(), 0);
        drop(first);
        assert_eq!(elsewhere(&turns, &caller("b", Priority::Normal), &|| true), None, "it need not wait");
    }
}
