//! One component's way to a delegate.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak, mpsc};

use super::compare::Placed;
use super::compiler::compile;
use super::{Compared, Shared};
use crate::dispatch::{Backend, Entry, Place, Placement, Reason, Segment, Subject, Support, Verdict};

/// Between a delegate and the processor on sample data: what rounding to integers leaves of a good network.
const LEAST_COSINE: f32 = 0.98;
/// And of its norm, as a ratio: results of the right direction and of another size would mislead heads and caches.
const MOST_RATIO: f32 = 1.1;

/// A component that is to be brought to a delegate.
#[derive(Clone)]
pub(super) struct Job {
    pub(super) shared: Arc<Shared>,
    pub(super) component: String,
    pub(super) place: Arc<Place>,
    /// Gone when the component was dropped meanwhile.
    pub(super) model: Weak<dyn Placed>,
}

impl Job {
    /// Runs it on a thread of its own.
    pub(super) fn start(self, fingerprint: String) {
        self.place.stay(Reason::Compiling);
        let place = Arc::clone(&self.place);
        let thread = std::thread::Builder::new().name("loam-dispatch".to_owned());
        let started = thread.spawn(move || {
            // Whatever happens, nobody waits for ever.
            let ended = Ended(Arc::clone(&self.place));
            match self.find(&fingerprint) {
                Ok(placement) => {
                    log::info!("component '{}' runs on {} from now on", self.component, placement.backend());
                    self.place.move_to(Arc::new(placement));
                }
                Err(reason) => {
                    log::info!("component '{}' stays on the processor: {reason}", self.component);
                    self.place.stay(reason);
                }
            }
            drop(ended);
        });
        if let Err(e) = started {
            place.stay(Reason::Failed(e.to_string()));
            place.end();
        }
    }

    /// The first backend that does it; the reason of the first one that was compiled for where none does.
    fn find(&self, fingerprint: &str) -> Result<Placement, Reason> {
        let mut first = None;
        for backend in &self.shared.options.backends {
            match self.on(backend, fingerprint) {
                Ok(placement) => return Ok(placement),
                Err(reason) => {
                    log::info!("component '{}' on {}: {reason}", self.component, backend.name());
                    // That one was not compiled for says less than what went wrong with another.
                    if first.as_ref().is_none_or(|known| *known == Reason::NotCompiled) {
                        first = Some(reason);
                    }
                }
            }
        }
        Err(first.unwrap_or(Reason::NotCompiled))
    }

    fn on(&self, backend: &Arc<dyn Backend>, fingerprint: &str) -> Result<Placement, Reason> {
        backend.is_available()?;
        let entry = Entry {
            backend: backend.name().to_owned(),
            identity: backend.identity()?,
            component: self.component.clone(),
            fingerprint: fingerprint.to_owned(),
            segment: None,
            verdict: Verdict::Disabled(Reason::NotCompiled),
        };
        // What somebody compiled in another way is used, whatever became of an earlier attempt.
        match self.open(backend, &entry) {
            Err(missing @ (Reason::NotCompiled | Reason::Stale { .. } | Reason::Damaged { .. })) => {
                self.prepare(backend, &entry, missing)
            }
            opened => opened,
        }
    }

    /// Compiles what is `missing`, unless these versions failed to do so before.
    fn prepare(&self, backend: &Arc<dyn Backend>, entry: &Entry, missing: Reason) -> Result<Placement, Reason> {
        if let Some(Verdict::Disabled(reason)) = self.shared.plan.find(entry) {
            return Err(reason);
        }
        let (preparation, closed) = (&self.shared.options.preparation, &self.shared.closed);
        let Some(preparation) = preparation else { return Err(missing) };
        let is_closed = || closed.load(Ordering::Relaxed);
        let compiled = compile(preparation, &self.component, backend.name(), &is_closed);
        compiled.inspect_err(|reason| self.remember(entry, reason))?;
        self.open(backend, entry)
    }

    /// What crashes, hangs or refuses does so again. A compiler that cannot be started may be there the next time, and a disk that is
    /// full may have room.
    fn remember(&self, entry: &Entry, reason: &Reason) {
        if !matches!(reason, Reason::Unavailable(_) | Reason::Compiling | Reason::Failed(_)) {
            self.keep(Entry { verdict: Verdict::Disabled(reason.clone()), ..entry.clone() });
        }
    }

    fn keep(&self, entry: Entry) {
        if let Err(e) = self.shared.plan.keep(entry) {
            log::warn!("what was found out about delegates is not kept: {e}");
        }
    }

