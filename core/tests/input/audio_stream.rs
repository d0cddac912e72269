//! Streams of sound: resampling in pieces, windows of long recordings.

use loam::input::{Audio, AudioWindows, Channels, LogMel, MelConfig, Resampler, SampleRate};
use proptest::prelude::*;

use crate::audio::{expected, speech};

fn rate(hertz: u32) -> SampleRate {
    SampleRate::new(hertz).expect("rate")
}

fn sound(hertz: u32, count: usize, f: impl Fn(f64) -> f64) -> Audio {
    let samples: Vec<f32> = (0..count).map(|i| f(i as f64 / f64::from(hertz)) as f32).collect();
    Audio::from_f32(&samples, Channels::MONO, rate(hertz)).expect("sound")
}

/// Energy of the expected over that of the difference, in dB, without the tenth at either end.
fn signal_to_noise(found: &[f32], expected: &[f32]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let middle = found.len() / 10..found.len() * 9 / 10;
    let energy = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
    let noise = energy(&mut middle.clone().map(|i| found[i] - expected[i]));
    10.0 * (energy(&mut middle.clone().map(|i| expected[i])) / noise.max(1e-30)).log10()
}

const PAIRS: [(u32, u32); 12] = [
    (44_100, 16_000),
    (48_000, 16_000),
    (22_050, 16_000),
    (8_000, 16_000),
    (11_025, 16_000),
    (16_000, 8_000),
    (16_000, 22_050),
    (16_000, 44_100),
    (192_000, 4_000),
    (4_000, 192_000),
    (44_101, 16_000),
    (96_000, 44_100),
];

#[test]
fn a_sweep_through_the_pass_band_comes_out_at_its_place() {
    for (from, to) in PAIRS {
        let seconds = if from.min(to) < 8_000 { 4.0 } else { 2.0 };
        // From 50 Hz to 96 % of the lower Nyquist frequency.
        let top = 0.96 * f64::from(from.min(to)) / 2.0;
        let sweep =
            move |t: f64| 0.7 * (std::f64::consts::TAU * (50.0 * t + (top - 50.0) / 2.0 / seconds * t * t)).sin();
        let input = sound(from, (seconds * f64::from(from)) as usize, sweep);
        let found = input.resampled(rate(to)).expect("resampled");
        let ideal = sound(to, (seconds * f64::from(to)) as usize, sweep);
        let ratio = signal_to_noise(found.samples(), ideal.samples());
        eprintln!("{from} Hz to {to} Hz: {ratio:.1} dB");
        assert!(ratio >= 80.0, "{from} Hz to {to} Hz: {ratio:.1} dB");
    }
}

#[test]
fn what_the_new_rate_cannot_hold_is_removed() {
    for (from, to) in [(44_100, 16_000), (48_000, 8_000), (192_000, 4_000)] {
        let tone = |t: f64| 0.7 * (std::f64::consts::TAU * 0.52 * f64::from(to) * t).sin();
        let found = sound(from, from as usize * 2, tone).resampled(rate(to)).expect("resampled");
        let middle = &found.samples()[found.samples().len() / 10..found.samples().len() * 9 / 10];
        let loudest = middle.iter().fold(0f32, |loudest, v| loudest.max(v.abs()));
        assert!(loudest < 1e-4, "{from} Hz to {to} Hz leaves {loudest}");
    }
}

#[test]
fn speech_is_resampled_as_by_scipy() {
    let Some(speech) = speech() else { return };
    let part = Audio::from_f32(&speech.samples()[8_000..24_000], Channels::MONO, SampleRate::SPEECH).expect("speech");
    for to in [8_000, 22_050, 44_100, 48_000] {
        let found = part.resampled(rate(to)).expect("resampled");
        assert_eq!(found.samples().len(), to as usize);
        let middle = found.samples().len() / 2;
        let (ideal, _) = expected(&format!("jfk.resampled.{to}"));
        let ratio = signal_to_noise(&found.samples()[middle - 2000..middle + 2000], &ideal);
        eprintln!("speech to {to} Hz: {ratio:.1} dB");
        // The two filters differ in the last percent below the lower Nyquist frequency, where speech is faint.
        assert!(ratio >= 60.0, "speech to {to} Hz: {ratio:.1} dB");
    }
}

