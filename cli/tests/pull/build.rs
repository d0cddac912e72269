//! `loam foundation build`, `verify` and `list`: from directories, files and a hub to a foundation that proves itself.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

use serde_json::Value;

use crate::code;
use crate::fixture::{Fixture, kill, names, read, sha256, text, wait_until};
use crate::server::{Manner, Server};

fn model(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures/models").join(name)
}

/// A model in each form, one of them quantized: a PyTorch file, safetensors, a GGUF file.
fn local_recipe() -> String {
    format!(
        r#"
schema = 1
id = "mine"
version = "1.0"
summary = "made up"
[[sources]]
name = "vit"
path = '{}'
[[sources]]
name = "bind"
path = '{}'
[[sources]]
name = "llama"
path = '{}'
[[components]]
name = "image"
kind = "image-encoder"
format = "hugging-face"
model = "a tiny ViT"
licence = "CC0-1.0"
source = "vit"
properties = {{ dim = 24 }}
[[components]]
name = "imu"
kind = "imu-encoder"
format = "hugging-face"
model = "a tiny trunk"
licence = "CC0-1.0"
source = "bind"
quantize = "q8_0"
wiring = {{ space = "image" }}
[[components]]
name = "backbone"
kind = "backbone"
format = "gguf"
model = "a tiny Llama"
licence = "CC0-1.0"
source = "llama"
"#,
        model("vit-tiny-bin").display(),
        model("imagebind-tiny").display(),
        model("llama2/model.gguf").display()
    )
}

fn run(fixture: &Fixture, arguments: &[&str]) -> Output {
    fixture.loam(arguments).output().expect("started")
}

/// Builds `recipe.toml` as `built` beside it.
fn build(fixture: &Fixture, arguments: &[&str]) -> Output {
    let (recipe, output) = (fixture.path("recipe.toml"), fixture.path("built"));
    let paths = [recipe, output].map(|path| path.to_str().expect("Unicode").to_owned());
    run(fixture, &[&["foundation", "build", &paths[0], "--output", &paths[1]], arguments].concat())
}

