//! Pictures and what is said about them.

use loam_bench::loader::{Format, Input, MaskMeaning, Role, Split, Target};
use loam_bench::metric::Appearance;

use super::{fixture, image, labels_of, pixels, read, texts, within};

#[test]
fn coco_boxes_have_crowds_and_pictures_without_any() {
    let (labels, rows) = read("coco", Format::CocoInstances, Split::Valid);
    assert_eq!(labels, ["person", "dog"]);
    let Target::Boxes(boxes) = &rows[0].target else { panic!("boxes") };
    assert_eq!((boxes.image, boxes.objects.len()), (9, 2));
    assert_eq!((boxes.objects[0].bounds, boxes.objects[0].area), ([10.5, 20.0, 30.0, 40.0], 900.5));
    assert!(boxes.objects[1].crowd && !boxes.objects[0].crowd);
    let Target::Boxes(boxes) = &rows[1].target else { panic!("boxes") };
    assert_eq!((boxes.image, boxes.objects.len()), (25, 0));
    assert_eq!(within(image(&rows[0]), "coco"), "val2017/000000000009.jpg");
}

#[test]
fn coco_captions_leave_pictures_without_any_out() {
    let (_, rows) = read("coco", Format::CocoCaptions, Split::Valid);
    assert_eq!((rows.len(), &rows[0].target), (1, &texts(&["A dog runs.", "The dog is running."])));
    assert_eq!(within(image(&rows[0]), "coco"), "val2014/COCO_val2014_000000000009.jpg");
}

#[test]
fn lvis_says_what_is_absent_and_what_is_not_all() {
    let (labels, rows) = read("lvis", Format::Lvis, Split::Valid);
    assert_eq!(labels, ["acorn", "aerosol_can", "air_conditioner"]);
    let Target::Boxes(boxes) = &rows[0].target else { panic!("boxes") };
    assert_eq!((&boxes.absent[..], &boxes.partial[..], boxes.objects[0].category), (&[3][..], &[2][..], 2));
    assert_eq!(within(image(&rows[0]), "lvis"), "val2017/000000000009.jpg");
}

#[test]
fn ap10k_has_seventeen_points() {
    let (_, rows) = read("ap10k", Format::Ap10k, Split::Test);
    let Target::Poses(poses) = &rows[0].target else { panic!("poses") };
    assert_eq!((poses.len(), poses[0].points.len()), (1, 17));
    assert_eq!((poses[0].points[0], poses[0].points[3]), ([0.0, 0.0, 0.0], [30.0, 15.0, 2.0]));
    assert_eq!(rows[1].target, Target::Poses(Vec::new()));
}

#[test]
fn retrieval_has_queries_and_a_gallery() {
    let (_, rows) = read("inshop", Format::InShop, Split::Test);
    let seen: Vec<_> = rows
        .iter()
        .map(|row| match row.target {
            Target::Appearance(seen, role) => (seen.identity, role),
            _ => panic!("an appearance"),
        })
        .collect();
    assert_eq!(seen, [(0, Role::Query), (0, Role::Gallery), (1, Role::Gallery)]);
    let (_, rows) = read("veri", Format::VeRi, Split::Test);
    assert_eq!(rows[0].target, Target::Appearance(Appearance { identity: 2, camera: 2 }, Role::Query));
    assert_eq!(rows[2].target, Target::Appearance(Appearance { identity: 5, camera: 3 }, Role::Gallery));
    assert_eq!(within(image(&rows[1]), "veri"), "image_test/0002_c003_00084280_0.jpg");
}

#[test]
fn classes_of_pictures_are_those_of_the_lists() {
    let (labels, rows) = read("cifar100", Format::Cifar100, Split::Test);
    assert_eq!((labels.len(), labels_of(&rows)), (3, vec![2, 0]));
    let (width, height, channels, samples) = pixels(&image(&rows[0]).source);
    assert_eq!((width, height, channels), (32, 32, 3));
    let raw = std::fs::read(fixture("cifar100/test.bin")).expect("read");
    assert_eq!(samples[3..6], [raw[3], raw[2 + 1024 + 1], raw[2 + 2048 + 1]]);

    let (labels, rows) = read("imagenet", Format::ImageNet, Split::Valid);
    assert_eq!((labels.len(), labels_of(&rows)), (1000, vec![489, 0, 999]));
    assert_eq!((labels[489].as_str(), rows[1].id.as_str()), ("kind 490, sort 490", "ILSVRC2012_val_00000002"));

    let (labels, rows) = read("gtsrb", Format::Gtsrb, Split::Test);
    assert_eq!((labels.len(), labels_of(&rows)), (43, vec![16, 1]));
    assert_eq!(image(&rows[0]).crop, Some([6.0, 5.0, 42.0, 44.0]));
    let sign = image(&rows[0]).picture().expect("a picture");
    assert_eq!((sign.width, sign.height), (42, 44));
    let raw = std::fs::read(fixture("gtsrb/Final_Test/Images/00000.ppm")).expect("read");
    let begin = raw.len() - 54 * 53 * 3 + (5 * 53 + 6) * 3;
    assert_eq!(sign.samples[..3], raw[begin..begin + 3].iter().map(|byte| f64::from(*byte)).collect::<Vec<_>>());
    let message = image(&rows[1]).picture().expect_err("a row is missing").to_string();
    assert!(message.ends_with("00001.ppm, PPM: malformed picture: 5544 bytes of 5670"), "{message}");

    let (labels, rows) = read("adience", Format::Adience, Split::Test);
    assert_eq!((&labels[1][..], labels_of(&rows)), ("male", vec![0, 1]));
    let expected = "aligned/30601258@N03/landmark_aligned_face.1.10399646885_67c7d20df9_o.jpg";
    assert_eq!(within(image(&rows[0]), "adience"), expected);
    assert_eq!(read("adience", Format::Adience, Split::Train).1.len(), 4);

    let (labels, rows) = read("class-folders", Format::ClassFolders, Split::Test);
    assert_eq!((labels, labels_of(&rows)), (vec!["AD".to_owned(), "ZW".to_owned()], vec![0, 0, 1]));
    assert!(!image(&rows[0]).bytes().expect("a picture").is_empty());
}

