//! Bytes of anonymous memory that may be held: keys and values, adapters, activations. Weights are files, and not counted.
//!
//! A budget may be part of another one, as an app's is of the engine's. Whoever takes from the outermost one also leaves the
//! device some memory, so that the system has no reason to end the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::arena;
use crate::error::Error;

/// Bytes that are taken between two looks at what the device has left.
const GLANCE: u64 = 8 << 20;

/// Whose limit a shortage is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// An app's share.
    App,
    /// The budget of the engine.
    Engine,
    /// What the device has left.
    Device,
}

/// There is not enough.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shortage {
    /// Whose limit it is.
    pub scope: Scope,
    /// Bytes that were asked for, with those that are held.
    pub needed: u64,
    /// Bytes that there may be.
    pub limit: u64,
}

impl Shortage {
    /// The error of whoever cannot go on without.
    #[must_use]
    pub fn error(self, what: &str) -> Error {
        let what = match self.scope {
            Scope::App => format!("{what} of the app"),
            Scope::Engine => what.to_owned(),
            Scope::Device => format!("{what}, on a device that has little memory left"),
        };
        Error::Memory { what, needed: self.needed, limit: self.limit }
    }
}

/// What a budget may hold.
#[derive(Clone, Copy, Debug)]
pub struct MemoryLimits {
    /// Bytes of keys and values, adapters and activations of an engine; `None` bounds them by the device alone.
    pub budget: Option<u64>,
    /// Bytes of the budget that keys and values of prompts may take which nobody uses, and which may come again.
    pub prefix: u64,
    /// Bytes that the device is to have left.
    pub reserve: u64,
    /// How many bytes the device has left; `None` where it does not tell.
    pub available: fn() -> Option<u64>,
}

impl Default for MemoryLimits {
    /// No budget, 64 MiB for prefixes, 64 MiB for the device as [`available_memory`] has it.
    fn default() -> Self {
        Self { budget: None, prefix: 64 << 20, reserve: 64 << 20, available: available_memory }
    }
}

/// Bytes that may be taken before the system runs out: what Linux calls available, or what is left of the process's group
/// where that is less. `None` on systems without `/proc`.
#[must_use]
pub fn available_memory() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("MemAvailable:"))?;
    let kib: u64 = line.split_whitespace().nth(1)?.parse().ok()?;
    let group = |name: &str| -> Option<u64> {
        std::fs::read_to_string(format!("/sys/fs/cgroup/{name}")).ok()?.trim().parse().ok()
    };
    // Without a limit the first holds a word, and not a number.
    let left = group("memory.max").zip(group("memory.current")).map(|(most, used)| most.saturating_sub(used));
    Some((kib * 1024).min(left.unwrap_or(u64::MAX)))
}

/// A bound on what is held, and what is.
#[derive(Debug)]
pub struct Budget {
    limit: AtomicU64,
    used: AtomicU64,
    above: Above,
}

/// What a budget is part of.
#[derive(Debug)]
enum Above {
    Budget(Arc<Budget>),
    Device {
        reserve: u64,
        available: fn() -> Option<u64>,
        /// Bytes that may still be taken before the next look.
        credit: AtomicU64,
    },
}

impl Budget {
    /// The budget of an engine.
    #[must_use]
    pub fn new(limits: &MemoryLimits) -> Arc<Self> {
        let above =
            Above::Device { reserve: limits.reserve, available: limits.available, credit: AtomicU64::default() };
        Arc::new(Self { limit: limits.budget.unwrap_or(u64::MAX).into(), used: AtomicU64::default(), above })
    }

    /// A part of this one, of `limit` bytes.
    #[must_use]
    pub fn part(self: &Arc<Self>, limit: u64) -> Arc<Self> {
        Arc::new(Self { limit: limit.into(), used: AtomicU64::default(), above: Above::Budget(Arc::clone(self)) })
    }

    /// Changes its limit, for what is taken from now on.
    pub fn set_limit(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Bytes that it may hold.
    #[must_use]
    pub fn limit(&self) -> u64 {
        self.limit.load(Ordering::Relaxed)
    }

    /// Bytes that are taken, activations left out.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// Takes `bytes` until the result is dropped.
    ///
    /// # Errors
    /// [`Shortage`] when this budget, one that it is part of, or the device has not so many; nothing is taken then.
    pub fn take(self: &Arc<Self>, bytes: u64) -> Result<Held, Shortage> {
        self.add(bytes)?;
        Ok(Held { budget: Arc::clone(self), bytes })
    }

    fn add(&self, bytes: u64) -> Result<(), Shortage> {
        let (scope, others) = match &self.above {
            Above::Budget(_) => (Scope::App, 0),
            // Activations are of no app.
            Above::Device { .. } => (Scope::Engine, arena::bytes()),
        };
        let limit = self.limit();
        let sum = |used: u64| used.checked_add(bytes)?.checked_add(others);
        let fits = |used: u64| sum(used).filter(|sum| *sum <= limit).and(used.checked_add(bytes));
        self.used.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fits).map_err(|used| Shortage {
            scope,
            needed: sum(used).unwrap_or(u64::MAX),
            limit,
        })?;
        let above = match &self.above {
            Above::Budget(above) => above.add(bytes),
            Above::Device { reserve, available, credit } => device(bytes, *reserve, *available, credit),
        };
        above.inspect_err(|_| {
            self.used.fetch_sub(bytes, Ordering::Relaxed);
        })
    }

