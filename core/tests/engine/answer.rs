//! Tasks over a foundation of several components: questions through a projector (Path 1), speech (Path 4), vectors and
//! retrieval (Path 3), each with its trace.

use std::path::Path;
use std::sync::Arc;

use loam::adapter::{Adapter, DataPath, InstallPolicy};
use loam::engine::{Engine, GenerateOptions, Prompt, Request, SpeakOptions};
use loam::input::{ChatOptions, Image, Input, Message, PixelLayout, Position, encode_chat_around};
use loam::model::Modality;
use loam::task::{AnswerOptions, EmbedOptions, Index};
use loam::weights::{Checkpoint, Safetensors, sha256_file};
use loam::{Error, Result};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

use crate::fixture::{floats, max_difference, path};

const HIDDEN: usize = 32;
const DIM: usize = 16;

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("directory");
    for entry in std::fs::read_dir(from).expect("fixture").map(|entry| entry.expect("entry").path()) {
        if entry.is_file() && entry.file_name().is_some_and(|name| name != "expected.safetensors") {
            std::fs::copy(&entry, to.join(entry.file_name().expect("a name"))).expect("copied");
        }
    }
}

/// A foundation of these components: name, kind and fixture (none: what stands there already).
pub fn assemble(root: &Path, components: &[(&str, &str, Option<&str>)]) {
    let records: Vec<Value> = components
        .iter()
        .map(|(name, kind, fixture)| {
            if let Some(fixture) = fixture {
                copy(&path("models").join(fixture), &root.join(name));
            }
            let files = std::fs::read_dir(root.join(name)).expect("component").map(|entry| {
                let file = entry.expect("entry").path();
                json!({
                    "path": format!("{name}/{}", file.file_name().expect("a name").to_string_lossy()),
                    "bytes": std::fs::metadata(&file).expect("file").len(),
                    "sha256": sha256_file(&file).expect("digest"),
                })
            });
            let files: Vec<Value> = files.collect();
            json!({ "name": name, "kind": kind, "format": "hugging-face", "entry": name, "files": files })
        })
        .collect();
    let manifest = json!({ "schema": 1, "id": "test", "version": "1", "components": records });
    std::fs::write(root.join("foundation.json"), manifest.to_string()).expect("manifest");
}

/// A linear projector whose every soft token is `bias`, whatever it reads, or mixes by `scale`.
fn write_projector(dir: &Path, scale: f32, bias: &[f32]) {
    std::fs::create_dir_all(dir).expect("directory");
    let config = json!({ "model_type": "loam-projector", "kind": "linear", "inputs": DIM, "outputs": HIDDEN });
    std::fs::write(dir.join("config.json"), config.to_string()).expect("config");
    let weight: Vec<u8> =
        (0..HIDDEN * DIM).flat_map(|i| (scale * ((i * 37 % 19) as f32 - 9.0)).to_le_bytes()).collect();
    let bias: Vec<u8> = bias.iter().flat_map(|v| v.to_le_bytes()).collect();
    let tensors = [
        ("proj.weight", TensorView::new(Dtype::F32, vec![HIDDEN, DIM], &weight).expect("weight")),
        ("proj.bias", TensorView::new(Dtype::F32, vec![HIDDEN], &bias).expect("bias")),
    ];
    let bytes = safetensors::serialize(tensors, None).expect("serialised");
    std::fs::write(dir.join("model.safetensors"), bytes).expect("written");
}

fn write_processor(dir: &Path, side: usize) {
    std::fs::create_dir_all(dir).expect("directory");
    let size = json!({ "height": side, "width": side });
    let processor = json!({ "image_processor_type": "ViTImageProcessor", "size": size });
    std::fs::write(dir.join("preprocessor_config.json"), processor.to_string()).expect("processor");
}

/// Backbone, image encoder and its projector.
fn foundation(root: &Path, scale: f32, bias: &[f32]) -> Engine {
    write_projector(&root.join("image-projector"), scale, bias);
    write_processor(&root.join("image"), 16);
    assemble(
        root,
        &[
            ("backbone", "backbone", Some("smolvlm")),
            ("image", "image-encoder", Some("tower-image")),
            ("image-projector", "image-projector", None),
            ("sound", "sound-encoder", Some("tower-sound")),
            ("voice", "speech-generator", Some("vits")),
        ],
    );
    Engine::open(root).expect("foundation")
}

