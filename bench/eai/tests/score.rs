//! For every data set of the registry what is right is the best prediction, by its own loader and metric.

use std::path::Path;

use loam_bench::loader::{Direction, Example, Format, Input, MaskMeaning, Role, Target};
use loam_bench::metric::{Detected, DetectedPose, Metric};
use loam_bench::registry::{self, Entry};
use loam_bench::{Prediction, score};

/// The fixture of a data set.
fn fixture(entry: &Entry) -> &'static str {
    match entry.format {
        Format::PennTreebank => "ptb",
        Format::Squad => "squad",
        Format::TydiQa => "tydi",
        Format::Wmt(Direction { into: "de", .. }) => "wmt-xml",
        Format::Wmt(_) => "wmt-lines",
        Format::TweetEval => "tweeteval",
        Format::GoEmotions => "goemotions",
        Format::AgNews => "agnews",
        Format::Sst2 => "sst2",
        Format::Jfleg => "jfleg",
        Format::CnnDailyMail => "cnndm",
        Format::CodeSearchNet => "codesearchnet",
        Format::Shellcode => "shellcode",
        Format::CocoInstances | Format::CocoCaptions => "coco",
        Format::Lvis => "lvis",
        Format::Ap10k => "ap10k",
        Format::InShop => "inshop",
        Format::VeRi => "veri",
        Format::SuperResolution(_) => "set5",
        Format::WikiArt => "wikiart",
        Format::Ade20k => "ade20k",
        Format::Voc2012 => "voc",
        Format::ClassFolders => "class-folders",
        Format::Cifar100 => "cifar100",
        Format::ImageNet => "imagenet",
        Format::Gtsrb => "gtsrb",
        Format::Adience => "adience",
        Format::Kinetics => "kinetics",
        Format::UcfQnrf => "ucf",
        Format::RefMatte => "refmatte",
        Format::LibriSpeech => "librispeech",
        Format::FluentSpeechCommands => "fsc",
        Format::Slurp => "slurp",
        Format::Iemocap => "iemocap",
        Format::Esc50 => "esc50",
        Format::SpeechCommands => "speechcommands",
        Format::UciHar => "ucihar",
        Format::Hhar => "hhar",
        Format::MotionSense => "motionsense",
        Format::LjSpeech => "ljspeech",
        Format::Clotho => "clotho",
        Format::AudioCaps => "audiocaps",
        Format::Flickr8k => "flickr8k",
        Format::Flickr30k => "flickr30k",
        Format::VggSound => "vggsound",
        Format::Vqa2 => "vqa2",
        Format::VizWiz => "vizwiz",
        Format::ShellcodeTable | Format::StandIn(_) => unreachable!("of no entry"),
    }
}

fn read(entry: &Entry) -> (usize, Vec<Example>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(fixture(entry));
    let examples = entry.format.open(&path, entry.split).unwrap_or_else(|error| panic!("{}: {error}", entry.id));
    let labels = examples.labels().len();
    (labels, examples.collect::<Result<Vec<_>, _>>().unwrap_or_else(|error| panic!("{}: {error}", entry.id)))
}

/// What is right, as a prediction.
fn perfect(metric: Metric, examples: &[Example]) -> Vec<Prediction> {
    let gallery: Vec<_> = examples
        .iter()
        .filter_map(|example| match example.target {
            Target::Appearance(seen, Role::Gallery) => Some(seen),
            _ => None,
        })
        .collect();
    let own = |row: usize| (0..examples.len()).map(|entry| f64::from(u8::from(entry == row))).collect::<Vec<f64>>();
    let one = |(row, example): (usize, &Example)| match (&example.target, metric) {
        (_, Metric::Perplexity) => Prediction::Nats(vec![0.0; 3]),
        (Target::Texts(texts), Metric::RecallAt1) => Prediction::Likeness(vec![own(row); texts.len()]),
        (Target::Label(_), Metric::RecallAt1) => Prediction::Likeness(vec![own(row)]),
        (Target::Appearance(_, Role::Gallery), _) => Prediction::Entry,
        (Target::Appearance(seen, Role::Query), _) => {
            let likes = gallery.iter().map(|entry| f64::from(u8::from(entry.identity == seen.identity)));
            Prediction::Likeness(vec![likes.collect()])
        }
        (_, Metric::Ssim) => match &example.input {
            Input::Images(content, _) => Prediction::Picture(content.picture().expect("a picture")),
            other => panic!("{other:?} are no two pictures"),
        },
        (Target::Label(label), _) => Prediction::Label(*label),
        (Target::LabelSet(labels), _) => Prediction::LabelSet(labels.clone()),
        (Target::Texts(texts), _) => Prediction::Text(texts.first().cloned().unwrap_or_default()),
        (Target::Frame(frame), _) => Prediction::Frame(frame.clone()),
        (Target::Points(points), _) => Prediction::Number(points.len() as f64),
        (Target::Boxes(boxes), _) => Prediction::Boxes(
            boxes
                .objects
                .iter()
                .map(|one| Detected { image: one.image, category: one.category, bounds: one.bounds, score: 0.9 })
                .collect(),
        ),
        (Target::Poses(poses), _) => Prediction::Poses(
            poses
                .iter()
                .map(|pose| DetectedPose {
                    image: pose.image,
                    points: pose.points.iter().map(|point| [point[0], point[1]]).collect(),
                    score: 0.9,
                })
                .collect(),
        ),
        (Target::Mask(mask), _) => {
            let values = mask.values().expect("a mask");
            match mask.meaning {
                // What does not count may be anything.
                MaskMeaning::Classes { ignored } => {
                    Prediction::Classes(values.values.iter().map(|v| if *v == ignored { 1 } else { *v }).collect())
                }
                MaskMeaning::Opacity => Prediction::Opacity(
                    values.values.iter().map(|value| f64::from(*value) / f64::from(values.most)).collect(),
                ),
            }
        }
        (Target::Image(image), _) => Prediction::Picture(image.picture().expect("a picture")),
        (other, metric) => panic!("{other:?} is not scored by {}", metric.name()),
    };
    examples.iter().enumerate().map(one).collect()
}

