//! Tasks on pictures, sound and speech, as processes on random models of a few kilobytes.

use std::path::{Path, PathBuf};

use serde_json::Value;

use super::{fixture, json, path, run};

fn model(name: &str) -> PathBuf {
    fixture("models").join(name)
}

fn refused(words: &[&str], code: i32, wanted: &str) {
    let output = run(words);
    let message = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{words:?}: {message}");
    assert!(message.contains(wanted), "{words:?}: {message}");
}

#[test]
fn pictures_are_described_and_asked_about() {
    let smolvlm = model("smolvlm");
    let (square, tall) = (smolvlm.join("square.png"), smolvlm.join("tall.png"));
    let answer = json(&run(&[
        "answer",
        "What is this?",
        "--image",
        path(&square),
        "--image",
        path(&tall),
        "--model",
        path(&smolvlm),
        "-n",
        "6",
        "--json",
    ]));
    assert!(answer["stats"]["generated_tokens"].as_u64().is_some_and(|count| (1..=6).contains(&count)), "{answer}");
    assert_eq!(answer["stats"]["trace"]["path"], "encoder-backbone");
    assert_eq!(answer["stats"]["trace"]["steps"][0]["component"], "vision-language/vision");
    let caption = json(&run(&["caption", "--image", path(&square), "--model", path(&smolvlm), "-n", "4", "--json"]));
    assert_eq!(caption["stats"]["trace"]["steps"].as_array().map(Vec::len), Some(2));

    refused(&["answer", "What is this?", "--model", path(&smolvlm)], 2, "--image");
    refused(&["caption", "--model", path(&smolvlm)], 2, "--image");
    refused(&["caption", "--image", path(&square), "--image", path(&tall), "--model", path(&smolvlm)], 2, "2 files");
    refused(&["answer", "Why?", "--image", "absent.png", "--model", path(&smolvlm)], 3, "absent.png");
    let llama = model("llama2/model.gguf");
    refused(&["answer", "Why?", "--image", path(&square), "--model", path(&llama)], 11, "image-encoder");
}

#[test]
fn an_adapter_with_a_ctc_head_spells() {
    let (model, head, dir) = (model("ast-tiny"), fixture("heads/ctc"), tempfile::tempdir().expect("tempdir"));
    let tone = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio/tone.wav");
    let words = ["spell", "--sound", path(&tone), "--model", path(&model), "--adapter", path(&head)];
    let spelled = json(&run(&[&words[..], &["--json"]].concat()));
    let pieces = spelled["pieces"].as_array().expect("pieces").iter();
    let joined: String = pieces.map(|piece| piece["piece"].as_str().expect("text")).collect();
    assert_eq!(spelled["text"], joined.as_str());
    assert_eq!(spelled["trace"]["path"], "encoder");
    let plain = run(&words);
    assert_eq!(String::from_utf8_lossy(&plain.stdout), format!("{joined}\n"));
    // As one file it is the same.
    let file = dir.path().join("letters.loam");
    let imported = run(&["adapter", "import", path(&head), "--output", path(&file), "--model", path(&model)]);
    assert!(imported.status.success(), "{}", String::from_utf8_lossy(&imported.stderr));
    let other = [&words[..5], &["--adapter", path(&file), "--json"]].concat();
    assert_eq!(json(&run(&other))["text"], joined.as_str());

    refused(&words[..5], 2, "--adapter");
    refused(&["spell", "--model", path(&model), "--adapter", path(&head)], 2, "--sound");
    let linear = fixture("heads/linear");
    refused(&[&words[..5], &["--adapter", path(&linear)]].concat(), 7, "linear head spells nothing");
}

