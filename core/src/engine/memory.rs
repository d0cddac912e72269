//! What the process holds, as the operating system counts it.

use serde::{Deserialize, Serialize};

use crate::arena;

/// Memory and page faults of this process. Absent where the system does not tell (it is read from `/proc`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessMemory {
    /// Memory that only this process holds and that cannot be dropped: heap and stacks, in bytes.
    pub anonymous: u64,
    /// Pages of mapped files that are in memory, in bytes; the system may drop them at any time.
    pub file: u64,
    /// The most memory of both kinds that was held at a time, in bytes.
    pub peak: u64,
    /// Page faults served from memory, since the process started.
    pub minor_faults: u64,
    /// Page faults that waited for the disk, since the process started.
    pub major_faults: u64,
}

impl ProcessMemory {
    /// The state now, or `None` on systems without `/proc`.
    #[must_use]
    pub fn now() -> Option<Self> {
        let status = std::fs::read_to_string("/proc/self/status").ok()?;
        let kib = |field: &str| -> Option<u64> {
            let line = status.lines().find(|line| line.starts_with(field))?;
            line.split_whitespace().nth(1)?.parse().ok()
        };
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The program's name, in parentheses, may hold spaces; the fields after it do not.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_whitespace().collect();
        let number = |index: usize| fields.get(index).and_then(|v| v.parse().ok());
        Some(Self {
            anonymous: kib("RssAnon:")? * 1024,
            file: kib("RssFile:")? * 1024,
            peak: kib("VmHWM:")? * 1024,
            minor_faults: number(7)?,
            major_faults: number(9)?,
        })
    }
}

/// Gives the system back what the arena and the allocator hold free. Loading a model leaves as much as the model keeps beside its weights:
/// the strings of a vocabulary that were read, and copied into a tokenizer.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub(super) fn give_back() {
    arena::trim();
    // SAFETY: may be called at any time and from any thread.
    unsafe { libc::malloc_trim(0) };
}

/// Lets the allocator of this process give back what is freed, for a process that lives for days: few arenas, so that what many
/// threads free is found again, and blocks of keys and values from the system and back to it one by one. To be called before
/// there are other threads.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
pub fn keep_memory_tight() {
    for (parameter, value) in
        [(libc::M_ARENA_MAX, 2), (libc::M_MMAP_THRESHOLD, 256 << 10), (libc::M_TRIM_THRESHOLD, 1 << 20)]
    {
        // SAFETY: sets a number; the documentation asks for no more than that nobody else sets it at the same time.
        if unsafe { libc::mallopt(parameter, value) } == 0 {
            log::warn!("the allocator does not take parameter {parameter}");
        }
    }
}

/// Other allocators do so by themselves.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub fn keep_memory_tight() {}

/// Other allocators decide for themselves; Android's has a call for it, but only from version 9 on.
#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
pub(super) fn give_back() {
    arena::trim();
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::ProcessMemory;

    #[test]
    fn a_touched_buffer_counts_as_anonymous() {
        let before = ProcessMemory::now().expect("/proc");
        let buffer = std::hint::black_box(vec![1u8; 64 << 20]);
        let after = ProcessMemory::now().expect("/proc");
        assert!(after.anonymous >= before.anonymous + (60 << 20), "{before:?} {after:?}");
        assert!(after.minor_faults > before.minor_faults);
        drop(buffer);
    }
}
