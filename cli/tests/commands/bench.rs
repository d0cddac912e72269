//! `loam bench`: every data set of the benchmark on files in its official format, runs that are stopped and gone on with, and what
//! is made of their scores.

use std::collections::BTreeMap;
use std::fs;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use loam_bench::loader::{Example, Input, Media, Source, Target};
use loam_bench::registry::{self, Entry};
use serde_json::{Value, json};

use super::{fixture, is_pulled, json, loam, path, run};

/// The fixtures of all ids, in their order.
const FIXTURES: [&str; 50] = [
    "ptb",
    "squad",
    "tydi",
    "wmt-xml",
    "wmt-lines",
    "tweeteval",
    "goemotions",
    "agnews",
    "sst2",
    "jfleg",
    "cnndm",
    "codesearchnet",
    "shellcode",
    "coco",
    "lvis",
    "inshop",
    "set5",
    "wikiart",
    "ade20k",
    "voc",
    "class-folders",
    "cifar100",
    "imagenet",
    "gtsrb",
    "veri",
    "adience",
    "class-folders",
    "ap10k",
    "kinetics",
    "ucf",
    "refmatte",
    "librispeech",
    "fsc",
    "slurp",
    "iemocap",
    "esc50",
    "speechcommands",
    "ucihar",
    "hhar",
    "motionsense",
    "ljspeech",
    "clotho",
    "audiocaps",
    "coco",
    "flickr8k",
    "flickr8k",
    "flickr30k",
    "vggsound",
    "vqa2",
    "vizwiz",
];

/// What an id lacks in loam-nano without an adapter, as its refusal names it. Other tests run each of them with it.
const LACKING: [(u8, &str); 3] = [
    (18, "it takes an adapter of the upscaler that draws in a style"),
    (34, "it takes an adapter with a head of tags"),
    (41, "no speech-generator component"),
];

/// Ids that take an adapter with a dense head, with the fixture of such a one and what becomes of its labels.
const DENSE: [(u8, &str, Labels); 7] = [
    (14, "dense-boxes", Labels::Of(&["person", "dog"])),
    (15, "dense-boxes", Labels::Of(&["acorn", "aerosol_can"])),
    (19, "dense-classes", Labels::Of(&["1", "2", "3"])),
    (20, "dense-classes", Labels::Of(&["background", "cat", "dog"])),
    (28, "dense-points", Labels::Keypoints),
    (30, "dense-density", Labels::Own),
    (31, "dense-mask", Labels::Own),
];
/// Bytes that a sound of some length has.
const SOUND: u64 = 30_000;
/// Of AP-10K's animals.
const KEYPOINTS: usize = 17;
/// What the head's last layer gives for them: four places of each, which are shuffled into a plane of twice the size.
const PLANES: usize = KEYPOINTS * 4;

enum Labels {
    Own,
    Of(&'static [&'static str]),
    /// As many as there are keypoints, and as many planes.
    Keypoints,
}

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../bench/eai/tests/fixtures")
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a folder");
    for entry in fs::read_dir(from).expect("fixture").map(|entry| entry.expect("entry").path()) {
        let there = to.join(entry.file_name().expect("a name"));
        if entry.is_dir() { copy(&entry, &there) } else { fs::copy(&entry, &there).map(drop).expect("copied") }
    }
}

/// The fixture of an id with pictures and sounds where it only names some.
fn data(entry: &Entry) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    copy(&fixtures().join(FIXTURES[usize::from(entry.id.number()) - 1]), folder.path());
    let examples =
        entry.format.open(folder.path(), entry.split).unwrap_or_else(|error| panic!("{}: {error}", entry.id));
    for (at, example) in examples.enumerate() {
        let example: Example = example.unwrap_or_else(|error| panic!("{}: {error}", entry.id));
        match &example.input {
            Input::Image(media) | Input::ImageQuestion { image: media, .. } => fill(media, &picture(at)),
            Input::Images(media, _) => fill(media, &picture(at)),
            Input::Sound(media) => fill(media, &tone(at)),
            Input::Video(media) => fill(media, &film()),
            _ => {}
        }
        if let Target::Mask(mask) = &example.target {
            assert!(mask.values().is_ok(), "{}: its masks are there", entry.id);
        }
    }
    folder
}

/// Some fixtures have files of a few bytes, or cut ones, in their places.
fn fill(media: &Media, bytes: &[u8]) {
    let Source::File(path) = &media.source else { return };
    let is_there = media.picture().is_ok() || fs::metadata(path).is_ok_and(|file| file.len() > SOUND);
    if !is_there {
        fs::create_dir_all(path.parent().expect("a parent")).expect("a folder");
        fs::write(path, bytes).expect("written");
    }
}

/// 160 by 120 pixels; a decoder goes by what is in a file and not by its name.
fn picture(at: usize) -> Vec<u8> {
    let shade = |x: u32, y: u32| image::Rgb([(x * 3 + at as u32 * 40) as u8, (y * 5) as u8, (x * y) as u8]);
    let mut bytes = Cursor::new(Vec::new());
    image::RgbImage::from_fn(160, 120, shade).write_to(&mut bytes, image::ImageFormat::Png).expect("encoded");
    bytes.into_inner()
}

