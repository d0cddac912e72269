//! `loam eval`: every task of a data folder, on random models of a few kilobytes and on the real foundation.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use tempfile::TempDir;

use super::{fixture, is_pulled, json, path, run};

/// A folder with these texts and copies of these files.
fn folder(texts: &[(&str, String)], files: &[(&str, PathBuf)]) -> TempDir {
    let dir = tempfile::tempdir().expect("folder");
    let place = |name: &str| {
        let path = dir.path().join(name);
        fs::create_dir_all(path.parent().expect("a parent")).expect("made");
        path
    };
    texts.iter().for_each(|(name, text)| fs::write(place(name), text).expect("written"));
    for (name, from) in files {
        fs::copy(from, place(name)).expect("copied");
    }
    dir
}

fn rows(rows: &[Value]) -> String {
    rows.iter().map(|row| format!("{row}\n")).collect()
}

fn tone(ending: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio").join(format!("tone.{ending}"))
}

fn refused(words: &[&str], code: i32, wanted: &[&str]) {
    let output = run(words);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {message}");
    wanted.iter().for_each(|wanted| assert!(message.contains(wanted), "{words:?}: {message} without {wanted}"));
}

/// A head of its own on the sound encoder: what came out of each row is what `loam classify` gives, and scores add up.
#[test]
fn classes_of_sounds_are_scored() {
    let labels = ["speech", "siren", "rain"];
    let data = folder(
        &[("data.json", json!({ "labels": labels, "licence": "CC0" }).to_string())],
        &[("test/speech/1.wav", tone("wav")), ("test/siren/1.flac", tone("flac")), ("test/rain/b.wav", tone("wav"))],
    );
    let (model, head) = (fixture("models/ast-tiny"), fixture("heads/linear"));
    let predictions = data.path().join("predictions.jsonl");
    let words = ["eval", path(&head), "--data", path(data.path()), "--model", path(&model), "--only", "with"];
    let found = json(&run(&[&words[..], &["--predictions", path(&predictions), "--json", "--quiet"]].concat()));
    let said = |ending: &str| {
        let words = ["classify", "--sound", path(&tone(ending)), "--model", path(&model), "--adapter", path(&head)]
            .map(str::to_owned);
        json(&run(&[&words.each_ref().map(String::as_str)[..], &["--json"]].concat()))["label"].clone()
    };
    let lines = fs::read_to_string(&predictions).expect("written");
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let predicted: Vec<&Value> = lines.iter().map(|line| &line["predicted"]).collect();
    assert_eq!(
        predicted,
        [&said("wav"), &said("flac"), &said("wav")],
        "rows in the order of names: rain, siren, speech"
    );
    assert_eq!(lines[1]["file_name"], "siren/1.flac");
    assert_eq!((&lines[1]["label"], &lines[1]["run"]), (&json!("siren"), &json!("with")));
    assert_eq!(lines[0]["probabilities"].as_array().map(Vec::len), Some(3));

    assert_eq!((&found["schema"], &found["task"]), (&json!(1), &json!("classify")));
    assert_eq!(found["data"]["labels"], json!(labels));
    assert_eq!((&found["data"]["examples"], &found["data"]["input"]), (&json!(3), &json!("sound")));
    assert_eq!(found["adapter"]["component"], "sound");
    assert!(found["adapter"]["parameter_share"].as_f64() > Some(0.0) && found["adapter"]["bytes"].as_u64() > Some(0));
    assert_eq!(found["without"], Value::Null);
    let with = &found["with"];
    assert_eq!(with["scored_by"], "adapter_head");
    let right = lines.iter().filter(|line| line["predicted"] == line["label"]).count();
    assert!((with["metrics"]["accuracy"].as_f64().expect("accuracy") - right as f64 / 3.0).abs() < 1e-9);
    let confusion: u64 = with["confusion"]
        .as_array()
        .expect("rows")
        .iter()
        .flat_map(|row| row.as_array().expect("row"))
        .map(|count| count.as_u64().expect("a count"))
        .sum();
    assert_eq!(confusion, 3);
    assert_eq!(with["per_label"][2]["label"], "rain");
    assert!(with["latency_ms"]["p95"].as_f64() >= with["latency_ms"]["median"].as_f64());
    let shown = run(&words);
    let shown = String::from_utf8_lossy(&shown.stdout);
    assert!(
        shown.contains("3 rows of sound") && shown.contains("accuracy") && shown.contains("adapter_head"),
        "{shown}"
    );

    // Without a text encoder no label name means anything.
    refused(
        &["eval", "none", "--data", path(data.path()), "--model", path(&model)],
        11,
        &["rain/b.wav", "text-encoder"],
    );
    // Classes that the head does not have are found before anything runs.
    let other = folder(&[], &[("test/thunder/1.wav", tone("wav"))]);
    let words = ["eval", path(&head), "--data", path(other.path()), "--model", path(&model)];
    refused(&words, 2, &["'thunder'", "speech, siren, rain"]);
    let broken = folder(&[("test/rain/1.wav", "no sound".into())], &[]);
    refused(&["eval", path(&head), "--data", path(broken.path()), "--model", path(&model)], 4, &["rain/1.wav"]);
    refused(&["eval", "none", "--data", path(data.path()), "--only", "with"], 2, &["no adapter"]);
    refused(&["eval", "none", "--data", path(data.path()), "--split", "all"], 2, &["train, valid, test"]);
}

