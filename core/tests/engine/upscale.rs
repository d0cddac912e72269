//! Super-resolution against super-image's network, in tiles and whole, and under adapters.

use std::path::Path;
use std::sync::Arc;

use loam::Error;
use loam::adapter::{Adapter, AdapterPackage, Base, DataPath, InstallPolicy, bind};
use loam::engine::{Engine, Loading, Part, Upscaler};
use loam::input::{Image, PixelLayout};
use loam::model::generator::Tiling;
use loam::task::UpscaleOptions;
use loam::weights::Safetensors;
use serde_json::json;

use crate::answer::assemble;
use crate::fixture::{adapter_with, floats, max_difference, path, read_tensors, write_tensors};

/// Of values that are 0 for black and 1 for white.
const TOLERANCE: f32 = 2e-5;
const SIZE: [usize; 2] = [13, 17];

fn open(dir: &Path) -> loam::Result<Upscaler> {
    Upscaler::open(Part::new("upscaler", 0, Loading::First), dir)
}

/// The picture of a fixture.
fn given(dir: &Path) -> Image {
    let bytes = std::fs::read(dir.join("expected.safetensors")).expect("fixture");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let pixels = file.tensor("pixels").expect("pixels");
    Image::from_pixels(pixels.data(), PixelLayout::Rgb, SIZE[1], SIZE[0]).expect("picture")
}

fn values(dir: &Path) -> Vec<f32> {
    floats(&Safetensors::open(dir.join("expected.safetensors")).expect("expected"), "values")
}

/// Values as bytes of a picture.
fn rounded(values: &[f32]) -> Vec<u8> {
    values.iter().map(|value| (value * 255.0).round().clamp(0.0, 255.0) as u8).collect()
}

#[test]
fn pictures_match_super_image() {
    for (name, scale) in [("edsr", 4), ("edsr-3", 3)] {
        let dir = path("models").join(name);
        let (upscaler, image, wanted) = (open(&dir).expect("model"), given(&dir), values(&dir));
        let ours = upscaler.model().values(&image, Tiling::Whole, None).expect("values");
        let worst = max_difference(&ours, &wanted);
        println!("{name}: max |difference| {worst:.2e}");
        assert!(worst <= TOLERANCE, "{name}: {worst}");
        let made = upscaler.upscale(&image, None).expect("picture");
        assert_eq!((made.image.height(), made.image.width()), (SIZE[0] * scale, SIZE[1] * scale));
        assert_eq!((made.trace.path, &*made.trace.steps[0].component), (DataPath::Generator, "upscaler"));
        let apart = made.image.pixels().iter().zip(rounded(&wanted)).filter(|(ours, theirs)| **ours != *theirs);
        assert!(apart.count() <= wanted.len() / 1000, "{name}: beside values between two bytes, pixels are equal");
    }
}

/// The networks of the fixtures see 12 and 8 pixels around theirs, so tiles of a few pixels have rims on all sides.
#[test]
fn no_border_of_a_tile_shows() {
    let pixels: Vec<u8> = (0..61 * 47 * 3).map(|i| (i * 37 % 251) as u8).collect();
    let image = Image::from_pixels(&pixels, PixelLayout::Rgb, 61, 47).expect("picture");
    for name in ["edsr", "edsr-3"] {
        let upscaler = open(&path("models").join(name)).expect("model");
        let whole = upscaler.model().values(&image, Tiling::Whole, None).expect("whole");
        for side in [1, 7, 16, 46] {
            let tiled = upscaler.model().values(&image, Tiling::Side(side), None).expect("tiled");
            let worst = max_difference(&tiled, &whole);
            assert!(worst <= 1e-5, "{name}: tiles of {side} differ by {worst}");
        }
        let made = upscaler.model().upscale(&image, Tiling::Side(9), None).expect("tiled");
        let same = made.pixels().iter().zip(rounded(&whole)).filter(|(tile, whole)| **tile == *whole).count();
        assert!(same >= whole.len() - whole.len() / 1000, "{name}: {same} of {}", whole.len());
    }
    // The smallest picture that there is.
    let dot = Image::from_pixels(&[9, 8, 7], PixelLayout::Rgb, 1, 1).expect("picture");
    let made = open(&path("models/edsr-3")).expect("model").upscale(&dot, None).expect("picture").image;
    assert_eq!((made.width(), made.height()), (3, 3));
}

#[test]
fn adapters_act_on_convolutions_as_in_peft() {
    let (model, adapter) = (path("models/edsr"), path("peft/edsr-r2"));
    let upscaler = open(&model).expect("model");
    let base = Base { linears: upscaler.model().linears(), fingerprint: None, tied: false };
    let bound = bind(&AdapterPackage::open(&adapter).expect("package"), &base).expect("bound");
    let image = given(&model);
    let (ours, wanted) =
        (upscaler.model().values(&image, Tiling::Side(5), Some(&bound.deltas)).expect("values"), values(&adapter));
    // The values under this adapter are in the hundreds.
    let largest = wanted.iter().fold(0.0f32, |most, value| most.max(value.abs()));
    let worst = max_difference(&ours, &wanted);
    assert!(worst <= 5e-6 * largest, "{worst} of {largest}");
    assert!(max_difference(&ours, &values(&model)) > 1e-2, "LoRA changes something");
}

fn engine() -> (tempfile::TempDir, Engine) {
    let root = tempfile::tempdir().expect("folder");
    let parts = [("upscaler", "super-resolution", Some("edsr")), ("image", "image-encoder", Some("tower-image"))];
    assemble(root.path(), &parts);
    let engine = Engine::open(root.path()).expect("foundation");
    (root, engine)
}