/// Two seconds of H.264 with a tone.
fn film() -> Vec<u8> {
    fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/film/film.mp4")).expect("the film of make.py")
}

/// Eleven seconds: some sets name a part of a sound.
fn tone(at: usize) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("a file");
    for sample in 0..16_000 * 11 {
        let angle = f64::from(sample) * (220.0 + at as f64 * 60.0) / 16_000.0 * std::f64::consts::TAU;
        writer.write_sample((angle.sin() * 8000.0) as i16).expect("written");
    }
    writer.finalize().expect("whole");
    bytes.into_inner()
}

fn measured(words: &[&str], id: &str) -> Value {
    let found = json(&run(words));
    assert_eq!((&found["status"], &found["id"], &found["set"]), (&json!("measured"), &json!(id), &json!("official")));
    assert!(found["score"].as_f64().is_some_and(f64::is_finite), "{id}: {found}");
    assert!(found["latency_ms"]["median"].as_f64() > Some(0.0), "{id}");
    assert!(found["rows"].as_u64() > Some(0) && found["rows"].as_u64() <= found["of"].as_u64(), "{id}");
    found
}

#[test]
fn every_id_runs_on_files_in_its_official_format() {
    if !is_pulled() {
        return;
    }
    let out = tempfile::tempdir().expect("a folder");
    let mut scored = 0;
    for entry in registry::entries() {
        let (id, number, folder) = (entry.id.to_string(), entry.id.number(), data(entry));
        if DENSE.iter().any(|(dense, ..)| *dense == number) {
            let words = [
                "bench",
                "run",
                "--task",
                &id,
                "--data",
                path(folder.path()),
                "--out",
                path(out.path()),
                "--zero-shot",
            ];
            let refused = run(&words);
            let message = String::from_utf8_lossy(&refused.stderr);
            assert!(message.contains("it takes an adapter with a dense head"), "{id}: {message}");
            assert_eq!(refused.status.code(), Some(5), "{id}");
            continue;
        }
        let words = ["bench", "run", "--task", &id, "--data", path(folder.path()), "--out", path(out.path())];
        let words = [&words[..], &["--zero-shot", "--limit", "4", "--json", "--quiet"]].concat();
        if let Some((_, reason)) = LACKING.iter().find(|(lacking, _)| *lacking == number) {
            let refused = run(&words);
            let message = String::from_utf8_lossy(&refused.stderr);
            assert!(message.contains(reason), "{id}: {message}");
            assert!(matches!(refused.status.code(), Some(5 | 11)), "{id}: {:?}", refused.status);
            continue;
        }
        // Random weights on a few kilobytes: the number is nothing, all of the way is there.
        let edsr = fixture("models/edsr");
        let words = if number == 17 { [&words[..], &["--model", path(&edsr)]].concat() } else { words };
        // Numbers for names say nothing without the adapter that knows them.
        let without = words.iter().filter(|word| **word != "--zero-shot").copied().collect::<Vec<_>>();
        let adapter = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/adapters/signs.safetensors");
        let own = if number == 24 { [&without[..], &["--adapter", path(&adapter)]].concat() } else { words };
        let found = measured(&own, &id);
        assert_eq!(found["metric"], entry.metric.name(), "{id}");
        scored += 1;
    }
    assert_eq!(scored, 50 - LACKING.len() - DENSE.len());
}

/// A generator of random weights with an adapter: the number is nothing, all of the way is there.
#[test]
fn an_adapter_of_the_upscaler_draws_in_a_style() {
    let (out, entry) = (tempfile::tempdir().expect("a folder"), registry::entry("T18".parse().expect("an id")));
    let (folder, model, adapter) = (data(entry), fixture("models/edsr"), fixture("peft/edsr-r2"));
    let words = ["bench", "run", "--task", "T18", "--data", path(folder.path()), "--out", path(out.path())];
    let paths = ["--model", path(&model), "--adapter", path(&adapter), "--json", "--quiet"];
    let found = measured(&[&words[..], &paths].concat(), "T18");
    assert_eq!((&found["metric"], &found["scored_by"]), (&json!("SSIM"), &json!("generator")));
}