#[test]
fn an_adapter_with_a_head_of_tags_finds_the_parts_of_sentences() {
    let (model, joint) = (fixture("tags/model"), fixture("tags/joint"));
    let words = ["tag", "play Für Elise now", "--model", path(&model), "--adapter", path(&joint)];
    let plain = run(&words);
    let wanted = "PlayMusic  81.6 %\n  time   62.3 %  play Für Elise\n  song   93.9 %  now\n";
    assert_eq!(String::from_utf8_lossy(&plain.stdout), wanted);
    let found = json(&run(&[&words[..], &["--json"]].concat()));
    assert_eq!(found["spans"][1]["label"], "song");
    // A byte more than characters in front: the text has an umlaut.
    assert_eq!((&found["spans"][1]["start"], &found["spans"][1]["start_char"]), (&16.into(), &15.into()));
    assert_eq!(found["trace"]["path"], "encoder");
    let plain = fixture("tags/plain");
    let words_alone = json(&run(&[&words[..5], &[path(&plain), "--json"]].concat()));
    assert_eq!((&words_alone["spans"], &words_alone["labels"]), (&found["spans"], &serde_json::json!([])));

    refused(&words[..4], 2, "--adapter");
    let (ast, linear) = (self::model("ast-tiny"), fixture("heads/linear"));
    refused(&["tag", "play", "--model", path(&ast), "--adapter", path(&linear)], 7, "linear head tags no words");
}

#[test]
fn speech_becomes_a_wav_file() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (vits, wav) = (model("vits"), dir.path().join("speech.wav"));
    let said =
        json(&run(&["speak", "ɡobˈa kaˈok", "--output", path(&wav), "--model", path(&vits), "--seed", "3", "--json"]));
    assert_eq!((&said["sample_rate"], &said["trace"]["path"]), (&Value::from(16_000), &Value::from("generator")));
    let reader = hound::WavReader::open(&wav).expect("a WAV file");
    assert_eq!(u64::from(reader.duration()), said["samples"].as_u64().expect("a count"));
    let inspected = json(&run(&["inspect", path(&wav), "--json"]));
    assert_eq!(inspected["samples"], said["samples"]);

    // What was there stays when the text is refused, and nothing is left beside it.
    let before = std::fs::read(&wav).expect("written");
    refused(&["speak", "hello", "--output", path(&wav), "--model", path(&vits)], 2, "'h' is no phoneme");
    assert_eq!(std::fs::read(&wav).expect("still there"), before);
    assert_eq!(std::fs::read_dir(dir.path()).expect("directory").count(), 1);
    let nowhere = dir.path().join("absent/speech.wav");
    refused(&["speak", "ka", "--output", path(&nowhere), "--model", path(&vits)], 3, "absent/speech.wav: No such");
    refused(&["speak", "ka", "--output", path(&wav), "--model", path(&model("llama2"))], 11, "speech-generator");
    let piped = run(&["speak", "ka", "--output", "-", "--model", path(&vits)]);
    assert!(piped.stdout.starts_with(b"RIFF"));
}

#[test]
fn pictures_become_larger() {
    let dir = tempfile::tempdir().expect("tempdir");
    let (edsr, small, large) = (model("edsr"), fixture("images/landscape.png"), dir.path().join("large.png"));
    let adapter = fixture("peft/edsr-r2");
    let size = |file: &Path| <[u32; 2]>::from(image::image_dimensions(file).expect("a picture")).map(u64::from);
    let words = ["upscale", path(&small), "--out", path(&large), "--model", path(&edsr)];
    let made = json(&run(&[&words[..], &["--json"]].concat()));
    assert_eq!(made["trace"]["path"], "generator");
    assert_eq!(size(&large), size(&small).map(|side| side * 4));
    assert_eq!([&made["width"], &made["height"]].map(|side| side.as_u64().expect("a side")), size(&large));
    let bare = std::fs::read(&large).expect("written");
    assert!(run(&[&words[..], &["--adapter", path(&adapter)]].concat()).status.success());
    assert_ne!(std::fs::read(&large).expect("written"), bare, "an adapter makes a difference");
    let piped = run(&["upscale", path(&small), "--out", "-", "--model", path(&edsr)]);
    assert_eq!(piped.stdout, bare);
    let inspected = json(&run(&["inspect", path(&edsr), "--json"]));
    assert!(inspected.to_string().contains("\"scale\":4"), "{inspected}");

    // What was there stays, and nothing is left beside it.
    refused(&["upscale", path(&small), "--out", path(&large), "--model", path(&model("vits"))], 11, "super-resolution");
    refused(&["upscale", path(&edsr.join("config.json")), "--out", path(&large), "--model", path(&edsr)], 4, "config");
    assert_eq!(std::fs::read_dir(dir.path()).expect("directory").count(), 1);
}

