//! Hours of sound through the whole program: bounded memory, whatever the recogniser, and text to the end.

use std::io::{BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::Path;
use std::process::Stdio;

use serde_json::Value;

use crate::{fixture, loam, path};

const RATE: u32 = 16_000;
const SECONDS: u32 = 4 * 3600;
/// Peak of a process with a network of some kilobytes; the file alone is seven times as long.
const MOST_BYTES: u64 = 64 << 20;

/// Four hours of 16-bit samples, silent but for noise at both ends; the silence takes no room on disk.
fn write_sound(file: &Path) {
    let bytes = SECONDS * RATE * 2;
    let mut sound = std::fs::File::create(file).expect("created");
    let format =
        hound::WavSpec { channels: 1, sample_rate: RATE, bits_per_sample: 16, sample_format: hound::SampleFormat::Int };
    let mut header = format.into_header_for_infinite_file();
    let riff = u32::try_from(header.len()).expect("short") - 8 + bytes;
    header[4..8].copy_from_slice(&riff.to_le_bytes());
    let at = header.len() - 4;
    header[at..].copy_from_slice(&bytes.to_le_bytes());
    sound.write_all(&header).expect("written");
    let noise: Vec<u8> =
        (0..10 * RATE).flat_map(|i| ((i.wrapping_mul(2_654_435_761) >> 18) as i16 - (1 << 13)).to_le_bytes()).collect();
    sound.write_all(&noise).expect("written");
    sound.set_len(header.len() as u64 + u64::from(bytes)).expect("room");
    sound.seek(SeekFrom::End(-(noise.len() as i64))).expect("there");
    sound.write_all(&noise).expect("written");
}

/// Most bytes that a process had in memory, of its own and of shared files.
fn peak(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().trim_end_matches(" kB").parse().ok().map(|kib: u64| kib * 1024)
}

fn four_hours(model: &str) {
    let dir = tempfile::tempdir().expect("tempdir");
    let file = dir.path().join("day.wav");
    write_sound(&file);
    let model = fixture("models").join(model);
    let mut child = loam()
        .args(["transcribe", path(&file), "--model", path(&model), "--json"])
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let (mut most, mut last_text, mut done) = (None, 0.0, None);
    for line in BufReader::new(child.stdout.take().expect("piped")).lines() {
        // The peak only grows, and the last line comes when all work is done.
        most = most.max(peak(child.id()));
        let event: Value = serde_json::from_str(&line.expect("UTF-8")).expect("a JSON object per line");
        match event["event"].as_str() {
            Some("segment") => last_text = event["end"].as_f64().expect("a time"),
            Some("done") => done = Some(event),
            _ => {}
        }
    }
    assert!(child.wait().expect("ends").success());
    let done = done.expect("an end");
    assert_eq!(done["stats"]["seconds"], f64::from(SECONDS));
    let most = most.expect("Linux tells it");
    eprintln!("{}: {most} bytes at most, last text at {last_text} s", model.display());
    assert!(most < MOST_BYTES, "{most} bytes");
    assert!(last_text > f64::from(SECONDS - 30), "the last text ends at {last_text} s");
}

#[test]
fn a_tower_of_our_own_hears_four_hours() {
    four_hours("tower-speech");
}

#[test]
fn whisper_hears_four_hours() {
    four_hours("whisper");
}
