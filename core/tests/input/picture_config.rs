//! Image processors that would see other pixels than their network was trained on.

use loam::Error;
use loam::input::ImageProcessor;
use serde_json::{Value as Json, json};

fn with(kind: &str, name: &str, value: Json) -> Json {
    let mut config = json!({"image_processor_type": kind});
    config[name] = value;
    config
}

#[test]
fn options_that_change_the_pixels_are_refused_by_name() {
    for (name, value) in [
        ("do_pad", json!(true)),
        ("do_reduce_labels", json!(true)),
        ("size_divisor", json!(32)),
        ("rescale_offset", json!(true)),
        ("do_image_splitting", json!(true)),
        ("auto_map", json!({"AutoImageProcessor": "processing.Own"})),
        ("resample", json!(5)),
        ("resample", json!("bicubic")),
        ("data_format", json!("channels_last")),
    ] {
        let error = ImageProcessor::parse(&with("ViTImageProcessor", name, value)).expect_err(name);
        assert!(matches!(error, Error::Unsupported { .. }) && error.to_string().contains(name), "{error}");
    }
    for kind in ["Idefics3ImageProcessor", "CLIPImageProcessorFaster", "CLIP", "", "SiglipTokenizer"] {
        let error = ImageProcessor::parse(&json!({"image_processor_type": kind})).expect_err(kind);
        assert!(matches!(error, Error::Unsupported { .. }), "{error}");
    }
    assert!(ImageProcessor::parse(&json!({"size": 224})).expect_err("no type").to_string().contains("missing"));
}

#[test]
fn values_out_of_range_are_refused_by_name() {
    let huge = json!(u64::MAX);
    for (name, value) in [
        ("size", json!(0)),
        ("size", json!(-3)),
        ("size", json!(4097)),
        ("size", huge.clone()),
        ("size", json!(2.5)),
        ("size", json!("224")),
        ("size", json!([224])),
        ("size", json!({"height": 224})),
        ("size", json!({"height": 0, "width": 224})),
        ("size", json!({"longest_edge": 224})),
        ("size", json!({"shortest_edge": 224, "longest_edge": 448})),
        ("size", json!({"height": 224, "width": 224, "shortest_edge": 224})),
        ("size", json!({})),
        ("crop_size", json!({"shortest_edge": 224})),
        ("crop_size", huge),
        ("do_resize", json!(1)),
        ("do_normalize", json!("yes")),
        ("default_to_square", json!("no")),
        ("rescale_factor", json!(0)),
        ("rescale_factor", json!(-1.0)),
        ("rescale_factor", json!(1e300)),
        ("rescale_factor", json!("1/255")),
        ("image_mean", json!([0.5, 0.5])),
        ("image_mean", json!([0.5, 0.5, "a"])),
        ("image_mean", json!([0.5, 0.5, 1e300])),
        ("image_mean", json!([])),
        ("image_std", json!([0.5, 0.0, 0.5])),
        ("image_std", json!([0.5, -0.5, 0.5])),
        ("image_std", json!([1e-320, 0.5, 0.5])),
        ("image_std", json!([0.5])),
        ("image_std", json!(0)),
    ] {
        let error = ImageProcessor::parse(&with("CLIPImageProcessor", name, value)).expect_err(name);
        assert!(matches!(error, Error::Malformed { .. }) && error.to_string().contains(name), "{error}");
    }
    for json in [json!(null), json!([]), json!("CLIPImageProcessor")] {
        assert!(matches!(ImageProcessor::parse(&json), Err(Error::Malformed { .. })));
    }
    let grey = json!({"image_processor_type": "ViTImageProcessor", "image_mean": [0.5], "image_std": [0.5]});
    assert_eq!(ImageProcessor::parse(&grey).expect("grey").channels(), 1);
    let mut both = grey;
    both["do_convert_rgb"] = json!(true);
    assert!(ImageProcessor::parse(&both).expect_err("grey as RGB").to_string().contains("do_convert_rgb"));
}

#[test]
fn what_does_not_change_the_pixels_is_accepted() {
    let plain = json!({"image_processor_type": "CLIPImageProcessor"});
    let mut config = plain.clone();
    for (name, value) in [
        ("_valid_processor_keys", json!(["images", "do_resize"])),
        ("processor_class", json!("CLIPProcessor")),
        ("do_pad", json!(false)),
        ("pad_size", json!(null)),
        ("do_convert_rgb", json!(true)),
        ("data_format", json!("channels_first")),
        ("something_new", json!(null)),
        ("something_newer", json!(false)),
        ("size", json!({"shortest_edge": 224, "longest_edge": null})),
        ("crop_size", json!(224)),
    ] {
        config[name] = value;
    }
    assert_eq!(ImageProcessor::parse(&config).expect("accepted"), ImageProcessor::parse(&plain).expect("accepted"));
}

#[test]
fn own_towers_leave_nothing_to_defaults() {
    let config = json!({
        "image_processor_type": "LoamImageProcessor", "do_resize": true, "size": {"height": 32, "width": 32},
        "resample": 3, "do_center_crop": true, "crop_size": {"height": 30, "width": 30}, "do_rescale": true,
        "rescale_factor": 0.004, "do_normalize": true, "image_mean": [0.5], "image_std": [0.5],
    });
    assert_eq!(ImageProcessor::parse(&config).expect("complete").output(), Some([30, 30]));
    for name in config.as_object().expect("an object").keys().filter(|name| *name != "image_processor_type") {
        let mut less = config.clone();
        less.as_object_mut().expect("an object").shift_remove(name);
        let error = ImageProcessor::parse(&less).expect_err(name);
        assert!(matches!(error, Error::Malformed { .. }) && error.to_string().contains(name), "{error}");
    }
}
