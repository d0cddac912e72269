//! On which cores helpers may run.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use super::cores;

/// On which cores the threads that help may run. The thread that calls decides for itself.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Affinity {
    /// Wherever the system puts them: it knows of heat and of other programs.
    #[default]
    Free,
    /// On cores that are nearly as fast as the fastest, where Linux or Android tell which those are.
    FastCores,
}

static FAST: AtomicBool = AtomicBool::new(false);

/// Says where helpers may run that are started from now on; they start with the first pass that needs them. The environment
/// variable `LOAM_AFFINITY=fast` says [`Affinity::FastCores`] from the beginning.
pub fn set_affinity(affinity: Affinity) {
    FAST.store(affinity == Affinity::FastCores, Ordering::Relaxed);
}

/// Binds the current thread as was said.
pub(super) fn bind() {
    let wanted = FAST.load(Ordering::Relaxed) || std::env::var("LOAM_AFFINITY").is_ok_and(|value| value == "fast");
    if !wanted {
        return;
    }
    let fast = cores::fast_numbers(&cores::speeds(Path::new("/sys/devices/system/cpu")));
    if fast.is_empty() {
        log::info!("helpers run anywhere: the system does not tell which cores are fast");
    } else if let Err(error) = bind_to(&fast) {
        log::warn!("a helper could not be bound to cores {fast:?}: {error}");
    }
}

#[cfg(any(target_os = "linux", target_os = "android"))]
fn bind_to(cores: &[usize]) -> std::io::Result<()> {
    // SAFETY: a set of cores is plain bits, of which none is set.
    let mut set: libc::cpu_set_t = unsafe { std::mem::zeroed() };
    // SAFETY: `cores` are below the set's 1024 bits, which the call checks besides.
    cores.iter().for_each(|&core| unsafe { libc::CPU_SET(core, &mut set) });
    // SAFETY: the set is initialised and as large as stated; 0 is the current thread.
    match unsafe { libc::sched_setaffinity(0, size_of::<libc::cpu_set_t>(), &set) } {
        0 => Ok(()),
        _ => Err(std::io::Error::last_os_error()),
    }
}

#[cfg(not(any(target_os = "linux", target_os = "android")))]
fn bind_to(_: &[usize]) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn a_thread_stays_where_it_is_bound() {
        let allowed = std::thread::spawn(|| {
            bind_to(&[0]).expect("core 0 is there");
            std::fs::read_to_string("/proc/thread-self/status").expect("Linux has it")
        });
        let status = allowed.join().expect("no panic");
        let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).expect("a list");
        assert_eq!(list.trim(), "0");
        let error = std::thread::spawn(|| bind_to(&[1023])).join().expect("no panic").expect_err("no such core");
        assert_eq!(error.kind(), std::io::ErrorKind::InvalidInput);
    }
}
