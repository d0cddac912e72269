//! What this machine can do at most: the ceilings of the roofline that `bench/plots.py` draws.
//!
//! `machine_limits [THREADS [MIB]]` takes comma-separated lists (`1,2` and `88,138`) and prints one JSON object: for each
//! number of threads, how fast buffers of those sizes in total are read, and the peak rates of int8 dot products and of f32
//! multiply-adds that each kind of instruction found here reaches. An operation is a multiplication or an addition.

use std::error::Error;
use std::hint::black_box;
use std::sync::Barrier;
use std::time::{Duration, Instant};

/// Measurements of each limit.
const RUNS: usize = 7;
/// About how long each of them takes.
const LENGTH: Duration = Duration::from_millis(100);
/// Independent sums of a peak kernel: they cover the latency of its instructions and fit into registers.
const CHAINS: usize = if cfg!(target_arch = "aarch64") { 16 } else { 12 };
/// Words that one step reads.
const STEP: usize = 64;
/// How far ahead of what is read memory is fetched, in words.
const AHEAD: usize = 512;

/// A loop of one kind of instruction.
struct Kernel {
    name: &'static str,
    /// Operations of one iteration.
    operations: usize,
    /// Runs that many iterations; the processor must have the instruction.
    run: unsafe fn(u64),
}

/// A way to read memory.
#[derive(Clone, Copy)]
struct Pattern {
    name: &'static str,
    streams: usize,
    ahead: usize,
}

/// No pattern is the fastest everywhere; the fastest one is the limit.
const PATTERNS: [Pattern; 4] = [
    Pattern { name: "1 stream", streams: 1, ahead: 0 },
    Pattern { name: "1 stream, prefetch", streams: 1, ahead: AHEAD },
    Pattern { name: "4 streams", streams: 4, ahead: 0 },
    Pattern { name: "4 streams, prefetch", streams: 4, ahead: AHEAD },
];

fn main() -> Result<(), Box<dyn Error>> {
    let mut args = std::env::args().skip(1);
    let threads = numbers(&args.next().unwrap_or_else(|| "1".into()))?;
    let sizes = numbers(&args.next().unwrap_or_else(|| "1024".into()))?;
    let parts: Vec<String> = threads
        .iter()
        .map(|&threads| {
            let read: Vec<String> = sizes.iter().map(|&mib| bandwidth(threads, mib)).collect();
            let (int8, f32) = (peaks(threads, kernels::int8()), peaks(threads, kernels::f32()));
            format!("{{\"threads\": {threads}, \"read\": [{}], \"int8\": [{int8}], \"f32\": [{f32}]}}", read.join(", "))
        })
        .collect();
    println!("{{\"limits\": [{}]}}", parts.join(", "));
    Ok(())
}

fn numbers(list: &str) -> Result<Vec<usize>, Box<dyn Error>> {
    let numbers = list.split(',').map(str::parse).collect::<Result<Vec<usize>, _>>()?;
    if numbers.contains(&0) { Err("expected numbers above 0".into()) } else { Ok(numbers) }
}

/// Rates, in billions a second, of `RUNS` times `work(buffer of the thread)` on `threads` threads at once.
///
/// All start at a barrier, and the time is from the first start to the last end. Each thread fills its own buffer of `words`
/// words, so that its pages lie where the thread runs.
fn rates(threads: usize, words: usize, units: f64, work: impl Fn(&[u64]) + Sync) -> Vec<f64> {
    let barrier = Barrier::new(threads);
    let times: Vec<Vec<(Instant, Instant)>> = std::thread::scope(|scope| {
        let handles: Vec<_> = (0..threads)
            .map(|_| {
                scope.spawn(|| {
                    let buffer: Vec<u64> = (0..words as u64).collect();
                    let timed = |_| {
                        barrier.wait();
                        let start = Instant::now();
                        work(&buffer);
                        (start, Instant::now())
                    };
                    (0..RUNS).map(timed).collect()
                })
            })
            .collect();
        handles.into_iter().map(|handle| handle.join().unwrap_or_default()).collect()
    });
    let run = |index: usize| {
        let spans = || times.iter().filter_map(|thread| thread.get(index));
        let (start, end) = (spans().map(|span| span.0).min()?, spans().map(|span| span.1).max()?);
        Some(units * threads as f64 / (end - start).as_secs_f64() / 1e9)
    };
    (0..RUNS).filter_map(run).collect()
}

/// Iterations of `work` that take about [`LENGTH`].
fn iterations(mut work: impl FnMut(u64)) -> u64 {
    let mut count = 1;
    loop {
        let start = Instant::now();
        work(count);
        let elapsed = start.elapsed();
        if elapsed * 4 > LENGTH {
            return (count as f64 * LENGTH.as_secs_f64() / elapsed.as_secs_f64()).ceil() as u64;
        }
        count *= 2;
    }
}

