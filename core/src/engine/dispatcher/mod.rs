//! Brings components to delegates while the processor serves, and remembers what that taught.

mod compare;
mod compiler;
mod prepare;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};

use serde::{Deserialize, Serialize};

use super::holdings::Holdings;
use super::trace::Part;
use crate::dispatch::{DispatchOptions, FirstUse, Place, Plan, Preference, Reason, Support, Timing};
use crate::foundation::Component;

pub(super) use compare::{Compared, Placed, any_values, median_ms};
use prepare::Job;

/// What all threads that prepare share.
#[derive(Debug)]
struct Shared {
    options: DispatchOptions,
    plan: Plan,
    holdings: Arc<Holdings>,
    /// The engine goes: compilers are ended.
    closed: AtomicBool,
}

/// Brings components to delegates.
#[derive(Debug)]
pub(super) struct Dispatcher {
    shared: Arc<Shared>,
    /// By component; a recogniser and the encoder around the same weights have one each.
    places: Mutex<BTreeMap<String, Vec<Weak<Place>>>>,
    /// The device's conditions prefer delegates.
    spared: AtomicBool,
}

/// Where a loaded component runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PlaceStatus {
    /// Its name.
    pub component: String,
    /// The delegate; `None` for the processor.
    pub backend: Option<String>,
    /// Why it is the processor, where delegates were asked.
    pub reason: Option<Reason>,
    /// How much of it the delegate that was tried runs.
    pub support: Support,
    /// What its graphs took on the delegate that was tried and on the processor; none before that.
    #[serde(default)]
    pub times: Vec<Timing>,
}

impl Dispatcher {
    pub(super) fn new(options: DispatchOptions, holdings: Arc<Holdings>) -> Self {
        let plan = Plan::open(options.plan.clone());
        let shared = Arc::new(Shared { options, plan, holdings, closed: AtomicBool::new(false) });
        Self { shared, places: Mutex::default(), spared: AtomicBool::new(false) }
    }

    /// Begins to prepare delegates for a component that was loaded, once; waits for them where the options say so.
    pub(super) fn begin<T: Placed + 'static>(&self, component: &Component, part: &Part, model: &Arc<T>) {
        if self.shared.options.backends.is_empty() {
            return;
        }
        if part.place.begin(self.shared.options.strictness) {
            self.start(component, part, model);
        }
        match self.shared.options.first_use {
            FirstUse::Served => {}
            FirstUse::Waits => part.place.wait(),
        }
    }

    fn start<T: Placed + 'static>(&self, component: &Component, part: &Part, model: &Arc<T>) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        part.place.prefer(self.preference());
        let own = places.entry(component.name().to_owned()).or_default();
        own.retain(|place| place.strong_count() > 0);
        own.push(Arc::downgrade(&part.place));
        drop(places);
        let job = Job {
            shared: Arc::clone(&self.shared),
            component: component.name().to_owned(),
            place: Arc::clone(&part.place),
            model: Arc::downgrade(model) as Weak<dyn Placed>,
        };
        match component.fingerprint() {
            Ok(fingerprint) => job.start(fingerprint.to_owned()),
            Err(e) => {
                part.place.stay(Reason::Failed(e.to_string()));
                part.place.end();
            }
        }
    }

    /// What decides now: delegates are preferred where the options say so, and while the device's conditions do.
    fn preference(&self) -> Preference {
        let spared = self.spared.load(Ordering::Relaxed);
        if spared { Preference::Delegate } else { self.shared.options.preference }
    }

    /// What the device's conditions ask for, from the next request on.
    pub(super) fn prefer(&self, preference: Preference) {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        self.spared.store(preference == Preference::Delegate, Ordering::Relaxed);
        places.values().flatten().filter_map(Weak::upgrade).for_each(|place| place.prefer(self.preference()));
    }

    /// Waits until the delegates of a component that was loaded are ready, or are given up.
    pub(super) fn wait(&self, component: &str) {
        let known = self.places.lock().unwrap_or_else(PoisonError::into_inner).get(component).cloned();
        // Unlocked: others may be loaded meanwhile.
        known.into_iter().flatten().filter_map(|place| place.upgrade()).for_each(|place| place.wait());
    }

    pub(super) fn status(&self) -> Vec<PlaceStatus> {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let status = places.iter().filter_map(|(name, places)| {
            let status = places.iter().filter_map(Weak::upgrade).map(|place| status_of(name, &place));
            // A delegate for one of them is the one that was meant.
            status.reduce(|first, other| if first.backend.is_some() { first } else { other })
        });
        status.collect()
    }
}

/// Where the component `name` runs, as `place` has it.
fn status_of(name: &str, place: &Place) -> PlaceStatus {
    let component = name.to_owned();
    let placement = match place.delegate() {
        Ok(placement) => placement,
        Err(reason) => {
            let support = Support::None(reason.clone().unwrap_or(Reason::NotCompiled));
            return PlaceStatus { component, backend: None, reason, support, times: Vec::new() };
        }
    };
    let (support, times) = (placement.support(), placement.timings());
    match placement.serves(place.preference()) {
        Ok(()) => {
            PlaceStatus { component, backend: Some(placement.backend().to_owned()), reason: None, support, times }
        }
        Err(reason) => PlaceStatus { component, backend: None, reason: Some(reason), support, times },
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.shared.closed.store(true, Ordering::Relaxed);
    }
}
