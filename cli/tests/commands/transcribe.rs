//! `loam transcribe`: files of every format, subtitles, raw samples through a pipe, refusals, Ctrl-C.

use std::io::{Read, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{fixture, loam, path, run};

fn model() -> PathBuf {
    fixture("models/wav2vec2-base")
}

fn tone(ending: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio").join(format!("tone.{ending}"))
}

/// Raw samples of a few tones that come and go.
fn samples(seconds: usize) -> Vec<u8> {
    let sample = |i: usize| {
        let time = i as f64 / 16_000.0;
        let tones = [(220.0, 0.7), (510.0, 0.31), (1330.0, 0.43)];
        let sum: f64 = tones
            .iter()
            .map(|(hertz, period)| {
                (std::f64::consts::TAU * hertz * time).sin() * (std::f64::consts::PI * time / period).sin().max(0.0)
            })
            .sum();
        (sum * 6_000.0) as i16
    };
    (0..seconds * 16_000).flat_map(|i| sample(i).to_le_bytes()).collect()
}

fn lines(output: &[u8]) -> Vec<Value> {
    let text = String::from_utf8_lossy(output);
    text.lines().map(|line| serde_json::from_str(line).expect("a JSON object per line")).collect()
}

/// Texts of the segments of a JSON transcript, with the rules of partial texts checked.
fn transcript(events: &[Value]) -> String {
    let (mut text, mut partial) = (String::new(), String::new());
    for event in events {
        let found = event["text"].as_str().unwrap_or_default();
        match event["event"].as_str() {
            Some("segment") => {
                assert!(found.starts_with(&partial), "'{partial}' was taken back: '{found}'");
                partial.clear();
                text.push_str(found);
            }
            Some("partial") => {
                assert!(found.starts_with(&partial), "'{partial}' was taken back: '{found}'");
                partial = found.to_owned();
            }
            Some("done") => {
                assert_eq!(event["stats"]["trace"]["steps"][0]["component"], "speech");
                assert!(event["stats"]["seconds"].as_f64() > Some(0.0));
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(events.last().map(|event| &event["event"]), Some(&Value::from("done")));
    text
}

#[test]
fn files_of_every_format_are_transcribed() {
    for ending in ["wav", "flac", "mp3", "ogg"] {
        let (file, model) = (tone(ending), model());
        let words = ["transcribe", path(&file), "--model", path(&model)];
        let plain = run(&words);
        assert!(plain.status.success(), "{ending}: {}", String::from_utf8_lossy(&plain.stderr));
        let text = String::from_utf8_lossy(&plain.stdout).trim().to_owned();
        assert!(!text.is_empty(), "{ending}");
        assert!(String::from_utf8_lossy(&plain.stderr).contains("speech on cpu"), "{ending}");
        let json = run(&[&words[..], &["--json"]].concat());
        assert_eq!(transcript(&lines(&json.stdout)).trim(), text.replace('\n', " "), "{ending}");
    }
}

#[test]
fn forms_of_the_transcript() {
    let (file, model) = (tone("wav"), model());
    let written = |options: &[&str]| {
        let output = run(&[&["transcribe", path(&file), "--model", path(&model), "-q"], options].concat());
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    };
    let srt = written(&["--format", "srt"]);
    assert!(srt.starts_with("1\n00:00:0") && srt.contains(" --> 00:00:0") && srt.ends_with("\n\n"), "{srt}");
    let vtt = written(&["--format", "vtt", "--beam", "4"]);
    assert!(vtt.starts_with("WEBVTT\n\n00:00:0") && vtt.contains('.'), "{vtt}");
    let timed = written(&["--timestamps"]);
    assert!(timed.starts_with("[    0.") && timed.contains("] "), "{timed}");
    let twice = run(&["transcribe", path(&file), path(&file), "--model", path(&model), "-q"]);
    let twice = String::from_utf8_lossy(&twice.stdout).into_owned();
    assert_eq!(twice.matches(&format!("{}:", file.display())).count(), 2, "{twice}");
}

#[test]
fn raw_samples_come_through_a_pipe_with_partial_texts() {
    let sound = samples(12);
    let mut child = loam()
        .args(["transcribe", "-", "--model", path(&model()), "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut input = child.stdin.take().expect("piped");
    let writer = std::thread::spawn(move || {
        // In pieces that are no whole number of chunks.
        for piece in sound.chunks(5_001) {
            input.write_all(piece).expect("written");
        }
    });
    let output = child.wait_with_output().expect("ends");
    writer.join().expect("written");
    assert!(output.status.success());
    let events = lines(&output.stdout);
    assert!(events.iter().filter(|event| event["event"] == "partial").count() > 1);
    let done = events.last().expect("done");
    assert_eq!(done["stats"]["seconds"], 12.0);
    assert!(!transcript(&events).is_empty());
}

#[test]
fn what_cannot_be_transcribed_has_its_exit_code() {
    let dir = tempfile::tempdir().expect("tempdir");
    let broken = dir.path().join("broken.wav");
    std::fs::write(&broken, b"RIFFxxxx").expect("written");
    let (file, model, backbone) = (tone("wav"), model(), fixture("models/llama2/model.gguf"));
    let [file, model, backbone] = [&file, &model, &backbone].map(|p| path(p));
    for (words, code, wanted) in [
        (vec![path(&broken), "--model", model], 4, "sound file"),
        (vec!["missing.wav", "--model", model], 3, "missing.wav"),
        (vec![file, "--model", backbone], 11, "speech-encoder"),
        (vec![file, "--model", model, "--beam", "33"], 2, "33"),
        (vec![file, "--model", model, "--language", "tlh"], 2, "tlh"),
        (vec![file, "--model", model, "--translate"], 5, "translation"),
        (vec![file, file, "--model", model, "--format", "srt"], 2, "one file"),
        (vec![file, "--model", model, "--format", "vtt", "--timestamps"], 2, "timestamps"),
        (vec!["-", "--model", model], 2, "no sample"),
        (vec!["--model", model], 2, "FILE"),
    ] {
        let output = run(&[&["transcribe"], &words[..]].concat());
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {message}");
        assert!(message.contains(wanted), "{words:?}: {message}");
    }
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_transcript_cleanly() {
    let mut child = loam()
        .args(["transcribe", "-", "--model", path(&model()), "--json"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut input = child.stdin.take().expect("piped");
    let mut output = child.stdout.take().expect("piped");
    input.write_all(&samples(8)).expect("written");
    let mut first = [0; 1];
    output.read_exact(&mut first).expect("some text");
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(interrupted.success());
    // Ctrl-C is noticed with the next block of sound.
    let _ = input.write_all(&samples(1));
    let mut rest = Vec::new();
    output.read_to_end(&mut rest).expect("the rest");
    assert_eq!(child.wait().expect("ends").code(), Some(130));
    let events = lines(&[&first[..], &rest].concat());
    assert_eq!(events.last().map(|event| &event["event"]), Some(&Value::from("done")));
}