fn picture(shade: u8) -> Input {
    let pixels: Vec<u8> = (0..16 * 16 * 3).map(|i| shade.wrapping_mul(i as u8).wrapping_add(i as u8 / 3)).collect();
    Input::Image(Image::from_pixels(&pixels, PixelLayout::Rgb, 16, 16).expect("picture"))
}

fn options(max_tokens: usize) -> AnswerOptions {
    let generate = GenerateOptions { max_tokens, ..GenerateOptions::default() };
    AnswerOptions { generate, ..AnswerOptions::default() }
}

/// A projector whose soft tokens are the embedding of a token: the answer must be that to the token itself in their place.
#[test]
fn soft_tokens_stand_where_the_pictures_are() {
    let root = tempfile::tempdir().expect("tempdir");
    let table = Checkpoint::open(path("models/smolvlm")).expect("checkpoint");
    let table = table.require("model.text_model.embed_tokens.weight").expect("table").to_f32();
    let token = 77;
    let engine = foundation(root.path(), 0.0, &table[token * HIDDEN..(token + 1) * HIDDEN]);
    let mut answer = String::new();
    let question = "What is <image> this?";
    let inputs = [picture(3), picture(5)];
    let stats = engine.answer(&inputs, question, &options(12), &mut answer).expect("answer");

    let language = engine.language().expect("language");
    let messages = [Message::user_with_images(2, question)];
    let template = language.template().expect("template");
    let tokenizer = language.tokenizer().expect("tokenizer");
    let runs = encode_chat_around(tokenizer, template, &messages, &ChatOptions::default()).expect("runs");
    assert_eq!(runs.len(), 3);
    let ids: Vec<u32> = runs.join(&u32::try_from(token).expect("small"));
    let mut request = Request::new(Prompt::from(ids.clone()), None, options(12).generate);
    request.position = Position::Start;
    let mut expected = String::new();
    let finished = engine.generate(request, &mut expected).expect("generated");
    assert_eq!((answer, stats.prompt_tokens), (expected, ids.len()));
    assert!(!finished.generated.is_empty());

    assert_eq!(stats.trace.path, DataPath::EncoderBackbone);
    let ran: Vec<&str> = stats.trace.steps.iter().map(|step| step.component.as_str()).collect();
    assert_eq!(ran, ["image", "image-projector", "image", "image-projector", "backbone"]);
    assert!(stats.trace.steps.iter().all(|step| step.bytes > 0 && step.backend.starts_with("cpu/")));
}

#[test]
fn another_picture_gives_another_answer() {
    let root = tempfile::tempdir().expect("tempdir");
    let engine = foundation(root.path(), 0.05, &[0.0; HIDDEN]);
    let ask = |shade: u8| {
        let mut answer = String::new();
        engine.answer(&[picture(shade)], "What is this?", &options(24), &mut answer).expect("answer");
        answer
    };
    assert_eq!(ask(3), ask(3));
    assert_ne!(ask(3), ask(101));
    let mut caption = String::new();
    let stats = engine.caption(&picture(3), &options(8), &mut caption).expect("caption");
    assert!(stats.generated_tokens > 0 && stats.trace.steps[1].component == "image-projector");
}

#[test]
fn what_is_missing_or_wrong_is_named() {
    let root = tempfile::tempdir().expect("tempdir");
    let engine = foundation(root.path(), 0.05, &[0.0; HIDDEN]);
    let fail = |inputs: &[Input], question: &str, options: &AnswerOptions| -> Error {
        engine.answer(inputs, question, options, &mut String::new()).expect_err("refused")
    };
    let plain = options(4);
    assert!(matches!(fail(&[], "Why?", &plain), Error::Argument { name: "inputs", .. }));
    assert!(matches!(fail(&[picture(1)], " \n", &plain), Error::Argument { name: "question", .. }));
    assert!(matches!(fail(&["a text".into()], "Why?", &plain), Error::Argument { name: "inputs", .. }));
    let many: Vec<Input> = (0..65).map(|_| picture(1)).collect();
    assert!(matches!(fail(&many, "Why?", &plain), Error::Argument { name: "inputs", .. }));
    let long = "word ".repeat(400);
    assert!(matches!(fail(&[picture(1)], &long, &plain), Error::ContextFull { .. }));
    let sound = AnswerOptions { modality: Some(Modality::SPEECH), ..options(4) };
    assert!(matches!(fail(&[picture(1)], "Why?", &sound), Error::MissingComponent(kind) if kind == "speech-encoder"));
    let error = engine.caption(&"text".into(), &plain, &mut String::new()).expect_err("text");
    assert!(matches!(error, Error::Argument { name: "input", .. }));

    // A projector for vectors of another width.
    let other = tempfile::tempdir().expect("tempdir");
    write_projector(&other.path().join("image-projector"), 0.1, &[0.0; HIDDEN]);
    write_processor(&other.path().join("image"), 18);
    assemble(
        other.path(),
        &[
            ("backbone", "backbone", Some("smolvlm")),
            ("image", "image-encoder", Some("vit-tiny")),
            ("image-projector", "image-projector", None),
        ],
    );
    let narrow = Engine::open(other.path()).expect("foundation");
    let error = narrow.answer(&[picture(1)], "Why?", &plain, &mut String::new()).expect_err("refused");
    assert!(error.to_string().contains("projector 'image-projector'"), "{error}");
}

