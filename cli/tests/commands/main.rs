//! The commands that run the engine, as processes: results, pipes, exit codes, Ctrl-C.
//!
//! Tests on the real foundation skip with a line where it has not been pulled.

mod bench;
mod compile;
mod delegates;
mod eval;
#[cfg(target_os = "linux")]
mod long_sound;
mod ops;
#[cfg(target_os = "linux")]
mod path3;
mod signatures;
mod tasks;
mod transcribe;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn fixture(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures").join(path)
}

fn adapters() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/adapters")
}

fn loam() -> Command {
    Command::new(env!("CARGO_BIN_EXE_loam"))
}

fn run(words: &[&str]) -> Output {
    loam().args(words).stdin(Stdio::null()).output().expect("the program starts")
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("one JSON object on standard output")
}

fn is_pulled() -> bool {
    let pulled = run(&["inspect", "--json"]).status.success();
    if !pulled {
        let _ = writeln!(std::io::stderr(), "skipped: run `loam pull loam-nano` first");
    }
    pulled
}

fn path(path: &Path) -> &str {
    path.to_str().expect("UTF-8 path")
}

#[test]
fn logits_and_perplexity_agree_with_each_other_and_the_fixture() {
    let dir = tempfile::tempdir().expect("tempdir");
    let model = fixture("models/smollm2/model.gguf");
    let ids = dir.path().join("ids.json");
    std::fs::write(&ids, "[1, 5, 9, 40, 2]").expect("written");
    let out = dir.path().join("logits.safetensors");
    let top = json(&run(&[
        "logits",
        "--model",
        path(&model),
        "--tokens",
        path(&ids),
        "--output",
        path(&out),
        "--top",
        "3",
        "--json",
    ]));
    assert_eq!(top["positions"].as_array().map(Vec::len), Some(5));
    let bytes = std::fs::read(&out).expect("written");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let logits = file.tensor("logits").expect("logits");
    assert_eq!(logits.shape()[0], 5);
    let values: Vec<f64> =
        logits.data().chunks_exact(4).map(|b| f64::from(f32::from_le_bytes(b.try_into().expect("4 bytes")))).collect();
    let vocab = logits.shape()[1];
    let next = [5, 9, 40, 2];
    let loss: f64 = values
        .chunks_exact(vocab)
        .zip(next)
        .map(|(row, id): (&[f64], usize)| row.iter().map(|v| v.exp()).sum::<f64>().ln() - row[id])
        .sum();
    let result = json(&run(&["perplexity", "--model", path(&model), "--tokens", path(&ids), "--json"]));
    assert_eq!(result["tokens"], 4);
    let perplexity = result["perplexity"].as_f64().expect("a number");
    assert!((perplexity / (loss / 4.0).exp() - 1.0).abs() < 1e-5, "{perplexity}");
}

#[test]
fn failures_have_their_exit_codes_and_name_the_value() {
    let dir = tempfile::tempdir().expect("tempdir");
    let broken = dir.path().join("broken.gguf");
    std::fs::write(&broken, b"GGUFxxxxxxxx").expect("written");
    let ids = dir.path().join("ids.json");
    std::fs::write(&ids, "[1, 999999]").expect("written");
    let model = fixture("models/llama2/model.gguf");
    let wrong = fixture("peft/refuse-dora");
    let home = path(dir.path());
    for (words, code, wanted) in [
        (vec!["generate", "x", "--model", "no-such-thing"], 24, "no-such-thing"),
        (vec!["generate", "x", "--model", path(&broken)], 5, "version"),
        (vec!["perplexity", "--model", path(&model), "--tokens", path(&ids)], 2, "999999"),
        (vec!["perplexity", "--model", path(&model), "--tokens", path(&broken)], 4, "JSON"),
        (vec!["perplexity", "--model", path(&model), "--tokens", "missing.json"], 3, "missing.json"),
        (vec!["logits", "--model", path(&model), "--tokens", path(&ids), "--adapter", path(&wrong)], 7, "use_dora"),
        (vec!["chat", "x", "--model", path(&model)], 5, "chat template"),
        (vec!["embed", "x", "--model", path(&model)], 11, "text-encoder"),
        (vec!["adapter", "remove", "nothing"], 8, "nothing"),
        (vec!["generate", "x", "--model", path(&model), "--temperature=-1"], 2, "temperature"),
        (vec!["generate", "x", "--model", path(&model), "--top-p", "3"], 2, "top_p"),
    ] {
        let output = loam().args(&words).args(["--home", home]).stdin(Stdio::null()).output().expect("starts");
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {message}");
        assert!(message.contains(wanted), "{words:?}: {message}");
    }
}