fn json(output: &Output) -> Value {
    assert!(output.status.success(), "{}", text(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn verify(fixture: &Fixture) -> Output {
    let built = fixture.path("built");
    run(fixture, &["foundation", "verify", built.to_str().expect("Unicode"), "--json"])
}

#[test]
fn directories_and_files_become_a_foundation() {
    let fixture = Fixture::new();
    fixture.write_recipe(&local_recipe());
    let report = json(&build(&fixture, &["--json"]));
    assert_eq!((report["status"].as_str(), report["foundation"].as_str()), (Some("built"), Some("mine")));
    assert_eq!(report["components"][1]["quantization"], "q8_0");
    assert!(report["components"][1]["tensors"]["quantized"].as_u64() > Some(10), "{report}");

    let built = fixture.path("built");
    assert_eq!(names(&built), ["backbone", "foundation.json", "foundation.json.sha256", "image", "imu"]);
    assert_eq!(names(&built.join("image")), ["config.json", "pytorch_model.bin"]);
    assert_eq!(names(&built.join("imu")), ["config.json", "model.gguf"]);
    assert_eq!(names(&built.join("backbone")), ["model.gguf"]);
    let manifest: Value = serde_json::from_slice(&read(&built.join("foundation.json"))).expect("JSON");
    let components = &manifest["components"];
    assert_eq!(components[0]["dim"], 24);
    assert_eq!(components[0]["files"][1]["sha256"], sha256(&read(&model("vit-tiny-bin/pytorch_model.bin"))));
    assert_eq!(components[1]["wiring"]["space"], "image");
    assert_eq!((&components[1]["quantization"], &components[1]["entry"]), (&"q8_0".into(), &"imu".into()));
    assert_eq!(components[2]["entry"], "backbone/model.gguf");
    assert!(fs::metadata(built.join("imu/model.gguf")).expect("there").len() > 0);

    let verified = json(&verify(&fixture));
    assert_eq!((&verified["status"], &verified["files"]), (&"verified".into(), &5.into()));
    assert_eq!(names(&fixture.home().join("foundations")), Vec::<String>::new());
    // Without --output it is installed under its id, and can be named.
    let recipe = fixture.path("recipe.toml");
    json(&run(&fixture, &["foundation", "build", recipe.to_str().expect("Unicode"), "--json"]));
    assert_eq!(names(&fixture.home().join("foundations")), ["mine"]);
    assert!(run(&fixture, &["foundation", "verify", "mine"]).status.success());
    let list = json(&run(&fixture, &["foundation", "list", "--json"]));
    assert_eq!(list["foundations"][0]["foundation"], "mine");
    assert_eq!(list["foundations"][0]["components"][1]["kind"], "imu-encoder");
}

#[test]
fn verify_names_what_is_not_as_it_was() {
    let fixture = Fixture::new();
    fixture.write_recipe(&local_recipe());
    json(&build(&fixture, &["--json"]));
    let weights = fixture.path("built/imu/model.gguf");
    let whole = read(&weights);
    let refused = |expected: i32, wanted: &str| {
        let output = verify(&fixture);
        let message = text(&output.stderr);
        assert_eq!(code(&output), expected, "{message}");
        assert!(message.contains(wanted), "{wanted}: {message}");
        let report: Value = serde_json::from_slice(&output.stdout).expect("JSON");
        assert_eq!(report["error"]["code"], expected);
    };
    for at in [0, whole.len() / 2, whole.len() - 1] {
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&weights, &flipped).expect("written");
        refused(9, "imu/model.gguf");
    }
    fs::write(&weights, &whole).expect("written");
    // Also of the manifest, whatever the byte is for, and of its digest.
    let flip = |name: &str, at: usize, expected: i32, wanted: &str| {
        let listed = fixture.path(name);
        let whole = read(&listed);
        let mut flipped = whole.clone();
        flipped[at] ^= 1;
        fs::write(&listed, &flipped).expect("written");
        refused(expected, wanted);
        fs::write(&listed, &whole).expect("written");
    };
    for at in (0..read(&fixture.path("built/foundation.json")).len()).step_by(97) {
        flip("built/foundation.json", at, 9, "foundation.json: sha256");
    }
    for (at, expected, wanted) in [(64, 4, "foundation.json.sha256"), (70, 4, "foundation.json.sha256")] {
        flip("built/foundation.json.sha256", at, expected, wanted);
    }
    let digest = fixture.path("built/foundation.json.sha256");
    let line = read(&digest);
    fs::write(&digest, [b"0".repeat(64), line[64..].to_vec()].concat()).expect("written");
    refused(9, "expected 0000");
    // As the tool writes it for binary files, and as an editor of another system leaves it.
    fs::write(&digest, String::from_utf8_lossy(&line).replace("  ", " *").replace('\n', "\r\n")).expect("written");
    assert!(verify(&fixture).status.success());
    fs::write(&digest, &line).expect("written");
    fs::write(&weights, &whole[..whole.len() - 1]).expect("written");
    refused(4, "imu/model.gguf");
    fs::remove_file(&weights).expect("removed");
    refused(3, "imu/model.gguf");
    fs::write(&weights, &whole).expect("written");
    fs::write(fixture.path("built/imu/model.safetensors"), b"mine").expect("written");
    refused(4, "imu/model.safetensors");
    // Commands refuse it as well, without hashing anything.
    let built = fixture.path("built");
    let chat = run(&fixture, &["generate", "x", "--model", built.to_str().expect("Unicode")]);
    assert_eq!(code(&chat), 4, "{}", text(&chat.stderr));
    fs::remove_file(fixture.path("built/imu/model.safetensors")).expect("removed");
    assert!(verify(&fixture).status.success());
    let bare = run(&fixture, &["foundation", "verify", model("llama2").to_str().expect("Unicode")]);
    assert_eq!(code(&bare), 2, "{}", text(&bare.stderr));
}

/// A component whose files are those of the hub, below an address.
fn hub_recipe(address: &str, extra: &str) -> String {
    let listed: String = HUB
        .iter()
        .map(|(file, from)| {
            let content = read(&model(from).join(file));
            format!(
                "[[components.files]]\npath = \"text/{file}\"\nfrom = \"{file}\"\nbytes = {}\nsha256 = \"{}\"\n",
                content.len(),
                sha256(&content)
            )
        })
        .collect();
    format!(
        "schema = 1\nid = \"hub\"\nversion = \"1.0\"\nsummary = \"made up\"\n[[sources]]\nname = \"hub\"\nurl = \
         \"{address}\"\n[[components]]\nname = \"text\"\nkind = \"text-encoder\"\nformat = \"hugging-face\"\nmodel = \"a \
         tiny BERT\"\nlicence = \"CC0-1.0\"\nsource = \"hub\"\n{extra}\n{listed}"
    )
}

/// Files of a tiny BERT, whose fixture has no vocabulary of its own, and where each comes from.
const HUB: [(&str, &str); 3] =
    [("config.json", "bert-tiny"), ("model.safetensors", "bert-tiny"), ("tokenizer.json", "siglip-tiny")];

fn hub(manner: Manner) -> Server {
    Server::hub(&HUB.map(|(file, from)| (file, read(&model(from).join(file)))), manner)
}

#[test]
fn a_model_of_a_hub_is_fetched_resumed_checked_and_quantized() {
    // The first cut does not reach the configuration, which is shorter.
    let (fixture, server) = (Fixture::new(), hub(Manner::Cut { after: 50_000, times: 2 }));
    fixture.write_recipe(&hub_recipe(&server.revision(), "quantize = \"q4_0\""));
    json(&build(&fixture, &["--json"]));
    assert_eq!(server.asked().iter().map(|asked| asked.from).collect::<Vec<_>>(), [None, None, Some(50_000), None]);
    assert!(server.asked()[0].path.ends_with("/org/model/resolve/main/config.json"));
    assert_eq!(names(&fixture.path("built/text")), ["config.json", "model.gguf", "tokenizer.json"]);
    assert!(names(&fixture.home().join("downloads")).is_empty());
    let manifest: Value = serde_json::from_slice(&read(&fixture.path("built/foundation.json"))).expect("JSON");
    assert_eq!(manifest["components"][0]["source"]["url"], server.revision());
    assert!(verify(&fixture).status.success());
    assert!(fs::metadata(fixture.path("built/text/model.gguf")).expect("there").len() < 60_000);
}

#[test]
fn another_file_than_the_recipes_is_not_installed() {
    let fixture = Fixture::new();
    let mut changed = read(&model("bert-tiny/model.safetensors"));
    *changed.last_mut().expect("not empty") ^= 1;
    let files = [("config.json", read(&model("bert-tiny/config.json"))), ("model.safetensors", changed)];
    let server = Server::hub(&files, Manner::Proper);
    fixture.write_recipe(&hub_recipe(&server.revision(), ""));
    let output = build(&fixture, &[]);
    assert_eq!(code(&output), 9, "{}", text(&output.stderr));
    assert!(!fixture.path("built").exists());
    let empty = Server::hub(&[], Manner::Proper);
    fixture.write_recipe(&hub_recipe(&empty.revision(), ""));
    assert_eq!(code(&build(&fixture, &[])), 22);
    assert_eq!(names(fixture.path("built").parent().expect("a folder")), ["home", "recipe.toml"]);
}

#[test]
fn only_a_foundation_is_replaced_and_only_on_request() {
    let fixture = Fixture::new();
    fixture.write_recipe(&local_recipe());
    fs::create_dir(fixture.path("built")).expect("made");
    fs::write(fixture.path("built/precious"), b"x").expect("written");
    assert_eq!(code(&build(&fixture, &["--replace"])), 2);
    fs::remove_file(fixture.path("built/precious")).expect("removed");
    assert_eq!(code(&build(&fixture, &[])), 0);
    assert_eq!(code(&build(&fixture, &[])), 2);
    let before = read(&fixture.path("built/foundation.json"));

    // Failures of all kinds leave the old one as it is, with nothing beside it.
    for (from, to, expected) in [
        ("vit-tiny-bin", "no-such-model", 3),
        ("kind = \"imu-encoder\"", "kind = \"sound-decoder\"", 4),
        ("kind = \"imu-encoder\"", "kind = \"speech-encoder\"", 5),
        ("space = \"image\"", "space = \"smell\"", 4),
        ("source = \"vit\"", "source = \"vit\"\nquantize = \"q8_0\"", 5),
        ("source = \"llama\"", "source = \"llama\"\nquantize = \"q8_0\"", 5),
        ("source = \"vit\"", "source = \"none\"", 4),
    ] {
        fixture.write_recipe(&local_recipe().replacen(from, to, 1));
        let output = build(&fixture, &["--replace"]);
        assert_eq!(code(&output), expected, "{to}: {}", text(&output.stderr));
        assert_eq!(read(&fixture.path("built/foundation.json")), before);
        assert_eq!(names(fixture.path("built").parent().expect("a folder")), ["built", "home", "recipe.toml"], "{to}");
        assert!(verify(&fixture).status.success());
    }
    fixture.write_recipe(&local_recipe().replace("version = \"1.0\"", "version = \"2.0\""));
    assert_eq!(code(&build(&fixture, &["--replace"])), 0);
    assert_eq!(json(&verify(&fixture))["version"], "2.0");
}

#[test]
fn a_killed_build_leaves_the_old_one_and_the_next_goes_on() {
    let (fixture, server) = (Fixture::new(), hub(Manner::Stall { after: 60_000 }));
    fixture.write_recipe(&local_recipe());
    json(&build(&fixture, &["--json"]));
    fixture.write_recipe(&hub_recipe(&server.revision(), ""));
    let (recipe, built) = (fixture.path("recipe.toml"), fixture.path("built"));
    let paths = [&recipe, &built].map(|path| path.to_str().expect("Unicode"));
    let mut command = fixture.loam(&["foundation", "build", paths[0], "--output", paths[1], "--replace", "-q"]);
    let child = command.spawn().expect("started");
    let partial = || names(&fixture.home().join("downloads")).iter().any(|name| name.ends_with("safetensors.partial"));
    wait_until("the first part", partial);
    kill(child);
    assert!(verify(&fixture).status.success());
    assert_eq!(json(&verify(&fixture))["foundation"], "mine");
    // As if the process had died between the two renames.
    fs::rename(&built, fixture.path(".previous-built")).expect("renamed");
    server.open_gate();
    server.behave(Manner::Proper);
    json(&build(&fixture, &["--replace", "--json"]));
    assert_eq!(json(&verify(&fixture))["foundation"], "hub");
    assert_eq!(names(built.parent().expect("a folder")), ["built", "home", "recipe.toml"]);
}

/// A limit on file sizes makes writes fail as a full disk does: in the middle.
#[cfg(unix)]
#[test]
fn a_full_disk_leaves_the_old_one() {
    let fixture = Fixture::new();
    fixture.write_recipe(&local_recipe());
    json(&build(&fixture, &["--json"]));
    let before = read(&fixture.path("built/foundation.json"));
    let (recipe, output) = (fixture.path("recipe.toml"), fixture.path("built"));
    let paths = [&recipe, &output].map(|path| path.to_str().expect("Unicode"));
    let command = fixture.loam(&["foundation", "build", paths[0], "--output", paths[1], "--replace"]);
    let mut shell = std::process::Command::new("sh");
    shell.args(["-c", "trap '' XFSZ; ulimit -f 100; exec \"$0\" \"$@\""]);
    shell.arg(command.get_program()).args(command.get_args()).env("LOAM_HOME", fixture.home());
    let failed = shell.output().expect("started");
    assert_eq!(code(&failed), 3, "{}", text(&failed.stderr));
    assert_eq!(read(&fixture.path("built/foundation.json")), before);
    assert!(verify(&fixture).status.success());
}

#[test]
fn pull_leaves_such_recipes_to_build() {
    let fixture = Fixture::new();
    fixture.write_recipe(&local_recipe());
    let output = fixture.pull(&["--from", "."]).output().expect("started");
    assert_eq!(code(&output), 2);
    assert!(text(&output.stderr).contains("loam foundation build"), "{}", text(&output.stderr));
}

/// A tower of ours in a foundation of the user's own.
#[test]
fn a_bundled_tower_is_built_in() {
    let fixture = Fixture::new();
    fixture.write_recipe(
        "schema = 1\nid = \"moves\"\nversion = \"1.0\"\nsummary = \"made up\"\n[[sources]]\nname = \"ours\"\n\
         bundled = \"imu\"\n[[components]]\nname = \"imu\"\nkind = \"imu-encoder\"\nformat = \"hugging-face\"\n\
         model = \"ours\"\nlicence = \"Apache-2.0\"\nsource = \"ours\"\nproperties = { dim = 384 }\n",
    );
    let built = json(&build(&fixture, &["--json"]));
    assert_eq!((&built["status"], &built["components"][0]["name"]), (&"built".into(), &"imu".into()));
    let manifest: Value = serde_json::from_slice(&read(&fixture.path("built/foundation.json"))).expect("JSON");
    assert_eq!(manifest["components"][0]["source"]["bundled"], "imu");
    let verified = run(&fixture, &["foundation", "verify", fixture.path("built").to_str().expect("Unicode")]);
    assert!(verified.status.success(), "{}", text(&verified.stderr));
}