/// Wires components of a manifest.
fn wire(root: &Path, wirings: &[(&str, Value)]) {
    let file = root.join("foundation.json");
    let mut manifest: Value = serde_json::from_slice(&std::fs::read(&file).expect("manifest")).expect("json");
    for record in manifest["components"].as_array_mut().expect("components") {
        let wiring = wirings.iter().find(|(name, _)| record["name"] == *name);
        if let Some((_, wiring)) = wiring {
            record["wiring"] = wiring.clone();
        }
    }
    std::fs::write(file, manifest.to_string()).expect("manifest");
}

#[test]
fn labels_are_compared_in_the_space_that_the_wiring_says() {
    let root = tempfile::tempdir().expect("tempdir");
    let components = [
        ("first", "text-encoder", Some("bert-tiny")),
        ("second", "text-encoder", Some("bert-tiny")),
        ("image", "image-encoder", Some("tower-image")),
        ("sound", "sound-encoder", Some("tower-sound")),
    ];
    assemble(root.path(), &components);
    let anchor = || {
        let foundation = Engine::open(root.path()).expect("foundation");
        foundation.foundation().anchor(Modality::IMAGE).map(|text| text.name().to_owned())
    };
    assert_eq!(anchor().expect("unwired"), "first");
    wire(root.path(), &[("image", json!({ "space": "second" }))]);
    assert_eq!(anchor().expect("wired"), "second");
    wire(root.path(), &[("image", json!({ "space": "sound" })), ("second", json!({ "space": "sound" }))]);
    assert_eq!(anchor().expect("wired to a third"), "second");
    wire(root.path(), &[("second", json!({}))]);
    assert!(matches!(anchor(), Err(Error::MissingComponent(what)) if what.contains("'sound'")));
}

#[test]
fn a_projector_of_other_components_is_refused() {
    let root = tempfile::tempdir().expect("tempdir");
    drop(foundation(root.path(), 0.05, &[0.0; HIDDEN]));
    for (from, expected) in [("image", None), ("sound", Some("'sound' to 'backbone'"))] {
        wire(root.path(), &[("image-projector", json!({ "from": from, "to": "backbone" }))]);
        let engine = Engine::open(root.path()).expect("foundation");
        let answered = engine.answer(&[picture(3)], "Why?", &options(2), &mut String::new());
        match expected {
            None => assert!(answered.is_ok(), "{answered:?}"),
            Some(words) => assert!(answered.expect_err("refused").to_string().contains(words)),
        }
    }
}

fn installed(engine: &Engine, component: &str, peft: &Path, root: &Path) -> Result<Arc<Adapter>> {
    let dir = root.join(format!("adapter-{component}"));
    copy(peft, &dir);
    let task = json!({ "task": "answer", "path": "encoder-backbone", "component": component });
    std::fs::write(dir.join("task.json"), task.to_string()).expect("task");
    engine.install(component, &dir, InstallPolicy::Create)
}

#[test]
fn an_adapter_acts_on_its_component_or_is_refused() {
    let root = tempfile::tempdir().expect("tempdir");
    let engine = foundation(root.path(), 0.05, &[0.0; HIDDEN]);
    let ask = |adapter: Option<Arc<Adapter>>| {
        let mut answer = String::new();
        let options = AnswerOptions { adapter, ..options(24) };
        engine.answer(&[picture(3)], "What is this?", &options, &mut answer).map(|stats| (answer, stats))
    };
    let (bare, _) = ask(None).expect("answer");
    let image = installed(&engine, "image", &path("peft/tower-image-r2"), root.path()).expect("installed");
    let (adapted, stats) = ask(Some(image)).expect("answer");
    assert_ne!(bare, adapted);
    assert!(stats.adapter.is_none(), "the backbone ran bare");

    // An adapter of a component that the answer does not take.
    let sound = installed(&engine, "sound", &path("peft/tower-sound-r2"), root.path()).expect("installed");
    let error = ask(Some(sound)).expect_err("refused");
    assert!(matches!(&error, Error::Adapter { reason, .. } if reason.contains("'sound'")), "{error}");
}

