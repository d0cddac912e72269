//! What holds for adapters on every tower that can be loaded: one table over all families.

use std::path::{Path, PathBuf};

use loam::Error;
use loam::adapter::{AdapterPackage, Base, BoundAdapter, bind};
use loam::model::encoder::{Encoding, FAMILIES, Features, Item, TEXT_FAMILIES, open, open_text};
use loam::model::{LinearRole, LinearTable, Modality};

use crate::fixture::{Tensor, path, read_tensors, write_tensors};

/// Model type, modality and fixture of a tower, and the shape of its features where it reads several.
pub type Tower = (&'static str, Modality, &'static str, &'static [usize]);
pub const TOWERS: &[Tower] = &[
    ("clip", Modality::IMAGE, "clip-tiny", &[]),
    ("clip_vision_model", Modality::IMAGE, "clip-vision-tiny", &[]),
    ("siglip", Modality::IMAGE, "siglip-tiny", &[]),
    ("siglip_vision_model", Modality::IMAGE, "siglip-vision-tiny", &[]),
    ("vit", Modality::IMAGE, "vit-tiny", &[]),
    ("deit", Modality::IMAGE, "deit-tiny", &[]),
    ("audio-spectrogram-transformer", Modality::SOUND, "ast-tiny", &[]),
    ("imagebind", Modality::IMAGE, "imagebind-tiny", &[]),
    ("imagebind", Modality::SOUND, "imagebind-tiny", &[]),
    ("imagebind", Modality::IMU, "imagebind-tiny", &[]),
    ("imagebind", Modality::new("depth"), "imagebind-tiny", &[]),
    ("imagebind", Modality::new("thermal"), "imagebind-tiny", &[]),
    ("wav2vec2", Modality::SPEECH, "wav2vec2-base", &[800]),
    ("whisper", Modality::SPEECH, "whisper", &[]),
    ("limu-bert", Modality::IMU, "limu-tiny", &[]),
    ("loam-tower", Modality::IMAGE, "tower-image", &[]),
    ("loam-tower", Modality::SOUND, "tower-sound", &[]),
    ("loam-tower", Modality::SPEECH, "tower-sound", &[]),
    ("loam-tower", Modality::IMU, "tower-imu", &[]),
];
/// Model type, fixture, and a text.
pub const TEXTS: &[(&str, &str, &[u32])] = &[
    ("bert", "bert-tiny", &[1, 5, 9, 2]),
    ("clip", "clip-tiny", &[1, 5, 9, 63]),
    ("clip_text_model", "clip-text-tiny", &[62, 5, 9, 63]),
    ("imagebind", "imagebind-tiny", &[1, 5, 9, 49]),
    ("siglip", "siglip-tiny", &[5, 9, 14, 21, 1, 1, 1, 1, 1, 1, 1, 1]),
    ("siglip_text_model", "siglip-tiny", &[5, 9, 14, 21, 1, 1, 1, 1, 1, 1, 1, 1]),
];

/// The directory of a fixture, or a copy of it that is of another type.
pub struct Dir {
    pub at: PathBuf,
    _copy: Option<tempfile::TempDir>,
}

fn config(dir: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(dir.join("config.json")).expect("config")).expect("json")
}

pub fn dir(model_type: &str, modality: Modality, fixture: &str) -> Dir {
    let from = path("models").join(fixture);
    let json = config(&from);
    let same_modality = json.get("modality").is_none_or(|own| own == modality.as_str());
    if json["model_type"] == model_type && same_modality {
        return Dir { at: from, _copy: None };
    }
    let copy = tempfile::tempdir().expect("folder");
    let mut tensors = read_tensors(&from.join("model.safetensors"));
    let json = if model_type == "siglip_text_model" {
        // The text tower of the pair, alone.
        tensors.retain(|(name, ..)| name.starts_with("text_model."));
        let mut text = json["text_config"].clone();
        text["model_type"] = model_type.into();
        text
    } else {
        let mut other = json;
        other["modality"] = modality.as_str().into();
        other
    };
    write_tensors(&copy.path().join("model.safetensors"), &tensors);
    std::fs::write(copy.path().join("config.json"), json.to_string()).expect("written");
    Dir { at: copy.path().to_path_buf(), _copy: Some(copy) }
}

/// Numbers that look random, from -0.5 to 0.5.
pub fn noise(count: usize, seed: usize) -> Vec<f32> {
    let mut state = 0x9e37_79b9_u32.wrapping_mul(u32::try_from(seed).expect("a small seed") + 1);
    let mut next = || {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as f32 / (1 << 24) as f32 - 0.5
    };
    (0..count).map(|_| next()).collect()
}

/// A random adapter on every layer of `table`, and the rank that it needs.
fn random(table: &LinearTable) -> (Vec<Tensor>, usize) {
    let groups = |role: &LinearRole| if let LinearRole::Convolution { groups, .. } = role { *groups } else { 1 };
    let rank = table.infos().iter().map(|info| groups(&info.role)).max().unwrap_or(1).max(2);
    let mut tensors = Vec::new();
    for (i, info) in table.infos().iter().enumerate() {
        let (down, up, names) = match &info.role {
            LinearRole::Linear => {
                (vec![rank, info.inputs], vec![info.outputs, rank], ["lora_A.weight", "lora_B.weight"])
            }
            LinearRole::Convolution { kernel, groups } => {
                let channels = info.inputs / kernel.iter().product::<usize>();
                let down = [&[rank, channels][..], kernel].concat();
                let up = [&[info.outputs, rank / groups][..], &vec![1; kernel.len()]].concat();
                (down, up, ["lora_A.weight", "lora_B.weight"])
            }
            LinearRole::Embedding => {
                (vec![rank, info.outputs], vec![info.inputs, rank], ["lora_embedding_A", "lora_embedding_B"])
            }
        };
        for (part, (shape, name)) in [down, up].into_iter().zip(names).enumerate() {
            let values = noise(shape.iter().product(), 2 * i + part);
            tensors.push((format!("base_model.model.{}.{name}", info.name), shape, values));
        }
    }
    (tensors, rank)
}