#[test]
fn paintings_give_styles() {
    let (labels, rows) = read("wikiart", Format::WikiArt, Split::Valid);
    assert_eq!((labels[1].as_str(), labels_of(&rows)), ("Action_painting", vec![1, 0]));
    let Input::Images(content, style) = &rows[0].input else { panic!("two pictures") };
    assert_eq!(within(content, "wikiart"), "content/000000000009.jpg");
    assert_eq!(within(style, "wikiart"), "Action_painting/franz-kline_accent-grave-1955.jpg");
}

#[test]
fn masks_keep_their_indices() {
    let (labels, rows) = read("voc", Format::Voc2012, Split::Valid);
    let Target::Mask(mask) = &rows[0].target else { panic!("a mask") };
    assert_eq!((labels.len(), mask.meaning), (21, MaskMeaning::Classes { ignored: 255 }));
    let values = mask.values().expect("decoded");
    assert_eq!((values.width, values.height, &values.values[..3]), (5, 4, &[0, 20, 255][..]));

    let (labels, rows) = read("ade20k", Format::Ade20k, Split::Valid);
    let Target::Mask(mask) = &rows[0].target else { panic!("a mask") };
    assert_eq!((labels.len(), mask.meaning), (151, MaskMeaning::Classes { ignored: 0 }));
    assert_eq!(mask.values().expect("decoded").values[..3], [0, 20, 104]);

    let (_, rows) = read("refmatte", Format::RefMatte, Split::Test);
    let Input::ImageQuestion { question, .. } = &rows[0].input else { panic!("a phrase") };
    assert_eq!(question, "the man on the left");
    let Target::Mask(mask) = &rows[0].target else { panic!("a mask") };
    assert_eq!((mask.meaning, mask.values().expect("decoded").most), (MaskMeaning::Opacity, 255));
}

#[test]
fn heads_are_read_from_compressed_and_plain_variables() {
    let (_, rows) = read("ucf", Format::UcfQnrf, Split::Test);
    assert_eq!(rows[0].target, Target::Points(vec![[10.5, 20.25], [300.0, 7.0], [0.5, 0.75]]));
    assert_eq!(rows[1].target, Target::Points(vec![[3.0, 4.0]]));
}

#[test]
fn pairs_of_sizes_belong_together() {
    let (_, rows) = read("set5", Format::SuperResolution(4), Split::Test);
    let Target::Image(large) = &rows[0].target else { panic!("a picture") };
    assert!(within(large, "set5").ends_with("img_001_SRF_4_HR.png"));
    assert!(within(image(&rows[0]), "set5").ends_with("img_001_SRF_4_LR.png"));
}

#[test]
fn questions_and_captions_have_all_their_answers() {
    for (name, format, path) in [
        ("vqa2", Format::Vqa2, "val2014/COCO_val2014_000000458752.jpg"),
        ("vizwiz", Format::VizWiz, "val/VizWiz_val_00000000.jpg"),
    ] {
        let (_, rows) = read(name, format, Split::Valid);
        let Target::Texts(answers) = &rows[0].target else { panic!("answers") };
        assert_eq!((answers.len(), answers[9].as_str()), (10, "a net"));
        assert_eq!(within(image(&rows[0]), name), path);
    }
    let (_, rows) = read("flickr8k", Format::Flickr8k, Split::Test);
    let Target::Texts(captions) = &rows[0].target else { panic!("captions") };
    assert_eq!((rows.len(), captions.len(), captions[4].as_str()), (1, 5, "A child number 4 climbs ."));
    let (_, rows) = read("flickr30k", Format::Flickr30k, Split::Test);
    assert_eq!((rows[0].id.as_str(), &rows[0].target), ("1001773457_577c3a7d70.jpg", &texts(&["A black dog ."])));
}
