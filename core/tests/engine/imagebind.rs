//! ImageBind's towers against its formulae, re-derived in plain tensor operations (`parity/imagebind.py`).

use std::path::Path;

use loam::Error;
use loam::adapter::{AdapterPackage, Base, BoundAdapter, bind};
use loam::engine::Engine;
use loam::input::{
    Audio, Channels, FeatureExtractor, Image, ImuLayout, ImuSource, ImuWindow, Input, PixelLayout, Repair, SampleRate,
};
use loam::model::encoder::{Encoder, Encoding, Features, Item, open, open_text};
use loam::model::{LinearTable, Modality};
use loam::quant::Deltas;
use loam::weights::Safetensors;

use crate::fixture::{floats, max_difference, path, tokens};

/// Largest difference from the reference, f32 on both sides; embeddings have norms of up to 20.
const TOLERANCE: f32 = 1e-4;
/// A tower's name in the state dict, its modality, and the keys of its inputs in `expected.safetensors`.
type Case = (&'static str, Modality, &'static [&'static str]);
const TOWERS: &[Case] = &[
    ("vision", Modality::IMAGE, &["vision.still.0", "vision.video.0"]),
    ("audio", Modality::SOUND, &["audio.0", "audio.1"]),
    ("imu", Modality::IMU, &["imu.0", "imu.1"]),
    ("depth", Modality::new("depth"), &["depth.0"]),
    ("thermal", Modality::new("thermal"), &["thermal.0"]),
];

fn expected() -> Safetensors {
    Safetensors::open(path("models/imagebind-tiny/expected.safetensors")).expect("expected")
}

fn features(file: &Safetensors, key: &str) -> Features {
    let view = file.tensor(&format!("{key}.input")).expect("readable").expect("present");
    Features::new(view.to_f32(), view.shape).expect("features")
}

fn tower(modality: Modality) -> Box<dyn Encoder> {
    open(&path("models/imagebind-tiny"), modality).expect("tower")
}

fn one(encoder: &dyn Encoder, features: &Features, deltas: Option<&Deltas>) -> Encoding {
    encoder.encode(&[Item { features, deltas }]).expect("encoded").remove(0)
}

fn bound(linears: &LinearTable, adapter: &Path) -> loam::Result<BoundAdapter> {
    bind(&AdapterPackage::open(adapter)?, &Base { linears, fingerprint: None, tied: false })
}

#[test]
fn towers_match_the_formulae_bare_and_adapted() {
    let file = expected();
    for (name, modality, keys) in TOWERS {
        let encoder = tower(*modality);
        let bound = bound(encoder.linears(), &path(&format!("imagebind/{name}-r3"))).expect("bound");
        for key in *keys {
            let features = features(&file, key);
            let bare = one(&*encoder, &features, None);
            assert_eq!((bare.embedding.len(), encoder.modality()), (encoder.dim(), *modality));
            let adapted = one(&*encoder, &features, Some(&bound.deltas));
            let worst = [
                max_difference(&bare.embedding, &floats(&file, &format!("{key}.embedding"))),
                max_difference(&bare.states, &floats(&file, &format!("{key}.states"))),
                max_difference(&adapted.embedding, &floats(&file, &format!("{key}.adapted"))),
            ];
            println!("{key:<15} embedding {:.1e} states {:.1e} adapted {:.1e}", worst[0], worst[1], worst[2]);
            assert!(worst.iter().all(|&w| w <= TOLERANCE), "{key}: {worst:?}");
            assert!(max_difference(&bare.embedding, &adapted.embedding) > 0.1, "{key}: the adapter does nothing");
        }
    }
}

#[test]
fn texts_match_the_formulae_bare_and_adapted() {
    let file = expected();
    let ids = tokens(&path("models/imagebind-tiny/expected.safetensors"), "text.tokens");
    // The reference pads with zeros; behind a causal mask that changes nothing, so none are run here.
    let texts: Vec<Vec<u32>> =
        ids.chunks_exact(12).map(|row| row[..=row.iter().position(|&id| id == 49).expect("an end")].to_vec()).collect();
    let text = open_text(&path("models/imagebind-tiny")).expect("text tower");
    let bound = bound(text.linears(), &path("imagebind/text-r3")).expect("bound");
    // The reference is scaled by exp(4.9), bounded at 100; ours is of unit length.
    for (deltas, key) in [(None, "text.embedding"), (Some(&bound.deltas), "text.adapted")] {
        let ours = text.embed(&texts, deltas).expect("embedded");
        let scaled: Vec<f32> = floats(&file, key).iter().map(|v| v / 100.0).collect();
        let worst = max_difference(&ours.concat(), &scaled);
        println!("{key:<15} {worst:.1e}");
        assert!(worst <= TOLERANCE, "{key}: {worst}");
        assert_eq!(text.embed(&texts[1..2], deltas).expect("embedded")[0], ours[1], "company changed a text");
    }
    assert_eq!((text.dim(), text.max_tokens()), (20, 12));
    assert!(matches!(text.embed(&[vec![1; 13]], None), Err(Error::ContextFull { tokens: 13, limit: 12 })));
    assert!(matches!(text.embed(&[vec![50]], None), Err(Error::Argument { .. })));
}

/// Scales of the modality and of texts, both bounded, as in ImageBind's products of embeddings.
#[test]
fn logit_scales_are_those_of_the_modality_and_of_texts() {
    let scales = [100.0, 2000.0, 500.0, 500.0, 1000.0];
    for ((_, modality, _), scale) in TOWERS.iter().zip(scales) {
        let found = tower(*modality).logit_scale().expect("the file has the text tower's");
        assert!((found / scale - 1.0).abs() < 1e-5, "{modality}: {found}");
    }
}

/// More clips than a pass takes, inputs of several lengths, with and without an adapter.
#[test]
fn company_changes_nothing() {
    let file = expected();
    for (name, modality, keys) in TOWERS {
        let encoder = tower(*modality);
        let bound = bound(encoder.linears(), &path(&format!("imagebind/{name}-r3"))).expect("bound");
        let inputs: Vec<Features> = keys.iter().cycle().take(7).map(|key| features(&file, key)).collect();
        let deltas = |i: usize| i.is_multiple_of(3).then_some(&bound.deltas);
        let items: Vec<Item<'_>> =
            inputs.iter().enumerate().map(|(i, features)| Item { features, deltas: deltas(i) }).collect();
        let together = encoder.encode(&items).expect("encoded");
        for (i, encoding) in together.iter().enumerate() {
            assert_eq!(&one(&*encoder, &inputs[i], deltas(i)), encoding, "{name}: company changed input {i}");
        }
    }
    assert!(tower(Modality::IMU).encode(&[]).expect("nothing").is_empty());
}

/// The mean over clips is taken after normalisation and scale.
#[test]
fn clips_are_averaged_after_the_scale() {
    let file = expected();
    let encoder = tower(Modality::SOUND);
    let clips = features(&file, "audio.0");
    let size = 26 * 38;
    let mut sum = vec![0.0; encoder.dim()];
    for clip in clips.values.chunks_exact(size) {
        let alone = one(&*encoder, &Features::new(clip.to_vec(), vec![26, 38]).expect("features"), None);
        let norm = alone.embedding.iter().map(|v| v * v).sum::<f32>().sqrt();
        assert!((norm - 20.0).abs() < 1e-4, "{norm}");
        sum.iter_mut().zip(&alone.embedding).for_each(|(s, v)| *s += v / 3.0);
    }
    assert!(max_difference(&sum, &one(&*encoder, &clips, None).embedding) < 1e-5);
}

fn copy_with(
    file: &Path,
    to: &Path,
    change: impl Fn(&str, Vec<usize>, Vec<f32>) -> Vec<(String, Vec<usize>, Vec<f32>)>,
) {
    let tensors = Safetensors::open(file).expect("tensors");
    let changed: Vec<(String, Vec<usize>, Vec<u8>)> = tensors
        .names()
        .iter()
        .flat_map(|name| {
            let view = tensors.tensor(name).expect("readable").expect("present");
            change(name, view.shape.clone(), view.to_f32())
        })
        .map(|(name, shape, values)| (name, shape, values.iter().flat_map(|v| v.to_le_bytes()).collect()))
        .collect();
    let views = changed.iter().map(|(name, shape, bytes)| {
        (name, safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).expect("view"))
    });
    std::fs::write(to, safetensors::serialize(views, None).expect("serialized")).expect("written");
}

/// The IMU adapter with other tensors.
fn adapter_with(
    change: impl Fn(&str, Vec<usize>, Vec<f32>) -> Vec<(String, Vec<usize>, Vec<f32>)>,
) -> tempfile::TempDir {
    let (from, to) = (path("imagebind/imu-r3"), tempfile::tempdir().expect("directory"));
    std::fs::copy(from.join("adapter_config.json"), to.path().join("adapter_config.json")).expect("copied");
    copy_with(&from.join("adapter_model.safetensors"), &to.path().join("adapter_model.safetensors"), change);
    to
}

#[test]
fn a_zero_adapter_is_bit_identical_and_a_wrong_one_is_refused_by_name() {
    let encoder = tower(Modality::IMU);
    let features = features(&expected(), "imu.1");
    let zero = adapter_with(|name, shape, mut values| {
        if name.contains("lora_B") {
            values.fill(0.0);
        }
        vec![(name.to_owned(), shape, values)]
    });
    let zero = bound(encoder.linears(), zero.path()).expect("bound");
    assert_eq!(one(&*encoder, &features, None), one(&*encoder, &features, Some(&zero.deltas)));

    let refusal = |dir: &Path| match bound(encoder.linears(), dir) {
        Err(Error::Adapter { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    // The fused projection is no layer of its own.
    let renamed =
        adapter_with(|name, shape, values| vec![(name.replace("0.attn.q_proj", "0.attn.in_proj"), shape, values)]);
    assert!(refusal(renamed.path()).contains("blocks.0.attn.in_proj"));
    // Another tower's adapter.
    assert!(refusal(&path("imagebind/audio-r3")).contains("modality_"));
    let reshaped = adapter_with(|name, mut shape, values| {
        if name.contains("2.attn.v_proj.lora_B") {
            shape.swap(0, 1);
        }
        vec![(name.to_owned(), shape, values)]
    });
    assert!(refusal(reshaped.path()).contains("blocks.2.attn.v_proj.lora_B"));
}

/// What opening the IMU tower of a changed copy says.
fn damaged(
    config: impl Fn(&mut serde_json::Value),
    change: impl Fn(&str, Vec<usize>, Vec<f32>) -> Vec<(String, Vec<usize>, Vec<f32>)>,
) -> loam::Result<Box<dyn Encoder>> {
    let (from, to) = (path("models/imagebind-tiny"), tempfile::tempdir().expect("directory"));
    let json = std::fs::read(from.join("config.json")).expect("config");
    let mut json = serde_json::from_slice(&json).expect("json");
    config(&mut json);
    std::fs::write(to.path().join("config.json"), json.to_string()).expect("written");
    copy_with(&from.join("model.safetensors"), &to.path().join("model.safetensors"), change);
    open(to.path(), Modality::IMU)
}

type Tensors = Vec<(String, Vec<usize>, Vec<f32>)>;
/// What becomes of a tensor of that name, shape and values.
type Change = dyn Fn(&str, Vec<usize>, Vec<f32>) -> Tensors;

fn keep(name: &str, shape: Vec<usize>, values: Vec<f32>) -> Tensors {
    vec![(name.to_owned(), shape, values)]
}

#[test]
fn damaged_checkpoints_are_refused_by_name() {
    let refusal = |change: &Change| damaged(|_| {}, change).map(|_| ()).expect_err("refused").to_string();
    let without = |gone: &'static str| {
        refusal(&move |name, shape, values| if name == gone { vec![] } else { keep(name, shape, values) })
    };
    for gone in [
        "modality_trunks.imu.blocks.2.attn.bias_v",
        "modality_trunks.imu.blocks.0.attn.in_proj_bias",
        "modality_preprocessors.imu.cls_token",
        "modality_preprocessors.imu.imu_stem.norm_layer.bias",
        "modality_heads.imu.3.weight",
        "modality_postprocessors.imu.1.log_logit_scale",
    ] {
        assert!(without(gone).contains(gone), "{}", without(gone));
    }
    let renamed = |from: &'static str, to: &'static str| {
        refusal(&move |name, shape, values| {
            let mut tensors = keep(name, shape.clone(), values.clone());
            if name == from {
                tensors.push((to.to_owned(), shape, values));
            }
            tensors
        })
    };
    // One too many, in the tower and beside all towers.
    let unknown = "modality_trunks.imu.blocks.0.layer_scale_gamma1";
    assert!(renamed("modality_trunks.imu.blocks.0.norm_1.bias", unknown).contains(unknown));
    assert!(renamed("modality_trunks.imu.blocks.0.norm_1.bias", "fusion.weight").contains("fusion.weight"));
    let flat = refusal(&|name, mut shape, values| {
        if name == "modality_trunks.imu.blocks.1.attn.in_proj_weight" {
            shape = vec![shape[1], shape[0]];
        }
        keep(name, shape, values)
    });
    assert!(flat.contains("blocks.1.attn.in_proj_weight") && flat.contains("[96, 32]"), "{flat}");
    // A tower of the future is not this tower's business.
    let future = |name: &str, shape: Vec<usize>, values: Vec<f32>| {
        let mut tensors = keep(name, shape.clone(), values.clone());
        if name == "modality_preprocessors.imu.cls_token" {
            tensors.push(("modality_preprocessors.smell.cls_token".to_owned(), shape, values));
        }
        tensors
    };
    assert!(damaged(|_| {}, future).is_ok());
}

#[test]
fn hostile_configurations_are_refused_by_field() {
    let refusal = |field: &'static str, value: serde_json::Value| {
        damaged(|json| json["imu"][field] = value.clone(), keep).map(|_| ()).expect_err("refused").to_string()
    };
    for (field, value) in [
        ("hidden_size", 0u64.into()),
        ("hidden_size", u64::MAX.into()),
        ("num_hidden_layers", (1u64 << 40).into()),
        ("num_attention_heads", (-1).into()),
        ("num_channels", 65.into()),
        ("max_length", "long".into()),
        ("patch_size", 0.into()),
        ("patch_size", 41.into()),
    ] {
        let message = refusal(field, value);
        assert!(message.contains(field), "{message}");
    }
    assert!(refusal("num_attention_heads", 5.into()).contains("heads"));
    assert!(refusal("num_hidden_layers", 4.into()).contains("blocks.3"));
    assert!(refusal("num_hidden_layers", 2.into()).contains("blocks.2"));
    assert!(refusal("max_length", 65536.into()).contains("pos_embed"));
    let wrong = damaged(|json| json["imu"] = 3.into(), keep).map(|_| ()).expect_err("refused");
    assert!(wrong.to_string().contains("imu"), "{wrong}");
    let wrong = damaged(|json| json["projection_dim"] = 21.into(), keep).map(|_| ()).expect_err("refused");
    assert!(wrong.to_string().contains("modality_heads.imu.3.weight"), "{wrong}");
}

/// Without sizes a configuration means the public release: the first tensor that differs shows it.
#[test]
fn a_bare_configuration_means_imagebind_huge() {
    let found = damaged(|json| *json = serde_json::json!({ "model_type": "imagebind" }), keep);
    match found.map(|_| ()) {
        Err(Error::Shape { name, expected, .. }) => {
            assert_eq!((&name[..], &expected[..]), ("modality_preprocessors.imu.imu_stem.proj.weight", &[512, 48][..]));
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn inputs_that_do_not_fit_are_refused() {
    let refused = |modality: Modality, shape: &[usize]| {
        let encoder = tower(modality);
        let features = Features::new(vec![0.5; shape.iter().product()], shape.to_vec()).expect("features");
        let error = encoder.encode(&[Item { features: &features, deltas: None }]).expect_err("refused");
        assert!(error.to_string().contains(&format!("{shape:?}")), "{error}");
    };
    refused(Modality::IMU, &[6, 39]);
    refused(Modality::IMU, &[5, 40]);
    refused(Modality::IMU, &[240]);
    refused(Modality::SOUND, &[38, 26]);
    refused(Modality::SOUND, &[1, 1, 26, 38]);
    refused(Modality::IMAGE, &[3, 12, 13]);
    refused(Modality::IMAGE, &[2, 3, 12, 12]);
    refused(Modality::IMAGE, &[3, 3, 12, 12]);
    refused(Modality::new("depth"), &[3, 12, 12]);
    refused(Modality::new("depth"), &[1, 12, 13]);
    refused(Modality::new("thermal"), &[12, 12]);
    for (_, modality, _) in TOWERS {
        assert!(tower(*modality).prepare(&Input::from("a text")).is_err());
    }
}

#[test]
fn a_bare_imagebind_has_a_component_per_tower_and_reads_pictures() {
    let engine = Engine::open(path("models/imagebind-tiny")).expect("engine");
    let kinds: Vec<String> = engine.foundation().components().iter().map(|c| c.kind().to_string()).collect();
    let towers = ["text", "image", "sound", "imu", "depth", "thermal"].map(|name| format!("{name}-encoder"));
    assert_eq!(kinds, towers);
    let image = Image::from_pixels(&[90; 5 * 9 * 3], PixelLayout::Rgb, 9, 5).expect("image");
    let features = tower(Modality::IMAGE).prepare(&Input::Image(image)).expect("prepared");
    assert_eq!(features.shape, [3, 12, 12]);
    // CLIP's constants: (90 / 255 - mean) / deviation of each channel.
    for (channel, value) in [-0.478_404, -0.401_398, -0.200_414].into_iter().enumerate() {
        assert!((features.values[channel * 144] - value).abs() < 1e-5, "{}", features.values[channel * 144]);
    }
}

/// The tower of the fixture is smaller than the released one; the clips follow its configuration.
#[test]
fn sound_is_prepared_as_the_tower_reads_it() {
    let encoder = tower(Modality::SOUND);
    let reads = features(&expected(), "audio.0").shape;
    let (bins, frames) = (reads[reads.len() - 2], reads[reads.len() - 1]);
    let samples: Vec<f32> = (0..48_000).map(|i| (i as f32 * 0.05).sin() * 0.3).collect();
    let one = Channels::new(1).expect("one channel");
    let audio = Audio::from_f32(&samples, one, SampleRate::SPEECH).expect("sound");
    let prepared = encoder.prepare(&audio.clone().into()).expect("prepared");
    assert_eq!(prepared.shape, [3, bins, frames]);
    let extracted = FeatureExtractor::imagebind(bins, frames).expect("extractor").extract(&audio).expect("features");
    assert_eq!(prepared.values, extracted.values);
    let encoded = encoder.encode(&[Item { features: &prepared, deltas: None }]).expect("encoded");
    assert!(encoded[0].embedding.iter().all(|v| v.is_finite()));
    let instant = Audio::from_f32(&[0.5], one, SampleRate::SPEECH).expect("sound");
    assert!(matches!(encoder.prepare(&instant.into()), Err(Error::Argument { .. })));
    let refusal = encoder.prepare(&"a text".into()).expect_err("refused").to_string();
    assert!(refusal.contains("text") && refusal.contains("sound"), "{refusal}");
}

#[test]
fn motion_is_prepared_as_the_tower_reads_it() {
    let encoder = tower(Modality::IMU);
    let shape = features(&expected(), "imu.0").shape;
    let [.., channels, steps] = shape[..] else { panic!("channels and steps, got {shape:?}") };
    let source = ImuSource::android(200.0, ImuLayout::AccelerometerGyroscope);
    let motion = |samples: Vec<f32>| Input::Motion {
        window: ImuWindow::new(source, samples, None).expect("window"),
        repair: Repair::Refuse,
    };
    let samples: Vec<f32> = (0..channels * steps).map(|i| (i as f32 * 0.37).sin()).collect();
    let prepared = encoder.prepare(&motion(samples.clone())).expect("prepared");
    assert_eq!(prepared.shape, [channels, steps]);
    // The same rate, units and axes: a transposition and nothing else.
    for step in 0..steps {
        for channel in 0..channels {
            let (ours, given) = (prepared.values[channel * steps + step], samples[step * channels + channel]);
            assert!((ours - given).abs() < 1e-6, "step {step}, channel {channel}: {ours} of {given}");
        }
    }
    let mut gap = samples;
    gap[7] = f32::NAN;
    assert!(matches!(encoder.prepare(&motion(gap)), Err(Error::Argument { .. })));
    assert!(matches!(encoder.prepare(&"a text".into()), Err(Error::Argument { .. })));
}