/// A voice and a recogniser of random weights in one foundation: what is heard of what is said.
#[test]
fn a_voice_is_scored_by_what_is_heard() {
    let folder = tempfile::tempdir().expect("a folder");
    let parts = [("speech-generator", "vits"), ("speech-encoder", "tower-speech")].map(|(kind, name)| {
        let path = fixture(&format!("models/{name}"));
        format!(
            "[[sources]]\nname = \"{kind}\"\npath = '{}'\n[[components]]\nname = \"{kind}\"\nkind = \"{kind}\"\nformat = \
             \"hugging-face\"\nmodel = \"{name}\"\nlicence = \"CC0-1.0\"\nsource = \"{kind}\"\n",
            path.display()
        )
    });
    let recipe = format!("schema = 1\nid = \"spoken\"\nversion = \"1\"\nsummary = \"a voice\"\n{}", parts.concat());
    let (written, built) = (folder.path().join("spoken.toml"), folder.path().join("spoken"));
    fs::write(&written, recipe).expect("written");
    let made = run(&["foundation", "build", path(&written), "--output", path(&built)]);
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    // This voice knows few letters.
    let data = folder.path().join("data");
    fs::create_dir(&data).expect("a folder");
    fs::write(data.join("metadata.csv"), "LJ001-0001|ka|ka kaok\n").expect("written");
    let out = folder.path().join("out");
    let words = ["bench", "run", "--task", "T41", "--data", path(&data), "--out", path(&out), "--json", "--quiet"];
    let found = measured(&[&words[..], &["--model", path(&built)]].concat(), "T41");
    assert_eq!(found["metric"], "WER");
}

/// Dense heads of random weights on a random tower: the numbers are nothing, all of the way is there.
#[test]
fn dense_heads_run_on_official_formats() {
    let (out, model) = (tempfile::tempdir().expect("a folder"), fixture("models/tower-image"));
    for (number, head, labels) in DENSE {
        let entry = registry::entry(registry::DatasetId::new(number).expect("an id"));
        let (id, folder) = (entry.id.to_string(), data(entry));
        let adapter = dense(head, &labels);
        let words = [
            "bench",
            "run",
            "--task",
            &id,
            "--data",
            path(folder.path()),
            "--out",
            path(out.path()),
            "--json",
            "--quiet",
        ];
        let found = measured(
            &[&words[..], &["--adapter", path(&adapter.path().join("head")), "--model", path(&model)]].concat(),
            &id,
        );
        assert_eq!(found["scored_by"], "dense head", "{id}");
        assert_eq!(found["adapter"]["component"], "image", "{id}");
    }
    // Labels that a set does not have are no answer.
    let (folder, adapter) = (data(registry::entry("T14".parse().expect("an id"))), dense("dense-boxes", &Labels::Own));
    let words =
        ["bench", "run", "--task", "T14", "--data", path(folder.path()), "--out", path(out.path()), "--restart"];
    let refused =
        run(&[&words[..], &["--adapter", path(&adapter.path().join("head")), "--model", path(&model)]].concat());
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("the set has person, dog"));
}

/// Tags of random weights: what is read becomes a frame, and an adapter that does not say what a sentence is gives no frame.
#[test]
fn heads_of_tags_make_frames() {
    let (out, model) = (tempfile::tempdir().expect("a folder"), fixture("tags/model"));
    let folder = tempfile::tempdir().expect("a folder");
    let set = folder.path().join("nlp/slurp_text");
    fs::create_dir_all(&set).expect("a folder");
    let row = json!({ "text": "play elise now", "intent": "play_music", "scenario": "play", "action": "music",
                      "entities": [{ "type": "song", "text": "elise" }] });
    fs::write(set.join("test.jsonl.zst"), stored(&format!("{row}\n"))).expect("written");
    fs::write(set.join("train.jsonl.zst"), stored(&format!("{row}\n"))).expect("written");
    fs::write(set.join("meta.json"), json!({ "task": "frames" }).to_string()).expect("written");
    let run_with = |adapter: &Path| {
        let words = ["bench", "run", "--task", "T34", "--stand-in", "nlp/slurp_text", "--json", "--quiet", "--restart"];
        let paths = ["--data", path(folder.path()), "--out", path(out.path()), "--model", path(&model)];
        run(&[&words[..], &paths, &["--adapter", path(adapter)]].concat())
    };
    // An adapter is called as its folder.
    let joint = folder.path().join("joint");
    copy(&fixture("tags/joint"), &joint);
    let refused = run_with(&fixture("tags/plain"));
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(message.contains("does not say what a sentence is"), "{message}");
    assert_eq!(refused.status.code(), Some(2), "{message}");
    let refused = run_with(&joint);
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(message.contains("calls a sentence 'PlayMusic', expected SCENARIO_ACTION"), "{message}");
    let named = fs::read_to_string(joint.join("task.json")).expect("a task").replace("PlayMusic", "play_music");
    let named = named.replace("SetAlarm", "alarm_set").replace("GetWeather", "weather_query");
    fs::write(joint.join("task.json"), named).expect("written");
    let found = json(&run_with(&joint));
    assert_eq!((&found["metric"], &found["scored_by"]), (&json!("SLU-F1"), &json!("head of tags")));
    assert!(found["score"].as_f64().is_some_and(f64::is_finite), "{found}");
}

/// A Zstandard frame of one raw block, for less than 256 bytes (RFC 8878, sections 3.1.1 and 3.1.1.2).
fn stored(text: &str) -> Vec<u8> {
    let size = u8::try_from(text.len()).expect("a short text");
    let block = (u32::from(size) << 3 | 1).to_le_bytes();
    [&[0x28, 0xb5, 0x2f, 0xfd, 0x20, size], &block[..3], text.as_bytes()].concat()
}