#[test]
fn vectors_of_pictures_and_sounds_find_their_like() {
    let siglip = model("siglip-tiny");
    let pictures: Vec<PathBuf> =
        ["portrait.png", "landscape.png", "grey.png"].map(|name| fixture("images").join(name)).to_vec();
    let first = path(&pictures[0]);
    let embedded =
        json(&run(&["embed", "--image", first, "--image", path(&pictures[1]), "--model", path(&siglip), "--json"]));
    assert_eq!(embedded["component"], "image");
    assert_eq!(embedded["embeddings"].as_array().map(Vec::len), Some(2));
    let files: Vec<&str> = pictures.iter().map(|picture| path(picture)).collect();
    let search = |query: &[&str]| {
        let words = [&["retrieve"], query, &["--files"], &files[..], &["--model", path(&siglip), "-k", "2", "--json"]];
        json(&run(&words.concat()))
    };
    let found = search(&["--image", path(&pictures[2])]);
    assert_eq!(found["matches"][0]["key"], files[2]);
    assert_eq!((found["entries"].as_u64(), found["matches"].as_array().map(Vec::len)), (Some(3), Some(2)));
    assert_eq!(search(&["a word"])["matches"].as_array().map(Vec::len), Some(2));

    // Across kinds of data in one space.
    let csv = tempfile::NamedTempFile::new().expect("file");
    std::fs::write(csv.path(), "0.1,0.2,9.8,0,0,0.1\n".repeat(40)).expect("written");
    let imagebind = model("imagebind-tiny");
    let across = [
        &["retrieve", "--motion", path(csv.path()), "--rate", "200", "--files"],
        &files[..],
        &["--model", path(&imagebind), "--json"],
    ];
    let found = json(&run(&across.concat()));
    assert_eq!(found["matches"].as_array().map(Vec::len), Some(3), "{found}");

    let both = ["retrieve", "a word", "--image", first, "--files", first, "--model", path(&siglip)];
    refused(&both, 2, "a text and a file");
    let tone = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio/tone.wav");
    refused(&["retrieve", "x", "--files", first, path(&tone), "--model", path(&siglip)], 2, "apart");
    let mixed = ["embed", "--compare", "--image", first, "--sound", path(&tone), "--model", path(&siglip)];
    refused(&mixed, 2, "2 kinds of files");
    refused(&["embed", "a word", "--image", first, "--model", path(&siglip)], 2, "one kind");
    refused(&["embed", "--sound", path(&tone), "--model", path(&siglip)], 11, "sound-encoder");
}

#[test]
fn a_checkpoint_s_own_labels_need_no_others() {
    let tone = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/audio/tone.flac");
    let heard = json(&run(&["classify", "--sound", path(&tone), "--model", path(&model("ast-tiny")), "--json"]));
    assert_eq!(heard["scored_by"], "checkpoint_head");
    assert!(heard["scores"].as_array().is_some_and(|scores| scores.len() > 1), "{heard}");
    refused(
        &["classify", "--sound", path(&tone), "--as", "smell", "--model", path(&model("ast-tiny"))],
        2,
        "there are",
    );
}

#[test]
fn motion_is_read_from_csv() {
    let dir = tempfile::tempdir().expect("tempdir");
    let csv = dir.path().join("walk.csv");
    let imagebind = model("imagebind-tiny");
    let line = |i: usize| format!("{},{},9.8,0,0,{}\n", (i % 7) as f32 * 0.3, i as f32 * 0.01, i % 3);
    std::fs::write(&csv, (0..40).map(line).collect::<String>()).expect("written");
    let embedded =
        json(&run(&["embed", "--motion", path(&csv), "--rate", "200", "--model", path(&imagebind), "--json"]));
    assert_eq!((&embedded["component"], &embedded["dim"]), (&Value::from("imu"), &Value::from(20)));
    refused(&["embed", "--motion", path(&csv), "--model", path(&imagebind)], 2, "--rate");
    let sense = ["sense", path(&csv), "--rate", "200", "--labels", "walking,running", "--model", path(&imagebind)];
    // Its random text tower has no tokenizer, which the labels need.
    refused(&sense, 3, "tokenizer");
    refused(&[&sense[..], &["--hop", "7"]].concat(), 2, "hop");
    let timed = |i: usize| format!("{},{}", i as f64 / 50.0, line(i));
    std::fs::write(dir.path().join("timed.csv"), (0..40).map(timed).collect::<String>()).expect("written");
    let wrong = dir.path().join("timed.csv");
    refused(&["embed", "--motion", path(&wrong), "--rate", "200", "--model", path(&imagebind)], 2, "50.00 Hz");
    std::fs::write(&csv, "1,2,3,4,5,6\n").expect("written");
    refused(&sense, 2, "a window has 0.20 s");
    std::fs::write(&csv, "1,2,nan,4,5,6\n".repeat(40)).expect("written");
    refused(&sense, 2, "channel 2");
}

