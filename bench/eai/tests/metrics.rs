//! Metrics beside the reference implementations: `reference/make_cases.py` made the cases and says which those are.

mod case;

use std::collections::{BTreeSet, HashMap};

use case::{Json, assert_near, cases, numbers, strings};
use loam_bench::metric::*;
use loam_bench::tokenize;

#[test]
fn classes_agree_with_scikit_learn() {
    for case in cases("classes") {
        let (found, right) = (case.at("found").indices(), case.at("right").indices());
        let scores = class_scores(&found, &right, case.at("classes").index()).expect("scores");
        let expected = case.at("expected");
        assert_near(scores.accuracy, expected.at("accuracy").number());
        assert_near(accuracy(&found, &right).expect("accuracy"), expected.at("accuracy").number());
        assert_near(matthews(&found, &right).expect("MCC"), expected.at("mcc").number());
        for (name, average) in AVERAGES {
            near_scores(scores.average(average), &expected.at(name));
        }
    }
}

const AVERAGES: [(&str, Average); 3] =
    [("micro", Average::Micro), ("macro", Average::Macro), ("weighted", Average::Weighted)];

fn near_scores(found: Scores, expected: &Json) {
    let expected = expected.numbers();
    [found.precision, found.recall, found.f1].iter().zip(expected).for_each(|(a, b)| assert_near(*a, b));
}

#[test]
fn several_classes_a_row_agree_with_scikit_learn() {
    for case in cases("multi_label") {
        let (found, right) = (case.at("found").rows(Json::indices), case.at("right").rows(Json::indices));
        for (name, average) in &AVERAGES[..2] {
            let scores = multi_label_f1(&found, &right, case.at("classes").index(), *average).expect("scores");
            assert_near(scores.f1, case.at("expected").at(name).number());
        }
    }
}

#[test]
fn correlations_and_errors_agree_with_scipy_and_scikit_learn() {
    for case in cases("correlation") {
        let (found, right) = (case.at("found").numbers(), case.at("right").numbers());
        let expected = |name| case.at("expected").at(name).number();
        assert_near(pearson(&found, &right).expect("Pearson"), expected("pearson"));
        assert_near(spearman(&found, &right).expect("Spearman"), expected("spearman"));
        assert_near(mean_absolute_error(&found, &right).expect("MAE"), expected("mae"));
        assert_near(root_mean_squared_error(&found, &right).expect("RMSE"), expected("rmse"));
    }
}

#[test]
fn top_k_agrees_with_scikit_learn() {
    for case in cases("top_k") {
        let scores = case.at("scores").rows(Json::numbers);
        let found = top_k_accuracy(&scores, &case.at("right").indices(), case.at("k").index()).expect("accuracy");
        assert_near(found, case.at("expected").number());
    }
}

#[test]
fn spans_agree_with_seqeval() {
    for case in cases("spans") {
        let (found, right) = (case.at("found").rows(Json::strings), case.at("right").rows(Json::strings));
        for (name, average) in AVERAGES {
            near_scores(span_scores(&found, &right, average).expect("scores"), &case.at("expected").at(name));
        }
    }
}

#[test]
fn rankings_agree_with_scikit_learn() {
    for case in cases("ranking") {
        let seen = |name: &str| -> Vec<Appearance> {
            let number = |value: usize| u32::try_from(value).expect("small");
            let pair = |row: &Json| row.indices();
            case.at(name)
                .rows(pair)
                .iter()
                .map(|pair| Appearance { identity: number(pair[0]), camera: number(pair[1]) })
                .collect()
        };
        let likeness = case.at("likeness").rows(Json::numbers);
        let scores = reidentification(&likeness, &seen("queries"), &seen("entries")).expect("scores");
        let found = [scores.map, scores.rank_1, scores.rank_5];
        found.iter().zip(case.at("expected").numbers()).for_each(|(a, b)| assert_near(*a, b));
    }
}

const SMOOTHINGS: [(&str, Smoothing); 3] =
    [("exp", Smoothing::Exponential), ("none", Smoothing::None), ("add-k", Smoothing::Add(1.0))];

