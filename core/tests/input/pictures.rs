//! Pictures beside Pillow and transformers; expected values come from `parity/make_pictures.py`.

use std::path::{Path, PathBuf};

use loam::input::{Image, ImageProcessor, PixelLayout, Resampling};
use safetensors::SafeTensors;
use serde_json::Value as Json;

/// The folder of the goldens.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/pictures")
}

/// A picture's file.
pub fn file(name: &str) -> PathBuf {
    folder().join("files").join(name)
}

/// The bytes of a picture's file.
pub fn bytes(name: &str) -> Vec<u8> {
    std::fs::read(file(name)).expect("a picture")
}

fn golden(name: &str) -> Vec<u8> {
    std::fs::read(folder().join(name)).expect("a golden")
}

fn floats(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().expect("4 bytes"))).collect()
}

/// Largest and mean difference.
fn differences(ours: impl IntoIterator<Item = f32>, theirs: impl IntoIterator<Item = f32>) -> (f32, f32) {
    let differences: Vec<f32> = ours.into_iter().zip(theirs).map(|(a, b)| (a - b).abs()).collect();
    (differences.iter().copied().fold(0.0, f32::max), differences.iter().sum::<f32>() / differences.len() as f32)
}

fn levels(ours: &[u8], theirs: &[u8]) -> (f32, f32) {
    assert_eq!(ours.len(), theirs.len());
    differences(ours.iter().map(|&b| f32::from(b)), theirs.iter().map(|&b| f32::from(b)))
}

/// Largest and mean difference that a decoder may have, in levels of 8 bits. Two decoders of JPEG round their transforms
/// differently, by 1 or 2 levels, and a third where colour is stored at half the size and brought back. The other formats
/// are exact.
fn decoder_tolerance(name: &str) -> (f32, f32) {
    if name.ends_with(".jpg") { (3.0, 0.5) } else { (0.0, 0.0) }
}

#[test]
fn decoding_matches_pillow() {
    let golden = golden("decoded.safetensors");
    let expected = SafeTensors::deserialize(&golden).expect("safetensors");
    assert_eq!(expected.len(), 32);
    for (name, theirs) in expected.tensors() {
        let ours = Image::open(file(&name)).expect("a picture");
        assert_eq!([ours.height(), ours.width(), 3], *theirs.shape(), "{name}");
        let (worst, mean) = levels(ours.pixels(), theirs.data());
        println!("{name}: at most {worst}, on average {mean:.3} levels");
        let (most, average) = decoder_tolerance(&name);
        assert!(worst <= most && mean <= average, "{name}: differs by up to {worst}, {mean} on average");
    }
}

#[test]
fn resizing_matches_pillow() {
    let golden = golden("resized.safetensors");
    let expected = SafeTensors::deserialize(&golden).expect("safetensors");
    let source = Image::open(file("landscape.png")).expect("a picture");
    assert_eq!(expected.len(), 24);
    for (name, theirs) in expected.tensors() {
        let resampling = match name.split('/').next() {
            Some("nearest") => Resampling::Nearest,
            Some("lanczos") => Resampling::Lanczos,
            Some("bilinear") => Resampling::Bilinear,
            Some("bicubic") => Resampling::Bicubic,
            other => panic!("{other:?}"),
        };
        let ours = source.resize(theirs.shape()[1], theirs.shape()[0], resampling).expect("resized");
        let (worst, mean) = levels(ours.pixels(), theirs.data());
        println!("{name}: at most {worst}, on average {mean:.4} levels");
        assert!(worst == 0.0, "{name}: differs by up to {worst}, {mean} on average");
    }
}

/// Every `step`th row and column of each channel.
fn strided(values: &[f32], [channels, height, width]: [usize; 3], step: usize) -> Vec<f32> {
    let at = |c, y, x| values[(c * height + y) * width + x];
    let rows = (0..channels).flat_map(|c| (0..height).step_by(step).map(move |y| (c, y)));
    rows.flat_map(|(c, y)| (0..width).step_by(step).map(move |x| at(c, y, x))).collect()
}

#[test]
fn preparing_matches_transformers() {
    let golden = golden("prepared.safetensors");
    let expected = SafeTensors::deserialize(&golden).expect("safetensors");
    let configs: Json = serde_json::from_slice(&self::golden("processors.json")).expect("json");
    assert!(expected.len() > 100);
    for (name, theirs) in expected.tensors() {
        let (processor, picture) = name.split_once('/').expect("a processor and a picture");
        let config = &configs[processor];
        let ours = ImageProcessor::parse(config).unwrap_or_else(|e| panic!("{processor}: {e}"));
        let pixels = ours.process(&Image::open(file(picture)).expect("a picture")).expect("pixels");
        let shape = [pixels.channels, pixels.height, pixels.width];
        assert_eq!(pixels.values.len(), shape.iter().product::<usize>(), "{name}");
        assert!(ours.output().is_none_or(|output| output == [pixels.height, pixels.width]), "{name}");
        let step = if processor.starts_with("silent-") { 8 } else { 1 };
        let shrunk = [shape[0], shape[1].div_ceil(step), shape[2].div_ceil(step)];
        assert_eq!(*theirs.shape(), shrunk, "{name}");
        let (worst, mean) = differences(strided(&pixels.values, shape, step), floats(theirs.data()));

        println!("{name}: at most {worst:e}, on average {mean:e}");
        // Single precision, at values of up to 255.
        let rounding = magnitude(theirs.data()) * f32::EPSILON;
        assert!(worst <= rounding, "{name}: differs by up to {worst}, {mean} on average");
    }
}

