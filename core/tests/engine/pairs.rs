//! Towers that pair pictures with texts, in every form of file: SigLIP as a pair, towers alone, CLIP's text towers.
//! References are transformers and peft in fp32.

use std::path::Path;

use loam::adapter::{AdapterPackage, Base, BoundAdapter, InstallPolicy, bind};
use loam::engine::Engine;
use loam::input::{Image, Input};
use loam::model::encoder::{ClipText, Encoder, Encoding, Features, Item, TextEncoder, open, open_text};
use loam::model::{LinearTable, Modality};
use loam::quant::Deltas;
use loam::task::EmbedOptions;
use loam::weights::{Checkpoint, Safetensors};
use loam::{Error, Result};

use crate::fixture::{floats, max_difference, path, tokens};

/// Largest difference from transformers, f32 on both sides.
pub(crate) const TOLERANCE: f32 = 1e-4;
/// Pixels per side of the fixtures' pictures.
const SIDE: usize = 20;

pub(crate) fn expected(folder: &str) -> Safetensors {
    Safetensors::open(path(folder).join("expected.safetensors")).expect("expected")
}

pub(crate) fn tower(name: &str) -> Box<dyn Encoder> {
    open(&path("models").join(name), Modality::IMAGE).expect("tower")
}

/// Prepared pixels of the model fixture `name`.
pub(crate) fn pictures(name: &str) -> Vec<Features> {
    let pixels = floats(&expected(&format!("models/{name}")), "pixels");
    let shape = vec![3, SIDE, SIDE];
    pixels.chunks_exact(3 * SIDE * SIDE).map(|p| Features::new(p.to_vec(), shape.clone()).expect("pixels")).collect()
}

pub(crate) fn encode(encoder: &dyn Encoder, pictures: &[Features], deltas: Option<&Deltas>) -> Vec<Encoding> {
    let items: Vec<Item<'_>> = pictures.iter().map(|features| Item { features, deltas }).collect();
    encoder.encode(&items).expect("encoded")
}

pub(crate) fn close(ours: &[f32], folder: &str, name: &str) {
    let worst = max_difference(ours, &floats(&expected(folder), name));
    println!("{folder} {name:<10} max |difference| {worst:.2e}");
    assert!(worst <= TOLERANCE, "{folder}: {name} differs by {worst}");
}

pub(crate) fn bound(linears: &LinearTable, adapter: &Path) -> Result<BoundAdapter> {
    bind(&AdapterPackage::open(adapter)?, &Base { linears, fingerprint: None, tied: false })
}

/// States and embeddings of a model fixture, together and alone.
pub(crate) fn matches_transformers(name: &str) -> Vec<Encoding> {
    let (encoder, pictures) = (tower(name), pictures(name));
    let encodings = encode(&*encoder, &pictures, None);
    let folder = format!("models/{name}");
    let all = |part: fn(&Encoding) -> &Vec<f32>| encodings.iter().flat_map(part).copied().collect::<Vec<f32>>();
    close(&all(|e| &e.embedding), &folder, "embedding");
    close(&all(|e| &e.states), &folder, "states");
    for (i, encoding) in encodings.iter().enumerate() {
        assert_eq!(encoding.embedding.len(), encoder.dim());
        assert_eq!(encoding.states.len() % encoder.state_width(), 0);
        assert_eq!(&encode(&*encoder, &pictures[i..=i], None)[0], encoding, "{name}: company changed picture {i}");
    }
    encodings
}

fn clip_text(name: &str) -> ClipText {
    let dir = path("models").join(name);
    let json = serde_json::from_slice(&std::fs::read(dir.join("config.json")).expect("config")).expect("json");
    ClipText::load(&Checkpoint::open(&dir).expect("checkpoint"), &json).expect("text tower")
}

/// The fixture's texts, of `length` tokens each.
fn texts(name: &str, length: usize) -> Vec<Vec<u32>> {
    let ids = tokens(&path("models").join(name).join("expected.safetensors"), "tokens");
    ids.chunks_exact(length).map(<[u32]>::to_vec).collect()
}

#[test]
fn image_towers_match_transformers_in_every_form_of_file() {
    for name in ["siglip-tiny", "siglip-vision-tiny", "clip-vision-bare-tiny"] {
        matches_transformers(name);
    }
}

