//! Files of pictures: decoded within small limits, and prepared for a network.
//!
//! The first byte chooses the processor, the second one the sides of a rectangle; the rest is the file.

#![no_main]

use std::sync::OnceLock;

use libfuzzer_sys::fuzz_target;
use loam::input::{Image, ImageLimits, ImageProcessor};

mod panics;

/// Small, so that most of an input's time is spent on its bytes.
const LIMITS: ImageLimits = ImageLimits { pixels: 1 << 16, side: 1 << 12 };
const PROCESSORS: [&str; 4] = [
    r#"{"image_processor_type": "CLIPImageProcessor", "size": 20, "crop_size": {"height": 30, "width": 16}}"#,
    r#"{"image_processor_type": "ViTImageProcessor", "size": [9, 40], "resample": 1}"#,
    r#"{"image_processor_type": "ViTImageProcessor", "size": 16, "resample": 0, "image_mean": [0.5], "image_std": [0.5]}"#,
    r#"{"image_processor_type": "DeiTImageProcessor", "do_resize": false, "crop_size": 33}"#,
];

fn processors() -> &'static [ImageProcessor] {
    static PARSED: OnceLock<Vec<ImageProcessor>> = OnceLock::new();
    PARSED.get_or_init(|| {
        let parse = |text| ImageProcessor::parse(&serde_json::from_str(text).expect("json")).expect("a processor");
        PROCESSORS.map(parse).into()
    })
}

fuzz_target!(init: panics::only_own(), |bytes: &[u8]| {
    let [choice, side, file @ ..] = bytes else { return };
    let Ok(image) = Image::decode_within(file, &LIMITS) else { return };
    let (width, height) = (image.width(), image.height());
    assert!((width * height) as u64 <= LIMITS.pixels, "{width} x {height} pixels");
    assert_eq!(image.pixels().len(), width * height * 3);

    let side = usize::from(*side);
    let inside = side > 0 && side <= width && side <= height;
    assert_eq!(image.crop(width.saturating_sub(side), 0, side, side).is_ok(), inside);

    let processor = &processors()[usize::from(*choice) % PROCESSORS.len()];
    // A very narrow picture is refused, since its longer side would become too long.
    if let Ok(pixels) = processor.process(&image) {
        assert_eq!(pixels.values.len(), pixels.channels * pixels.height * pixels.width);
        assert!(pixels.values.iter().all(|value| value.is_finite()));
    }
});