/// A copy of an adapter with other labels, in `head` of a folder.
fn dense(name: &str, labels: &Labels) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let head = folder.path().join("head");
    copy(&fixture(&format!("peft/{name}")), &head);
    let place = head.join("task.json");
    let mut task: Value = serde_json::from_slice(&fs::read(&place).expect("a task")).expect("JSON");
    match labels {
        Labels::Own => {}
        Labels::Of(names) => task["labels"] = json!(names),
        Labels::Keypoints => {
            task["labels"] = (0..KEYPOINTS).map(|point| json!(format!("point {point}"))).collect();
            let stages = task["head"]["stages"].as_array_mut().expect("stages");
            let last = stages.iter_mut().rev().find(|stage| stage["type"] == "conv").expect("a layer");
            last["outputs"] = json!(PLANES);
            let weights = head.join("adapter_model.safetensors");
            fs::write(&weights, widened(&fs::read(&weights).expect("weights"))).expect("written");
        }
    }
    fs::write(&place, task.to_string()).expect("written");
    folder
}

/// The head's last layer with planes for all keypoints, each one of those that it had.
fn widened(bytes: &[u8]) -> Vec<u8> {
    let file = safetensors::SafeTensors::deserialize(bytes).expect("safetensors");
    let last = file
        .names()
        .into_iter()
        .filter_map(|name| name.split("stages.").nth(1)?.split('.').next()?.parse::<usize>().ok());
    let last = format!("classifier.stages.{}.", last.max().expect("a head"));
    let tensors: BTreeMap<String, (safetensors::Dtype, Vec<usize>, Vec<u8>)> = file
        .tensors()
        .into_iter()
        .map(|(name, tensor)| {
            let (mut shape, mut data) = (tensor.shape().to_vec(), tensor.data().to_vec());
            if name.contains(&last) {
                let plane = data.len() / shape[0];
                data = (0..PLANES).flat_map(|at| data[at % shape[0] * plane..][..plane].to_vec()).collect();
                shape[0] = PLANES;
            }
            (name, (tensor.dtype(), shape, data))
        })
        .collect();
    let views = tensors.iter().map(|(name, (dtype, shape, data))| {
        (name, safetensors::tensor::TensorView::new(*dtype, shape.clone(), data).expect("a tensor"))
    });
    safetensors::serialize(views, None).expect("serialised")
}

/// So many rows in ESC-50's own format, over a few sounds, for a tower of a few kilobytes with a head of its own.
fn sounds(rows: usize) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    let labels = ["speech", "siren", "rain"];
    for part in ["meta", "audio"] {
        fs::create_dir(folder.path().join(part)).expect("a folder");
    }
    (0..5).for_each(|at| fs::write(folder.path().join(format!("audio/{at}.wav")), noise(at)).expect("written"));
    let line = |at: usize| format!("{}.wav,5,{},{},False,1,A\n", at % 5, at % 3, labels[at % 3]);
    let table =
        format!("filename,fold,target,category,esc10,src_file,take\n{}", (0..rows).map(line).collect::<String>());
    fs::write(folder.path().join("meta/esc50.csv"), table).expect("written");
    folder
}

/// A tenth of a second.
fn noise(at: u32) -> Vec<u8> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: 16_000,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = hound::WavWriter::new(&mut bytes, spec).expect("a file");
    let values = (0..1600u32).map(|sample| (sample.wrapping_mul(2_654_435_761 + at * 97) >> 17) as i16);
    values.for_each(|value| writer.write_sample(value).expect("written"));
    writer.finalize().expect("whole");
    bytes.into_inner()
}

struct Run {
    data: tempfile::TempDir,
    out: tempfile::TempDir,
}

impl Run {
    fn new(rows: usize) -> Self {
        Self { data: sounds(rows), out: tempfile::tempdir().expect("a folder") }
    }

    fn words(&self) -> Vec<String> {
        let (data, out, model) = (self.data.path(), self.out.path(), fixture("models/ast-tiny"));
        let adapter = fixture("heads/linear");
        let words = ["bench", "run", "--task", "T36", "--limit", "5000", "--json", "--quiet"];
        let paths = [("--data", data), ("--out", out), ("--model", &model), ("--adapter", &adapter)];
        let paths = paths.into_iter().flat_map(|(name, place)| [name.to_owned(), path(place).to_owned()]);
        words.into_iter().map(str::to_owned).chain(paths).collect()
    }

    fn run(&self, more: &[&str]) -> std::process::Output {
        loam().args(self.words()).args(more).stdin(Stdio::null()).output().expect("the program starts")
    }

    fn journal(&self) -> PathBuf {
        self.out.path().join("T36.official.adapter-linear.jsonl")
    }

    fn predictions(&self) -> Vec<Value> {
        let text = fs::read_to_string(self.journal()).expect("a run file");
        let lines = text.lines().skip(1).map(|line| serde_json::from_str::<Value>(line).expect("a whole line"));
        lines.flat_map(|line| line["predictions"].as_array().expect("predictions").clone()).collect()
    }
}