fn magnitude(bytes: &[u8]) -> f32 {
    floats(bytes).into_iter().map(f32::abs).fold(1.0, f32::max)
}

#[test]
fn own_towers_read_colour_or_grey() {
    let config = |mean: &str, std: &str| {
        serde_json::from_str::<Json>(&format!(
            r#"{{"image_processor_type": "LoamImageProcessor", "do_resize": true, "size": 24, "resample": 2,
                "do_center_crop": false, "do_rescale": true, "rescale_factor": 0.00392156862745098,
                "do_normalize": true, "image_mean": {mean}, "image_std": {std}}}"#
        ))
        .expect("json")
    };
    let picture = Image::open(file("portrait.png")).expect("a picture");
    let grey = ImageProcessor::parse(&config("[0.286]", "[0.353]")).expect("a processor");
    let reference: Json = serde_json::from_slice(&golden("processors.json")).expect("json");
    let theirs = ImageProcessor::parse(&reference["vit-grey"]).expect("a processor");
    assert_eq!((grey.channels(), grey.output()), (1, Some([24, 24])));
    let (worst, _) =
        differences(grey.process(&picture).expect("pixels").values, theirs.process(&picture).expect("pixels").values);
    assert!(worst < 1e-6, "{worst}");

    let colour = ImageProcessor::parse(&config("[0.5, 0.5, 0.5]", "[0.5, 0.5, 0.5]")).expect("a processor");
    let ours = colour.process(&picture).expect("pixels");
    assert_eq!((ours.channels, ours.height, ours.width), (3, 24, 24));
    let plain = ImageProcessor::parse(&reference["vit"]).expect("a processor").process(&picture).expect("pixels");
    assert_eq!(ours, plain);
}

#[test]
fn a_rectangle_is_cut_out() {
    let picture = Image::open(file("landscape.png")).expect("a picture");
    let part = picture.crop(7, 30, 11, 7).expect("inside");
    assert_eq!((part.width(), part.height()), (11, 7));
    for (x, y) in [(0, 0), (10, 6), (4, 3)] {
        let whole = ((y + 30) * picture.width() + x + 7) * 3;
        assert_eq!(part.pixels()[(y * 11 + x) * 3..][..3], picture.pixels()[whole..][..3]);
    }
    assert_eq!(picture.crop(0, 0, 53, 37).expect("all"), picture);
    for (x, y, width, height) in
        [(0, 0, 54, 1), (0, 0, 1, 38), (53, 0, 1, 1), (54, 0, 0, 1), (0, 0, 0, 1), (usize::MAX, 0, 2, 1)]
    {
        let error = picture.crop(x, y, width, height).expect_err("outside");
        assert!(matches!(error, loam::Error::Argument { .. }), "{error}");
    }
}

#[test]
fn a_crop_wider_than_the_picture_is_padded_with_black() {
    let picture = Image::from_pixels(&[9; 3 * 2], PixelLayout::Grey, 3, 2).expect("a picture");
    let padded = picture.center_crop(4, 5).expect("padded");
    let row = |y: usize| padded.pixels().chunks_exact(3).map(|p| p[0]).skip(y * 4).take(4).collect::<Vec<_>>();
    assert_eq!([row(0), row(1), row(4)], [[0; 4]; 3]);
    assert_eq!([row(2), row(3)], [[0, 9, 9, 9]; 2]);
}

#[test]
fn rows_may_be_padded() {
    let tight = Image::from_pixels(&[1, 2, 3, 4, 5, 6], PixelLayout::Grey, 3, 2).expect("a picture");
    for padding in [&[][..], &[0], &[0, 0]] {
        let rows = [&[1, 2, 3, 0, 0, 4, 5, 6], padding].concat();
        assert_eq!(Image::from_rows(&rows, PixelLayout::Grey, 3, 2, 5).expect("a picture"), tight);
    }
    let rgba = Image::from_rows(&[1, 1, 1, 0, 9, 4, 4, 4, 0], PixelLayout::Rgba, 1, 2, 5).expect("a picture");
    assert_eq!(rgba.pixels(), [1, 1, 1, 4, 4, 4]);
}