#[test]
fn adapters_are_imported_installed_listed_and_removed() {
    let home = tempfile::tempdir().expect("tempdir");
    let base = fixture("models/llama2/model.gguf");
    let package = home.path().join("tone.loam");
    let at_home = |words: &[&str]| {
        let output = loam().args(words).args(["--home", path(home.path())]).stdin(Stdio::null()).output();
        output.expect("the program starts")
    };
    let peft = fixture("peft/llama2-all-r4");
    let report = json(&at_home(&[
        "adapter",
        "import",
        path(&peft),
        "--output",
        path(&package),
        "--model",
        path(&base),
        "--name",
        "tone",
        "--json",
    ]));
    assert_eq!(report["bound"]["rank"], 4);
    let inspected = json(&at_home(&["adapter", "inspect", path(&package), "--json"]));
    assert_eq!(inspected["adapter"], "tone");
    assert_eq!(inspected["task"]["base"]["backbone"].as_str().map(str::len), Some(64));

    json(&at_home(&["adapter", "install", path(&package), "--model", path(&base), "--json"]));
    let again = at_home(&["adapter", "install", path(&package), "--model", path(&base)]);
    assert_eq!(again.status.code(), Some(2), "an installed alias is kept unless --replace is given");
    json(&at_home(&[
        "adapter",
        "install",
        path(&peft),
        "--alias",
        "tone",
        "--replace",
        "--model",
        path(&base),
        "--json",
    ]));
    assert_eq!(json(&at_home(&["adapter", "list", "--json"]))["adapters"][0]["alias"], "tone");

    // Another base is refused by its fingerprint.
    let other = fixture("models/llama3/model.gguf");
    let refused = at_home(&["adapter", "install", path(&package), "--alias", "other", "--model", path(&other)]);
    assert_eq!(refused.status.code(), Some(7), "{}", String::from_utf8_lossy(&refused.stderr));

    json(&at_home(&["adapter", "remove", "tone", "--json"]));
    assert_eq!(json(&at_home(&["adapter", "list", "--json"]))["adapters"], Value::Array(Vec::new()));
}

#[test]
fn every_help_text_has_an_example() {
    for words in [
        &["--help"][..],
        &["chat", "--help"],
        &["generate", "--help"],
        &["classify", "--help"],
        &["embed", "--help"],
        &["eval", "--help"],
        &["adapter", "--help"],
        &["adapter", "import", "--help"],
        &["adapter", "keygen", "--help"],
        &["adapter", "sign", "--help"],
        &["adapter", "verify", "--help"],
        &["inspect", "--help"],
        &["logits", "--help"],
        &["perplexity", "--help"],
        &["speed", "--help"],
        &["crowd", "--help"],
        &["top", "--help"],
        &["tour", "--help"],
        &["transcribe", "--help"],
        &["pull", "--help"],
        &["foundation", "--help"],
        &["foundation", "build", "--help"],
        &["foundation", "verify", "--help"],
    ] {
        let output = run(words);
        assert!(output.status.success() && String::from_utf8_lossy(&output.stdout).contains("Example"), "{words:?}");
    }
    assert!(run(&["completions", "bash"]).stdout.len() > 1000);
}

