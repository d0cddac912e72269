//! Files and buffers that are no pictures, damaged ones, and ones that are too large: an error that names the format,
//! and no work before it.

use loam::Error;
use loam::input::{Image, ImageLimits, ImageProcessor, PixelLayout, Resampling};
use proptest::prelude::*;
use serde_json::json;

use crate::pictures::{bytes, file};

fn refused(bytes: &[u8], format: &str) -> String {
    match Image::decode(bytes) {
        Err(error @ Error::Malformed { format: found, .. }) => {
            assert_eq!(found, format, "{error}");
            error.to_string()
        }
        other => panic!("{format}: {other:?}"),
    }
}

fn too_large(bytes: &[u8]) -> String {
    match Image::decode(bytes) {
        Err(error @ Error::Argument { name: "image", .. }) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

/// Bytes at the end of a file without which all pixels are still there.
fn dispensable(name: &str) -> usize {
    // The IEND chunk.
    if name.ends_with(".png") { 12 } else { 0 }
}

#[test]
fn truncated_files_are_refused_wherever_they_end() {
    let names = [
        ("landscape.png", "PNG"),
        ("palette-clear.png", "PNG"),
        ("rgb-16.png", "PNG"),
        ("orientation-6.jpg", "JPEG"),
        ("progressive.jpg", "JPEG"),
        ("grey.jpg", "JPEG"),
        ("lossy.webp", "WebP"),
        ("lossless.webp", "WebP"),
        ("alpha.webp", "WebP"),
    ];
    for (name, format) in names {
        let whole = bytes(name);
        assert!(Image::decode(&whole).is_ok(), "{name}");
        // Shorter ones are no picture of any format.
        for end in 12..whole.len() - dispensable(name) {
            refused(&whole[..end], format);
        }
        for end in 0..12 {
            assert!(matches!(Image::decode(&whole[..end]), Err(Error::Malformed { .. })), "{name} of {end} bytes");
        }
    }
}

#[test]
fn a_thumbnail_does_not_hide_a_truncation() {
    let whole = bytes("full.jpg");
    let thumbnail = bytes("grey.jpg");
    let length = u16::try_from(thumbnail.len() + 2).expect("short").to_be_bytes();
    let with = [&whole[..2], &[0xff, 0xe5], &length, &thumbnail, &whole[2..]].concat();
    assert_eq!(Image::decode(&with).expect("a picture"), Image::decode(&whole).expect("a picture"));
    assert!(refused(&with[..with.len() - 2], "JPEG").contains("truncated"));
    // What follows the picture is not looked at.
    let longer = [&whole[..], b"\xff and more"].concat();
    assert_eq!(Image::decode(&longer).expect("a picture"), Image::decode(&whole).expect("a picture"));
}

#[test]
fn what_is_no_picture_is_refused() {
    let noise: Vec<u8> = (0u32..4096).map(|i| (i.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    for junk in [&b""[..], b"\0", b"A text is no picture, however long it is.", &noise, &[0; 1000], &[0xff; 1000]] {
        refused(junk, "PNG, JPEG or WebP");
    }
    for (magic, format) in
        [(&b"\x89PNG\r\n\x1a\n"[..], "PNG"), (b"\xff\xd8\xff\xe0", "JPEG"), (b"RIFF\x99\0\0\0WEBPVP8 ", "WebP")]
    {
        refused(&[magic, &noise].concat(), format);
        refused(&[magic, b"A text."].concat(), format);
    }
    let error = Image::decode(b"GIF89a and so on").expect_err("another format");
    assert!(matches!(error, Error::Unsupported { .. }) && error.to_string().contains("Gif"), "{error}");
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("empty.png");
    std::fs::write(&path, b"").expect("written");
    assert!(Image::open(&path).expect_err("empty").to_string().contains("empty.png"));
    assert!(matches!(Image::open(folder.path().join("absent.png")), Err(Error::Io { .. })));
}

/// The picture with other sides in its header; `at` are the offsets of height and width, big-endian.
fn jpeg_of(width: u16, height: u16) -> Vec<u8> {
    let mut bytes = bytes("full.jpg");
    let start = bytes.windows(2).position(|pair| pair == [0xff, 0xc0]).expect("a frame header");
    bytes[start + 5..start + 7].copy_from_slice(&height.to_be_bytes());
    bytes[start + 7..start + 9].copy_from_slice(&width.to_be_bytes());
    bytes
}

fn png_of(width: u32, height: u32, depth: u8, colour: u8) -> Vec<u8> {
    let mut chunk = b"IHDR".to_vec();
    chunk.extend(width.to_be_bytes());
    chunk.extend(height.to_be_bytes());
    chunk.extend([depth, colour, 0, 0, 0]);
    // The check sum of PNG, annex D of its specification.
    let sum = !chunk.iter().fold(u32::MAX, |sum, &byte| {
        (0..8).fold(sum ^ u32::from(byte), |s, _| if s & 1 == 1 { 0xedb8_8320 ^ (s >> 1) } else { s >> 1 })
    });
    [&b"\x89PNG\r\n\x1a\n\0\0\0\r"[..], &chunk, &sum.to_be_bytes(), b"\0\0\0\x10IDAT\x78\x9c"].concat()
}

fn webp_of(width: u32, height: u32) -> Vec<u8> {
    let [low, mid, high, _] = (width - 1).to_le_bytes();
    let [lower, middle, upper, _] = (height - 1).to_le_bytes();
    let canvas = [0, 0, 0, 0, low, mid, high, lower, middle, upper];
    [&b"RIFF\x30\0\0\0WEBPVP8X\x0a\0\0\0"[..], &canvas, b"VP8L\x12\0\0\0\x2f", &[0; 17]].concat()
}

#[test]
fn the_header_decides_what_is_too_large() {
    for (width, height) in [(50_000, 50_000), (8500, 6000), (7072, 7072), (0x7fff_ffff, 0x7fff_ffff), (70_000, 1)] {
        for (depth, colour) in [(8, 2), (16, 6), (1, 0)] {
            too_large(&png_of(width, height, depth, colour));
        }
    }
    assert!(too_large(&png_of(8500, 6000, 8, 2)).contains("8500 x 6000"));
    assert!(too_large(&jpeg_of(8500, 6000)).contains("8500 x 6000"));
    assert!(too_large(&jpeg_of(65_500, 65_500)).contains("65500 x 65500"));
    too_large(&webp_of(16_000, 16_000));
    refused(&png_of(0, 10, 8, 2), "PNG");
    // The limit itself is inside, and refused for what is missing only.
    assert!(!refused(&png_of(8000, 6000, 8, 2), "PNG").contains("8000 x 6000"));
}

#[test]
fn limits_are_the_callers() {
    let whole = bytes("landscape.png");
    let pixels = 53 * 37;
    let decode = |pixels, side| Image::decode_within(&whole, &ImageLimits { pixels, side });
    assert!(decode(pixels, 53).is_ok());
    for (pixels, side) in [(pixels - 1, 53), (pixels, 52), (0, 0)] {
        let error = decode(pixels, side).expect_err("too large").to_string();
        assert!(error.contains("53 x 37"), "{error}");
    }
    assert!(decode(u64::MAX, u32::MAX).is_ok());
}

#[test]
fn buffers_of_a_wrong_length_are_refused() {
    for (length, layout, width, height, stride) in [
        (11, PixelLayout::Rgb, 2, 2, 6),
        (13, PixelLayout::Rgb, 2, 2, 6),
        (12, PixelLayout::Rgba, 2, 2, 8),
        (16, PixelLayout::Bgra, 2, 2, 7),
        (0, PixelLayout::Grey, 0, 0, 0),
        (0, PixelLayout::Grey, 0, 4, 1),
        (4, PixelLayout::Grey, usize::MAX, 2, usize::MAX),
        (4, PixelLayout::Rgba, usize::MAX / 2, 1, 4),
        (4, PixelLayout::Grey, 2, 2, usize::MAX),
        (70_000, PixelLayout::Grey, 70_000, 1, 70_000),
    ] {
        let error = Image::from_rows(&vec![0; length], layout, width, height, stride).expect_err("a wrong length");
        assert!(matches!(error, Error::Argument { name: "pixels", .. }), "{error}");
    }
    assert!(Image::from_pixels(&[0; 5], PixelLayout::Grey, 2, 2).is_err());
}

#[test]
fn sizes_out_of_bounds_are_refused() {
    let picture = Image::open(file("tiny.png")).expect("a picture");
    for (width, height) in [(0, 1), (1, 0), (1 << 15, 1), (16_384, 16_384), (usize::MAX, usize::MAX)] {
        assert!(matches!(picture.resize(width, height, Resampling::Bicubic), Err(Error::Argument { .. })));
        assert!(matches!(picture.resize(width, height, Resampling::Nearest), Err(Error::Argument { .. })));
        assert!(matches!(picture.center_crop(width, height), Err(Error::Argument { .. })));
    }
    let clip = ImageProcessor::parse(&json!({"image_processor_type": "CLIPImageProcessor"})).expect("a processor");
    let thread = Image::from_pixels(&vec![0; 20_000], PixelLayout::Grey, 1, 20_000).expect("a picture");
    assert!(matches!(clip.process(&thread), Err(Error::Argument { .. })));
    assert!(thread.resize(2, 16_384, Resampling::Bilinear).is_ok());
    let ribbon = Image::from_pixels(&vec![0; 65_536], PixelLayout::Grey, 1, 65_536).expect("a picture");
    let error = ribbon.resize(16_384, 1, Resampling::Bilinear).expect_err("too many in between");
    assert!(matches!(error, Error::Argument { .. }), "{error}");
    let whole = json!({"image_processor_type": "ViTImageProcessor", "do_resize": false});
    let large = Image::from_pixels(&vec![0; 4097 * 4096], PixelLayout::Grey, 4097, 4096).expect("a picture");
    let error = ImageProcessor::parse(&whole).expect("a processor").process(&large).expect_err("too large");
    assert!(matches!(error, Error::Argument { .. }), "{error}");
}

proptest! {
    #[test]
    fn damaged_files_end_in_a_picture_or_an_error(
        name in prop::sample::select(vec!["palette-clear.png", "progressive.jpg", "grey.jpg", "lossy.webp", "alpha.webp"]),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..8),
    ) {
        let mut bytes = bytes(name);
        for (index, value) in damage {
            let index = index.index(bytes.len());
            bytes[index] = value;
        }
        match Image::decode_within(&bytes, &ImageLimits { pixels: 100_000, side: 1000 }) {
            Ok(image) => prop_assert_eq!(image.pixels().len(), image.width() * image.height() * 3),
            Err(error) => {
                let typed =
                    matches!(error, Error::Malformed { .. } | Error::Unsupported { .. } | Error::Argument { .. });
                prop_assert!(typed, "{}", error);
            }
        }
    }

    #[test]
    fn a_flat_picture_stays_flat(width in 1..40usize, height in 1..40usize, to in 1..50usize, value: u8) {
        let image = Image::from_pixels(&vec![value; width * height], PixelLayout::Grey, width, height).expect("flat");
        for filter in [Resampling::Nearest, Resampling::Lanczos, Resampling::Bilinear, Resampling::Bicubic] {
            let resized = image.resize(to, to + 1, filter).expect("resized");
            prop_assert!(resized.pixels().iter().all(|&byte| byte.abs_diff(value) <= 1), "{:?}", filter);
        }
    }
}