#[test]
fn an_adapter_of_any_component_is_imported() {
    let dir = tempfile::tempdir().expect("tempdir");
    let peft = dir.path().join("peft");
    std::fs::create_dir(&peft).expect("directory");
    for name in ["adapter_config.json", "adapter_model.safetensors"] {
        std::fs::copy(fixture("peft/tower-image-r2").join(name), peft.join(name)).expect("copied");
    }
    let (tower, output) = (model("tower-image"), dir.path().join("mine.loam"));
    let import = ["adapter", "import", path(&peft), "--output", path(&output), "--model", path(&tower), "--json"];
    refused(&import, 11, "no backbone component");
    let report = json(&run(&[&import[..], &["--component", "image"]].concat()));
    assert_eq!((&report["bound"]["component"], &report["bound"]["rank"]), (&Value::from("image"), &Value::from(2)));
    let inspected = json(&run(&["adapter", "inspect", path(&output), "--json"]));
    assert_eq!(inspected["task"]["path"], "encoder");
    let smolvlm = model("smolvlm");
    let whole = smolvlm.join("adapter");
    let of_all = ["adapter", "import", path(&whole), "--output", path(&output), "--model", path(&smolvlm)];
    assert!(run(&[&of_all[..], &["--component", "vision-language"]].concat()).status.success());
    // What is no plain file is written to, not replaced.
    #[cfg(target_os = "linux")]
    {
        let piped = run(&[&import[..4], &["/dev/null", "--model", path(&tower), "--component", "image"]].concat());
        assert!(piped.status.success(), "{}", String::from_utf8_lossy(&piped.stderr));
        assert!(!std::fs::metadata("/dev/null").expect("a device").is_file());
    }
}

/// A LoRA on ImageBind's tiny IMU tower with a head of two labels.
fn steps(dir: &Path) {
    let source = fixture("imagebind/imu-r3");
    let bytes = std::fs::read(source.join("adapter_model.safetensors")).expect("adapter");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let weight: Vec<u8> = (0..2 * 20).flat_map(|i| ((i * 31 % 17) as f32 - 8.0).to_le_bytes()).collect();
    let mut all: std::collections::HashMap<_, _> = tensors.tensors().into_iter().collect();
    let head = safetensors::tensor::TensorView::new(safetensors::Dtype::F32, vec![2, 20], &weight).expect("head");
    all.insert("base_model.model.classifier.weight".to_owned(), head);
    let packed = safetensors::serialize(all, None).expect("serialised");
    std::fs::write(dir.join("adapter_model.safetensors"), packed).expect("written");
    let config = std::fs::read(source.join("adapter_config.json")).expect("config");
    let mut config: Value = serde_json::from_slice(&config).expect("json");
    config["modules_to_save"] = serde_json::json!(["classifier"]);
    std::fs::write(dir.join("adapter_config.json"), config.to_string()).expect("written");
    let task = serde_json::json!({
        "task": "sense", "path": "encoder", "component": "imu", "labels": ["walking", "running"],
    });
    std::fs::write(dir.join("task.json"), task.to_string()).expect("written");
}