#[test]
fn questions_are_answered_and_speech_is_written_down() {
    let smolvlm = fixture("models/smolvlm");
    let data = folder(
        &[(
            "test/metadata.jsonl",
            rows(&[
                json!({ "file_name": "a.png", "text": "What is this?", "output": "nothing" }),
                json!({ "file_name": "b.png", "text": "Why?", "outputs": ["because", "so"] }),
            ]),
        )],
        &[("test/a.png", smolvlm.join("square.png")), ("test/b.png", smolvlm.join("tall.png"))],
    );
    let words = ["eval", "none", "--data", path(data.path()), "--model", path(&smolvlm), "-n", "4", "--json"];
    let found = json(&run(&words));
    assert_eq!((&found["task"], &found["without"]["scored_by"]), (&json!("answer"), &json!("generated")));
    let metrics = &found["without"]["metrics"];
    for name in ["exact", "exact_normalised", "token_f1", "chrf", "rouge_l"] {
        assert!(metrics[name].as_f64().is_some_and(|value| (0.0..=1.0).contains(&value)), "{name}: {metrics}");
    }
    let task = json!({ "task": "answer", "path": "encoder-backbone", "component": "vision-language" });
    let files = ["adapter_config.json", "adapter_model.safetensors"]
        .map(|name| (format!("eyes/{name}"), smolvlm.join("adapter").join(name)));
    let files = files.each_ref().map(|(name, from)| (name.as_str(), from.clone()));
    let adapters = folder(&[("eyes/task.json", task.to_string())], &files);
    let both = json(&run(&[&["eval", path(&adapters.path().join("eyes"))], &words[2..]].concat()));
    assert_eq!((&both["without"]["metrics"], &both["adapter"]["component"]), (metrics, &json!("vision-language")));
    assert_eq!(both["with"]["examples"], 2);

    let speech = fixture("models/wav2vec2-base");
    let said = run(&["transcribe", path(&tone("wav")), "--model", path(&speech), "--quiet"]);
    let said = String::from_utf8_lossy(&said.stdout).split_whitespace().collect::<Vec<_>>().join(" ");
    let data =
        folder(&[("test/metadata.csv", format!("file_name,output\na.wav,{said}\n"))], &[("test/a.wav", tone("wav"))]);
    let found = json(&run(&["eval", "none", "--data", path(data.path()), "--model", path(&speech), "--json"]));
    assert_eq!(found["task"], "transcribe");
    let metrics = &found["without"]["metrics"];
    assert_eq!(
        (&metrics["wer"], &metrics["cer"], &metrics["exact"]),
        (&json!(0.0), &json!(0.0), &json!(1.0)),
        "{said}"
    );
}

/// On the real foundation: what is known without an adapter, by the text encoder and by the backbone.
#[test]
fn texts_are_scored_by_label_names() {
    if !is_pulled() {
        return;
    }
    let text = |text: &str, label: &str| json!({ "text": text, "label": label });
    let listing = rows(&[
        text("The cup final went to penalties.", "team_sports"),
        text("The striker scored twice in the second half.", "team_sports"),
        text("Let the dough rest for an hour, then bake it.", "kitchen"),
        text("Whisk the eggs with sugar until pale.", "kitchen"),
    ]);
    let described = json!({ "labels": ["team_sports", "kitchen"], "label_texts": { "kitchen": "cooking" },
        "template": "This text is about {}." });
    let data = folder(&[("test.jsonl", listing), ("data.json", described.to_string())], &[]);
    let found = json(&run(&["eval", "none", "--data", path(data.path()), "--json"]));
    assert_eq!((&found["without"]["scored_by"], &found["model"]["id"]), (&json!("labels"), &json!("loam-nano")));
    assert_eq!(found["without"]["metrics"]["accuracy"], 1.0, "{found}");
    assert_eq!(found["without"]["confusion"], json!([[2, 0], [0, 2]]));
    let answers = ["eval", "none", "--data", path(data.path()), "--zero-shot", "answers", "--limit", "2", "--json"];
    let found = json(&run(&answers));
    assert_eq!((&found["without"]["scored_by"], &found["data"]["of"]), (&json!("answers"), &json!(4)));
    let wrong = folder(&[("test.csv", "text,label\nok,a\n,b\n".into())], &[]);
    refused(&["eval", "none", "--data", path(wrong.path())], 4, &["test.csv", "row 2", "text is empty"]);

    let write =
        rows(&[json!({ "text": "Name the capital of Italy.", "outputs": ["Rome", "The capital of Italy is Rome."] })]);
    let data = folder(&[("test.jsonl", write)], &[]);
    let found = json(&run(&["eval", "none", "--data", path(data.path()), "-n", "24", "--json"]));
    assert!(found["without"]["metrics"]["token_f1"].as_f64() > Some(0.5), "{found}");
}
