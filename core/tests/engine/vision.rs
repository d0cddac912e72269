//! Image towers and CLIP's text tower against transformers, and the adapters on them against peft.

use std::path::Path;

use loam::Error;
use loam::adapter::{AdapterPackage, Base, BoundAdapter, InstallPolicy, bind};
use loam::engine::Engine;
use loam::input::{Image, Input, PixelLayout};
use loam::model::Modality;
use loam::model::encoder::{ClipText, Encoder, Features, Item, TextEncoder, open};
use loam::quant::Deltas;
use loam::weights::{Checkpoint, Safetensors};

use crate::fixture::{floats, max_difference, path, tokens};

/// Largest difference from transformers, f32 on both sides.
const TOLERANCE: f32 = 1e-4;
const TOWERS: [&str; 4] = ["clip-tiny", "clip-vision-tiny", "vit-tiny", "deit-tiny"];

struct Tower {
    encoder: Box<dyn Encoder>,
    pictures: Vec<Features>,
    expected: Safetensors,
}

fn tower(name: &str) -> Tower {
    let dir = path(&format!("models/{name}"));
    let expected = Safetensors::open(dir.join("expected.safetensors")).expect("expected");
    let pixels = floats(&expected, "pixels");
    let pictures =
        pixels.chunks_exact(3 * 18 * 18).map(|p| Features::new(p.to_vec(), vec![3, 18, 18]).expect("pixels"));
    Tower { encoder: open(&dir, Modality::IMAGE).expect("tower"), pictures: pictures.collect(), expected }
}

fn items<'a>(pictures: &'a [Features], deltas: Option<&'a Deltas>) -> Vec<Item<'a>> {
    pictures.iter().map(|features| Item { features, deltas }).collect()
}

#[test]
fn towers_match_transformers() {
    for name in TOWERS {
        let tower = tower(name);
        let encodings = tower.encoder.encode(&items(&tower.pictures, None)).expect("encoded");
        let embedding: Vec<f32> = encodings.iter().flat_map(|e| e.embedding.clone()).collect();
        let states: Vec<f32> = encodings.iter().flat_map(|e| e.states.clone()).collect();
        let worst = max_difference(&embedding, &floats(&tower.expected, "embedding"));
        assert!(worst <= TOLERANCE, "{name}: embeddings differ by {worst}");
        let worst = max_difference(&states, &floats(&tower.expected, "states"));
        assert!(worst <= TOLERANCE, "{name}: states differ by {worst}");
        assert_eq!(encodings[0].embedding.len(), tower.encoder.dim());
        for (i, encoding) in encodings.iter().enumerate() {
            let alone = tower.encoder.encode(&items(&tower.pictures[i..=i], None)).expect("encoded");
            assert_eq!(&alone[0], encoding, "{name}: company changed picture {i}");
        }
    }
}

#[test]
fn clips_text_tower_and_scale_match_transformers() {
    let tower = tower("clip-tiny");
    let dir = path("models/clip-tiny");
    let file = dir.join("expected.safetensors");
    let (ids, lengths) = (tokens(&file, "tokens"), tokens(&file, "lengths"));
    let texts: Vec<Vec<u32>> =
        ids.chunks_exact(6).zip(&lengths).map(|(ids, &length)| ids[..length as usize].to_vec()).collect();
    let json = serde_json::from_slice(&std::fs::read(dir.join("config.json")).expect("config")).expect("json");
    let text = ClipText::load(&Checkpoint::open(&dir).expect("checkpoint"), &json).expect("text tower");
    let embedded = text.embed(&texts, None).expect("embedded");
    let worst = max_difference(&embedded.concat(), &floats(&tower.expected, "text"));
    assert!(worst <= TOLERANCE, "texts differ by {worst}");
    assert_eq!(text.embed(&texts[1..2], None).expect("embedded")[0], embedded[1], "company changed a text");

    let images = tower.encoder.encode(&items(&tower.pictures, None)).expect("encoded");
    let scale = tower.encoder.logit_scale().expect("CLIP has one");
    let logits: Vec<f32> = images
        .iter()
        .flat_map(|image| embedded.iter().map(|text| scale * loam::task::similarity(&image.embedding, text)))
        .collect();
    let worst = max_difference(&logits, &floats(&tower.expected, "logits"));
    assert!(worst <= 10.0 * TOLERANCE, "logits, which are scaled by {scale}, differ by {worst}");
}