#[test]
fn bleu_agrees_with_sacrebleu() {
    for case in cases("bleu") {
        let (found, right) = (case.at("found").strings(), case.at("right").rows(Json::strings));
        for (name, smoothing) in SMOOTHINGS {
            let bleu = corpus_bleu(&found, &right, smoothing).expect("BLEU");
            let mut parts = vec![bleu.score];
            parts.extend(bleu.precisions);
            parts.extend([bleu.brevity, bleu.found_words as f64, bleu.right_words as f64]);
            parts.iter().zip(case.at("expected").at(name).numbers()).for_each(|(a, b)| assert_near(*a, b));
        }
    }
    for case in cases("sentence_bleu") {
        for (name, smoothing) in SMOOTHINGS {
            let right = case.at("right").strings();
            let bleu = sentence_bleu(&case.at("found").string(), &right, smoothing).expect("BLEU");
            assert_near(bleu.score, case.at("expected").at(name).number());
        }
    }
    for case in cases("mteval") {
        assert_eq!(tokenize::mteval_13a(&case.at("text").string()), case.at("expected").strings());
    }
}

#[test]
fn rouge_agrees_with_rouge_score() {
    let kinds = [
        ("rouge1", RougeKind::Grams(1)),
        ("rouge2", RougeKind::Grams(2)),
        ("rouge4", RougeKind::Grams(4)),
        ("rougeL", RougeKind::Longest),
        ("rougeLsum", RougeKind::LongestOfLines),
    ];
    for case in cases("rouge") {
        let (found, right) = (case.at("found").string(), case.at("right").string());
        for (key, stemming) in [("plain", Stemming::None), ("stems", Stemming::Porter)] {
            for (name, kind) in kinds {
                let scores = rouge(&found, &right, kind, stemming).expect("ROUGE");
                near_scores(scores, &case.at("expected").at(key).at(name));
            }
        }
    }
}

#[test]
fn stems_agree_with_nltk() {
    for case in cases("porter") {
        let word = case.at("word").string();
        assert_eq!(tokenize::stem(&word), case.at("expected").string(), "{word}");
    }
}

#[test]
fn error_rates_agree_with_jiwer() {
    for case in cases("words") {
        let (found, right) = (case.at("found").strings(), case.at("right").strings());
        let expected = case.at("expected");
        assert_near(word_error_rate(&found, &right).expect("WER"), expected.at("wer").number());
        assert_near(character_error_rate(&found, &right).expect("CER"), expected.at("cer").number());
    }
}

#[test]
fn cider_agrees_with_pycocoevalcap() {
    for case in cases("cider") {
        let scores = cider(&case.at("found").strings(), &case.at("right").rows(Json::strings)).expect("CIDEr");
        assert_near(scores.score, case.at("expected").at("score").number());
        scores.per_example.iter().zip(case.at("expected").at("each").numbers()).for_each(|(a, b)| assert_near(*a, b));
    }
}

#[test]
fn captions_are_cut_as_by_the_tokenizer_of_stanford() {
    for case in cases("ptb") {
        let text = case.at("text").string();
        assert_eq!(tokenize::ptb_caption(&text), case.at("expected").string(), "{text}");
    }
}

#[test]
fn answers_agree_with_squad_and_vqa() {
    for case in cases("squad") {
        let scores = squad(&case.at("found").strings(), &case.at("right").rows(Json::strings)).expect("SQuAD");
        [scores.exact, scores.f1].iter().zip(case.at("expected").numbers()).for_each(|(a, b)| assert_near(*a, b));
    }
    for case in cases("vqa") {
        let found = vqa_accuracy(&case.at("found").strings(), &case.at("right").rows(Json::strings)).expect("VQA");
        assert_near(found, case.at("expected").number());
        for (text, normal) in case.at("answers").strings().iter().zip(case.at("normal").strings()) {
            assert_eq!(normalise_vqa_answer(text), normal, "{text}");
        }
    }
}

#[test]
fn gleu_agrees_with_the_script_of_jfleg() {
    for case in cases("gleu") {
        let [found, sources] = ["found", "sources"].map(|name| case.at(name).strings());
        let score = gleu(&found, &sources, &case.at("right").rows(Json::strings)).expect("GLEU");
        [score.mean, score.deviation].iter().zip(case.at("expected").numbers()).for_each(|(a, b)| assert_near(*a, b));
    }
}

#[test]
fn understanding_agrees_with_the_evaluation_of_slurp() {
    let frame = |value: &Json| Frame {
        scenario: value.at("scenario").string(),
        action: value.at("action").string(),
        entities: value
            .at("entities")
            .rows(|entity| Entity { kind: entity.at("type").string(), filler: entity.at("filler").string() }),
    };
    for case in cases("slu") {
        let scores = slu(&case.at("found").rows(frame), &case.at("right").rows(frame)).expect("SLU-F1");
        let all = [
            scores.scenario,
            scores.action,
            scores.intent,
            scores.entities,
            scores.word_entities,
            scores.letter_entities,
            scores.slu,
        ];
        all.iter().zip(case.at("expected").rows(Json::clone)).for_each(|(a, b)| near_scores(*a, &b));
    }
}