    /// As [`Job::try_all`] on a thread of its own, with a time limit, noted in the plan while it lasts: a driver may take the process
    /// with it, or never come back. What hangs keeps its thread, and counts as an attempt that did not end.
    fn open(&self, backend: &Arc<dyn Backend>, entry: &Entry) -> Result<Placement, Reason> {
        let model = self.model()?;
        let compiled = backend.compiled(&self.component);
        let segments: Vec<Segment> = compiled.into_iter().filter(|segment| model.runs(*segment)).collect();
        // It may be dropped from here on.
        drop(model);
        if segments.is_empty() {
            return Err(Reason::NotCompiled);
        }
        self.shared.plan.begin(entry)?;
        let (tell, told) = mpsc::sync_channel(1);
        let (job, own, wanted) = (self.clone(), Arc::clone(backend), entry.clone());
        let thread = std::thread::Builder::new().name("loam-open".to_owned());
        let limit = self.shared.options.open_limit;
        let opened = thread.spawn(move || {
            // Nobody listens any more after the limit.
            let _ = tell.send(job.try_all(&*own, &wanted, segments));
        });
        opened.map_err(|e| Reason::Failed(e.to_string()))?;
        let opened = match told.recv_timeout(limit) {
            Ok(opened) => opened,
            Err(mpsc::RecvTimeoutError::Timeout) => return Err(Reason::OpenedTooLong { seconds: limit.as_secs() }),
            Err(mpsc::RecvTimeoutError::Disconnected) => Err(Reason::Failed("opening it panicked".to_owned())),
        };
        if let Err(e) = self.shared.plan.end(entry) {
            log::warn!("what was found out about delegates is not kept: {e}");
        }
        opened
    }

    /// Opens all graphs that were compiled, runs each once, and keeps those that are good.
    fn try_all(&self, backend: &dyn Backend, entry: &Entry, segments: Vec<Segment>) -> Result<Placement, Reason> {
        let (mut delegates, mut refused) = (Vec::new(), Vec::new());
        for segment in segments {
            let subject = Subject { component: &self.component, fingerprint: &entry.fingerprint, segment };
            match backend.open(&subject) {
                Ok(delegate) => delegates.push((segment, delegate)),
                Err(reason) => refused.push((segment, reason)),
            }
        }
        let segments: Vec<_> = delegates.iter().map(|(segment, _)| *segment).collect();
        let bytes = delegates.iter().map(|(_, delegate)| delegate.bytes()).sum();
        let held = self.shared.holdings.budget(&None).take(bytes);
        let held = held.map_err(|shortage| Reason::Memory { needed: bytes, available: shortage.limit })?;
        let mut placement = Placement::new(backend.name(), delegates, held);
        refused.into_iter().for_each(|(segment, reason)| placement.give_up(segment, reason));
        for segment in segments {
            match self.judge(&placement, segment, entry) {
                Ok((delegate_ms, processor_ms)) => placement.took(segment, delegate_ms, processor_ms),
                Err(reason) => {
                    log::info!("component '{}', {segment} on {}: {reason}", self.component, backend.name());
                    placement.give_up(segment, reason);
                }
            }
        }
        match placement.support() {
            Support::None(reason) => Err(reason),
            Support::Full | Support::Partial(_) => Ok(placement),
        }
    }

    fn model(&self) -> Result<Arc<dyn Placed>, Reason> {
        self.model.upgrade().ok_or_else(|| Reason::Failed("the component was dropped".to_owned()))
    }

    /// A real inference, always; times, of the delegate and of the processor in ms, are measured once per device and versions.
    fn judge(&self, placement: &Placement, segment: Segment, entry: &Entry) -> Result<(f64, f64), Reason> {
        let entry = entry.of_segment(segment);
        let compared: Compared = self.model()?.compare(placement, segment)?;
        let cosine = compared.cosine();
        if cosine < LEAST_COSINE {
            return Err(Reason::Inaccurate { cosine, least: LEAST_COSINE });
        }
        let ratio = compared.ratio();
        if !(1.0 / MOST_RATIO..=MOST_RATIO).contains(&ratio) {
            return Err(Reason::Scale { ratio });
        }
        if let Some(Verdict::Measured { delegate_ms, processor_ms, .. }) = self.shared.plan.find(&entry) {
            return Ok((delegate_ms, processor_ms));
        }
        let (delegate_ms, processor_ms) = (compared.delegate_ms, compared.processor_ms);
        self.keep(Entry { verdict: Verdict::Measured { delegate_ms, processor_ms, cosine }, ..entry });
        Ok((delegate_ms, processor_ms))
    }
}

/// Tells those that wait, also when the thread panics.
struct Ended(Arc<Place>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.end();
    }
}