/// A window appears while the stream is still open.
#[test]
fn motion_is_read_as_it_comes() {
    use std::io::{BufRead, BufReader, Write};
    use std::process::Stdio;
    let dir = tempfile::tempdir().expect("tempdir");
    let adapter = dir.path().join("steps");
    std::fs::create_dir(&adapter).expect("directory");
    steps(&adapter);
    let imagebind = model("imagebind-tiny");
    let mut child = super::loam()
        .args(["sense", "-", "--rate", "200", "--json", "--adapter", path(&adapter), "--model", path(&imagebind)])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("starts");
    let mut stdin = child.stdin.take().expect("piped");
    let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
    for window in 0..3 {
        stdin.write_all("0.1,0.2,9.8,0,0,0.1\n".repeat(40).as_bytes()).expect("written");
        let mut line = String::new();
        stdout.read_line(&mut line).expect("a line");
        let sensed: Value = serde_json::from_str(&line).expect("JSON");
        let start = sensed["start"].as_f64().unwrap_or_else(|| panic!("{sensed}"));
        assert!((start - 0.2 * f64::from(window)).abs() < 1e-9, "{sensed}");
    }
    drop(stdin);
    assert!(child.wait().expect("ends").success());
}

/// The README's own command: recipe and target are names in the working directory.
#[test]
fn a_foundation_is_built_in_the_working_directory() {
    let dir = tempfile::tempdir().expect("tempdir");
    let source = std::fs::canonicalize(model("siglip-tiny")).expect("fixture");
    let recipe = format!(
        "schema = 1\nid = 'mine'\nversion = '1'\nsummary = 's'\n[[sources]]\nname = 'pair'\npath = '{}'\n\
         [[components]]\nname = 'image'\nkind = 'image-encoder'\nformat = 'hugging-face'\nmodel = 'tiny'\n\
         licence = 'Apache-2.0'\nsource = 'pair'\n",
        source.display()
    );
    std::fs::write(dir.path().join("mine.toml"), recipe).expect("written");
    let inside = |words: &[&str]| {
        let home = ["--home", path(dir.path())];
        super::loam().args(words).args(home).current_dir(dir.path()).output().expect("the program starts")
    };
    for words in [
        &["foundation", "build", "mine.toml", "--output", "mine"][..],
        &["foundation", "build", "mine.toml", "--output", "mine", "--replace"],
        &["foundation", "verify", "mine"],
    ] {
        let output = inside(words);
        assert!(output.status.success(), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
    let picture = fixture("images").join("portrait.png");
    let picture = std::fs::canonicalize(&picture).expect("fixture");
    let embed = ["embed", "--image", path(&picture), "--model", "mine"];
    assert!(inside(&[&embed[..], &["--check"]].concat()).status.success());
    // NaN over the second half of the weights; the size stays.
    let weights = dir.path().join("mine/image/model.safetensors");
    let mut bytes = std::fs::read(&weights).expect("weights");
    for at in (bytes.len() / 2..bytes.len()).filter(|at| at % 4 == 3) {
        bytes[at] = 0x7f;
        bytes[at - 1] = 0xc0;
    }
    std::fs::write(&weights, bytes).expect("damaged");
    for (words, code) in [(&embed[..], 4), (&[&embed[..], &["--check"]].concat(), 9)] {
        let output = inside(words);
        assert_eq!(output.status.code(), Some(code), "{words:?}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(output.stdout.is_empty(), "{words:?}");
    }
    let recipe = std::fs::read_to_string(dir.path().join("mine.toml")).expect("recipe");
    for (line, code, wanted) in
        [("properties = { dim = 99 }", 4, "dim is 99"), ("preprocessing = { nonsense = true }", 4, "component 'image'")]
    {
        std::fs::write(dir.path().join("wrong.toml"), format!("{recipe}{line}\n")).expect("written");
        let output = inside(&["foundation", "build", "wrong.toml", "--output", "wrong"]);
        let message = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{line}: {message}");
        assert!(message.contains(wanted) && !dir.path().join("wrong").exists(), "{line}: {message}");
    }
    let left = std::fs::read_dir(dir.path()).expect("directory").map(|entry| entry.expect("entry").file_name());
    assert!(left.into_iter().all(|name| !name.to_string_lossy().starts_with(".previous")), "the replaced one is gone");
}

#[test]
fn the_table_of_tasks_is_listed() {
    let tasks = json(&run(&["tasks", "--json"]));
    let names: Vec<&str> = tasks.as_array().expect("a list").iter().filter_map(|task| task["name"].as_str()).collect();
    assert!(["chat", "classify", "sense", "speak"].iter().all(|name| names.contains(name)), "{names:?}");
    for name in names {
        let help = run(&[name, "--help"]);
        assert!(String::from_utf8_lossy(&help.stdout).contains("Examples:"), "{name}");
    }
}