#[test]
fn pictures_agree_with_scikit_image() {
    for case in cases("fidelity") {
        let shape = case.at("shape").indices();
        let picture = |name| {
            Picture::new(shape[0], shape[1], shape[2], case.at(name).numbers()).expect("a picture of that shape")
        };
        let (found, right) = (picture("found"), picture("right"));
        let expected = case.at("expected");
        let psnr = peak_signal_to_noise(&found, &right, 255.0).expect("PSNR");
        assert_near(psnr, expected.at("psnr").number());
        for (name, window) in [("uniform", Window::Uniform), ("gauss", Window::Gauss)] {
            let ssim = structural_similarity(&found, &right, 255.0, window).expect("SSIM");
            assert_near(ssim, expected.at(name).number());
        }
        if let Some(light) = expected.maybe("luminance") {
            let found = luminance(&right).expect("luminance");
            light.numbers().iter().zip(&found.samples).for_each(|(a, b)| assert_near(*a, *b));
        }
    }
}

#[test]
fn maps_and_mattes_agree_with_scikit_learn() {
    let classes = |row: &Json| row.indices().into_iter().map(|i| u16::try_from(i).expect("a class")).collect();
    for case in cases("segmentation") {
        let (found, right) = (case.at("found").rows(classes), case.at("right").rows(classes));
        let ignored = u16::try_from(case.at("ignored").index()).expect("a class");
        let scores = segmentation(&found, &right, case.at("classes").index(), Some(ignored)).expect("mIoU");
        let expected = |name| case.at("expected").at(name).number();
        assert_near(scores.mean_iou, expected("mean_iou"));
        assert_near(scores.pixel_accuracy, expected("pixel_accuracy"));
        assert_near(scores.mean_accuracy, expected("mean_accuracy"));
    }
    for case in cases("matting") {
        let scores = matting(&case.at("found").numbers(), &case.at("right").numbers()).expect("scores");
        let expected = |name| case.at("expected").at(name).number();
        assert_near(scores.sad, expected("sad"));
        assert_near(scores.mse, expected("mse"));
        assert_near(scores.mad, expected("mad"));
        assert_near(scores.iou, expected("iou"));
    }
}

fn bounds(value: &Json) -> [f64; 4] {
    value.at("bbox").numbers().try_into().expect("four numbers")
}

fn boxes(case: &Json) -> (Vec<Detected>, Vec<Annotated>) {
    let id = |value: &Json, name: &str| value.at(name).index() as u64;
    let found = case.at("found").rows(|one| Detected {
        image: id(one, "image_id"),
        category: id(one, "category_id"),
        bounds: bounds(one),
        score: one.at("score").number(),
    });
    let right = case.at("right").rows(|one| Annotated {
        image: id(one, "image_id"),
        category: id(one, "category_id"),
        bounds: bounds(one),
        area: one.at("area").number(),
        crowd: one.at("iscrowd").index() == 1,
    });
    (found, right)
}

fn near_precisions(found: &[Option<f64>], expected: &Json) {
    // The tools write -1 for what has no value.
    found.iter().zip(expected.numbers()).for_each(|(a, b)| assert_near(a.unwrap_or(-1.0), b));
}

fn precisions(scores: &DetectionScores) -> [Option<f64>; 6] {
    [Some(scores.ap), Some(scores.ap_50), Some(scores.ap_75), scores.small, scores.medium, scores.large]
}

#[test]
fn boxes_agree_with_pycocotools_and_lvis() {
    for case in cases("coco") {
        let (found, right) = boxes(&case);
        let scores = average_precision(&found, &right, CategoryPolicy::Exhaustive).expect("AP");
        near_precisions(&precisions(&scores), &case.at("expected"));
    }
    for case in cases("lvis") {
        let sets = |name| -> HashMap<u64, BTreeSet<u64>> {
            let set = |value: &Json| value.indices().into_iter().map(|i| i as u64).collect();
            case.at(name)
                .entries()
                .into_iter()
                .map(|(key, value)| (key.parse().expect("a number"), set(&value)))
                .collect()
        };
        let (absent, partial) = (sets("absent"), sets("partial"));
        let (found, right) = boxes(&case);
        let policy = CategoryPolicy::Federated { absent: &absent, partial: &partial };
        near_precisions(&precisions(&average_precision(&found, &right, policy).expect("AP")), &case.at("expected"));
    }
}