#[test]
fn a_run_that_was_killed_goes_on_to_the_same_score() {
    let rows = 3000;
    let whole = Run::new(rows);
    let expected = json(&whole.run(&[]));
    assert_eq!((&expected["rows"], &expected["classes"]), (&json!(rows), &json!(3)));

    let stopped = Run::new(rows);
    let mut child = loam().args(stopped.words()).stdin(Stdio::null()).stdout(Stdio::null()).spawn().expect("starts");
    let begun = Instant::now();
    while fs::read_to_string(stopped.journal()).map_or(0, |text| text.lines().count()) < 4 {
        assert!(begun.elapsed() < Duration::from_secs(60), "no batch was written");
        std::thread::sleep(Duration::from_millis(5));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    let kept = fs::read(stopped.journal()).expect("a run file");
    let before = kept.iter().filter(|byte| **byte == b'\n').count();
    assert!(!stopped.out.path().join("T36.official.adapter-linear.json").exists(), "it was stopped before its end");

    let found = json(&stopped.run(&[]));
    for field in ["score", "also", "rows", "of", "data", "scored_by", "metric"] {
        assert_eq!(found[field], expected[field], "{field}");
    }
    assert_eq!(stopped.predictions(), whole.predictions());
    let after = fs::read(stopped.journal()).expect("a run file");
    let lines = kept.split_inclusive(|byte| *byte == b'\n').take(before).map(<[u8]>::len).sum::<usize>();
    assert_eq!(after[..lines], kept[..lines], "what was there stays");
    // Once more: nothing is left to do, and the score is the same.
    let again = json(&stopped.run(&[]));
    assert_eq!((&again["score"], &again["scored_by"]), (&expected["score"], &expected["scored_by"]));
    assert_eq!(fs::read(stopped.journal()).expect("a run file"), after);
}

#[test]
fn a_run_of_other_settings_is_refused_and_damage_is_named() {
    let run = Run::new(40);
    json(&run.run(&[]));
    for (more, field) in [(&["--seed", "2"][..], "seed"), (&["--limit", "7"][..], "rows")] {
        // The last of two that are the same wins, but for clap, which refuses them.
        let words: Vec<String> =
            run.words().into_iter().filter(|word| field != "rows" || (word != "--limit" && word != "5000")).collect();
        let refused = loam().args(&words).args(more).stdin(Stdio::null()).output().expect("starts");
        let message = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{message}");
        assert!(
            message.contains(&format!("it was measured with {field} ")) && message.contains("--restart"),
            "{message}"
        );
    }
    let fresh = json(&run.run(&["--seed", "2", "--restart"]));
    assert_eq!(fresh["seed"], 2);
    let text = fs::read_to_string(run.journal()).expect("a run file");
    let damaged: Vec<&str> =
        text.lines().enumerate().map(|(at, line)| if at == 2 { &line[1..] } else { line }).collect();
    fs::write(run.journal(), format!("{}\n", damaged.join("\n"))).expect("written");
    let refused = run.run(&["--seed", "2"]);
    let message = String::from_utf8_lossy(&refused.stderr);
    assert_eq!(refused.status.code(), Some(4), "{message}");
    assert!(message.contains("line 3") && message.contains("malformed run file"), "{message}");
    assert_eq!(json(&run.run(&["--seed", "2", "--restart"]))["score"], fresh["score"]);
}

/// A linear head learns from the training folds: a sound of each class, heard again, is told.
#[test]
fn a_few_rows_of_each_class_are_learned_from() {
    let run = Run::new(0);
    let labels = ["speech", "siren", "rain"];
    for (at, sound) in [noise(0), tone(0), tone(30)].into_iter().enumerate() {
        fs::write(run.data.path().join(format!("audio/{at}.wav")), sound).expect("written");
    }
    let line = |at: usize, fold: usize| format!("{}.wav,{fold},{},{},False,1,A\n", at % 3, at % 3, labels[at % 3]);
    let rows: String = (0..30).map(|at| line(at, 1 + at % 4)).chain((0..12).map(|at| line(at, 5))).collect();
    let head = "filename,fold,target,category,esc10,src_file,take\n";
    fs::write(run.data.path().join("meta/esc50.csv"), format!("{head}{rows}")).expect("written");
    let words: Vec<String> = run.words();
    let adapter = words.iter().position(|word| word == "--adapter").expect("an adapter");
    let words = [&words[..adapter], &words[adapter + 2..]].concat();
    let learned = |shots: &str| {
        let words = [&words[..], &["--few-shot".to_owned(), shots.to_owned()]].concat();
        json(&loam().args(words).stdin(Stdio::null()).output().expect("starts"))
    };
    let found = learned("4");
    assert_eq!(
        (&found["score"], &found["rows"]),
        (&json!(1.0), &json!(12)),
        "a sound of each class is learned by heart"
    );
    assert_eq!((&found["scored_by"], &found["way"]), (&json!("few-shot head"), &json!({ "few-shot": 4 })));
    assert_eq!(learned("4")["score"], found["score"], "nothing is learned again where all rows are answered");
    assert!(run.out.path().join("T36.official.4-shot.jsonl").exists());
}

#[test]
fn arguments_are_refused_by_what_is_wrong() {
    let out = tempfile::tempdir().expect("a folder");
    for (words, wanted) in [
        (&["--task", "T99"][..], "they are T1 to T50"),
        (&["--task", "T24", "--stand-in", "cv/mnist"], "'cv/mnist' stands in for no T24; there is cv/gtsrb"),
        (&["--task", "T14"], "loam bench run --task T14 --data DIR"),
        (&["--task", "T8", "--few-shot", "0"], "expected 1 to 1024"),
        (&["--all", "--data", "nowhere"], "nowhere is no folder of sets"),
        (&["--all", "--task", "T8"], "cannot be used with"),
        (&["--task", "T8", "--zero-shot", "--adapter", "x"], "cannot be used with"),
        (&[], "--task"),
    ] {
        let refused = run(&[&["bench", "run", "--out", path(out.path())], words].concat());
        let message = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(2), "{words:?}: {message}");
        assert!(message.contains(wanted), "{words:?}: {message} without {wanted}");
    }
    let empty = run(&["bench", "compare", "--runs", path(out.path())]);
    assert_eq!(empty.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&empty.stderr).contains("holds no scores"));
    let missing = run(&[
        "bench",
        "run",
        "--task",
        "T8",
        "--data",
        path(out.path()),
        "--out",
        path(out.path()),
        "--model",
        path(&fixture("models/bert-tiny")),
    ]);
    assert_eq!(missing.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&missing.stderr).contains("classes.txt"));
}