/// Its changes would fall on layers of the same numbers in the backbone.
#[test]
fn a_generation_refuses_an_adapter_of_an_encoder() {
    let root = tempfile::tempdir().expect("tempdir");
    let engine = foundation(root.path(), 0.05, &[0.0; HIDDEN]);
    let image = installed(&engine, "image", &path("peft/tower-image-r2"), root.path()).expect("installed");
    let request = Request::new(vec![1, 2], Some(Arc::clone(&image)), options(2).generate);
    let error = engine.generate(request, &mut String::new()).expect_err("refused");
    assert!(matches!(&error, Error::Adapter { reason, .. } if reason.contains("'image', 'backbone' runs")), "{error}");
    let error = engine.language().expect("model").perplexity(&[1, 2, 3], Some(&image)).expect_err("refused");
    assert!(matches!(error, Error::Adapter { .. }), "{error}");
}

#[test]
fn an_adapter_of_a_task_that_does_not_exist_is_refused() {
    let root = tempfile::tempdir().expect("tempdir");
    let engine = foundation(root.path(), 0.05, &[0.0; HIDDEN]);
    let dir = root.path().join("adapter");
    copy(&path("peft/tower-image-r2"), &dir);
    for (task, path, expected) in [
        ("paint", "encoder", "task 'paint' is unknown; there are chat"),
        ("classify", "generator", "task 'classify' on path Generator"),
        ("speak", "encoder", "task 'speak'"),
    ] {
        let task = json!({ "task": task, "path": path, "component": "image" });
        std::fs::write(dir.join("task.json"), task.to_string()).expect("task");
        let error = engine.install("x", &dir, InstallPolicy::Create).expect_err("refused");
        assert!(matches!(&error, Error::Adapter { reason, .. } if reason.contains(expected)), "{error}");
    }
    let task = json!({ "component": "voice" });
    std::fs::write(dir.join("task.json"), task.to_string()).expect("task");
    let error = engine.install("x", &dir, InstallPolicy::Create).expect_err("refused");
    assert!(error.to_string().contains("speech generator"), "{error}");
}

#[test]
fn speech_runs_the_generator_alone() {
    let root = tempfile::tempdir().expect("tempdir");
    let engine = foundation(root.path(), 0.05, &[0.0; HIDDEN]);
    let still = SpeakOptions { noise_scale: Some(0.0), noise_scale_duration: Some(0.0), ..SpeakOptions::default() };
    let speech = engine.speak("ɡobˈa kaˈok", &still).expect("speech");
    let expected = Safetensors::open(path("models/vits/expected.safetensors")).expect("expected");
    assert!(max_difference(&speech.samples, &floats(&expected, "still")) <= 1e-4);
    assert_eq!(speech.trace.path, DataPath::Generator);
    let loaded: Vec<String> = engine.loaded().into_iter().map(|component| component.name).collect();
    assert_eq!(loaded, ["voice"]);
}

/// Vectors that each other's encoder made are found again; the backbone is not loaded for it.
#[test]
fn pictures_are_found_by_pictures() {
    let root = tempfile::tempdir().expect("tempdir");
    let engine = foundation(root.path(), 0.05, &[0.0; HIDDEN]);
    let mut index = Index::default();
    for shade in [1, 50, 99, 150, 200] {
        let embedding = engine.embed(picture(shade), &EmbedOptions::default()).expect("embedding");
        index.insert(shade.to_string(), embedding.vector).expect("inserted");
    }
    for shade in [1, 99, 200] {
        let query = engine.query(picture(shade), Modality::IMAGE, &EmbedOptions::default()).expect("query");
        let found = index.search(&query.vector, 2).expect("found");
        assert_eq!(found[0].key, shade.to_string());
        assert!((found[0].similarity - 1.0).abs() < 1e-6 && query.trace.path == DataPath::Encoder);
    }
    assert!(engine.loaded().iter().all(|component| component.name == "image"));
    assert!(matches!(engine.query("text", Modality::IMAGE, &EmbedOptions::default()), Err(Error::MissingComponent(_))));
}
