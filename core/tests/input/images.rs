//! Pictures: decoding against Pillow, preprocessing against transformers, and what is not a picture.

use std::path::{Path, PathBuf};

use loam::Error;
use loam::input::{Image, ImageProcessor, PixelLayout};
use loam::weights::Safetensors;
use proptest::prelude::*;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/images")
}

/// One step of an 8-bit channel after normalisation, by the smallest standard deviation of any processor here.
const LEVEL: f32 = 1.0 / 255.0 / 0.224;

#[test]
fn preprocessing_matches_transformers() {
    let mut exact = 0;
    for processor in ["clip", "clip-crop-larger", "siglip", "vit", "deit", "nearest"] {
        let dir = folder().join(processor);
        let json = std::fs::read(dir.join("preprocessor_config.json")).expect("config");
        let ours = ImageProcessor::parse(&serde_json::from_slice(&json).expect("json")).expect("processor");
        let expected = Safetensors::open(dir.join("expected.safetensors")).expect("expected");
        for name in expected.names() {
            let pixels = ours.process(&Image::open(folder().join(&name)).expect("picture")).expect("pixels");
            let view = expected.tensor(&name).expect("readable").expect("present");
            assert_eq!(view.shape, [3, pixels.height, pixels.width], "{processor}: {name}");
            let theirs = view.to_f32();
            let differences: Vec<f32> = pixels.values.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).collect();
            let worst = differences.iter().copied().fold(0.0, f32::max);
            let mean = differences.iter().sum::<f32>() / differences.len() as f32;
            // Pillow 13, which made these, begins with the columns where that is cheaper; older ones, which checkpoints were
            // trained with, and we begin with the rows. That moves single pixels by up to two levels, and decoders of JPEG
            // may round two apart.
            let levels = if name.ends_with(".jpg") { 4.0 } else { 2.0 };
            assert!(worst <= levels * LEVEL + 1e-5, "{processor}: {name} differs by {} levels", worst / LEVEL);
            assert!(mean <= 0.3 * LEVEL, "{processor}: {name} differs by {} levels on average", mean / LEVEL);
            exact += usize::from(worst <= 1e-5);
        }
    }
    assert!(exact >= 40, "only {exact} of 96 pictures are equal");
}

#[test]
fn damaged_and_oversized_pictures_are_refused() {
    for name in ["landscape.png", "lossless.webp", "orientation-6.jpg", "palette.png"] {
        let whole = std::fs::read(folder().join(name)).expect("picture");
        for cut in [0, 1, 7, 20, 40, whole.len() / 3, whole.len() / 2] {
            let refused = Image::decode(&whole[..cut]);
            assert!(matches!(refused, Err(Error::Malformed { .. })), "{name} cut at {cut}: {refused:?}");
        }
    }
    for junk in [&b""[..], b"no picture at all", &[0xff; 400]] {
        assert!(matches!(Image::decode(junk), Err(Error::Malformed { .. })));
    }
    let refused = Image::open(folder().join("clip/preprocessor_config.json")).expect_err("refused");
    assert!(refused.to_string().contains("preprocessor_config.json"), "{refused}");
}

/// A PNG header that claims a size, with no pixels behind it.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR".to_vec();
    let start = png.len() - 4;
    png.extend(width.to_be_bytes());
    png.extend(height.to_be_bytes());
    png.extend([8, 2, 0, 0, 0]);
    let crc = crc32(&png[start..]);
    png.extend(crc.to_be_bytes());
    png.extend(b"\0\0\0\0IDAT");
    png
}

/// PNG specification, annex D.
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |crc, &byte| {
        (0..8).fold(crc ^ u32::from(byte), |crc, _| if crc & 1 == 1 { 0xedb8_8320 ^ (crc >> 1) } else { crc >> 1 })
    })
}

#[test]
fn a_fifty_megapixel_picture_is_refused_by_its_header() {
    for (width, height) in [(10_000, 5_000), (60_000, 60_000), (u32::MAX >> 1, 1)] {
        let refused = Image::decode(&png_header(width, height)).expect_err("refused");
        assert!(matches!(refused, Error::Argument { name: "image", .. }), "{refused}");
    }
    assert!(matches!(Image::decode(&png_header(0, 5)), Err(Error::Malformed { .. })));
    let refused = Image::decode(&png_header(10_000, 5_000)).expect_err("refused").to_string();
    assert!(refused.contains("10000 x 5000"), "{refused}");
}

#[test]
fn pixels_in_memory_keep_their_order() {
    let rgba = Image::from_pixels(&[1, 2, 3, 9, 4, 5, 6, 9], PixelLayout::Rgba, 2, 1).expect("image");
    assert_eq!(rgba.pixels(), [1, 2, 3, 4, 5, 6]);
    let bgra = Image::from_pixels(&[3, 2, 1, 9, 6, 5, 4, 9], PixelLayout::Bgra, 2, 1).expect("image");
    assert_eq!(rgba, bgra);
    assert_eq!(Image::from_pixels(&[7], PixelLayout::Grey, 1, 1).expect("image").pixels(), [7, 7, 7]);
    for (length, width, height) in [(3, 2, 1), (0, 0, 0), (3, usize::MAX, 2)] {
        let refused = Image::from_pixels(&vec![0; length], PixelLayout::Rgb, width, height);
        assert!(matches!(refused, Err(Error::Argument { .. })), "{length} bytes for {width} x {height}");
    }
}

#[test]
fn processors_that_would_compute_something_else_are_refused() {
    let parse = |text: &str| ImageProcessor::parse(&serde_json::from_str(text).expect("json")).map(|_| ());
    let refused = |text: &str, word: &str| {
        let reason = parse(text).expect_err("refused").to_string();
        assert!(reason.contains(word), "{reason}");
    };
    refused(r#"{"image_processor_type": "UnheardImageProcessor"}"#, "Unheard");
    refused(r#"{}"#, "missing");
    let vit = |field: &str| format!(r#"{{"image_processor_type": "ViTImageProcessor", {field}}}"#);
    refused(&vit(r#""size": {"height": 0, "width": 3}"#), "size");
    refused(&vit(r#""size": {"longest_edge": 30}"#), "size");
    refused(&vit(r#""size": 99999"#), "size");
    refused(&vit(r#""resample": 5"#), "resample");
    refused(&vit(r#""image_std": [0, 1, 1]"#), "image_std");
    refused(&vit(r#""image_mean": [0.5]"#), "image_mean");
    refused(&vit(r#""do_resize": "yes""#), "do_resize");
    assert!(parse(&vit(r#""size": 30"#)).is_ok());
}

proptest! {
    #[test]
    fn bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), kind in 0..4usize) {
        let magic: &[u8] = [&b"\x89PNG\r\n\x1a\n"[..], b"\xff\xd8\xff\xe0", b"RIFF\x10\0\0\0WEBPVP8L", b""][kind];
        let _ = Image::decode(&[magic, &bytes].concat());
    }

    #[test]
    fn resizing_a_flat_picture_keeps_its_colour(width in 1..40usize, height in 1..40usize, to in 1..60usize, grey in any::<u8>()) {
        use loam::input::Resampling::{Bicubic, Bilinear, Lanczos, Nearest};
        let image = Image::from_pixels(&vec![grey; width * height], PixelLayout::Grey, width, height).expect("image");
        for filter in [Nearest, Bilinear, Bicubic, Lanczos] {
            let resized = image.resize(to, to + 1, filter).expect("resized");
            prop_assert!(resized.pixels().iter().all(|&p| p.abs_diff(grey) <= 1), "{:?}", filter);
        }
    }
}
