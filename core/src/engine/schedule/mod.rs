//! One queue for the requests of all apps: who may ask, who starts, and whose rows are in the next pass.
//!
//! A thread of its own runs them all on the one resident model. Each step is one forward pass over a row of every request
//! that waits for its next token and a bounded chunk of prompts, whatever adapters they carry; the base weights are read once
//! for all. Rows are exact, so company changes when a token comes, never which.
//!
//! Apps get equal shares: of the starts, the app that has had the fewest rows is next; of a step, none gets more rows than
//! double it while another one waits for a token, unless it had less than its share before. What it asks for with each priority
//! gets a row in every step, so none starves.

mod admission;
mod admitted;
mod caller;
mod counters;
mod group;
mod ledger;
mod outlet;
mod pace;
mod room;
mod share;
mod timeline;
mod turns;
mod worker;

use std::collections::BTreeMap;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use admission::Admission;
pub use admission::{Limit, Quotas};
use admitted::Admitted;
pub use caller::{Caller, Priority};
pub use counters::AppCounters;
use counters::Counters;
use outlet::{Control, Message, Outlet};
use pace::Pace;
use timeline::{Lane, Span, Timeline};
use turns::{Taken, Turns};
use worker::{Job, refused, serve};

use crate::dispatch::Background;
use crate::engine::event::{Event, Sink};
use crate::engine::holdings::Holdings;
use crate::engine::language::LanguageModel;
use crate::engine::request::Request;
use crate::engine::slot::Generated;
use crate::error::{Error, Result};

/// Requests that run at a time, of all apps; each has keys and values in memory.
const MAX_RUNNING: usize = 32;
/// How long the thread waits for work before it ends, and lets go of the model.
const LINGER: Duration = Duration::from_millis(500);
/// How long the thread waits for receivers that are behind before it looks at them again.
const BREATH: Duration = Duration::from_millis(1);
/// Between two looks whether a receiver wants no more.
const LOOK: Duration = Duration::from_millis(5);

/// Runs requests of many threads on one thread.
#[derive(Debug)]
pub(super) struct Scheduler {
    shared: Arc<Shared>,
}

/// What the callers and the thread share.
#[derive(Debug)]
struct Shared {
    queue: Mutex<Queue>,
    wake: Condvar,
    admission: Mutex<Admission>,
    holdings: Arc<Holdings>,
    counters: Mutex<Counters>,
    timeline: Mutex<Timeline>,
    turns: Turns,
    /// What a pass costs, by the component's name.
    paces: Mutex<BTreeMap<String, Pace>>,
    begin: Instant,
}

#[derive(Default)]
struct Queue {
    arrivals: Vec<Job>,
    /// Whether the thread runs.
    is_served: bool,
}

impl std::fmt::Debug for Queue {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Queue({} arrivals)", self.arrivals.len())
    }
}

impl Shared {
    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn admission(&self) -> MutexGuard<'_, Admission> {
        self.admission.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn timeline(&self) -> MutexGuard<'_, Timeline> {
        self.timeline.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn paces(&self) -> MutexGuard<'_, BTreeMap<String, Pace>> {
        self.paces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Rows that double a pass of `model`.
    fn pace(&self, model: &LanguageModel) -> usize {
        self.paces().entry(model.part().name.clone()).or_default().doubling()
    }

    /// A pass of `model` over `rows` rows took `time`.
    fn note_pace(&self, model: &LanguageModel, rows: usize, time: Duration) {
        self.paces().entry(model.part().name.clone()).or_default().note(rows, time.as_secs_f64() * 1e3);
    }

    /// Milliseconds since the beginning.
    fn now(&self) -> u64 {
        u64::try_from(self.begin.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Waits a moment, for receivers that are behind or for something new.
    fn breathe(&self) {
        drop(self.wake.wait_timeout(self.queue(), BREATH));
    }

    /// What has come meanwhile. A thread that has nothing else to do waits; `None` tells it to end.
    fn arrivals(&self, is_idle: bool) -> Option<Vec<Job>> {
        let mut queue = self.queue();
        if is_idle {
            let until = self.wake.wait_timeout_while(queue, LINGER, |queue| queue.arrivals.is_empty());
            (queue, _) = until.unwrap_or_else(PoisonError::into_inner);
            if queue.arrivals.is_empty() {
                queue.is_served = false;
                return None;
            }
        }
        Some(std::mem::take(&mut queue.arrivals))
    }
}

/// Lets the next request start a thread, also when this one panics: what ran on it hears of it by the end of its channel.
struct Serving(Arc<Shared>);

impl Drop for Serving {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut queue = self.0.queue();
            queue.is_served = false;
            queue.arrivals.clear();
        }
    }
}