fn bound(table: &LinearTable, tensors: &[Tensor], rank: usize) -> loam::Result<BoundAdapter> {
    let dir = tempfile::tempdir().expect("folder");
    let modules: Vec<&str> = table.infos().iter().map(|info| info.name.as_str()).collect();
    let config = serde_json::json!({
        "peft_type": "LORA", "r": rank, "lora_alpha": rank, "target_modules": modules, "bias": "none",
    });
    std::fs::write(dir.path().join("adapter_config.json"), config.to_string()).expect("written");
    write_tensors(&dir.path().join("adapter_model.safetensors"), tensors);
    bind(&AdapterPackage::open(dir.path())?, &Base { linears: table, fingerprint: None, tied: false })
}

/// Zero adapter, random adapter, wrong keys; `run` gives the bits of what the tower makes under deltas.
fn check(what: &str, table: &LinearTable, run: &dyn Fn(Option<&BoundAdapter>) -> Vec<u32>) {
    assert!(!table.infos().is_empty(), "{what}: no layer for adapters");
    let bare = run(None);
    let (tensors, rank) = random(table);
    let adapted = run(Some(&bound(table, &tensors, rank).expect("bound")));
    assert_eq!(bare.len(), adapted.len());
    assert!(adapted.iter().all(|bits| f32::from_bits(*bits).is_finite()), "{what}: not finite");
    assert_ne!(bare, adapted, "{what}: a random adapter changes nothing");
    let moved: f32 =
        bare.iter().zip(&adapted).map(|(a, b)| (f32::from_bits(*a) - f32::from_bits(*b)).abs()).fold(0.0, f32::max);
    assert!(moved > 1e-3, "{what}: a random adapter moves it by {moved}");
    let mut zero = tensors.clone();
    zero.iter_mut().filter(|(name, ..)| name.contains("_B")).for_each(|(_, _, values)| values.fill(0.0));
    assert_eq!(bare, run(Some(&bound(table, &zero, rank).expect("bound"))), "{what}: a zero adapter changes bits");
    for at in [0, tensors.len() - 1] {
        let mut wrong = tensors.clone();
        let name = wrong[at].0.replace(".lora_", "_of_another_model.lora_");
        wrong[at].0.clone_from(&name);
        match bound(table, &wrong, rank) {
            Err(Error::Adapter { reason, .. }) => assert!(reason.contains(&name), "{what}: {reason}"),
            Err(other) => panic!("{what}: {other}"),
            Ok(_) => panic!("{what}: {name} was accepted"),
        }
        let mut reshaped = tensors.clone();
        reshaped[at].1.push(1);
        let reason = bound(table, &reshaped, rank).expect_err("a wrong shape").to_string();
        assert!(reason.contains(&tensors[at].0), "{what}: {reason}");
    }
    let mut missing = tensors.clone();
    let (gone, ..) = missing.swap_remove(0);
    let module = gone.split(".lora_").next().expect("a module");
    let reason = bound(table, &missing, rank).expect_err("half a pair").to_string();
    assert!(reason.contains(module), "{what}: {reason}");
}

fn bits(encoding: &Encoding) -> Vec<u32> {
    encoding.embedding.iter().chain(&encoding.states).map(|v| v.to_bits()).collect()
}

#[test]
fn adapters_behave_alike_on_every_tower() {
    for family in FAMILIES {
        let what = format!("{} of {}", family.modality, family.model_type);
        let tower = TOWERS.iter().find(|tower| tower.0 == family.model_type && tower.1 == family.modality);
        let (model_type, modality, fixture, shape) = tower.unwrap_or_else(|| panic!("no line in TOWERS for {what}"));
        let dir = dir(model_type, *modality, fixture);
        let encoder = open(&dir.at, *modality).unwrap_or_else(|e| panic!("{what}: {e}"));
        let shape = encoder.reads().unwrap_or_else(|| shape.to_vec());
        let features = Features::new(noise(shape.iter().product(), 99), shape).expect("features");
        check(&what, encoder.linears(), &|adapter| {
            let deltas = adapter.map(|adapter| &adapter.deltas);
            bits(&encoder.encode(&[Item { features: &features, deltas }]).expect("encoded")[0])
        });
    }
    assert_eq!(TOWERS.len(), FAMILIES.len(), "a line in TOWERS for a family that is gone");
}

#[test]
fn adapters_behave_alike_on_every_text_tower() {
    for model_type in TEXT_FAMILIES {
        let line = TEXTS.iter().find(|line| line.0 == model_type);
        let (_, fixture, text) = line.unwrap_or_else(|| panic!("no line in TEXTS for {model_type}"));
        let dir = dir(model_type, Modality::TEXT, fixture);
        let encoder = open_text(&dir.at).unwrap_or_else(|e| panic!("{model_type}: {e}"));
        check(&format!("text of {model_type}"), encoder.linears(), &|adapter| {
            let deltas = adapter.map(|adapter| &adapter.deltas);
            let vectors = encoder.embed(&[text.to_vec()], deltas).expect("embedded");
            vectors[0].iter().map(|v| v.to_bits()).collect()
        });
    }
}