/// Best scores; CIDEr, BLEU and VQA accuracy depend on the data.
fn best(metric: Metric) -> Option<f64> {
    match metric {
        Metric::WordErrorRate | Metric::MeanAbsoluteError | Metric::Sad => Some(0.0),
        Metric::Perplexity => Some(1.0),
        Metric::Psnr => Some(f64::INFINITY),
        Metric::Bleu | Metric::SmoothedBleu => None,
        Metric::Cider | Metric::VqaAccuracy | Metric::Gleu => None,
        _ => Some(1.0),
    }
}

#[test]
fn what_is_right_scores_best() {
    for entry in registry::entries() {
        let (labels, examples) = read(entry);
        let predictions = perfect(entry.metric, &examples);
        let found = score(entry.metric, labels, &examples, &predictions);
        let found = found.unwrap_or_else(|error| panic!("{}: {error}", entry.id));
        match best(entry.metric) {
            Some(best) if best.is_finite() => {
                assert!((found - best).abs() < 1e-9, "{}: {found}, not {best}", entry.id);
            }
            Some(best) => assert_eq!(found.to_bits(), best.to_bits(), "{}", entry.id),
            None => assert!(found >= 0.0 && found.is_finite(), "{}: {found}", entry.id),
        }
    }
}

#[test]
fn transcripts_are_compared_without_case_and_punctuation() {
    let entry = registry::entry("T32".parse().expect("an id"));
    let (labels, examples) = read(entry);
    let spoken: Vec<Prediction> = perfect(entry.metric, &examples)
        .into_iter()
        .map(|one| match one {
            Prediction::Text(text) => Prediction::Text(format!(" {}!", text.to_lowercase().replace(' ', ", "))),
            other => other,
        })
        .collect();
    assert_eq!(score(entry.metric, labels, &examples, &spoken).expect("scored"), 0.0);
}

#[test]
fn predictions_of_another_kind_are_refused() {
    for entry in registry::entries() {
        let (labels, examples) = read(entry);
        let mut predictions = perfect(entry.metric, &examples);
        let row = predictions.len() - 1;
        predictions[row] = Prediction::Tags(Vec::new());
        let message = score(entry.metric, labels, &examples, &predictions).expect_err("another kind").to_string();
        let expected = format!("{}: row {row} ({}): Tags for a target of ", entry.metric.name(), examples[row].id);
        assert!(message.starts_with(&expected), "{}: {message}", entry.id);
        predictions.pop();
        let message = score(entry.metric, labels, &examples, &predictions).expect_err("too few").to_string();
        assert!(message.ends_with(&format!("{row} predictions for {} examples", row + 1)), "{}: {message}", entry.id);
    }
}

#[test]
fn stand_ins_are_scored_by_their_metrics() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data");
    for entry in registry::entries() {
        for set in entry.stand_ins.iter().filter(|set| root.join(set.path).is_dir()) {
            let examples = Format::StandIn(set.view).open(&root.join(set.path), set.split).expect(set.path);
            let labels = examples.labels().len();
            let examples: Vec<Example> = examples.take(50).collect::<Result<_, _>>().expect(set.path);
            let predictions = match set.metric {
                Metric::SpanF1 => examples
                    .iter()
                    .map(|example| match &example.target {
                        Target::Tags(tags) => Prediction::Tags(tags.clone()),
                        other => panic!("{}: {other:?} has no tags", set.path),
                    })
                    .collect(),
                metric => perfect(metric, &examples),
            };
            let found = score(set.metric, labels, &examples, &predictions);
            let found = found.unwrap_or_else(|error| panic!("{} for {}: {error}", set.path, entry.id));
            if let Some(best) = best(set.metric) {
                assert!((found - best).abs() < 1e-9, "{} for {}: {found}, not {best}", set.path, entry.id);
            }
        }
    }
}
