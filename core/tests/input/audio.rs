//! Sound against transformers, torchaudio's Kaldi code and torch: `parity/make_audio.py` wrote what is expected.

use loam::Error;
use loam::input::{
    Audio, AudioFeatures, Channels, Fbank, FbankConfig, FbankWindow, FeatureExtractor, MelConfig, PcmFormat, SampleRate,
};
use loam::weights::Safetensors;
use serde_json::{Value, json};

use crate::support::shared;

const RATE: SampleRate = SampleRate::SPEECH;
/// Of every spectrogram, absolute; the values lie between -16 and 4.
const TOLERANCE: f32 = 1e-3;

fn fixture(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio").join(name)
}

pub fn expected(name: &str) -> (Vec<f32>, Vec<usize>) {
    let file = Safetensors::open(fixture("expected.safetensors")).expect("fixture");
    let tensor = file.tensor(name).expect("readable").unwrap_or_else(|| panic!("{name} is in the fixture"));
    (tensor.to_f32(), tensor.shape.to_vec())
}

pub fn sound() -> Audio {
    let bytes = std::fs::read(fixture("expected.safetensors")).expect("fixture");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let pcm = file.tensor("sound").expect("sound");
    Audio::from_bytes(pcm.data(), PcmFormat::I16, Channels::MONO, RATE).expect("sound")
}

/// Eleven seconds of speech, where the shared assets are.
pub fn speech() -> Option<Audio> {
    let bytes = std::fs::read(shared("weights/whisper-vectors/jfk.wav")?).expect("readable");
    let data = bytes.windows(4).position(|w| w == b"data").expect("a data chunk") + 8;
    Some(Audio::from_bytes(&bytes[data..], PcmFormat::I16, Channels::MONO, RATE).expect("speech"))
}

fn sounds() -> Vec<(&'static str, Audio)> {
    let mut sounds = vec![("sound", sound())];
    sounds.extend(speech().map(|speech| ("jfk", speech)));
    sounds
}

/// Compares rows of which the fixture has every n-th, or columns where `columns` says so.
fn compare(name: &str, found: &AudioFeatures, every: usize, along: Along) {
    let (expected, shape) = expected(name);
    let last = *found.shape.last().expect("a shape");
    let kept: Vec<f32> = match along {
        Along::Rows => found.values.chunks(last).step_by(every).flatten().copied().collect(),
        Along::Columns => found.values.chunks(last).flat_map(|row| row.iter().step_by(every)).copied().collect(),
    };
    assert_eq!(kept.len(), expected.len(), "{name}: {:?} against {shape:?}", found.shape);
    let worst = kept.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    eprintln!("{name}: {worst:.2e}");
    assert!(worst <= TOLERANCE, "{name} differs by {worst:e}");
    let spread = expected.iter().copied().fold(f32::MIN, f32::max) - expected.iter().copied().fold(f32::MAX, f32::min);
    assert!(spread > 1.0, "{name}: the expected values hardly differ, so they prove nothing");
}

#[derive(Clone, Copy)]
enum Along {
    Rows,
    Columns,
}

fn extractor(kind: &str) -> FeatureExtractor {
    FeatureExtractor::parse(&json!({ "feature_extractor_type": kind })).expect("defaults")
}

#[test]
fn whisper_s_log_mel_is_that_of_transformers() {
    for (name, audio) in sounds() {
        for bins in [80, 128] {
            let json = json!({ "feature_extractor_type": "WhisperFeatureExtractor", "feature_size": bins,
                "sampling_rate": 16000, "hop_length": 160, "chunk_length": 30, "n_fft": 400, "padding_value": 0.0,
                "nb_max_frames": 3000, "n_samples": 480_000, "return_attention_mask": false });
            let found = FeatureExtractor::parse(&json).expect("config").extract(&audio).expect("log-mel");
            assert_eq!(found.shape, [bins, 3000]);
            compare(&format!("{name}.whisper.{bins}"), &found, 20, Along::Columns);
        }
    }
}

#[test]
fn ast_and_raw_features_are_those_of_transformers() {
    for (name, audio) in sounds() {
        let found = extractor("ASTFeatureExtractor").extract(&audio).expect("filter bank");
        assert_eq!(found.shape, [1024, 128]);
        compare(&format!("{name}.ast"), &found, 16, Along::Rows);
        let found = extractor("Wav2Vec2FeatureExtractor").extract(&audio).expect("raw");
        assert_eq!(found.shape, [audio.samples().len()]);
        compare(&format!("{name}.raw"), &found, 16, Along::Columns);
    }
}

#[test]
fn filter_banks_are_torchaudio_s() {
    for (window, bins, name) in [(FbankWindow::Hanning, 128, "hanning"), (FbankWindow::Povey, 40, "povey")] {
        let fbank = Fbank::new(FbankConfig { rate: RATE, bins, window }).expect("config");
        let mel = fbank.compute(&sound()).expect("filter bank");
        let found = AudioFeatures { values: mel.by_frame(), shape: vec![mel.frames(), mel.bins()] };
        compare(&format!("sound.fbank.{name}"), &found, 4, Along::Rows);
    }
}

