//! Every format against the formula that its fixture was made from (`parity/make_sound_files.sh`), and damaged files.

use std::path::{Path, PathBuf};

use super::*;

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio").join(name)
}

fn samples(path: &Path) -> Result<Vec<f32>> {
    let mut file = AudioFile::open(path)?;
    let mut out = Vec::new();
    while let Some(block) = file.next_block()? {
        assert_eq!(block.rate(), file.rate());
        out.extend_from_slice(block.samples());
    }
    Ok(out)
}

/// Half a second at 16 kHz: the left channel is a tone of 440 Hz, the right one of 660 Hz; they are mixed.
fn ideal() -> Vec<f32> {
    let tone = |hertz: f64, i: u32| (std::f64::consts::TAU * hertz * f64::from(i) / 16000.0).sin();
    (0..8000).map(|i| (0.25 * tone(440.0, i) + 0.15 * tone(660.0, i)) as f32).collect()
}

#[test]
fn every_format_is_the_sound_it_was_made_from() {
    // WAV and FLAC are exact up to 16 bits; MP3 and Vorbis are lossy.
    for (name, tolerance) in [("tone.wav", 1e-4), ("tone.flac", 1e-4), ("tone.mp3", 0.03), ("tone.ogg", 0.03)] {
        let file = AudioFile::open(&fixture(name)).expect(name);
        assert_eq!((file.rate().hertz(), file.channels().count()), (16000, 2), "{name}");
        let found = samples(&fixture(name)).expect(name);
        assert_eq!(found.len(), 8000, "{name}");
        let worst = found.iter().zip(ideal()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(worst < tolerance, "{name} differs by {worst}");
        // In blocks, not as a whole.
        let mut file = AudioFile::open(&fixture(name)).expect(name);
        assert!(file.next_block().expect("block").expect("some").samples().len() < 8000, "{name}");
    }
}

fn damaged(name: &str, bytes: &[u8]) -> String {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join(name);
    std::fs::write(&path, bytes).expect("written");
    match samples(&path).expect_err("refused") {
        Error::Malformed { reason, .. } => reason,
        other => panic!("{name}: {other:?}"),
    }
}

fn wav(header: [u32; 2], data: &[u8]) -> Vec<u8> {
    let mut out = b"RIFF".to_vec();
    out.extend(header[0].to_le_bytes());
    out.extend(b"WAVEfmt \x10\0\0\0\x01\0\x01\0\x80\x3e\0\0\0\x7d\0\0\x02\0\x10\0data");
    out.extend(header[1].to_le_bytes());
    out.extend(data);
    out
}

#[test]
fn cut_files_are_refused() {
    for name in ["tone.wav", "tone.flac", "tone.mp3"] {
        let whole = std::fs::read(fixture(name)).expect(name);
        let reason = damaged(name, &whole[..whole.len() * 2 / 3]);
        assert!(reason.contains("ends"), "{name}: {reason}");
    }
    // Every length is an error or fewer samples, never a panic or a hang.
    for name in ["tone.wav", "tone.flac", "tone.mp3", "tone.ogg"] {
        let whole = std::fs::read(fixture(name)).expect(name);
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join(name);
        for length in (0..whole.len()).step_by(97) {
            std::fs::write(&path, &whole[..length]).expect("written");
            match samples(&path) {
                Ok(found) => {
                    assert!(name == "tone.ogg" && found.len() <= 8000 || found.len() == 8000, "{name}: {length}")
                }
                Err(reason) => assert!(matches!(reason, Error::Malformed { .. }), "{name}: {reason:?}"),
            }
        }
    }
}

#[test]
fn a_header_alone_is_no_sound() {
    assert!(damaged("empty.wav", &wav([36, 0], &[])).contains("no sample"));
    assert!(damaged("nothing.wav", &[]).len() > 3);
    assert!(damaged("text.wav", b"This is a text, whatever its name says.\n".repeat(50).as_slice()).len() > 3);
}

#[test]
fn a_header_that_claims_four_gigabytes_is_read_to_its_real_end() {
    let claimed = u32::MAX - 64;
    let reason = damaged("large.wav", &wav([claimed + 36, claimed & !1], &[0; 3200]));
    assert!(reason.contains("ends after 1600 of 21474"), "{reason}");
}

#[test]
fn samples_that_are_no_numbers_are_refused() {
    let mut float = wav([36 + 8, 8], &[0, 0, 0, 0, 0, 0, 0xc0, 0x7f]);
    // IEEE float, 32 bits.
    float[20] = 3;
    float[28..36].copy_from_slice(&[0, 0xfa, 0, 0, 4, 0, 32, 0]);
    let reason = damaged("nan.wav", &float);
    assert!(reason.contains("sample 1 is NaN"), "{reason}");
}

#[test]
fn a_missing_file_is_an_error_of_the_disk() {
    assert!(matches!(AudioFile::open(Path::new("no/such.wav")), Err(Error::Io { .. })));
    assert!(!is_named_as_sound(Path::new("no/such.wav")));
    assert!(is_named_as_sound(&fixture("tone.flac")));
}
