//! What an engine and its apps are doing, and what apps may ask for.

use loam::engine;

use crate::conditions::Conditions;
use crate::engine::ProcessMemory;

/// What one app may ask for and hold. A request beyond the first three is refused ([`crate::LoamError::Refused`], whose reason
/// names the quota).
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Quotas {
    /// Requests that run at a time; further ones wait.
    #[uniffi(default = 8)]
    pub running: u32,
    /// Requests that wait at a time; further ones are refused.
    #[uniffi(default = 32)]
    pub waiting: u32,
    /// Tokens, of prompts and answers, that may be asked for in a minute; so many at once, too.
    #[uniffi(default = 100000)]
    pub tokens_per_minute: u64,
    /// Adapters that are installed; further ones are refused.
    #[uniffi(default = 64)]
    pub adapters: u32,
    /// Bytes of their matrices, those that are asleep included.
    #[uniffi(default = 536870912)]
    pub adapter_bytes: u64,
    /// Conversations at rest that keep their memory; beyond these, the one that rests longest gives it back.
    #[uniffi(default = 32)]
    pub contexts: u32,
    /// Bytes of keys and values and of adapters, in memory at a time.
    #[uniffi(default = 1073741824)]
    pub bytes: u64,
}

impl Default for Quotas {
    fn default() -> Self {
        engine::Quotas::default().into()
    }
}

/// A count as it crosses: more than there can be for one that is too large.
fn count(value: usize) -> u32 {
    u32::try_from(value).unwrap_or(u32::MAX)
}

impl From<engine::Quotas> for Quotas {
    fn from(quotas: engine::Quotas) -> Self {
        let engine::Quotas { running, waiting, tokens_per_minute, adapters, adapter_bytes, contexts, bytes } = quotas;
        Self {
            running: count(running),
            waiting: count(waiting),
            tokens_per_minute,
            adapters: count(adapters),
            adapter_bytes,
            contexts: count(contexts),
            bytes,
        }
    }
}

impl Quotas {
    pub(crate) fn core(self) -> engine::Quotas {
        let Self { running, waiting, tokens_per_minute, adapters, adapter_bytes, contexts, bytes } = self;
        engine::Quotas {
            running: running as usize,
            waiting: waiting as usize,
            tokens_per_minute,
            adapters: adapters as usize,
            adapter_bytes,
            contexts: contexts as usize,
            bytes,
        }
    }
}

/// What was done for an app, since the engine was opened.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct AppCounters {
    /// Requests that were taken.
    pub requests: u64,
    /// Requests that were refused, for a quota or after their patience.
    pub refused: u64,
    /// Requests that ended, stopped ones included.
    pub finished: u64,
    /// Of these, those that were stopped, or ran out of time.
    pub stopped: u64,
    /// Requests that failed.
    pub failed: u64,
    /// Tokens of prompts.
    pub prompt_tokens: u64,
    /// Of these, tokens whose keys and values were at hand.
    pub cached_tokens: u64,
    /// Tokens generated.
    pub generated_tokens: u64,
    /// Rows of passes: what shares are counted in.
    pub rows: u64,
    /// Encoder runs.
    pub encoded: u64,
    /// Time that these took, in ms.
    pub encoder_ms: f64,
    /// Times that keys and values were given up for older requests, and computed again.
    pub preempted: u64,
}

impl From<engine::AppCounters> for AppCounters {
    fn from(counters: engine::AppCounters) -> Self {
        Self {
            requests: counters.requests,
            refused: counters.refused,
            finished: counters.finished,
            stopped: counters.stopped,
            failed: counters.failed,
            prompt_tokens: counters.prompt_tokens,
            cached_tokens: counters.cached_tokens,
            generated_tokens: counters.generated_tokens,
            rows: counters.rows,
            encoded: counters.encoded,
            encoder_ms: counters.encoder_ms,
            preempted: counters.preempted,
        }
    }
}

/// What one app is doing, and what was done for it.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct AppStatus {
    /// Its name in the engine, which in a service begins with its user; absent for requests of nobody's.
    pub app: Option<String>,
    /// Requests that wait.
    pub waiting: u64,
    /// Requests that run.
    pub running: u64,
    /// Bytes of its keys, values and adapters.
    pub bytes: u64,
    /// What was done for it.
    pub counters: AppCounters,
    /// What it may ask for and hold; absent for requests of nobody's.
    pub quotas: Option<Quotas>,
}

impl From<engine::AppStatus> for AppStatus {
    fn from(status: engine::AppStatus) -> Self {
        Self {
            app: status.app,
            waiting: status.waiting as u64,
            running: status.running as u64,
            bytes: status.bytes,
            counters: status.counters.into(),
            quotas: status.quotas.map(Into::into),
        }
    }
}

/// Bytes that are held beside running requests.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct HeldBytes {
    /// Keys and values of prompts that may come again. Conversations may share them.
    pub prefixes: u64,
    /// Conversations at rest, in memory.
    pub resting: u64,
    /// Matrices of adapters.
    pub adapters: u64,
}

/// What an engine is doing, and has done since it was opened.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct EngineStatus {
    /// Apps that have asked for something.
    pub apps: Vec<AppStatus>,
    /// Requests that wait.
    pub waiting: u64,
    /// Requests that run.
    pub running: u64,
    /// Encoder runs that wait for their turn.
    pub encoders_waiting: u64,
    /// Passes of the language model.
    pub steps: u64,
    /// Time that they took, in ms.
    pub step_ms: f64,
    /// What is held beside running requests.
    pub held: HeldBytes,
    /// Bytes of keys and values, adapters and weights that are packed in memory.
    pub used: u64,
    /// How many of these there may be; absent for as many as the device has.
    pub budget: Option<u64>,
    /// Memory of the engine's process, where the system tells.
    pub process: Option<ProcessMemory>,
    /// Names of loaded components.
    pub components: Vec<String>,
    /// Backend and instruction set, such as `cpu/neon`.
    pub backend: String,
    /// What it was told of the device.
    pub conditions: Conditions,
}

impl From<engine::EngineStatus> for EngineStatus {
    fn from(status: engine::EngineStatus) -> Self {
        let engine::HeldBytes { prefixes, resting, adapters } = status.held;
        Self {
            apps: status.apps.into_iter().map(Into::into).collect(),
            waiting: status.waiting as u64,
            running: status.running as u64,
            encoders_waiting: status.encoders_waiting as u64,
            steps: status.steps,
            step_ms: status.step_ms,
            held: HeldBytes { prefixes, resting, adapters },
            used: status.used,
            budget: status.budget,
            process: status.process.map(Into::into),
            components: status.components,
            backend: status.backend,
            conditions: status.conditions.into(),
        }
    }
}