#[test]
fn bad_texts_are_refused_by_clip() {
    let dir = path("models/clip-tiny");
    let json = serde_json::from_slice(&std::fs::read(dir.join("config.json")).expect("config")).expect("json");
    let text = ClipText::load(&Checkpoint::open(&dir).expect("checkpoint"), &json).expect("text tower");
    assert!(matches!(text.embed(&[vec![]], None), Err(Error::Argument { .. })));
    assert!(matches!(text.embed(&[vec![64]], None), Err(Error::Argument { .. })));
    assert!(matches!(text.embed(&[vec![1; 17]], None), Err(Error::ContextFull { tokens: 17, limit: 16 })));
}

fn bound(encoder: &dyn Encoder, adapter: &Path) -> loam::Result<BoundAdapter> {
    let package = AdapterPackage::open(adapter)?;
    bind(&package, &Base { linears: encoder.linears(), fingerprint: None, tied: false })
}

#[test]
fn an_adapter_on_linears_and_the_patch_convolution_matches_peft() {
    let tower = tower("clip-vision-tiny");
    let dir = path("peft/clip-vision-r3");
    let bound = bound(&*tower.encoder, &dir).expect("bound");
    let adapted = tower.encoder.encode(&items(&tower.pictures, Some(&bound.deltas))).expect("encoded");
    let expected = floats(&Safetensors::open(dir.join("expected.safetensors")).expect("expected"), "embedding");
    let ours: Vec<f32> = adapted.iter().flat_map(|e| e.embedding.clone()).collect();
    let worst = max_difference(&ours, &expected);
    assert!(worst <= TOLERANCE, "differs from peft by {worst}");

    let bare = tower.encoder.encode(&items(&tower.pictures, None)).expect("encoded");
    assert!(bare.iter().zip(&adapted).all(|(a, b)| max_difference(&a.embedding, &b.embedding) > 1e-2));
    // With, without, with: one batch, each as alone.
    let mixed = [Some(&bound.deltas), None, Some(&bound.deltas)];
    let batch: Vec<Item<'_>> =
        tower.pictures.iter().zip(mixed).map(|(features, deltas)| Item { features, deltas }).collect();
    let mixed = tower.encoder.encode(&batch).expect("encoded");
    assert_eq!((&mixed[0], &mixed[1], &mixed[2]), (&adapted[0], &bare[1], &adapted[2]));
}

/// The adapter of the fixture with other tensors.
fn changed(change: impl Fn(&str, Vec<usize>, Vec<f32>) -> (String, Vec<usize>, Vec<f32>)) -> tempfile::TempDir {
    let from = path("peft/clip-vision-r3");
    let to = tempfile::tempdir().expect("directory");
    std::fs::copy(from.join("adapter_config.json"), to.path().join("adapter_config.json")).expect("copied");
    let file = Safetensors::open(from.join("adapter_model.safetensors")).expect("adapter");
    let tensors: Vec<(String, Vec<usize>, Vec<u8>)> = file
        .names()
        .into_iter()
        .map(|name| {
            let view = file.tensor(&name).expect("readable").expect("present");
            let (name, shape, values) = change(&name, view.shape.clone(), view.to_f32());
            (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect())
        })
        .collect();
    let views = tensors.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).expect("view"))
    });
    let bytes = safetensors::serialize(views, None).expect("serialized");
    std::fs::write(to.path().join("adapter_model.safetensors"), bytes).expect("written");
    to
}

#[test]
fn a_zero_adapter_is_bit_identical_to_the_base() {
    let tower = tower("clip-vision-tiny");
    let zero = changed(|name, shape, mut values| {
        if name.contains("lora_B") {
            values.fill(0.0);
        }
        (name.to_owned(), shape, values)
    });
    let bound = bound(&*tower.encoder, zero.path()).expect("bound");
    let bare = tower.encoder.encode(&items(&tower.pictures, None)).expect("encoded");
    assert_eq!(tower.encoder.encode(&items(&tower.pictures, Some(&bound.deltas))).expect("encoded"), bare);
}