/// What `loam bench score` says of answers to the rows of an id's fixture, made by `answer` of what is right.
fn scored(id: &str, answer: impl Fn(&Target) -> Value) -> (Value, tempfile::TempDir) {
    let entry = registry::entry(id.parse().expect("an id"));
    let folder = data(entry);
    let rows = entry.format.open(folder.path(), entry.split).expect("a fixture").map(|row| row.expect("a row"));
    let line = |row: Example| format!("{}\n", json!({ "id": row.id, "prediction": answer(&row.target) }));
    let answers = folder.path().join("answers.jsonl");
    fs::write(&answers, rows.map(line).collect::<String>()).expect("written");
    let words = ["bench", "score", "--task", id, "--data", path(folder.path()), "--answers", path(&answers), "--json"];
    (json(&run(&words)), folder)
}

#[test]
fn answers_of_other_programs_are_scored() {
    let first = |target: &Target| match target {
        Target::Texts(texts) => json!({ "text": texts[0] }),
        _ => panic!("{target:?}"),
    };
    let (found, folder) = scored("T10", first);
    assert_eq!((&found["id"], &found["set"], &found["metric"]), (&json!("T10"), &json!("official"), &json!("GLEU")));
    assert!(found["score"].as_f64() > Some(0.5) && found["rows"].as_u64() > Some(1), "{found}");
    let class = |change: fn(usize) -> usize| {
        move |target: &Target| match target {
            Target::Label(class) => json!({ "label": change(*class) }),
            _ => panic!("{target:?}"),
        }
    };
    let (found, reviews) = scored("T9", class(|class| class));
    assert_eq!(found["score"], json!(1.0));
    assert_eq!(scored("T9", class(|class| 1 - class)).0["score"], json!(0.0));
    // Places that are counted from 1 are no poor model.
    let answers = reviews.path().join("answers.jsonl");
    let counted = fs::read_to_string(&answers).expect("answers").replace("\"label\":1", "\"label\":2");
    fs::write(&answers, counted).expect("written");
    let words = ["bench", "score", "--task", "T9", "--data", path(reviews.path()), "--answers", path(&answers)];
    let refused = run(&words);
    let message = String::from_utf8_lossy(&refused.stderr);
    assert!(message.contains("has class 2; the set has 2, counted from 0"), "{message}");
    assert_eq!(refused.status.code(), Some(4));

    let answers = folder.path().join("answers.jsonl");
    let right = fs::read_to_string(&answers).expect("answers");
    let (one, rest) = right.split_once('\n').expect("several rows");
    let id = serde_json::from_str::<Value>(one).expect("JSON")["id"].as_str().expect("an id").to_owned();
    for (content, wanted) in [
        (rest.to_owned(), format!("row '{id}' has no answer")),
        (format!("{right}{one}\n"), format!("the set has no row '{id}', or fewer of that id")),
        (format!("{right}{}\n", one.replacen(&id, "nobody", 1)), "the set has no row 'nobody'".to_owned()),
        (format!("{right}{{\n"), "malformed answers".to_owned()),
        (right.replace("\"text\"", "\"label\""), "line 1".to_owned()),
        (right.replace("{\"text\":", "{\"number\":").replace("\":\"", "\": 1, \""), "line 1".to_owned()),
    ] {
        fs::write(&answers, content).expect("written");
        let words = ["bench", "score", "--task", "T10", "--data", path(folder.path()), "--answers", path(&answers)];
        let refused = run(&words);
        let message = String::from_utf8_lossy(&refused.stderr);
        assert_eq!(refused.status.code(), Some(4), "{message}");
        assert!(message.contains(&wanted), "{message} without {wanted}");
    }
    let missing = run(&["bench", "score", "--task", "T10", "--data", path(folder.path()), "--answers", "nowhere"]);
    assert_eq!(missing.status.code(), Some(3));
}