fn bandwidth(threads: usize, mib: usize) -> String {
    let step = STEP * 4;
    let words = (mib * (1 << 20) / 8 / threads).next_multiple_of(step);
    let measure = |pattern: Pattern| {
        let buffer: Vec<u64> = (0..words as u64).collect();
        let passes = iterations(|count| (0..count).for_each(|_| read(&buffer, pattern)));
        let bytes = passes as f64 * words as f64 * 8.0;
        drop(buffer);
        rates(threads, words, bytes, |buffer| (0..passes).for_each(|_| read(buffer, pattern)))
    };
    let found = PATTERNS.map(|pattern| (pattern.name, measure(pattern)));
    let best = found.into_iter().max_by(|a, b| median(&a.1).total_cmp(&median(&b.1)));
    let (name, rates) = best.unwrap_or_default();
    format!("{{\"mib\": {mib}, \"pattern\": \"{name}\", \"gb_per_s\": {rates:.1?}}}")
}

fn peaks(threads: usize, kernels: Vec<Kernel>) -> String {
    let measure = |kernel: Kernel| {
        // SAFETY: `kernels` lists only what this processor has.
        let run = |count| unsafe { (kernel.run)(count) };
        let count = iterations(run);
        let rates = rates(threads, 0, count as f64 * kernel.operations as f64, |_| run(count));
        format!("{{\"kernel\": \"{}\", \"gop_per_s\": {rates:.1?}}}", kernel.name)
    };
    kernels.into_iter().map(measure).collect::<Vec<_>>().join(", ")
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted.get(sorted.len() / 2).copied().unwrap_or(0.0)
}

/// Reads all of `data`, with the widest loads that there are.
fn read(data: &[u64], pattern: Pattern) {
    #[cfg(target_arch = "x86_64")]
    {
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the feature was just found.
            return unsafe { kernels::read_avx512(data, pattern) };
        }
        if is_x86_feature_detected!("avx2") {
            // SAFETY: the feature was just found.
            return unsafe { kernels::read_avx2(data, pattern) };
        }
    }
    fold(data, pattern);
}

/// Folds `data` into a few registers, several distant streams in turn.
#[inline(always)]
fn fold(data: &[u64], pattern: Pattern) {
    let mut sums = [0_u64; STEP];
    let length = data.len() / pattern.streams;
    for start in (0..length).step_by(STEP) {
        for stream in 0..pattern.streams {
            let from = stream * length + start;
            let Some(block) = data.get(from..from + STEP) else { continue };
            if pattern.ahead > 0 {
                for line in (0..STEP).step_by(8) {
                    prefetch(block.as_ptr().wrapping_add(pattern.ahead + line));
                }
            }
            for (sum, word) in sums.iter_mut().zip(block) {
                *sum ^= word;
            }
        }
    }
    black_box(sums);
}

/// Fetches a cache line; any address is allowed, for it is only a hint.
#[inline(always)]
fn prefetch(address: *const u64) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: every x86-64 has the instruction, and it faults on no address.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(address.cast());
    }
    #[cfg(target_arch = "aarch64")]
    // SAFETY: the instruction faults on no address and changes no register.
    unsafe {
        std::arch::asm!("prfm pldl1keep, [{0}]", in(reg) address, options(nostack, readonly, preserves_flags));
    }
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let _ = address;
}

