//! A component on a delegate: its compiled graphs, adapters as they take them, and what happens when they fail.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

use super::backend::{Delegate, Factors, Support};
use super::options::Preference;
use super::reason::Reason;
use super::segment::Segment;
use crate::budget::Held;
use crate::quant::{Deltas, Identity};

/// Adapters that are kept as a delegate takes them: some bytes per parameter each.
const KEPT: usize = 4;
/// Failures in a row after which a delegate is left alone.
const FAILURES: u32 = 3;

/// The compiled graphs of a component on one backend.
#[derive(Debug)]
pub struct Placement {
    backend: String,
    seats: Vec<Seat>,
    /// Graphs that were compiled and are not used.
    given_up: Vec<(Segment, Reason)>,
    adapted: Mutex<VecDeque<Adapted>>,
    failures: AtomicU32,
    _held: Held,
}

/// A graph that is ready.
#[derive(Debug)]
struct Seat {
    segment: Segment,
    delegate: Box<dyn Delegate>,
    /// Median times of the delegate and of the processor, in ms; `None` until it was judged.
    times: Option<(f64, f64)>,
}

/// What one run of a graph took on sample data, median of several.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Timing {
    /// The graph's name, such as `text-64`.
    pub segment: String,
    /// The delegate's time in ms.
    pub delegate_ms: f64,
    /// The processor's time in ms.
    pub processor_ms: f64,
}

/// An adapter for one graph, or why it cannot be given to it.
#[derive(Debug)]
struct Adapted {
    segment: Segment,
    adapter: Option<Identity>,
    factors: Result<Factors, Reason>,
}

impl Seat {
    /// Why the processor runs it where the times decide.
    fn slower(&self) -> Option<Reason> {
        let (delegate_ms, processor_ms) = self.times.filter(|(delegate, processor)| delegate > processor)?;
        Some(Reason::Slower { delegate_ms, processor_ms })
    }
}

impl Placement {
    /// Graphs that are ready; `held` counts their bytes.
    #[must_use]
    pub fn new(backend: &str, delegates: Vec<(Segment, Box<dyn Delegate>)>, held: Held) -> Self {
        let seat = |(segment, delegate)| Seat { segment, delegate, times: None };
        let mut seats: Vec<Seat> = delegates.into_iter().map(seat).collect();
        seats.sort_by_key(|seat| seat.segment);
        Self {
            backend: backend.to_owned(),
            seats,
            given_up: Vec::new(),
            adapted: Mutex::default(),
            failures: AtomicU32::new(0),
            _held: held,
        }
    }

    /// As traces name it.
    #[must_use]
    pub fn backend(&self) -> &str {
        &self.backend
    }

    /// Does without a graph that was compiled.
    pub fn give_up(&mut self, segment: Segment, reason: Reason) {
        self.seats.retain(|seat| seat.segment != segment);
        self.given_up.push((segment, reason));
    }

    /// Why there is no graph that `fits` says yes to: what is wrong with one that was compiled, else `absent`.
    #[must_use]
    pub fn lack(&self, fits: impl Fn(&Segment) -> bool, absent: Reason) -> Reason {
        let known = self.given_up.iter().find(|(segment, _)| fits(segment));
        known.map_or(absent, |(_, reason)| reason.clone())
    }

    /// How much of the component the delegate runs: all of each graph that was compiled, or less, for the first reason.
    #[must_use]
    pub fn support(&self) -> Support {
        let divided = self.seats.iter().find_map(|seat| match seat.delegate.support() {
            Support::Full => None,
            Support::Partial(reason) | Support::None(reason) => Some(reason),
        });
        let given_up = self.given_up.first().map(|(_, reason)| reason.clone());
        match (self.seats.is_empty(), given_up.or(divided)) {
            (false, None) => Support::Full,
            (false, Some(reason)) => Support::Partial(reason),
            (true, reason) => Support::None(reason.unwrap_or(Reason::NotCompiled)),
        }
    }

    /// Notes what a graph takes on the delegate and on the processor, in ms.
    pub fn took(&mut self, segment: Segment, delegate_ms: f64, processor_ms: f64) {
        let seat = self.seats.iter_mut().find(|seat| seat.segment == segment);
        seat.into_iter().for_each(|seat| seat.times = Some((delegate_ms, processor_ms)));
    }