#[test]
fn the_list_has_every_id_with_its_commands() {
    let listed = json(&run(&["bench", "list", "--json"]));
    let listed = listed.as_array().expect("a list");
    assert_eq!(listed.len(), 50);
    assert_eq!(listed[23]["command"], "loam bench run --task T24 --data DIR");
    assert_eq!(listed[23]["stand_ins"][0]["adapter"], "signs");
    assert_eq!(listed[16]["status"], "official files");
    assert_eq!(listed[20]["status"], "stand-in");
    let text = run(&["bench", "list"]);
    let text = String::from_utf8_lossy(&text.stdout);
    assert!(
        text.contains("loam bench run --task T24 --stand-in cv/gtsrb --data ../shared/data   # adapter signs"),
        "{text}"
    );
    for action in ["list", "run", "score", "compare", "report"] {
        let help = run(&["bench", action, "--help"]);
        assert!(String::from_utf8_lossy(&help.stdout).contains(&format!("loam bench {action}")), "{action}");
    }
}

/// A summary as `run` writes it.
fn summary(id: &str, set: &str, metric: &str, way: &Value, score: f64, rows: usize) -> Value {
    let zeros = "0".repeat(64);
    let adapter =
        way.get("adapter").map(|name| json!({ "name": name, "component": "text", "digest": zeros, "bytes": 1000 }));
    json!({
        "status": "measured", "schema": 1, "id": id, "task": "t", "dataset": "d", "set": set, "split": "test", "metric": metric,
        "way": way, "adapter": adapter,
        "foundation": { "id": "<b>tiny</b>", "version": "1", "digest": zeros, "bytes": 50_000_000 },
        "seed": 1, "rows": rows, "of": 610, "classes": 2, "data": zeros,
        "machine": { "processor": "2 cores", "commit": "abc" },
        "score": score, "also": {}, "scored_by": "adapter_head", "latency_ms": { "median": 1.5, "p95": 2.5 }, "peak_bytes": 90_000_000,
    })
}