impl Scheduler {
    /// One whose requests find keys and values in `holdings`, and leave them there.
    pub(super) fn new(holdings: Arc<Holdings>) -> Self {
        let shared = Shared {
            queue: Mutex::default(),
            wake: Condvar::new(),
            admission: Mutex::default(),
            holdings,
            counters: Mutex::default(),
            timeline: Mutex::new(Timeline::new()),
            turns: Turns::default(),
            paces: Mutex::default(),
            begin: Instant::now(),
        };
        Self { shared: Arc::new(shared) }
    }

    /// Bounds what an app may ask for from now on.
    pub(super) fn set_quotas(&self, app: &Arc<str>, quotas: Quotas) {
        self.shared.admission().set(app, quotas);
    }

    /// What an app may ask for.
    pub(super) fn quotas(&self, app: &Arc<str>) -> Quotas {
        self.shared.admission().quotas_of(app)
    }

    /// Says whether new background requests are taken from now on.
    pub(super) fn set_background(&self, background: Background) {
        self.shared.admission().background = background;
    }

    /// Runs a request beside those of other threads, and hands its events to `sink` on this one.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] beyond a quota, after the caller's patience or for the device's conditions; those of the request,
    /// of the sink and of the model.
    pub(super) fn run(
        &self,
        model: &Arc<LanguageModel>,
        mut request: Request,
        sink: &mut dyn Sink,
    ) -> Result<Generated> {
        let config = model.backbone().config();
        request.slide(config.max_position_embeddings)?;
        request.check(config.max_position_embeddings, config.hidden_size)?;
        let caller = request.options.caller.clone();
        let room = config.max_position_embeddings - request.prompt.len();
        let tokens = (request.prompt.len() + request.options.max_tokens.min(room)) as u64;
        let admitted = self.admit(&caller, tokens)?;
        let (events, inbox) = channel();
        let control = Arc::new(Control::default());
        let outlet = Outlet::new(events, Arc::clone(&control));
        // Also when the sink panics.
        let stop = Stop(&control);
        if sink.is_stopped() {
            control.stop();
        }
        if let Some(context) = &request.context {
            // On this thread: nobody else waits for the disk.
            context.warm(&self.shared.holdings);
        }
        let app = caller.app.clone();
        self.submit(Job { model: Arc::clone(model), request, caller, admitted, outlet, arrived: Instant::now() })?;
        let (finished, cut) = self.listen(&inbox, &control, sink)?;
        drop(stop);
        let mut finished = finished?;
        self.shared.holdings.settle(&app);
        if let Some(generated) = cut.filter(|&cut| cut <= finished.generated.len()) {
            finished.cut(generated);
        }
        let _ = sink.event(Event::Done(&finished.stats))?;
        Ok(finished)
    }

    /// Takes a request of `tokens` tokens at most.
    ///
    /// # Errors
    /// [`Error::Refused`].
    fn admit(&self, caller: &Caller, tokens: u64) -> Result<Admitted> {
        let pass = self.shared.admission().admit(caller, tokens, self.shared.now());
        let pass = pass.map_err(|r| {
            self.shared.counters().refuse(&caller.app, r.limit);
            refused(caller, r.limit, r.retry_after_ms, r.waiting)
        })?;
        self.shared.counters().of(&caller.app).requests += 1;
        Ok(Admitted::new(&self.shared, pass))
    }