#[test]
fn text_towers_match_transformers() {
    for (name, length, dim) in [("siglip-tiny", 12, 16), ("clip-text-tiny", 9, 16), ("clip-text-projected-tiny", 9, 20)]
    {
        let (tower, texts) = (clip_text(name), texts(name, length));
        assert_eq!(tower.dim(), dim);
        let embedded = tower.embed(&texts, None).expect("embedded");
        close(&embedded.concat(), &format!("models/{name}"), "text");
        for (i, text) in embedded.iter().enumerate() {
            assert_eq!(&tower.embed(&texts[i..=i], None).expect("alone")[0], text, "{name}: company changed text {i}");
        }
    }
}

#[test]
fn probabilities_of_a_pair_match_siglip() {
    let images = encode(&*tower("siglip-tiny"), &pictures("siglip-tiny"), None);
    let texts = clip_text("siglip-tiny").embed(&texts("siglip-tiny", 12), None).expect("embedded");
    let tower = tower("siglip-tiny");
    let (scale, bias) = (tower.logit_scale().expect("a scale"), tower.logit_bias().expect("a bias"));
    let logits = images
        .iter()
        .flat_map(|image| texts.iter().map(move |text| scale * loam::task::similarity(&image.embedding, text) + bias));
    close(&logits.collect::<Vec<_>>(), "models/siglip-tiny", "logits");
}

/// Picture files and sentences as users give them, through the whole pipeline.
#[test]
fn files_and_sentences_match_transformers_pipeline() {
    /// Preprocessing rounds to 8 bits in between.
    const PIPELINE: f32 = 2e-3;
    let engine = Engine::open(path("models/siglip-tiny")).expect("engine");
    let model = engine.encoder(Modality::IMAGE).expect("tower");
    let expected = expected("models/siglip-tiny");
    for name in ["landscape.png", "portrait.png", "tiny.png", "exact.png"] {
        let picture = Image::open(path("images").join(name)).expect("picture");
        let ours = &model.encode(&[Input::Image(picture)], None).expect("encoded").0[0].embedding;
        let worst = max_difference(ours, &floats(&expected, &format!("file.{name}")));
        println!("{name:<14} max |difference| {worst:.2e}");
        assert!(worst <= PIPELINE, "{name} differs by {worst}");
    }
    let sentences = [
        "A photo of a cat.",
        "two DOGS,   on a red mat!",
        "Café — 日本",
        "",
        "the cat and the dog and the bird and the tree and the house and the red mat",
    ];
    let embedded = engine.text().expect("text tower").embed(&sentences, None).expect("embedded").0;
    close(&embedded.concat(), "models/siglip-tiny", "said");
}

#[test]
fn a_text_tower_that_needs_padding_says_so() {
    let from = path("models/siglip-tiny");
    let to = tempfile::tempdir().expect("folder");
    for name in ["config.json", "model.safetensors", "tokenizer.json"] {
        std::fs::copy(from.join(name), to.path().join(name)).expect("copied");
    }
    let engine = Engine::open(to.path()).expect("engine");
    let error = engine.text().expect("text tower").embed(&["a cat"], None).expect_err("no padding token");
    assert!(matches!(error, Error::Unsupported { .. }) && error.to_string().contains("pad_token"), "{error}");
}

#[test]
fn adapters_on_either_tower_match_peft() {
    let (siglip, pictures) = (tower("siglip-tiny"), pictures("siglip-tiny"));
    let on_image = bound(siglip.linears(), &path("peft/siglip-image-r2")).expect("bound");
    let bare = encode(&*siglip, &pictures, None);
    let adapted = encode(&*siglip, &pictures, Some(&on_image.deltas));
    let embeddings: Vec<f32> = adapted.iter().flat_map(|e| e.embedding.clone()).collect();
    close(&embeddings, "peft/siglip-image-r2", "embedding");
    assert!(bare.iter().zip(&adapted).all(|(a, b)| max_difference(&a.embedding, &b.embedding) > 1e-2));
    let deltas = [None, Some(&on_image.deltas), None];
    let mixed: Vec<Item<'_>> =
        pictures.iter().zip(deltas).map(|(features, deltas)| Item { features, deltas }).collect();
    let mixed = siglip.encode(&mixed).expect("encoded");
    assert_eq!((&mixed[0], &mixed[1], &mixed[2]), (&bare[0], &adapted[1], &bare[2]));

    for (model, length, adapter) in
        [("siglip-tiny", 12, "siglip-text-r2"), ("clip-text-projected-tiny", 9, "clip-text-r2")]
    {
        let (tower, texts) = (clip_text(model), texts(model, length));
        let on_text = bound(tower.linears(), &path("peft").join(adapter)).expect("bound");
        let embedded = tower.embed(&texts, Some(&on_text.deltas)).expect("embedded");
        close(&embedded.concat(), &format!("peft/{adapter}"), "text");
        assert!(max_difference(&embedded.concat(), &tower.embed(&texts, None).expect("bare").concat()) > 1e-2);
    }
}