#[test]
fn the_report_says_what_was_measured_and_what_was_not() {
    let runs = tempfile::tempdir().expect("a folder");
    let write = |name: &str, value: &Value| fs::write(runs.path().join(name), value.to_string()).expect("written");
    let adapter = |name: &str| json!({ "adapter": name });
    write("1.json", &summary("T9", "nlp/sst2", "accuracy", &adapter("sentiment"), 0.88, 610));
    write("2.json", &summary("T9", "nlp/sst2", "accuracy", &json!("zero-shot"), 0.65, 610));
    write("3.json", &summary("T8", "nlp/trec_qc", "accuracy", &adapter("question"), 0.99, 24));
    write("4.json", &summary("T7", "nlp/tweeteval_emotion", "accuracy", &adapter("emotion"), 0.5, 610));
    write("5.json", &summary("T36", "audio/esc10", "accuracy", &json!({ "few-shot": 4 }), 0.4, 300));
    write("6.json", &summary("T36", "audio/esc10", "accuracy", &json!({ "few-shot": 16 }), 0.895, 300));
    write(
        "7.json",
        &json!({ "status": "not-measured", "id": "T41", "set": "audio/ljspeech_small", "way": "zero-shot", "reason": "no <voice>" }),
    );

    let timed = json!({ "runtime": "scikit-learn 1", "threads": 1, "median_ms": 1.1, "p95_ms": 2.0, "held_bytes": 3_000_000, "rows": 9 });
    let mut other = timed.clone();
    for (key, value) in [
        ("name", json!("a|b")),
        ("task", json!("T36")),
        ("set", json!("audio/esc10")),
        ("score", json!(0.5)),
        ("bytes", json!(4_000_000)),
        ("operators", json!(44)),
        ("kinds", json!(12)),
    ] {
        other[key] = value;
    }
    let measured = json!({
        "schema": 1, "machine": "3 cores", "date": "2026-01-02", "peers": { "nlp/sst2": timed }, "ready": [other],
    });
    fs::create_dir(runs.path().join("peers")).expect("a folder");
    write("peers/measured.json", &measured);

    let compared = json(&run(&["bench", "compare", "--runs", path(runs.path()), "--json"]));
    let first = &compared["pairings"][0];
    assert_eq!((&first["timed"], &compared["foreign"][0]["own_score"]), (&Value::Null, &json!(0.895)));
    let verdict = |set: &str, way: &str| {
        let all = compared["pairings"].as_array().expect("pairings");
        all.iter().find(|one| one["set"] == set && one["way"] == way).map(|one| one["verdict"].clone())
    };
    assert_eq!(verdict("nlp/sst2", "adapter sentiment"), Some(json!("on-par")));
    assert_eq!(verdict("nlp/sst2", "zero-shot"), Some(json!("below")));
    assert_eq!(verdict("nlp/trec_qc", "adapter question"), Some(json!("too-few-rows")));
    assert_eq!(compared["adapters"], json!({ "on_par": 1, "compared": 2 }));
    assert_eq!(compared["few_shot"], json!({ "on_par": 1, "compared": 1 }), "of the runs with the most rows");
    let text = run(&["bench", "compare", "--runs", path(runs.path())]);
    assert!(String::from_utf8_lossy(&text.stdout).contains("adapters: on a par on 1 of 2 (50 %)"));

    let (html, markdown) = (runs.path().join("r.html"), runs.path().join("r.md"));
    let model = fixture("models/bert-tiny");
    let words = ["bench", "report", "--runs", path(runs.path()), "--html", path(&html), "--markdown", path(&markdown)];
    let made = run(&[&words[..], &["--model", path(&model)]].concat());
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    let (html, markdown) = (fs::read_to_string(&html).expect("a page"), fs::read_to_string(&markdown).expect("a page"));
    // One file that asks for nothing else, in both schemes, whatever a foundation is called.
    assert!(html.contains("prefers-color-scheme: dark") && html.matches("<svg").count() >= 3);
    for wrong in ["http://", "https://", "<script", "src=", "<b>tiny</b>", "<voice>"] {
        let rest = html.replace("http://www.w3.org/2000/svg", "");
        assert!(!rest.contains(wrong), "{wrong}");
    }
    assert!(html.contains("no &lt;voice&gt;") && html.contains("&lt;b&gt;tiny&lt;/b&gt;"));
    // Every id, and green for one alone.
    assert!(registry::entries().all(|entry| html.contains(&format!("<td>{}</td>", entry.id))));
    assert_eq!(html.matches("badge par").count(), 1);
    assert_eq!(html.matches(">too few rows to say<").count(), 1);
    assert!(html.contains("no data here: <code>loam bench run --task T14 --data DIR</code>"));
    assert!(html.contains("no data here: <code>loam bench run --task T29 --data DIR</code>"));
    assert!(html.contains("4 of 50") && html.contains("Few rows of each class"));
    assert!(markdown.contains("| 1 | 50 MB | 45 MB | 90 MB |"), "{markdown}");
    assert!(markdown.contains("| nlp/sst2 | sentiment | 1.5 | 1.1 | 1.36 | 3 MB | scikit-learn 1 |"), "{markdown}");
    assert!(
        markdown.contains("| a\\|b | audio/esc10 | 50.0 % | 89.5 % | 1.1 | 1.5 | 4 MB | 3 MB | 44 | 12 |"),
        "{markdown}"
    );
    assert!(markdown.replace('\n', " ").contains("on another machine than the foundation (3 cores), on 2026-01-02"));
    // From the second set on, both adapters are one file: the sizes are of both models.
    assert!(markdown.contains("Sizes are those of 3 sets that have both"), "{markdown}");
    assert!(
        markdown.contains("| T9 | nlp/sst2 | accuracy | sentiment | 88.0 % | 65.0 % | - | 83.0 % | yes | 610 | 1.5 |"),
        "{markdown}"
    );
    assert!(markdown.contains("| T41 | text-to-speech | LJ Speech | no &lt;voice> |"));
    assert!(markdown.contains("`loam bench run --task T14 --data DIR`"));
    assert!(markdown.lines().filter(|line| !line.starts_with('|')).all(|line| line.len() <= 130), "lines are wrapped");
    let _ = std::io::stderr().flush();
}

#[test]
fn results_that_nothing_comes_to_are_refused() {
    let whole = summary("T9", "nlp/sst2", "accuracy", &json!({ "adapter": "sentiment" }), 0.88, 610);
    type Change = fn(&mut Value);
    let changes: [(Change, &str); 9] = [
        (|value| value["score"] = json!(1e308), "a score of 1e308"),
        (|value| value["also"] = json!({ "macro-F1": -5.0 }), "a score of -5e0 by macro-F1"),
        (|value| value["latency_ms"]["median"] = json!(-1.0), "-1e0 ms"),
        (|value| value["rows"] = json!(611), "611 rows of 610"),
        (|value| value["schema"] = json!(77), "schema 77"),
        (|value| value["id"] = json!("T99"), "'T99'"),
        (|value| value["metric"] = json!("guess"), "'guess'"),
        (|value| value["peak_bytes"] = json!(u64::MAX), "18446744073709551615 bytes"),
        (|value| value["foundation"]["bytes"] = json!(u64::MAX), "18446744073709551615 bytes"),
    ];
    for (change, wanted) in changes {
        let runs = tempfile::tempdir().expect("a folder");
        let mut damaged = whole.clone();
        change(&mut damaged);
        fs::write(runs.path().join("1.json"), damaged.to_string()).expect("written");
        for action in ["compare", "report"] {
            let refused = run(&["bench", action, "--runs", path(runs.path())]);
            let message = String::from_utf8_lossy(&refused.stderr);
            assert!(message.contains(wanted) && message.contains("1.json"), "{message} without {wanted}");
            assert_eq!(refused.status.code(), Some(4), "{message}");
        }
    }
}
