//! Motion: units, frames, rates, gaps, streams. Expected values are closed formulae.

use std::f64::consts::{PI, TAU};

use loam::Error;
use loam::input::{
    Acceleration, AngularRate, Axes, Axis, Gravity, ImuConfig, ImuLayout, ImuSource, ImuStream, ImuWindow, LongWindow,
    Repair, ShortWindow, Sign,
};
use proptest::prelude::*;
use serde_json::json;

const SIX: ImuLayout = ImuLayout::AccelerometerGyroscope;
const THREE: ImuLayout = ImuLayout::Accelerometer;
const REPAIR: Repair = Repair::Interpolate { max_gap_ms: 100.0 };

fn config(rate: f64, steps: usize) -> ImuConfig {
    ImuConfig {
        rate,
        steps,
        layout: SIX,
        acceleration: Acceleration::MetersPerSecondSquared,
        rotation: AngularRate::RadiansPerSecond,
        gravity: Gravity::Included,
        mean: vec![0.0; 6],
        std: vec![1.0; 6],
        short: ShortWindow::Refuse,
        long: LongWindow::Refuse,
    }
}

/// All channels at all steps from a function of time in seconds and channel.
fn samples(rate: f64, steps: usize, channels: usize, f: impl Fn(f64, usize) -> f64) -> Vec<f32> {
    (0..steps * channels).map(|i| f((i / channels) as f64 / rate, i % channels) as f32).collect()
}

fn window(rate: f64, steps: usize, f: impl Fn(f64, usize) -> f64) -> ImuWindow {
    ImuWindow::new(ImuSource::android(rate, SIX), samples(rate, steps, 6, f), None).expect("window")
}

