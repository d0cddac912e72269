//! Sound and motion: PCM bytes with preprocessing configurations, and sensor values with a tower's configuration.
//!
//! An input is the JSON of a configuration, a zero byte, eight bytes that describe the samples, and the samples.

#![no_main]

use libfuzzer_sys::fuzz_target;
use loam::input::{
    Audio, AudioWindows, Channels, FeatureExtractor, ImuConfig, ImuLayout, ImuSource, ImuStream, ImuWindow, MelConfig,
    PcmFormat, Repair, Resampler, SampleRate,
};

mod panics;

const FORMATS: [PcmFormat; 5] = [PcmFormat::U8, PcmFormat::I16, PcmFormat::I24, PcmFormat::I32, PcmFormat::F32];
const RATES: [u32; 6] = [8_000, 16_000, 22_050, 44_100, 48_000, 4_001];
/// Zeros that a configuration may ask for, and the work that it may make of a sample: what is legal but slow is left out.
const MAX_FILLED: u64 = 1 << 16;
const MIN_HOP: u64 = 64;

/// What is not in the JSON.
#[derive(Debug)]
struct Case<'a> {
    format: u8,
    channels: u8,
    rates: [u8; 2],
    imu_rate: u8,
    max_gap: u8,
    hop: u8,
    window: u8,
    bytes: &'a [u8],
}

impl<'a> Case<'a> {
    fn read(bytes: &'a [u8]) -> Option<Self> {
        let (&[format, channels, from, to, imu_rate, max_gap, hop, window], bytes) = bytes.split_first_chunk()?;
        Some(Self { format, channels, rates: [from, to], imu_rate, max_gap, hop, window, bytes })
    }
}

fn is_slow(json: &serde_json::Value) -> bool {
    let number = |name: &str, default: u64| json.get(name).map_or(default, |v| v.as_u64().unwrap_or(u64::MAX));
    let hop = number("hop", MIN_HOP).min(number("hop_length", MIN_HOP));
    let filled = ["samples", "frames", "max_length", "steps"].iter().any(|name| number(name, 0) > MAX_FILLED);
    filled || hop < MIN_HOP || number("chunk_length", 30) > 30 || number("sampling_rate", 16_000) > 16_000
}

fn sound(case: &Case<'_>, json: &serde_json::Value) {
    let format = FORMATS[usize::from(case.format) % FORMATS.len()];
    let [from, to] = case.rates.map(|rate| RATES[usize::from(rate) % RATES.len()]);
    let [from, to] = [from, to].map(|rate| SampleRate::new(rate).expect("in range"));
    let Ok(channels) = Channels::new(case.channels.into()) else { return };
    let Ok(audio) = Audio::from_bytes(case.bytes, format, channels, from) else { return };
    let whole = audio.resampled(to).expect("short");
    let mut resampler = Resampler::new(from, to).expect("in range");
    let mut pieces = Vec::new();
    for piece in audio.samples().chunks(usize::from(case.hop) + 1) {
        resampler.push(piece, &mut pieces).expect("checked");
    }
    resampler.finish(&mut pieces).expect("checked");
    assert_eq!(pieces, whole.samples());
    if let Ok(mut windows) = AudioWindows::new(case.window.into(), case.hop.into()) {
        windows.push(audio.samples()).expect("checked");
        while windows.take().is_some() {}
        let _ = windows.finish();
    }
    if is_slow(json) {
        return;
    }
    let extractors = [FeatureExtractor::parse(json), MelConfig::parse(json).and_then(FeatureExtractor::log_mel)];
    for extractor in extractors.into_iter().flatten() {
        let Ok(features) = extractor.extract(&audio) else { continue };
        assert_eq!(features.values.len(), features.shape.iter().product::<usize>());
        assert!(features.values.iter().all(|v| v.is_finite()), "{:?}", features.shape);
    }
}

fn motion(case: &Case<'_>, json: &serde_json::Value) {
    let values: Vec<f32> =
        case.bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("four"))).collect();
    let layout = if case.format % 2 == 0 { ImuLayout::Accelerometer } else { ImuLayout::AccelerometerGyroscope };
    let source = ImuSource::ios(f64::from(case.imu_rate) * 2.0, layout);
    let repair = match case.max_gap {
        0 => Repair::Refuse,
        gap => Repair::Interpolate { max_gap_ms: f64::from(gap) * 10.0 - 100.0 },
    };
    // Steps between timestamps as the samples' own bytes have it, seldom backwards.
    let times = (case.window % 2 == 1).then(|| {
        let step = |b: &[u8]| f64::from(b[0]) / 1000.0 - 0.001;
        let steps = case.bytes.chunks_exact(4 * layout.channels()).map(step);
        steps
            .scan(0.0, |time, step| {
                *time += step;
                Some(*time)
            })
            .collect::<Vec<f64>>()
    });
    let Ok(config) = ImuConfig::parse(json) else { return };
    if is_slow(json) {
        return;
    }
    if let Ok(window) = ImuWindow::new(source, values.clone(), times.clone())
        && let Ok(prepared) = config.prepare(&window, repair)
    {
        assert_eq!(prepared.len(), config.steps * config.layout.channels());
        assert!(prepared.iter().all(|v| v.is_finite()));
    }
    let Ok(mut stream) = ImuStream::new(config, source, repair, case.hop.into()) else { return };
    if stream.push(&values, times.as_deref()).is_ok() {
        while stream.take().is_some() {}
    }
}

fuzz_target!(init: panics::only_own(), |bytes: &[u8]| {
    let Some(end) = bytes.iter().position(|&b| b == 0) else { return };
    let Ok(json) = serde_json::from_slice(&bytes[..end]) else { return };
    let Some(case) = Case::read(&bytes[end + 1..]) else { return };
    sound(&case, &json);
    motion(&case, &json);
});