fn named(component: &str) -> serde_json::Value {
    json!({ "task": "upscale", "path": "generator", "component": component })
}

fn refused(error: &Error, wanted: &str) {
    assert!(error.to_string().contains(wanted), "{wanted}: {error}");
}

#[test]
fn foundations_make_pictures_larger_with_an_adapter_or_without() {
    let (_root, engine) = engine();
    let image = given(&path("models/edsr"));
    let bare = engine.upscale(&image, &UpscaleOptions::default()).expect("larger");
    assert_eq!(bare.trace.path, DataPath::Generator);
    assert_eq!(engine.loaded().iter().map(|part| &*part.name).collect::<Vec<_>>(), ["upscaler"], "nothing else");
    let package = adapter_with(&path("peft/edsr-r2"), &named("upscaler"), |_| {});
    let adapter = engine.install("scans", package.path(), InstallPolicy::Create).expect("installed");
    let with = |adapter: &Arc<Adapter>| UpscaleOptions { adapter: Some(Arc::clone(adapter)) };
    let adapted = engine.upscale(&image, &with(&adapter)).expect("larger");
    assert_ne!(bare.image, adapted.image);
    assert_eq!(engine.upscale(&image, &UpscaleOptions::default()).expect("larger").image, bare.image);

    let other = engine.install("tower", tower().path(), InstallPolicy::Create).expect("installed");
    let error = engine.upscale(&image, &with(&other)).expect_err("another component");
    refused(&error, "it acts on 'image', pictures are made larger by 'upscaler'");
    let (head, task) = (
        path("heads/linear"),
        json!({
            "task": "upscale", "path": "generator", "component": "upscaler", "labels": ["a", "b", "c"],
            "head": { "kind": "linear", "reads": "embedding" }
        }),
    );
    let package = adapter_with(&path("peft/edsr-r2"), &task, |tensors| {
        tensors.extend(
            read_tensors(&head.join("adapter_model.safetensors"))
                .into_iter()
                .filter(|(name, ..)| name.contains("classifier")),
        );
    });
    let error = engine.install("head", package.path(), InstallPolicy::Create).expect_err("a head");
    refused(&error, "super-resolution");
    let error = Engine::open(path("models/llama2")).expect("engine").upscale(&image, &UpscaleOptions::default());
    assert!(matches!(error, Err(Error::MissingComponent(kind)) if kind == "super-resolution"));
}

/// An adapter of the image tower.
fn tower() -> tempfile::TempDir {
    adapter_with(&path("peft/tower-image-r2"), &json!({ "path": "encoder", "component": "image" }), |_| {})
}

#[test]
fn pictures_that_would_be_too_large_are_refused() {
    let upscaler = open(&path("models/edsr")).expect("model");
    let image = Image::from_pixels(&vec![0; 3_000_001 * 3], PixelLayout::Rgb, 3_000_001, 1);
    assert!(image.is_err(), "sides are bounded");
    let image = Image::from_pixels(&vec![0; 2000 * 1501 * 3], PixelLayout::Rgb, 2000, 1501).expect("picture");
    let error = upscaler.upscale(&image, None).expect_err("too large");
    assert!(matches!(error, Error::Argument { name: "image", .. }));
    refused(&error, "2000 x 1501 pixels 4 times as large");
    // Enough pixels, but a side longer than a picture's may be.
    let image = Image::from_pixels(&vec![0; 20_000 * 3], PixelLayout::Rgb, 20_000, 1).expect("picture");
    refused(&upscaler.upscale(&image, None).expect_err("too long"), "20000 x 1 pixels 4 times as large");
}

/// A copy of a fixture with other tensors.
fn changed(change: impl FnOnce(&mut Vec<(String, Vec<usize>, Vec<f32>)>)) -> tempfile::TempDir {
    let (from, to) = (path("models/edsr"), tempfile::tempdir().expect("folder"));
    std::fs::copy(from.join("config.json"), to.path().join("config.json")).expect("copied");
    let mut tensors = read_tensors(&from.join("model.safetensors"));
    change(&mut tensors);
    write_tensors(&to.path().join("model.safetensors"), &tensors);
    to
}

#[test]
fn damaged_files_are_refused_by_name() {
    let spoilt = changed(|tensors| {
        let (_, _, values) = tensors.iter_mut().find(|(name, ..)| name == "tail.1.bias").expect("a bias");
        values[1] = f32::NAN;
    });
    let error =
        open(spoilt.path()).expect("opened").upscale(&given(&path("models/edsr")), None).expect_err("no picture");
    assert!(matches!(error, Error::Malformed { .. }), "{error}");
    let lacking = changed(|tensors| tensors.retain(|(name, ..)| name != "body.1.body.2.weight"));
    assert!(matches!(open(lacking.path()), Err(Error::MissingTensor(name)) if name == "body.1.body.2.weight"));
    let wrong = changed(|tensors| {
        let (_, shape, values) = tensors.iter_mut().find(|(name, ..)| name == "head.0.weight").expect("a weight");
        shape[1] = 1;
        values.truncate(8 * 9);
    });
    assert!(matches!(open(wrong.path()), Err(Error::Shape { name, .. }) if name == "head.0.weight"));
    let unknown = changed(|tensors| tensors.push(("body.7.body.0.weight".to_owned(), vec![1], vec![0.0])));
    refused(&open(unknown.path()).expect_err("unused"), "body.7.body.0.weight");
}