fn in_pieces(resampler: &mut Resampler, samples: &[f32], pieces: impl Iterator<Item = usize>) -> Vec<f32> {
    let (mut out, mut rest) = (Vec::new(), samples);
    for piece in pieces {
        let (now, later) = rest.split_at(piece.min(rest.len()));
        resampler.push(now, &mut out).expect("push");
        rest = later;
    }
    resampler.push(rest, &mut out).expect("push");
    resampler.finish(&mut out).expect("finish");
    out
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn pieces_come_out_as_the_whole(
        pair in 0..PAIRS.len(),
        samples in prop::collection::vec(-1f32..1.0, 1..20_000),
        pieces in prop::collection::vec(0usize..3_000, 0..12),
    ) {
        let (from, to) = PAIRS[pair];
        let whole = Audio::from_f32(&samples, Channels::MONO, rate(from)).expect("sound").resampled(rate(to));
        let whole = whole.expect("resampled");
        let length = (samples.len() as f64 * f64::from(to) / f64::from(from)).round().max(1.0);
        prop_assert!((whole.samples().len() as f64 - length).abs() <= 1.0 && !whole.samples().is_empty());
        let mut resampler = Resampler::new(rate(from), rate(to)).expect("rates");
        // Twice, as a finished resampler begins again.
        for _ in 0..2 {
            let found = in_pieces(&mut resampler, &samples, pieces.iter().copied());
            prop_assert_eq!(found.as_slice(), whole.samples());
        }
    }

    #[test]
    fn windows_are_slices_of_the_whole(
        count in 0usize..500,
        length in 1usize..80,
        share in 1usize..=4,
        pieces in prop::collection::vec(0usize..120, 0..12),
    ) {
        let hop = length.div_ceil(share);
        let samples: Vec<f32> = (0..count).map(|i| i as f32 / 500.0).collect();
        let mut windows = AudioWindows::new(length, hop).expect("window");
        let (mut found, mut rest) = (0, samples.as_slice());
        for piece in pieces.into_iter().chain([usize::MAX]) {
            let (now, later) = rest.split_at(piece.min(rest.len()));
            windows.push(now).expect("push");
            rest = later;
            while let Some(window) = windows.take() {
                prop_assert_eq!(window, &samples[found * hop..found * hop + length]);
                found += 1;
            }
        }
        prop_assert_eq!(found, if count < length { 0 } else { (count - length) / hop + 1 });
        let covered = if found == 0 { 0 } else { (found - 1) * hop + length };
        let tail = windows.finish();
        prop_assert_eq!(tail.is_some(), covered < count);
        if let Some(tail) = tail {
            prop_assert_eq!(tail.as_slice(), &samples[found * hop..]);
        }
    }
}

#[test]
fn a_hundred_milliseconds_at_a_time() {
    let input = sound(48_000, 48_000 * 3, |t| 0.5 * (t * 3000.0).sin());
    let whole = input.resampled(SampleRate::SPEECH).expect("resampled");
    let mut resampler = Resampler::new(rate(48_000), SampleRate::SPEECH).expect("rates");
    let mut out = Vec::new();
    for (i, chunk) in input.samples().chunks(4_800).enumerate() {
        resampler.push(chunk, &mut out).expect("push");
        // The filter holds back half of its length and what does not fill a block.
        let behind = (i + 1) * 1_600 - out.len();
        assert!(behind <= 1_024 / 2 + 1_026, "{behind} samples behind");
    }
    resampler.finish(&mut out).expect("finish");
    assert_eq!(out, whole.samples());
}

#[test]
fn bad_samples_in_a_stream_are_refused_by_their_index_in_it() {
    let mut resampler = Resampler::new(rate(8_000), rate(16_000)).expect("rates");
    let mut windows = AudioWindows::new(100, 50).expect("window");
    let mut out = Vec::new();
    resampler.push(&[0.0; 70], &mut out).expect("push");
    windows.push(&[0.0; 70]).expect("push");
    let bad = [0.0, 0.0, f32::NAN];
    for reason in [resampler.push(&bad, &mut out).expect_err("NaN"), windows.push(&bad).expect_err("NaN")] {
        assert!(reason.to_string().contains("sample 72 is NaN"), "{reason}");
    }
    assert_eq!(windows.held(), 70, "a refused push changed the stream");
    for (length, hop) in [(0, 0), (10, 0), (10, 11), (usize::MAX, 1)] {
        assert!(AudioWindows::new(length, hop).is_err(), "{length} every {hop}");
    }
}

#[test]
fn four_hours_are_read_in_the_memory_of_one_window() {
    const WINDOW: usize = 480_000;
    let (from, to) = (rate(8_000), SampleRate::SPEECH);
    let mut resampler = Resampler::new(from, to).expect("rates");
    let mut windows = AudioWindows::new(WINDOW, WINDOW).expect("window");
    let log_mel = LogMel::new(MelConfig::whisper(80)).expect("config");
    // 100 ms at a time; the recording never exists as a whole.
    let (mut block, mut found, mut seen, mut most) = (Vec::new(), Vec::new(), 0, 0);
    for index in 0..4 * 3600 * 10 {
        let phase = (index % 7) as f32 * 0.1;
        let chunk: [f32; 800] = std::array::from_fn(|i| (i as f32 * (0.05 + phase)).sin() * 0.3);
        found.clear();
        resampler.push(&chunk, &mut found).expect("push");
        windows.push(&found).expect("push");
        most = most.max(windows.held());
        while let Some(window) = windows.take() {
            block.clear();
            block.extend_from_slice(window);
            seen += 1;
            // All of them would take some seconds of test time and prove no more.
            if seen % 60 == 0 {
                let audio = Audio::from_f32(&block, Channels::MONO, to).expect("window");
                assert_eq!(log_mel.compute(&audio).expect("log-mel").frames(), 3000);
            }
        }
    }
    found.clear();
    resampler.finish(&mut found).expect("finish");
    windows.push(&found).expect("push");
    while windows.take().is_some() {
        seen += 1;
    }
    assert_eq!(seen, 4 * 3600 / 30);
    assert_eq!(windows.finish(), None);
    assert!(most <= WINDOW + 2 * 2_048, "{most} samples were held");
}