#[test]
fn imagebind_hears_three_clips() {
    let found = FeatureExtractor::imagebind(128, 204).expect("constants").extract(&sound()).expect("clips");
    assert_eq!(found.shape, [3, 128, 204]);
    compare("sound.imagebind", &found, 6, Along::Columns);
}

#[test]
fn our_own_log_mel_is_torch_s_and_is_cut_and_filled() {
    let text = std::fs::read_to_string(fixture("own.json")).expect("fixture");
    let config = MelConfig::parse(&serde_json::from_str(&text).expect("JSON")).expect("config");
    for (frames, name) in [(192, "sound.own"), (100, "sound.own.cut")] {
        let config = MelConfig { frames: Some(frames), ..config.clone() };
        let found = FeatureExtractor::log_mel(config).expect("config").extract(&sound()).expect("log-mel");
        assert_eq!(found.shape, [64, frames]);
        compare(name, &found, 2, Along::Columns);
    }
}

#[test]
fn sound_at_another_rate_is_resampled_first() {
    // A tone at 44.1 kHz and the same tone at 16 kHz.
    let tone = |hertz: u32| {
        let samples: Vec<f32> = (0..hertz * 2)
            .map(|i| 0.5 * (std::f64::consts::TAU * 440.0 * f64::from(i) / f64::from(hertz)).sin() as f32)
            .collect();
        Audio::from_f32(&samples, Channels::MONO, SampleRate::new(hertz).expect("rate")).expect("tone")
    };
    let whisper = extractor("WhisperFeatureExtractor");
    let [native, other] = [16000, 44100].map(|hertz| whisper.extract(&tone(hertz)).expect("log-mel").values);
    // Away from the ends, where a resampler has to assume what lies outside.
    let worst = (0..80).flat_map(|bin| (10..190).map(move |frame| bin * 3000 + frame));
    let worst = worst.map(|i| (native[i] - other[i]).abs()).fold(0.0, f32::max);
    assert!(worst < 0.02, "they differ by {worst}");
}

#[test]
fn pcm_of_every_format_is_the_same_sound() {
    let rate = SampleRate::new(8000).expect("rate");
    let bytes = |format, bytes: &[u8]| Audio::from_bytes(bytes, format, Channels::MONO, rate).expect("PCM");
    let expected = [0.5, -0.25, -1.0];
    let i16s = Audio::from_i16(&[16384, -8192, -32768], Channels::MONO, rate).expect("PCM");
    assert_eq!(i16s.samples(), expected);
    assert_eq!(bytes(PcmFormat::U8, &[192, 96, 0]).samples(), expected);
    assert_eq!(bytes(PcmFormat::I16, &[0, 0x40, 0, 0xe0, 0, 0x80]).samples(), expected);
    assert_eq!(bytes(PcmFormat::I24, &[0, 0, 0x40, 0, 0, 0xe0, 0, 0, 0x80]).samples(), expected);
    assert_eq!(bytes(PcmFormat::I32, &[0, 0, 0, 0x40, 0, 0, 0, 0xe0, 0, 0, 0, 0x80]).samples(), expected);
    let floats: Vec<u8> = expected.iter().flat_map(|f: &f32| f.to_le_bytes()).collect();
    assert_eq!(bytes(PcmFormat::F32, &floats).samples(), expected);
    let mixed = Audio::from_f32(&[1.0, 0.0, -0.5, -0.5], Channels::STEREO, rate).expect("PCM");
    assert_eq!(mixed.samples(), [0.5, -0.5]);
    assert_eq!(mixed.seconds(), 2.0 / 8000.0);
}

