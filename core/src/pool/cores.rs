//! How many cores a pass should use.

use std::path::Path;

use super::MAX_THREADS;

/// A core slower than this share of the fastest one holds the others up more than it helps.
const SLOWEST: f64 = 0.6;

/// What `LOAM_THREADS` says.
pub(super) fn wanted() -> Option<usize> {
    let text = std::env::var("LOAM_THREADS").ok()?;
    let parsed = text.parse().ok().filter(|count| (1..=MAX_THREADS).contains(count));
    if parsed.is_none() {
        log::warn!("LOAM_THREADS={text} is not a number of threads from 1 to {MAX_THREADS}, using the cores' own");
    }
    parsed
}

/// The number of fast cores that this process may use.
pub(super) fn fast() -> usize {
    let usable = std::thread::available_parallelism().map_or(1, usize::from);
    fast_of(&speeds(Path::new("/sys/devices/system/cpu")), usable)
}

/// Numbers of the cores that are nearly as fast as the fastest.
pub(super) fn fast_numbers(speeds: &[f64]) -> Vec<usize> {
    let fastest = speeds.iter().copied().fold(0.0, f64::max);
    (0..speeds.len()).filter(|&core| speeds[core] >= SLOWEST * fastest).collect()
}

/// How many cores are fast, of `usable` ones; all where nothing is known of their speed.
fn fast_of(speeds: &[f64], usable: usize) -> usize {
    if speeds.is_empty() { usable } else { fast_numbers(speeds).len().min(usable) }.max(1)
}

/// Relative speeds as Linux and Android publish them: the scheduler's capacity, or the highest frequency.
pub(super) fn speeds(cpus: &Path) -> Vec<f64> {
    let read = |path: std::path::PathBuf| std::fs::read_to_string(path).ok()?.trim().parse::<f64>().ok();
    let each = |file: &str| -> Vec<f64> {
        (0..MAX_THREADS).map_while(|cpu| read(cpus.join(format!("cpu{cpu}/{file}")))).collect()
    };
    let capacities = each("cpu_capacity");
    if capacities.is_empty() { each("cpufreq/cpuinfo_max_freq") } else { capacities }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_cores_are_left_out() {
        assert_eq!(fast_of(&[], 2), 2);
        assert_eq!(fast_of(&[250.0, 250.0, 250.0, 250.0, 870.0, 870.0, 870.0, 1024.0], 8), 4);
        assert_eq!(fast_numbers(&[250.0, 870.0, 400.0, 1024.0]), [1, 3]);
        assert_eq!(fast_of(&[1024.0; 8], 6), 6, "a process may be kept from some");
        assert_eq!(fast_of(&[0.0, 0.0], 2), 2);
    }

    #[test]
    fn speeds_are_read_from_the_system() {
        let root = tempfile::tempdir().expect("directory");
        for (cpu, speed) in [(0, "300\n"), (1, "1024\n")] {
            let dir = root.path().join(format!("cpu{cpu}"));
            std::fs::create_dir(&dir).expect("cpu");
            std::fs::write(dir.join("cpu_capacity"), speed).expect("capacity");
        }
        assert_eq!(speeds(root.path()), [300.0, 1024.0]);
        assert!(speeds(&root.path().join("nothing")).is_empty());
    }
}