/// A loop of [`CHAINS`] sums over `step`, in the registers of `features`.
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
macro_rules! peak {
    ($name:ident, $features:literal, $start:expr, |$sum:ident, $a:ident, $b:ident| ($x:expr, $y:expr) => $step:expr) => {
        #[target_feature(enable = $features)]
        fn $name(iterations: u64) {
            let ($a, $b) = (black_box($x), black_box($y));
            let mut sums = [$start; CHAINS];
            for _ in 0..iterations {
                for sum in &mut sums {
                    let $sum = *sum;
                    *sum = $step;
                }
            }
            black_box(sums);
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod kernels {
    use std::arch::x86_64::*;
    use std::hint::black_box;

    use super::{CHAINS, Kernel, Pattern, fold};

    pub(super) fn int8() -> Vec<Kernel> {
        let avx512 = is_x86_feature_detected!("avx512f") && is_x86_feature_detected!("avx512vnni");
        let found = [
            (avx512, Kernel { name: "AVX-512 VNNI", operations: CHAINS * 128, run: dot_avx512 }),
            (is_x86_feature_detected!("avxvnni"), Kernel { name: "AVX-VNNI", operations: CHAINS * 64, run: dot_avx }),
            (is_x86_feature_detected!("avx2"), Kernel { name: "AVX2", operations: CHAINS * 64, run: dot_avx2 }),
        ];
        found.into_iter().filter_map(|(there, kernel)| there.then_some(kernel)).collect()
    }

    pub(super) fn f32() -> Vec<Kernel> {
        let avx2 = is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
        let found = [
            (is_x86_feature_detected!("avx512f"), Kernel { name: "AVX-512", operations: CHAINS * 32, run: fma_avx512 }),
            (avx2, Kernel { name: "AVX2 FMA", operations: CHAINS * 16, run: fma_avx2 }),
        ];
        found.into_iter().filter_map(|(there, kernel)| there.then_some(kernel)).collect()
    }

    #[target_feature(enable = "avx512f")]
    pub(super) fn read_avx512(data: &[u64], pattern: Pattern) {
        fold(data, pattern);
    }

    #[target_feature(enable = "avx2")]
    pub(super) fn read_avx2(data: &[u64], pattern: Pattern) {
        fold(data, pattern);
    }

    peak!(dot_avx512, "avx512f,avx512vnni", _mm512_setzero_si512(),
        |sum, a, b| (_mm512_set1_epi8(3), _mm512_set1_epi8(1)) => _mm512_dpbusd_epi32(sum, a, b));
    peak!(dot_avx, "avx2,avxvnni", _mm256_setzero_si256(),
        |sum, a, b| (_mm256_set1_epi8(3), _mm256_set1_epi8(1)) => _mm256_dpbusd_avx_epi32(sum, a, b));
    // The product depends on the sum: one of constants would be taken out of the loop.
    peak!(dot_avx2, "avx2", _mm256_set1_epi8(1), |sum, a, b| (_mm256_set1_epi8(1), _mm256_set1_epi16(1)) =>
        _mm256_add_epi32(sum, _mm256_madd_epi16(_mm256_maddubs_epi16(sum, a), b)));
    peak!(fma_avx512, "avx512f", _mm512_setzero_ps(),
        |sum, a, b| (_mm512_set1_ps(0.9), _mm512_set1_ps(0.1)) => _mm512_fmadd_ps(sum, a, b));
    peak!(fma_avx2, "avx2,fma", _mm256_setzero_ps(),
        |sum, a, b| (_mm256_set1_ps(0.9), _mm256_set1_ps(0.1)) => _mm256_fmadd_ps(sum, a, b));
}

#[cfg(target_arch = "aarch64")]
mod kernels {
    use std::arch::aarch64::*;
    use std::arch::{asm, is_aarch64_feature_detected};
    use std::hint::black_box;

    use super::{CHAINS, Kernel};

    pub(super) fn int8() -> Vec<Kernel> {
        let found = [
            (is_aarch64_feature_detected!("i8mm"), Kernel { name: "I8MM", operations: CHAINS * 64, run: matrix_i8mm }),
            (
                is_aarch64_feature_detected!("dotprod"),
                Kernel { name: "DotProd", operations: CHAINS * 32, run: dot_neon },
            ),
        ];
        found.into_iter().filter_map(|(there, kernel)| there.then_some(kernel)).collect()
    }

    pub(super) fn f32() -> Vec<Kernel> {
        vec![Kernel { name: "NEON", operations: CHAINS * 8, run: fma_neon }]
    }

    // The intrinsics of both are not stable.
    #[target_feature(enable = "neon,dotprod")]
    fn sdot(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
        // SAFETY: the function has the feature, and the instruction touches registers only.
        unsafe {
            asm!("sdot {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) a, in(vreg) b,
                options(pure, nomem, nostack, preserves_flags));
        }
        sum
    }

    #[target_feature(enable = "neon,i8mm")]
    fn smmla(mut sum: int32x4_t, a: int8x16_t, b: int8x16_t) -> int32x4_t {
        // SAFETY: the function has the feature, and the instruction touches registers only.
        unsafe {
            asm!("smmla {0:v}.4s, {1:v}.16b, {2:v}.16b", inout(vreg) sum, in(vreg) a, in(vreg) b,
                options(pure, nomem, nostack, preserves_flags));
        }
        sum
    }

    peak!(dot_neon, "neon,dotprod", vdupq_n_s32(0), |sum, a, b| (vdupq_n_s8(3), vdupq_n_s8(1)) => sdot(sum, a, b));
    peak!(matrix_i8mm, "neon,i8mm", vdupq_n_s32(0), |sum, a, b| (vdupq_n_s8(3), vdupq_n_s8(1)) => smmla(sum, a, b));
    peak!(fma_neon, "neon", vdupq_n_f32(0.0),
        |sum, a, b| (vdupq_n_f32(0.9), vdupq_n_f32(0.1)) => vfmaq_f32(b, sum, a));
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
mod kernels {
    use super::Kernel;

    pub(super) fn int8() -> Vec<Kernel> {
        Vec::new()
    }

    pub(super) fn f32() -> Vec<Kernel> {
        Vec::new()
    }
}
