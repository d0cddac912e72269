//! What ran for a result: components, backends, time and bytes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use serde::{Deserialize, Serialize};

use crate::adapter::{Adapter, DataPath};
use crate::dispatch::{Place, Ran, Reason, Strictness};
use crate::error::{Error, Result};
use crate::quant::{Deltas, kernels};

/// Proof of what a result took: a component that is not listed was neither loaded nor run for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trace {
    /// Parts of the foundation that the task runs.
    pub path: DataPath,
    /// Components in the order in which they ran.
    pub steps: Vec<Step>,
}

/// One component's share of a result.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Step {
    /// Its name in the foundation.
    pub component: String,
    /// The backend and its instruction set, such as `cpu/avx512`.
    pub backend: String,
    /// Time that it ran, in ms.
    pub ms: f64,
    /// Bytes of the weight files that it maps.
    pub bytes: u64,
    /// Whether it had been dropped, and was loaded again for this.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reloaded: bool,
    /// Why some or all of it ran on the processor, where a delegate was to run it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fallback: Option<Reason>,
}

impl Trace {
    /// A trace of these steps.
    #[must_use]
    pub fn new(path: DataPath, steps: Vec<Step>) -> Self {
        Self { path, steps }
    }

    /// Components and backends in one line, such as `text on cpu/avx512`.
    #[must_use]
    pub fn summary(&self) -> String {
        let steps: Vec<String> = self.steps.iter().map(|s| format!("{} on {}", s.component, s.backend)).collect();
        steps.join(", ")
    }
}

/// Why a component is loaded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loading {
    /// For the first time.
    First,
    /// It had been dropped.
    Again,
}

/// Identity of a loaded component, as traces name it.
#[derive(Clone, Debug)]
pub struct Part {
    /// Its name in the foundation.
    pub name: String,
    /// Bytes of the weight files that it maps.
    pub bytes: u64,
    /// It came back, and no step has told yet.
    news: Arc<AtomicBool>,
    /// Where it runs.
    pub(crate) place: Arc<Place>,
}

impl Part {
    /// A component that is being loaded.
    #[must_use]
    pub fn new(name: &str, bytes: u64, loading: Loading) -> Self {
        let news = Arc::new(AtomicBool::new(loading == Loading::Again));
        Self { name: name.to_owned(), bytes, news, place: Arc::default() }
    }

    /// A part of this component, such as the tower of a vision-language model.
    #[must_use]
    pub(crate) fn within(&self, name: &str) -> Self {
        Self { name: format!("{}/{name}", self.name), place: Arc::default(), ..self.clone() }
    }

    /// The changes of an adapter, which must be one of this component.
    ///
    /// # Errors
    /// [`Error::Adapter`] for an adapter of another one, whose changes would fall on the wrong layers.
    pub fn deltas<'a>(&self, adapter: Option<&'a Adapter>) -> Result<Option<&'a Deltas>> {
        let Some(adapter) = adapter else { return Ok(None) };
        let component = &adapter.package.task().component;
        if *component != self.name {
            let reason = format!("it acts on '{component}', '{}' runs", self.name);
            return Err(Error::adapter(&adapter.alias, reason));
        }
        Ok(Some(&adapter.bound.deltas))
    }

    /// Succeeds when `what`, a result, is finite: damaged weights show there, and nothing compares with NaN.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the component and the value.
    pub(crate) fn check_finite(&self, what: &str, values: &[f32]) -> Result<()> {
        match values.iter().position(|value| !value.is_finite()) {
            None => Ok(()),
            Some(at) => {
                let reason = format!("they make {what} whose value {at} is {}; verify the files", values[at]);
                Err(Error::malformed(format!("component '{}'", self.name), "weights", reason))
            }
        }
    }

    /// The step of a run on the CPU that began at `start` and ends now.
    #[must_use]
    pub fn step(&self, start: Instant) -> Step {
        Step {
            component: self.name.clone(),
            backend: format!("cpu/{}", kernels().name),
            ms: start.elapsed().as_secs_f64() * 1e3,
            bytes: self.bytes,
            reloaded: self.news.swap(false, Ordering::Relaxed),
            fallback: None,
        }
    }

    /// What becomes of a reason to run on the processor: each new kind is logged.
    ///
    /// # Errors
    /// [`Error::Delegate`] where the engine is strict.
    pub(crate) fn fall_back(&self, reason: Reason) -> Result<Ran> {
        match self.place.strictness() {
            Strictness::Fallback => {
                if self.place.is_news(&reason) {
                    log::warn!("component '{}' runs on the processor: {reason}", self.name);
                }
                Ok(Ran::on_processor(Some(reason)))
            }
            Strictness::Strict => Err(Error::Delegate { component: self.name.clone(), reason: reason.to_string() }),
        }
    }
}

impl Step {
    /// With what made its result.
    #[must_use]
    pub(crate) fn on(mut self, ran: Ran) -> Self {
        if let Some(backend) = ran.backend {
            self.backend = match ran.reason {
                None => backend,
                Some(_) => format!("{backend}, {}", self.backend),
            };
        }
        self.fallback = ran.reason;
        self
    }
}
