//! What an engine is doing, for people and for `loam top`.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::holdings::HeldBytes;
use super::memory::ProcessMemory;
use super::schedule::{AppCounters, Caller, Quotas};
use super::{Engine, Turn};
use crate::dispatch::Conditions;
use crate::error::Result;
use crate::quant::kernels;

/// What an engine is doing, and has done since it was opened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct EngineStatus {
    /// Apps that have asked for something, by name; the engine's owner has none.
    pub apps: Vec<AppStatus>,
    /// Requests that wait and that run.
    pub waiting: usize,
    /// See [`EngineStatus::waiting`].
    pub running: usize,
    /// Encoder runs that wait for their turn.
    pub encoders_waiting: usize,
    /// Passes of the language model.
    pub steps: u64,
    /// Time that they took, in ms.
    pub step_ms: f64,
    /// Bytes that are held beside running requests.
    pub held: HeldBytes,
    /// Bytes of keys and values, adapters and weights that are packed in memory, and how many there may be; `None` for as many as
    /// the device has.
    pub used: u64,
    /// See [`EngineStatus::used`].
    pub budget: Option<u64>,
    /// Memory of the process, where the system tells.
    pub process: Option<ProcessMemory>,
    /// Names of loaded components.
    pub components: Vec<String>,
    /// The backend and its instruction set.
    pub backend: String,
    /// What it was told of the device.
    #[serde(default)]
    pub conditions: Conditions,
}

/// One app's part.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct AppStatus {
    /// Its name; `None` for the engine's owner.
    pub app: Option<String>,
    /// Requests that wait.
    pub waiting: usize,
    /// Requests that run.
    pub running: usize,
    /// Bytes of its keys, values and adapters.
    pub bytes: u64,
    /// What was done for it.
    pub counters: AppCounters,
    /// What it may ask for and hold; none for the engine's owner.
    pub quotas: Option<Quotas>,
}

impl Engine {
    /// What the engine is doing. Costs a few microseconds per app.
    #[must_use]
    pub fn status(&self) -> EngineStatus {
        let load = self.scheduler.load();
        let whole = self.holdings.budget(&None);
        let apps: Vec<AppStatus> = load.apps.into_iter().map(|(app, counters)| self.status_of(app, counters)).collect();
        EngineStatus {
            waiting: apps.iter().map(|app| app.waiting).sum(),
            running: apps.iter().map(|app| app.running).sum(),
            apps,
            encoders_waiting: self.scheduler.encoders_waiting(),
            steps: load.steps,
            step_ms: load.step_ms,
            held: self.held(),
            used: whole.used(),
            budget: Some(whole.limit()).filter(|limit| *limit < u64::MAX),
            process: ProcessMemory::now(),
            components: self.loaded().into_iter().map(|component| component.name).collect(),
            backend: format!("cpu/{}", kernels().name),
            conditions: self.conditions(),
        }
    }

    /// What the engine is doing for the app `id` alone.
    #[must_use]
    pub fn usage(&self, id: &str) -> AppStatus {
        let app: Option<Arc<str>> = Some(Arc::from(id));
        let counters = self.scheduler.load().apps.remove(&app).unwrap_or_default();
        self.status_of(app, counters)
    }

    fn status_of(&self, app: Option<Arc<str>>, counters: AppCounters) -> AppStatus {
        let (waiting, running) = self.scheduler.at_work(app.as_ref());
        AppStatus {
            waiting,
            running,
            bytes: self.holdings.budget(&app).used(),
            counters,
            quotas: app.as_ref().map(|app| self.scheduler.quotas(app)),
            app: app.as_deref().map(str::to_owned),
        }
    }

    /// Keeps the latest `capacity` passes, encoder runs and requests for [`Engine::timeline`], from now on; none, if that is 0.
    pub fn record(&self, capacity: usize) {
        self.scheduler.record(capacity);
    }

    /// What was recorded, as trace events that Perfetto and `chrome://tracing` show.
    #[must_use]
    pub fn timeline(&self) -> String {
        self.scheduler.timeline()
    }

    /// Waits for a turn to run an encoder on behalf of `caller`: of the apps that wait, the one that has had the least time is
    /// next. Held while the encoder runs, and not while a text is generated.
    ///
    /// # Errors
    /// [`crate::Error::Refused`] beyond a quota of the caller's, after its patience, or for background work on a device that is to be
    /// spared.
    pub fn turn(&self, caller: &Caller) -> Result<Turn<'_>> {
        self.turn_unless(caller, &|| false)
    }

    /// As [`Engine::turn`], for as long as `is_stopped` says no, which is asked every 20 ms.
    ///
    /// # Errors
    /// As [`Engine::turn`]; [`crate::Error::Refused`] when it was stopped.
    pub fn turn_unless(&self, caller: &Caller, is_stopped: &dyn Fn() -> bool) -> Result<Turn<'_>> {
        self.scheduler.turn(caller, is_stopped)
    }
}