fn argument(result: loam::Result<impl std::fmt::Debug>) -> String {
    match result.expect_err("refused") {
        Error::Argument { reason, .. } => reason,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bad_sound_is_refused_by_index() {
    let of = |samples: &[f32]| Audio::from_f32(samples, Channels::MONO, RATE);
    assert!(argument(of(&[])).contains("0 samples"));
    assert!(argument(of(&[0.0, 0.1, f32::NAN])).contains("sample 2 is NaN"));
    assert!(argument(of(&[0.0, f32::INFINITY])).contains("sample 1 is inf"));
    assert!(argument(of(&[0.0, 1200.0])).contains("sample 1 is 1200"), "integers that were never scaled");
    assert!(argument(Audio::from_f32(&[0.0; 3], Channels::STEREO, RATE)).contains("3 samples in 2 channels"));
    assert!(argument(Audio::from_bytes(&[0; 3], PcmFormat::I16, Channels::MONO, RATE)).contains("3 bytes"));
    let nan = [0u8, 0, 0, 0, 0, 0, 0xc0, 0x7f];
    assert!(argument(Audio::from_bytes(&nan, PcmFormat::F32, Channels::MONO, RATE)).contains("sample 1 is NaN"));
    assert!(argument(SampleRate::new(3999)).contains("3999"));
    assert!(argument(SampleRate::new(192_001)).contains("192001"));
    assert!(argument(Channels::new(0)).contains('0'));
    assert!(argument(Channels::new(33)).contains("33"));
}

#[test]
fn one_sample_is_enough_where_silence_may_follow_and_refused_elsewhere() {
    let click = Audio::from_f32(&[0.5], Channels::MONO, RATE).expect("a sample");
    let whisper = extractor("WhisperFeatureExtractor").extract(&click).expect("30 s of silence follow");
    assert!(whisper.values.iter().all(|v| v.is_finite()));
    assert!(argument(extractor("ASTFeatureExtractor").extract(&click)).contains("1 samples, one frame has 400"));
    assert!(
        argument(FeatureExtractor::imagebind(128, 204).expect("constants").extract(&click))
            .contains("one frame has 400")
    );
    let own = MelConfig { samples: None, ..MelConfig::whisper(80) };
    assert!(argument(FeatureExtractor::log_mel(own).expect("config").extract(&click)).contains("needs 201"));
    // As few as the message says.
    let least = Audio::from_f32(&[0.5; 201], Channels::MONO, RATE).expect("samples");
    let own = MelConfig { samples: None, ..MelConfig::whisper(80) };
    assert_eq!(FeatureExtractor::log_mel(own).expect("config").extract(&least).expect("a frame").shape, [80, 1]);
}

#[test]
fn sound_longer_than_a_window_is_refused_and_silence_is_finite() {
    let long = Audio::from_f32(&vec![0.0; 480_001], Channels::MONO, RATE).expect("silence");
    let reason = argument(extractor("WhisperFeatureExtractor").extract(&long));
    assert!(reason.contains("480001") && reason.contains("windows"), "{reason}");
    for extractor in [extractor("ASTFeatureExtractor"), FeatureExtractor::imagebind(128, 204).expect("constants")] {
        assert!(extractor.extract(&long).expect("silence").values.iter().all(|v| v.is_finite()));
    }
    let raw = extractor("Wav2Vec2FeatureExtractor").extract(&long).expect("silence");
    assert!(raw.values.iter().all(|&v| v == 0.0));
}

#[test]
fn hostile_configurations_are_refused_by_name() {
    let with = |kind: &str, name: &str, value: Value| {
        let json = json!({ "feature_extractor_type": kind, name: value });
        FeatureExtractor::parse(&json).expect_err("refused").to_string()
    };
    for (name, value) in [
        ("feature_size", json!(0)),
        ("feature_size", json!(1u64 << 40)),
        ("n_fft", json!(401)),
        ("n_fft", json!(1u64 << 50)),
        ("hop_length", json!(0)),
        ("hop_length", json!(401)),
        ("chunk_length", json!(1e300)),
        ("chunk_length", json!(601)),
        ("sampling_rate", json!(-1)),
        ("sampling_rate", json!("16000")),
        ("dither", json!(0.1)),
        ("padding_value", json!(1)),
    ] {
        let message = with("WhisperFeatureExtractor", name, value.clone());
        let own = match name {
            "hop_length" => "hop",
            name => name,
        };
        assert!(message.contains(own), "{name} {value}: {message}");
    }
    assert!(with("ASTFeatureExtractor", "max_length", json!(1u64 << 33)).contains("max_length"));
    assert!(with("ASTFeatureExtractor", "num_mel_bins", json!(3)).contains("num_mel_bins"));
    assert!(with("ASTFeatureExtractor", "std", json!(0.0)).contains("normalize"));
    assert!(with("ASTFeatureExtractor", "do_normalize", json!(1)).contains("do_normalize"));
    assert!(with("Wav2Vec2FeatureExtractor", "feature_size", json!(2)).contains("feature_size"));
    assert!(with("EncodecFeatureExtractor", "a", json!(1)).contains("EncodecFeatureExtractor"));
    assert!(FeatureExtractor::parse(&json!([])).is_err());

    let text = std::fs::read_to_string(fixture("own.json")).expect("fixture");
    let own: Value = serde_json::from_str(&text).expect("JSON");
    for (name, value) in [
        ("n_mels", json!(513)),
        ("f_min", json!(9000.0)),
        ("f_max", json!(8001.0)),
        ("frames", json!(0)),
        ("samples", json!(1u64 << 40)),
        ("log", json!({ "kind": "ln", "floor": 0.0 })),
        ("log", json!({ "kind": "ln_plus", "offset": 1e300 })),
        ("normalize", json!({ "kind": "affine", "mean": 0.0, "std": 0.0 })),
        ("normalize", json!({ "kind": "other" })),
        ("unknown", json!(1)),
    ] {
        let mut json = own.clone();
        json[name] = value.clone();
        assert!(MelConfig::parse(&json).is_err(), "{name} {value} is accepted");
    }
}