    fn give_back(&self, bytes: u64) {
        self.used.fetch_sub(bytes, Ordering::Relaxed);
        if let Above::Budget(above) = &self.above {
            above.give_back(bytes);
        }
    }

    /// Asks whether the device has `bytes` more, without taking them: for whoever is about to need them all at once.
    ///
    /// # Errors
    /// [`Shortage`] of the device.
    pub fn look(&self, bytes: u64) -> Result<(), Shortage> {
        match &self.above {
            Above::Budget(above) => above.look(bytes),
            Above::Device { reserve, available, .. } => device(bytes, *reserve, *available, &AtomicU64::new(0)),
        }
    }
}

/// Whether the device has `bytes` more; asked anew when `credit` is used up.
fn device(bytes: u64, reserve: u64, available: fn() -> Option<u64>, credit: &AtomicU64) -> Result<(), Shortage> {
    let spend = |credit: u64| credit.checked_sub(bytes);
    if credit.fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend).is_ok() {
        return Ok(());
    }
    let Some(left) = available().map(|left| left.saturating_sub(reserve)) else { return Ok(()) };
    if bytes > left {
        credit.store(0, Ordering::Relaxed);
        return Err(Shortage { scope: Scope::Device, needed: bytes, limit: left });
    }
    credit.store((left - bytes).min(GLANCE), Ordering::Relaxed);
    Ok(())
}

/// Bytes that are taken from a budget, until this is dropped.
#[derive(Debug)]
pub struct Held {
    budget: Arc<Budget>,
    bytes: u64,
}

impl Held {
    /// How many.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.budget.give_back(self.bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn roomy() -> Option<u64> {
        Some(1 << 40)
    }

    fn limits(budget: u64, available: fn() -> Option<u64>) -> MemoryLimits {
        MemoryLimits { budget: Some(budget), reserve: 100, available, ..MemoryLimits::default() }
    }

    #[test]
    fn a_part_takes_from_the_whole_and_gives_it_back() {
        // Other tests of this process hold activations.
        let base = 1 << 40;
        let whole = Budget::new(&limits(base, roomy));
        let (a, b) = (whole.part(600), whole.part(600));
        let first = a.take(500).expect("there is room");
        assert_eq!((a.used(), b.used(), whole.used(), first.bytes()), (500, 0, 500, 500));
        let refused = a.take(101).expect_err("more than its part");
        assert_eq!(refused, Shortage { scope: Scope::App, needed: 601, limit: 600 });
        let second = b.take(100).expect("there is room");
        whole.set_limit(600);
        let refused = b.take(1).expect_err("more than the whole");
        assert_eq!((refused.scope, refused.limit), (Scope::Engine, 600));
        assert_eq!((b.used(), whole.used()), (100, 600), "nothing is taken by a refusal");
        assert!(a.take(u64::MAX).is_err());
        drop(first);
        whole.set_limit(base);
        b.take(500).expect("what was given back");
        drop(second);
        assert_eq!((a.used(), b.used(), whole.used()), (0, 0, 0));
    }

    #[test]
    fn the_device_keeps_its_reserve() {
        let whole = Budget::new(&limits(u64::MAX, || Some(1100)));
        assert_eq!(
            whole.take(1001).expect_err("into the reserve"),
            Shortage { scope: Scope::Device, needed: 1001, limit: 1000 }
        );
        whole.take(1000).expect("all but the reserve");
        assert!(whole.look(1001).is_err() && whole.look(1000).is_ok());
        let silent = Budget::new(&limits(u64::MAX, || None));
        silent.take(1 << 50).expect("a device that tells nothing forbids nothing");
        let error = whole.part(5).take(6).expect_err("too much").error("keys and values").to_string();
        assert_eq!(error, "'keys and values of the app' needs 6 bytes, the budget is 5");
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn the_system_tells_what_is_left() {
        let left = available_memory().expect("/proc/meminfo");
        assert!(left > 1 << 20, "{left}");
    }
}