#[test]
fn adapters_that_do_not_fit_are_refused_by_name() {
    let tower = tower("clip-vision-tiny");
    let refusal = |dir: &Path| match bound(&*tower.encoder, dir) {
        Err(Error::Adapter { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let renamed = changed(|name, shape, values| (name.replace("layers.1.mlp.fc1", "layers.9.mlp.fc1"), shape, values));
    assert!(refusal(renamed.path()).contains("layers.9.mlp.fc1"));
    let reshaped = changed(|name, shape, values| {
        let flat = name.contains("patch_embedding.lora_A");
        (name.to_owned(), if flat { vec![3, values.len() / 3] } else { shape }, values)
    });
    assert!(refusal(reshaped.path()).contains("patch_embedding.lora_A"));
}

#[test]
fn damaged_checkpoints_are_refused_by_name() {
    let from = path("models/vit-tiny");
    let config = std::fs::read_to_string(from.join("config.json")).expect("config");
    let opened = |config: &str| {
        let to = tempfile::tempdir().expect("directory");
        std::fs::copy(from.join("model.safetensors"), to.path().join("model.safetensors")).expect("copied");
        std::fs::write(to.path().join("config.json"), config).expect("written");
        open(to.path(), Modality::IMAGE).expect_err("refused")
    };
    let field = |name: &str, value: &str| {
        let mut json: serde_json::Value = serde_json::from_str(&config).expect("json");
        json[name] = serde_json::from_str(value).expect("value");
        opened(&json.to_string()).to_string()
    };
    assert!(field("hidden_size", "32").contains("shape"), "{}", field("hidden_size", "32"));
    assert!(field("num_hidden_layers", "3").contains("encoder.layer.2"));
    assert!(field("num_hidden_layers", "1").contains("encoder.layer.1"));
    assert!(field("num_hidden_layers", "99999999999").contains("num_hidden_layers"));
    assert!(field("num_attention_heads", "5").contains("heads"));
    assert!(field("patch_size", "19").contains("patch_size"));
    assert!(field("patch_size", "0").contains("patch_size"));
    assert!(field("hidden_act", "\"softplus\"").contains("softplus"));
    assert!(field("model_type", "\"unheard\"").contains("unheard"));
}

#[test]
fn features_that_do_not_fit_are_refused() {
    let tower = tower("vit-tiny");
    let small = Features::new(vec![0.0; 3 * 17 * 18], vec![3, 17, 18]).expect("features");
    let refused = tower.encoder.encode(&items(&[small], None)).expect_err("refused");
    assert!(refused.to_string().contains("[3, 17, 18]"), "{refused}");
    assert!(Features::new(vec![f32::NAN], vec![1]).is_err());
    assert!(Features::new(vec![0.0; 3], vec![2]).is_err());
    let refused = tower.encoder.prepare(&Input::from("no picture")).expect_err("refused");
    assert!(matches!(refused, Error::Argument { .. }));
}

#[test]
fn a_bare_clip_has_two_components_and_an_adapter_finds_its_tower() {
    let dir = path("models/clip-vision-tiny");
    let engine = Engine::open(&dir).expect("engine");
    let kinds: Vec<String> = engine.foundation().components().iter().map(|c| c.kind().to_string()).collect();
    assert_eq!(kinds, ["image-encoder"]);
    let adapter = engine.install("tint", path("peft/clip-vision-r3"), InstallPolicy::Create).expect("installed");
    assert!(adapter.bound.rank == 3 && engine.loaded().len() == 1);
    // Without a preprocessor configuration raw pictures cannot be prepared, and the error says so.
    let image = Image::from_pixels(&[9; 12], PixelLayout::Rgb, 2, 2).expect("image");
    let model = engine.encoder(Modality::IMAGE).expect("tower");
    assert!(matches!(model.encode(&[Input::Image(image)], None), Err(Error::Unsupported { .. })));

    let engine = Engine::open(path("models/clip-tiny")).expect("engine");
    let kinds: Vec<String> = engine.foundation().components().iter().map(|c| c.kind().to_string()).collect();
    assert_eq!(kinds, ["text-encoder", "image-encoder"]);
}