    /// What was measured, the graph of the fewest tokens first.
    #[must_use]
    pub fn timings(&self) -> Vec<Timing> {
        let timing = |seat: &Seat| {
            let (delegate_ms, processor_ms) = seat.times?;
            Some(Timing { segment: seat.segment.to_string(), delegate_ms, processor_ms })
        };
        self.seats.iter().filter_map(timing).collect()
    }

    /// Succeeds while the delegate is asked.
    ///
    /// # Errors
    /// [`Reason::Failed`] once it is left alone; [`Reason::Slower`] where the processor is faster at every graph, unless delegates
    /// are preferred to what is faster.
    pub fn serves(&self, preference: Preference) -> Result<(), Reason> {
        self.check_failures()?;
        let taken = self.seats.iter().any(|seat| seat.slower().is_none());
        match (self.seats.first().and_then(Seat::slower), preference) {
            (Some(slower), Preference::Measured) if !taken => Err(slower),
            _ => Ok(()),
        }
    }

    fn check_failures(&self) -> Result<(), Reason> {
        match self.failures.load(Ordering::Relaxed) {
            FAILURES.. => Err(Reason::Failed(format!("{FAILURES} times in a row"))),
            _ => Ok(()),
        }
    }

    /// The graphs, the one of the fewest tokens first.
    pub fn segments(&self) -> impl Iterator<Item = Segment> + '_ {
        self.seats.iter().map(|seat| seat.segment)
    }

    /// The first graph that `fits` says yes to; `None` where there is none.
    ///
    /// # Errors
    /// [`Reason::Slower`], unless delegates are preferred to what is faster.
    pub fn choose(&self, preference: Preference, fits: impl Fn(&Segment) -> bool) -> Result<Option<Segment>, Reason> {
        let seat = self.seats.iter().find(|seat| fits(&seat.segment));
        match (seat.and_then(Seat::slower), preference) {
            (Some(slower), Preference::Measured) => Err(slower),
            _ => Ok(seat.map(|seat| seat.segment)),
        }
    }

    /// The graph.
    #[must_use]
    pub fn delegate(&self, segment: Segment) -> Option<&dyn Delegate> {
        self.seats.iter().find(|seat| seat.segment == segment).map(|seat| &*seat.delegate)
    }

    /// Runs a graph on the values of all inputs but an adapter's factors.
    ///
    /// # Errors
    /// [`Reason`]. After three failures in a row no run is tried any more.
    pub fn run(&self, segment: Segment, data: &[&[f32]], deltas: Option<&Deltas>) -> Result<Vec<Vec<f32>>, Reason> {
        let delegate = self.delegate(segment).ok_or(Reason::NotCompiled)?;
        self.check_failures()?;
        let factors = self.factors(segment, delegate, deltas)?;
        let outputs = delegate.run(data, &factors).and_then(|outputs| {
            let named = delegate.signature().outputs.iter().zip(&outputs);
            match named.into_iter().find(|(_, values)| !values.iter().all(|value| value.is_finite())) {
                Some((output, _)) => Err(Reason::NotFinite { tensor: output.name.clone() }),
                None => Ok(outputs),
            }
        });
        match &outputs {
            Ok(_) => self.failures.store(0, Ordering::Relaxed),
            Err(Reason::Failed(_) | Reason::NotFinite { .. }) => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
            // The input's or the adapter's doing.
            Err(_) => {}
        }
        outputs
    }

    fn factors(&self, segment: Segment, delegate: &dyn Delegate, deltas: Option<&Deltas>) -> Result<Factors, Reason> {
        let adapter = deltas.map(|deltas| deltas.identity);
        let mut kept = self.adapted.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = kept.iter().position(|known| known.segment == segment && known.adapter == adapter) {
            let known = kept.remove(at).expect("invariant: it was found there");
            let factors = known.factors.clone();
            kept.push_back(known);
            return factors;
        }
        let factors = delegate.signature().factors(deltas).map_err(Reason::from);
        let factors = factors.and_then(|factors| delegate.adapt(&factors));
        if kept.len() >= KEPT * self.seats.len() {
            kept.pop_front();
        }
        kept.push_back(Adapted { segment, adapter, factors: factors.clone() });
        factors
    }
}