#[test]
fn a_real_model_answers_with_and_without_an_adapter() {
    if !is_pulled() {
        return;
    }
    let bare = json(&run(&["chat", "Name the capital of Italy.", "-n", "24", "--json"]));
    assert!(bare["text"].as_str().expect("text").contains("Rome"), "{bare}");
    assert_eq!(bare["stats"]["trace"]["steps"][0]["component"], "backbone");
    let brief = adapters().join("brief.safetensors");
    let question = ["chat", "Explain photosynthesis.", "-n", "96", "--json", "--adapter", path(&brief)];
    let adapted = json(&run(&question));
    let long = json(&run(&question[..5]));
    // The bare model is still writing then.
    assert_eq!(adapted["stats"]["finish_reason"], "end_of_turn", "{adapted}");
    assert_eq!(long["stats"]["finish_reason"], "max_tokens", "{long}");
    assert_eq!(adapted["stats"]["adapter"]["generation"], 1);
}

#[test]
fn text_comes_through_pipes() {
    if !is_pulled() {
        return;
    }
    let mut child = loam()
        .args(["chat", "--quiet", "-n", "24"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    child.stdin.take().expect("piped").write_all(b"Name the capital of Italy.\n").expect("written");
    let output = child.wait_with_output().expect("ends");
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stdout).contains("Rome"));

    let embedded = json(&run(&["embed", "A cat.", "A dog.", "--json"]));
    assert_eq!(embedded["embeddings"][1].as_array().map(Vec::len), Some(384));
    let label = json(&run(&["classify", "The cup final went to penalties.", "--labels", "sports,cooking", "--json"]));
    assert_eq!(label["label"], "sports");
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_a_generation_cleanly() {
    use std::io::Read;
    if !is_pulled() {
        return;
    }
    let mut child = loam()
        .args(["generate", "Once upon a time", "-n", "4000", "--temperature", "1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdout = child.stdout.take().expect("piped");
    let mut first = [0; 16];
    stdout.read_exact(&mut first).expect("some text");
    let interrupted = Command::new("kill").args(["-INT", &child.id().to_string()]).status().expect("kill");
    assert!(interrupted.success());
    let mut rest = Vec::new();
    stdout.read_to_end(&mut rest).expect("the rest");
    let output = child.wait_with_output().expect("ends");
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(rest.last(), Some(&b'\n'), "the line is finished");
    assert!(String::from_utf8_lossy(&output.stderr).contains("stopped"), "the stats are shown");
}

/// In a conversation Ctrl-C ends the answer, not the conversation. `script` gives the program a terminal.
#[cfg(target_os = "linux")]
#[test]
fn ctrl_c_ends_an_answer_of_a_conversation() {
    use std::io::Read;
    use std::time::Duration;
    if !is_pulled() {
        return;
    }
    // `exec`: a shell that stays as the parent takes the Ctrl-C as well, and dash then ends as interrupted.
    let command = format!("exec {} chat -n 4000 --temperature 1", env!("CARGO_BIN_EXE_loam"));
    let mut child = Command::new("script")
        .args(["-qec", &command, "/dev/null"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("script is part of every Linux");
    let mut keys = child.stdin.take().expect("piped");
    let mut screen = child.stdout.take().expect("piped");
    let mut shown = String::new();
    let mut see = |wanted: &str| {
        let mut buffer = [0; 4096];
        while !shown.contains(wanted) {
            let count = screen.read(&mut buffer).expect("readable");
            assert!(count > 0, "it ended without '{wanted}': {shown}");
            shown.push_str(&String::from_utf8_lossy(&buffer[..count]));
        }
        shown = shown.split_once(wanted).map(|(_, rest)| rest.to_owned()).unwrap_or_default();
    };
    see("> ");
    keys.write_all(b"Tell me a very long story about the sea.\r").expect("typed");
    see("sea.");
    see(" the ");
    keys.write_all(b"\x03").expect("typed");
    see("stopped]");
    see("> ");
    std::thread::sleep(Duration::from_millis(100));
    keys.write_all(b"/quit\r").expect("typed");
    assert!(child.wait().expect("ends").success());
}