#[test]
fn poses_agree_with_pycocotools() {
    for case in cases("poses") {
        let found = case.at("found").rows(|one| DetectedPose {
            image: one.at("image_id").index() as u64,
            points: one.at("points").rows(numbers),
            score: one.at("score").number(),
        });
        let right = case.at("right").rows(|one| AnnotatedPose {
            image: one.at("image_id").index() as u64,
            bounds: bounds(one),
            area: one.at("area").number(),
            points: one.at("points").rows(numbers),
            crowd: one.at("iscrowd").index() == 1,
        });
        let scores = pose_average_precision(&found, &right, &case.at("sigmas").numbers()).expect("AP");
        let found = [Some(scores.ap), Some(scores.ap_50), Some(scores.ap_75), scores.medium, scores.large];
        near_precisions(&found, &case.at("expected"));
    }
}

#[test]
fn scores_without_a_value_are_refused() {
    let refused = |error: loam_bench::Result<f64>| error.expect_err("refused").to_string();
    assert_eq!(refused(accuracy(&[1], &[1, 2])), "accuracy: 1 predictions for 2 examples");
    assert_eq!(refused(accuracy::<usize>(&[], &[])), "accuracy: no examples");
    assert_eq!(refused(pearson(&[1.0, 1.0], &[1.0, 2.0])), "Pearson: all values of a side are alike");
    assert_eq!(refused(perplexity(&[f64::NAN])), "perplexity: a token's log-likelihood is NaN");
    assert_eq!(refused(recall_at_k(&[vec![0.5]], &[vec![1]], 1)), "R@k: query 0: right entries [1] of 1");
    assert_eq!(refused(class_scores(&[0], &[4], 2).map(|scores| scores.accuracy)), "class scores: row 0: class 4 of 2");
    assert_eq!(
        refused(corpus_bleu(&["a"], &[Vec::<String>::new()], Smoothing::None).map(|bleu| bleu.score)),
        "BLEU: row 0 has no reference"
    );
    let odd = Detected { image: 1, category: 1, bounds: [0.0, 0.0, -1.0, 2.0], score: 0.5 };
    let message = refused(average_precision(&[odd], &[], CategoryPolicy::Exhaustive).map(|scores| scores.ap));
    assert!(message.contains("found box 0: box [0.0, 0.0, -1.0, 2.0]"), "{message}");
}

#[test]
fn what_has_no_reference_is_worked_by_hand() {
    // Two tokens of ln 2 and ln 8: the mean is ln 4.
    assert_near(perplexity(&[2f64.ln(), 8f64.ln()]).expect("perplexity"), 4.0);
    // 16 nats times ln 2 are 16 bits over 4 bytes.
    assert_near(bits_per_byte(16.0 * 2f64.ln(), 4).expect("bits"), 4.0);
    // The right entry is second for one query and first for the other.
    let likeness = [vec![0.9, 0.8, 0.1], vec![0.2, 0.1, 0.7]];
    let right = [vec![1], vec![2, 0]];
    assert_near(recall_at_k(&likeness, &right, 1).expect("R@1"), 0.5);
    assert_near(recall_at_k(&likeness, &right, 2).expect("R@2"), 1.0);
    assert_near(exact_match(&["mov  eax, 1", "xor"], &["mov eax, 1", "xor eax"]).expect("match"), 0.5);
    assert_near(exact_match_of_any(&["b"], &[strings(&["a", "b"])]).expect("match"), 1.0);
    let letters = |text: &str| text.chars().collect::<Vec<_>>();
    assert_eq!(edit_distance(&letters("kitten"), &letters("sitting")), 3);
    let all = edits(&letters("kitten"), &letters("sitting")).expect("edits");
    assert_eq!((all.kept, all.substituted, all.deleted, all.inserted), (4, 2, 1, 0));
    assert_near(normalised_distance(&letters("kitten"), &letters("sitting")), 3.0 / 7.0);
    let border =
        Picture::new(4, 3, 1, (0..12).map(f64::from).collect()).expect("a picture").cropped(1).expect("the inside");
    assert_eq!((border.width, border.height, border.samples), (2, 1, vec![5.0, 6.0]));
}