fn reason(result: loam::Result<impl std::fmt::Debug>) -> String {
    match result.expect_err("refused") {
        Error::Argument { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

fn close(found: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(found.len(), expected.len());
    let worst = found.iter().zip(expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst <= tolerance, "they differ by {worst}: {found:?} {expected:?}");
}

#[test]
fn a_window_in_the_tower_s_own_terms_is_only_transposed_and_standardised() {
    let window = window(50.0, 4, |t, c| t * 50.0 + 10.0 * c as f64);
    let mut config = config(50.0, 4);
    close(&config.prepare(&window, Repair::Refuse).expect("plain")[8..12], &[20.0, 21.0, 22.0, 23.0], 0.0);
    config.mean = vec![1.0; 6];
    config.std = vec![2.0; 6];
    close(&config.prepare(&window, Repair::Refuse).expect("plain")[..4], &[-0.5, 0.0, 0.5, 1.0], 0.0);
    config.layout = THREE;
    config.mean.truncate(3);
    config.std.truncate(3);
    assert_eq!(config.prepare(&window, Repair::Refuse).expect("the gyroscope is left out").len(), 12);
}

#[test]
fn a_phone_on_its_back_reads_the_same_on_both_systems() {
    let config = config(50.0, 2);
    let turn = [0.1f32, 0.2, 0.3];
    let android = [0.0, 0.0, 9.80665, turn[0], turn[1], turn[2]].repeat(2);
    let ios = [0.0, 0.0, -1.0, turn[0], turn[1], turn[2]].repeat(2);
    let android = ImuWindow::new(ImuSource::android(50.0, SIX), android, None).expect("window");
    let ios = ImuWindow::new(ImuSource::ios(50.0, SIX), ios, None).expect("window");
    let [android, ios] = [android, ios].map(|w| config.prepare(&w, Repair::Refuse).expect("prepared"));
    close(&ios, &android, 1e-6);
    close(&android[4..6], &[9.80665; 2], 1e-6);
    close(&android[6..8], &[0.1; 2], 0.0);
}

#[test]
fn a_turned_sensor_is_turned_back() {
    // The sensor's y is our x, its -x is our y: a quarter turn about z, which keeps handedness.
    let axis = |source, sign| Axis { source, sign };
    let turned = Axes::Custom([axis(1, Sign::Positive), axis(0, Sign::Negative), axis(2, Sign::Positive)]);
    let source = ImuSource { axes: turned, ..ImuSource::android(50.0, SIX) };
    let window = ImuWindow::new(source, [1.0, 2.0, 3.0, 4.0, 5.0, 6.0].repeat(2), None).expect("window");
    let found = config(50.0, 2).prepare(&window, Repair::Refuse).expect("prepared");
    close(&found, &[2.0, 2.0, -1.0, -1.0, 3.0, 3.0, 5.0, 5.0, -4.0, -4.0, 6.0, 6.0], 0.0);

    let mirrored = Axes::Custom([axis(0, Sign::Negative), axis(1, Sign::Positive), axis(2, Sign::Positive)]);
    let of = |axes, layout: ImuLayout| {
        let source = ImuSource { axes, ..ImuSource::android(50.0, layout) };
        ImuWindow::new(source, vec![0.0; 2 * layout.channels()], None)
    };
    assert!(reason(of(mirrored, SIX)).contains("mirror"));
    assert!(of(mirrored, THREE).is_ok(), "an accelerometer may be mirrored");
    for sources in [[0, 0, 1], [0, 1, 3], [7, 8, 9]] {
        let axes = Axes::Custom(sources.map(|source| axis(source, Sign::Positive)));
        assert!(reason(of(axes, THREE)).contains("used once"), "{sources:?}");
    }
}

proptest! {
    #[test]
    fn units_convert_there_and_back(values in prop::collection::vec(-100f32..100.0, 12)) {
        let units = [Acceleration::MetersPerSecondSquared, Acceleration::G];
        let turns = [AngularRate::RadiansPerSecond, AngularRate::DegreesPerSecond];
        for from in units {
            for to in units {
                for (turn_from, turn_to) in [(turns[0], turns[1]), (turns[1], turns[0]), (turns[0], turns[0])] {
                    let source = ImuSource { acceleration: from, rotation: turn_from, ..ImuSource::android(50.0, SIX) };
                    let there = ImuConfig { acceleration: to, rotation: turn_to, ..config(50.0, 2) };
                    let window = ImuWindow::new(source, values.clone(), None).expect("window");
                    let found = there.prepare(&window, Repair::Refuse).expect("prepared");
                    let factor = match (from, to) {
                        (Acceleration::G, Acceleration::MetersPerSecondSquared) => 9.806_65,
                        (Acceleration::MetersPerSecondSquared, Acceleration::G) => 1.0 / 9.806_65,
                        _ => 1.0,
                    };
                    prop_assert!((f64::from(found[2]) - f64::from(values[1]) * factor).abs() < 1e-3);
                    let back = ImuSource { acceleration: to, rotation: turn_to, ..source };
                    let rows: Vec<f32> = (0..12).map(|i| found[i % 6 * 2 + i / 6]).collect();
                    let home = ImuConfig { acceleration: from, rotation: turn_from, ..config(50.0, 2) };
                    let window = ImuWindow::new(back, rows, None).expect("window");
                    let found = home.prepare(&window, Repair::Refuse).expect("prepared");
                    for (i, value) in values.iter().enumerate() {
                        prop_assert!((found[i % 6 * 2 + i / 6] - value).abs() < 1e-4);
                    }
                }
            }
        }
    }

    #[test]
    fn a_stream_in_pieces_gives_the_windows_of_the_whole(
        pieces in prop::collection::vec(0usize..90, 0..20),
        hop in 1usize..=32,
        rates in prop::sample::select(vec![(50.0, 50.0), (100.0, 20.0), (50.0, 200.0), (104.0, 50.0)]),
        clock in prop::sample::select(vec![Clock::Rate, Clock::Timestamps]),
    ) {
        let (from, to) = rates;
        let whole = samples(from, 700, 6, |t, c| (t * TAU + c as f64).sin());
        let times: Vec<f64> = (0..700).map(|i| 1e6 + f64::from(i) / from).collect();
        let config = config(to, 32);
        let mut stream = ImuStream::new(config.clone(), ImuSource::android(from, SIX), Repair::Refuse, hop).expect("stream");
        let (mut start, mut found) = (0, Vec::new());
        for piece in pieces.into_iter().chain([700]) {
            let end = 700.min(start + piece);
            let times = matches!(clock, Clock::Timestamps).then_some(&times[start..end]);
            stream.push(&whole[start * 6..end * 6], times).expect("push");
            start = end;
            while let Some(window) = stream.take() {
                found.push(window.expect("prepared"));
            }
        }
        // Whole windows that begin every hop, from the first sample on.
        let length = if from == to { 32 } else { (31.0 * from / to - 1e-6).ceil() as usize + 1 };
        let mut expected = 0;
        loop {
            let begin = ((expected * hop) as f64 / to * from - 0.4999).ceil().max(0.0) as usize;
            if begin + length > 700 {
                break;
            }
            let slice = whole[begin * 6..(begin + length) * 6].to_vec();
            let window = ImuWindow::new(ImuSource::android(from, SIX), slice, None).expect("window");
            let config = ImuConfig { long: LongWindow::KeepFirst, ..config.clone() };
            let ideal = config.prepare(&window, Repair::Refuse).expect("prepared");
            prop_assert!(expected < found.len(), "{} windows are missing from {expected} on", found.len());
            let worst = found[expected].iter().zip(&ideal).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            prop_assert!(worst < 1e-5, "window {expected} differs by {worst}");
            expected += 1;
        }
        prop_assert_eq!(found.len(), expected);
        prop_assert!(stream.held() <= 700);
    }
}

#[derive(Clone, Copy, Debug)]
enum Clock {
    Rate,
    Timestamps,
}

#[test]
fn another_rate_keeps_what_it_can_hold_and_removes_the_rest() {
    for (from, to) in [(100.0, 20.0), (50.0, 20.0), (20.0, 100.0), (104.0, 50.0), (50.3, 50.0), (1000.0, 20.0)] {
        let nyquist = f64::min(from, to) / 2.0;
        // A tenth of a sample of spare time, so that the last step surely lies within.
        let steps = (from * 20.0) as usize + 2;
        let count = ((steps - 1) as f64 * to / from + 1e-6).floor() as usize + 1;
        let config = ImuConfig { long: LongWindow::KeepFirst, ..config(to, count) };
        let low = window(from, steps, |t, _| (TAU * 0.5 * nyquist * t).sin());
        let found = config.prepare(&low, Repair::Refuse).expect("prepared");
        // The ends have neighbours on one side only.
        let middle = count / 4..count * 3 / 4;
        let worst = middle.clone().map(|i| (f64::from(found[i]) - (TAU * 0.5 * nyquist * i as f64 / to).sin()).abs());
        let worst = worst.fold(0.0, f64::max);
        assert!(worst < 0.01, "{from} Hz to {to} Hz: half of Nyquist is off by {worst}");
        if from > 2.0 * to {
            let high = window(from, steps, |t, _| (TAU * 1.3 * nyquist * t).sin());
            let found = config.prepare(&high, Repair::Refuse).expect("prepared");
            let loudest = middle.map(|i| found[i].abs()).fold(0.0, f32::max);
            assert!(loudest < 0.01, "{from} Hz to {to} Hz: aliases of {loudest}");
        }
        let constant = window(from, steps, |_, c| c as f64);
        let found = config.prepare(&constant, Repair::Refuse).expect("prepared");
        close(&found[5 * count..], &vec![5.0; count], 1e-5);
    }
}

#[test]
fn gravity_is_separated_where_the_tower_expects_none() {
    let motion = |t: f64, c: usize| if c < 3 { (TAU * 5.0 * t).sin() } else { 0.25 };
    let window = window(100.0, 1000, |t, c| motion(t, c) + if c == 2 { 9.81 } else { 0.0 });
    let config = ImuConfig { gravity: Gravity::Removed, ..config(100.0, 1000) };
    let found = config.prepare(&window, Repair::Refuse).expect("prepared");
    // A first-order filter of 0.3 Hz leaves 6 % of 5 Hz, shifted by a quarter.
    for channel in 0..3 {
        let worst = (200..1000).map(|i| (f64::from(found[channel * 1000 + i]) - motion(i as f64 / 100.0, 0)).abs());
        assert!(worst.fold(0.0, f64::max) < 0.07, "channel {channel}");
    }
    close(&found[3000..3010], &[0.25; 10], 0.0);
    let removed = ImuSource { gravity: Gravity::Removed, ..ImuSource::android(100.0, SIX) };
    let removed = ImuWindow::new(removed, window.samples().to_vec(), None).expect("window");
    let found = config.prepare(&removed, Repair::Refuse).expect("nothing to do");
    close(&found[2000..2001], &[9.81], 1e-6);
    let config = ImuConfig { gravity: Gravity::Included, ..config };
    assert!(reason(config.prepare(&removed, Repair::Refuse)).contains("gravity"));
}

#[test]
fn one_sample_is_no_window() {
    let of = |steps: usize| ImuWindow::new(ImuSource::android(50.0, SIX), vec![0.0; steps * 6], None);
    assert!(reason(of(0)).contains("0 samples"));
    assert!(reason(of(1)).contains("1 samples"));
    assert!(reason(ImuWindow::new(ImuSource::android(50.0, SIX), vec![0.0; 13], None)).contains("13 values"));
    assert!(reason(ImuWindow::new(ImuSource::android(50.0, SIX), vec![2e6; 12], None)).contains("sample 0, channel 0"));
    for rate in [0.0, -50.0, f64::NAN, f64::INFINITY, 1e9] {
        let source = ImuSource::android(rate, SIX);
        assert!(reason(ImuWindow::new(source, vec![0.0; 12], None)).contains("1 to 10000"), "{rate}");
    }
    // Two samples that become one.
    let two = ImuWindow::new(ImuSource::android(100.0, SIX), vec![0.0; 12], None).expect("window");
    let padded = ImuConfig { short: ShortWindow::Zeros, ..config(20.0, 10) };
    assert!(reason(padded.prepare(&two, Repair::Refuse)).contains("1 steps"));
}

#[test]
fn windows_of_another_length_are_treated_as_the_configuration_says() {
    let plain = config(50.0, 6);
    let [short, long] = [4, 8].map(|steps| window(50.0, steps, |t, _| t * 50.0 + 1.0));
    assert!(reason(plain.prepare(&short, Repair::Refuse)).contains("4 steps at 50 Hz, the tower reads 6"));
    assert!(reason(plain.prepare(&long, Repair::Refuse)).contains("8 steps"));
    let first = |config: &ImuConfig, window| config.prepare(window, Repair::Refuse).expect("prepared")[..6].to_vec();
    let zeros = ImuConfig { short: ShortWindow::Zeros, mean: vec![1.0; 6], ..plain.clone() };
    close(&first(&zeros, &short), &[0.0, 1.0, 2.0, 3.0, 0.0, 0.0], 0.0);
    let repeated = ImuConfig { short: ShortWindow::RepeatLast, ..plain.clone() };
    close(&first(&repeated, &short), &[1.0, 2.0, 3.0, 4.0, 4.0, 4.0], 0.0);
    let begin = ImuConfig { long: LongWindow::KeepFirst, ..plain.clone() };
    close(&first(&begin, &long), &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 0.0);
    let end = ImuConfig { long: LongWindow::KeepLast, ..plain };
    close(&first(&end, &long), &[3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 0.0);
}

#[test]
fn nan_is_refused_by_index_or_interpolated_up_to_a_length() {
    let mut values = samples(50.0, 20, 6, |t, c| t * 50.0 + c as f64);
    for step in 5..8 {
        values[step * 6 + 2] = f32::NAN;
    }
    let of = |values: &[f32]| ImuWindow::new(ImuSource::android(50.0, SIX), values.to_vec(), None).expect("window");
    let config = config(50.0, 20);
    assert!(reason(config.prepare(&of(&values), Repair::Refuse)).contains("sample 5, channel 2 is NaN"));
    // From sample 4 to sample 8: 80 ms.
    let found = config.prepare(&of(&values), REPAIR).expect("repaired");
    close(&found[40..60], &(0..20).map(|i| i as f32 + 2.0).collect::<Vec<_>>(), 1e-5);
    let strict = Repair::Interpolate { max_gap_ms: 79.0 };
    assert!(reason(config.prepare(&of(&values), strict)).contains("sample 5, channel 2"));
    for (step, value) in [(0, f32::NAN), (19, f32::NEG_INFINITY)] {
        let mut values = samples(50.0, 20, 6, |_, _| 0.0);
        values[step * 6] = value;
        assert!(reason(config.prepare(&of(&values), REPAIR)).contains(&format!("sample {step}, channel 0")));
    }
    assert!(reason(config.prepare(&of(&[f32::NAN; 120]), REPAIR)).contains("sample 0"));
    for max_gap_ms in [-1.0, f64::NAN, 1e9] {
        assert!(reason(config.prepare(&of(&values), Repair::Interpolate { max_gap_ms })).contains("max_gap_ms"));
    }
}

#[test]
fn gaps_between_timestamps_are_refused_by_index_or_interpolated() {
    let times: Vec<f64> = (0..20).filter(|i| !(6..9).contains(i)).map(|i| 3.0 + f64::from(i) / 50.0).collect();
    let values: Vec<f32> = times.iter().flat_map(|t| [((t - 3.0) * 50.0) as f32; 6]).collect();
    let of = |times: Vec<f64>| ImuWindow::new(ImuSource::android(50.0, SIX), values.clone(), Some(times));
    let window = of(times.clone()).expect("window");
    let config = config(50.0, 20);
    assert!(reason(config.prepare(&window, Repair::Refuse)).contains("before index 6"));
    let found = config.prepare(&window, REPAIR).expect("repaired");
    close(&found[..20], &(0..20).map(|i| i as f32).collect::<Vec<_>>(), 1e-4);
    assert!(reason(config.prepare(&window, Repair::Interpolate { max_gap_ms: 79.0 })).contains("before index 6"));

    let changed = |index: usize, time: f64| {
        let mut times = times.clone();
        times[index] = time;
        times
    };
    let backwards = of(changed(3, 2.0)).expect("window");
    assert!(reason(config.prepare(&backwards, REPAIR)).contains("index 3"));
    let twice = of(changed(4, times[3])).expect("window");
    assert!(reason(config.prepare(&twice, REPAIR)).contains("index 4"));
    assert!(reason(of(changed(2, f64::NAN))).contains("index 2"));
    assert!(reason(of(vec![0.0; 3])).contains("3 for 17 samples"));
    // Nanoseconds, and seconds that are declared at the wrong scale.
    let scaled = |by: f64| of(times.iter().map(|t| t * by).collect()).expect("window");
    assert!(reason(config.prepare(&scaled(1e9), REPAIR)).contains("before index 1"));
    assert!(reason(config.prepare(&scaled(1e-3), REPAIR)).contains("are they seconds"));
    assert!(reason(config.prepare(&scaled(1e300), REPAIR)).contains("before index 1"));
}

#[test]
fn jitter_of_timestamps_is_no_gap_and_is_evened_out() {
    let jitter = |i: u32| if i.is_multiple_of(2) { 0.0 } else { 0.004 };
    let times: Vec<f64> = (0..200).map(|i| f64::from(i) / 50.0 + jitter(i)).collect();
    let values = times.iter().flat_map(|t| [(TAU * t).sin() as f32; 6]).collect();
    let window = ImuWindow::new(ImuSource::android(50.0, SIX), values, Some(times)).expect("window");
    let found = config(50.0, 200).prepare(&window, Repair::Refuse).expect("prepared");
    let ideal: Vec<f32> = (0..200).map(|i| (TAU * f64::from(i) / 50.0).sin() as f32).collect();
    close(&found[..200], &ideal, 0.005);
}

#[test]
fn a_stream_refuses_gaps_and_goes_on_after_a_restart() {
    let source = ImuSource::android(50.0, THREE);
    let config = ImuConfig { layout: THREE, mean: vec![0.0; 3], std: vec![1.0; 3], ..config(50.0, 10) };
    let mut stream = ImuStream::new(config.clone(), source, Repair::Refuse, 5).expect("stream");
    let times = |from: f64| -> Vec<f64> { (0..20).map(|i| from + f64::from(i) / 50.0).collect() };
    stream.push(&[0.0; 60], Some(&times(0.0))).expect("push");
    assert!(reason(stream.push(&[0.0; 60], Some(&times(1e12)))).contains("before index 20"));
    assert!(reason(stream.push(&[0.0; 60], None)).contains("all pushes"));
    assert_eq!(stream.held(), 20);
    assert_eq!(std::iter::from_fn(|| stream.take()).count(), 3);
    stream.restart();
    stream.push(&[0.0; 60], Some(&times(1e12))).expect("push");
    assert_eq!(std::iter::from_fn(|| stream.take()).map(|w| w.expect("prepared").len()).collect::<Vec<_>>(), [30; 3]);

    // A window with a hole is an error once.
    stream.restart();
    let mut values = [0.0; 60];
    values[4 * 3] = f32::NAN;
    stream.push(&values, None).expect("push");
    let results: Vec<bool> = std::iter::from_fn(|| stream.take()).map(|w| w.is_ok()).collect();
    assert_eq!(results, [false, true, true]);

    assert!(ImuStream::new(config.clone(), source, Repair::Refuse, 0).is_err());
    assert!(ImuStream::new(config.clone(), source, Repair::Refuse, 11).is_err());
    let fast = ImuSource::android(10_000.0, THREE);
    let slow = ImuConfig { rate: 1.0, steps: 1 << 20, ..config };
    assert!(ImuStream::new(slow, fast, Repair::Refuse, 1).is_err());
}

#[test]
fn an_hour_of_a_stream_is_held_a_window_at_a_time() {
    let config = config(50.0, 128);
    let mut stream = ImuStream::new(config, ImuSource::android(100.0, SIX), Repair::Refuse, 64).expect("stream");
    let (mut windows, mut most) = (0, 0);
    let chunk = samples(100.0, 100, 6, |t, _| (PI * t).sin());
    for _ in 0..3600 {
        stream.push(&chunk, None).expect("push");
        while let Some(window) = stream.take() {
            assert_eq!(window.expect("prepared").len(), 6 * 128);
            windows += 1;
        }
        most = most.max(stream.held());
    }
    assert_eq!(windows, (360_000 - 255) / 128 + 1);
    assert!(most <= 1000, "{most} samples were held");
}

#[test]
fn configurations_are_read_from_json_and_bounded() {
    let good = json!({
        "rate": 50.0, "steps": 128, "layout": "accelerometer", "acceleration": "g", "rotation": "deg/s",
        "gravity": "removed", "mean": [0.0, 0.0, 0.0], "std": [1.0, 1.0, 1.0], "short": "zeros", "long": "keep_last"
    });
    let config = ImuConfig::parse(&good).expect("config");
    assert_eq!(serde_json::to_value(&config).expect("JSON"), good);
    for (name, value) in [
        ("rate", json!(0.0)),
        ("rate", json!(1e5)),
        ("steps", json!(1)),
        ("steps", json!(1u64 << 40)),
        ("layout", json!("magnetometer")),
        ("acceleration", json!("ft/s^2")),
        ("mean", json!([0.0])),
        ("mean", json!([0.0, 0.0, 1e300])),
        ("std", json!([1.0, 0.0, 1.0])),
        ("std", json!([1.0, 1.0, 1.0, 1.0])),
        ("unknown", json!(1)),
    ] {
        let mut json = good.clone();
        json[name] = value.clone();
        assert!(ImuConfig::parse(&json).is_err(), "{name} {value} is accepted");
    }
}