    /// Waits for a turn to run an encoder, until `is_stopped`.
    ///
    /// # Errors
    /// [`Error::Refused`] beyond a quota, after the caller's patience, or where it was stopped.
    pub(super) fn turn(&self, caller: &Caller, is_stopped: &dyn Fn() -> bool) -> Result<Turn<'_>> {
        let mut admitted = self.admit(caller, 0)?;
        let taken = self.shared.turns.take(caller, is_stopped).map_err(|limit| {
            self.shared.counters().refuse(&caller.app, limit);
            // This one does not wait any more.
            let waiting = self.at_work(caller.app.as_ref()).0.saturating_sub(1);
            refused(caller, limit, 0, waiting)
        })?;
        admitted.start();
        Ok(Turn { shared: &self.shared, taken, _admitted: admitted, app: caller.app.clone() })
    }

    /// What was done so far.
    pub(super) fn load(&self) -> Counters {
        self.shared.counters().clone()
    }

    /// Requests of an app that wait, and that run.
    pub(super) fn at_work(&self, app: Option<&Arc<str>>) -> (usize, usize) {
        self.shared.admission().at_work(app)
    }

    /// Encoder runs that wait.
    pub(super) fn encoders_waiting(&self) -> usize {
        self.shared.turns.waiting()
    }

    /// Keeps the latest `capacity` spans from now on.
    pub(super) fn record(&self, capacity: usize) {
        self.shared.timeline().record(capacity);
    }

    /// What was recorded.
    pub(super) fn timeline(&self) -> String {
        self.shared.timeline().to_json()
    }

    /// Hands texts to `sink` until the request is over: what came of it, and after how many tokens the sink stopped it. It may have
    /// run on by a token since then, which is none of the sink's.
    ///
    /// # Errors
    /// The sink's.
    fn listen(
        &self,
        inbox: &Receiver<Message>,
        control: &Control,
        sink: &mut dyn Sink,
    ) -> Result<(Result<Generated>, Option<usize>)> {
        let (mut seen, mut cut) = (0, None);
        let mut verdict = Ok(());
        loop {
            match inbox.recv_timeout(LOOK) {
                Ok(Message::Text { text, generated }) if cut.is_none() && verdict.is_ok() => {
                    seen = generated.unwrap_or(seen);
                    match sink.event(Event::Text(&text)) {
                        Ok(flow) if flow.is_break() => cut = generated,
                        Ok(_) => {}
                        Err(error) => verdict = Err(error),
                    }
                    self.took(control);
                }
                Ok(Message::Text { .. }) => self.took(control),
                Err(RecvTimeoutError::Timeout) => {}
                Ok(Message::Ended(result)) => return verdict.map(|()| (*result, cut)),
                Err(RecvTimeoutError::Disconnected) => {
                    let reason = "the thread that runs requests panicked".to_owned();
                    return verdict.map(|()| (Err(Error::Step(reason)), cut));
                }
            }
            if cut.is_none() && sink.is_stopped() {
                cut = Some(seen);
            }
            if cut.is_some() || verdict.is_err() {
                control.stop();
            }
        }
    }

    /// A text was taken: the request may go on.
    fn took(&self, control: &Control) {
        control.took();
        self.shared.wake.notify_one();
    }

    /// Hands a request to the thread, which is started where none runs.
    ///
    /// # Errors
    /// [`Error::Io`] where there can be no thread.
    fn submit(&self, job: Job) -> Result<()> {
        let mut queue = self.shared.queue();
        if !queue.is_served {
            let serving = Serving(Arc::clone(&self.shared));
            let thread = std::thread::Builder::new().name("loam-schedule".to_owned());
            thread.spawn(move || serve(&serving.0)).map_err(|error| Error::io("a thread for requests", error))?;
            queue.is_served = true;
        }
        queue.arrivals.push(job);
        drop(queue);
        self.shared.wake.notify_one();
        Ok(())
    }
}

/// A turn of an encoder, until it is dropped.
#[derive(Debug)]
pub struct Turn<'a> {
    shared: &'a Shared,
    taken: Taken<'a>,
    _admitted: Admitted,
    app: Option<Arc<str>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let (start, length) = (self.taken.begun(), self.taken.begun().elapsed());
        let mut counters = self.shared.counters();
        let own = counters.of(&self.app);
        own.encoded += 1;
        own.encoder_ms += length.as_secs_f64() * 1e3;
        drop(counters);
        self.shared.timeline().push(Span { name: "encoder", lane: Lane::Encoders, start, length, details: Vec::new() });
    }
}

/// Stops the request when it is dropped.
struct Stop<'a>(&'a Control);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.stop();
    }
}