/// Both towers of a pair name their layers alike.
#[test]
fn an_adapter_of_one_tower_is_refused_by_the_other() {
    let (image, text) = (tower("siglip-tiny"), clip_text("siglip-tiny"));
    let refusal = |result: Result<BoundAdapter>| match result {
        Err(Error::Adapter { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let reason = refusal(bound(text.linears(), &path("peft/siglip-image-r2")));
    assert!(reason.contains("vision_model."), "{reason}");
    let reason = refusal(bound(image.linears(), &path("peft/clip-text-r2")));
    assert!(reason.contains("text_model."), "{reason}");
}

#[test]
fn an_adapter_is_installed_on_the_tower_that_it_names() {
    let engine = Engine::open(path("models/siglip-tiny")).expect("engine");
    engine.install("tint", path("peft/siglip-image-r2"), InstallPolicy::Create).expect("installed");
    engine.install("accent", path("peft/siglip-text-r2"), InstallPolicy::Create).expect("installed");
    let adapter = engine.adapter("accent").expect("an adapter");
    let plain = engine.embed("a cat", &EmbedOptions::default()).expect("embedded").vector;
    let options = EmbedOptions { adapter: Some(adapter), ..EmbedOptions::default() };
    let accented = engine.embed("a cat", &options).expect("embedded").vector;
    assert!(max_difference(&plain, &accented) > 1e-2);
}

#[test]
fn texts_that_do_not_fit_are_refused() {
    let tower = clip_text("clip-text-projected-tiny");
    assert!(matches!(tower.embed(&[vec![62, 4, 5]], None), Err(Error::Argument { .. })), "no end of text");
    assert!(matches!(tower.embed(&[vec![64, 9]], None), Err(Error::Argument { .. })));
    assert!(matches!(tower.embed(&[vec![9; 13]], None), Err(Error::ContextFull { tokens: 13, limit: 12 })));
    let siglip = clip_text("siglip-tiny");
    assert!(matches!(siglip.embed(&[vec![]], None), Err(Error::Argument { .. })));
    assert!(open_text(&path("models/vit-tiny")).expect_err("no text tower").to_string().contains("'vit'"));
}

/// Opens the image tower of a model fixture whose `config.json` has another value at the JSON pointer `field`.
pub(crate) fn with_field(name: &str, field: &str, value: &str) -> Result<Box<dyn Encoder>> {
    let from = path("models").join(name);
    let to = tempfile::tempdir().expect("folder");
    std::fs::copy(from.join("model.safetensors"), to.path().join("model.safetensors")).expect("copied");
    let text = std::fs::read_to_string(from.join("config.json")).expect("config");
    let mut json: serde_json::Value = serde_json::from_str(&text).expect("json");
    *json.pointer_mut(field).expect("a field of the fixture") = serde_json::from_str(value).expect("value");
    std::fs::write(to.path().join("config.json"), json.to_string()).expect("written");
    open(to.path(), Modality::IMAGE)
}

#[test]
fn hostile_configurations_are_refused_by_field() {
    for (field, value, named) in [
        ("image_size", "1000000000", "image_size"),
        ("image_size", "26", "position_embedding"),
        ("patch_size", "21", "patch_size"),
        ("hidden_size", "18446744073709551615", "hidden_size"),
        ("hidden_size", "65536", "patch_embedding"),
        ("num_attention_heads", "3", "heads"),
        ("num_hidden_layers", "3", "encoder.layers.2"),
        ("num_hidden_layers", "1", "encoder.layers.1"),
        ("hidden_act", "\"warp\"", "warp"),
        ("vision_use_head", "7", "vision_use_head"),
        ("vision_use_head", "false", "vision_model.head"),
        ("layer_norm_eps", "\"none\"", "layer_norm_eps"),
    ] {
        let error = with_field("siglip-tiny", &format!("/vision_config/{field}"), value).expect_err(field);
        assert!(error.to_string().contains(named), "{field} {value}: {error}");
    }
    let error = with_field("siglip-vision-tiny", "/vision_use_head", "true").expect_err("no head");
    assert!(matches!(error, Error::MissingTensor(_)) && error.to_string().contains("head."), "{error}");
}
