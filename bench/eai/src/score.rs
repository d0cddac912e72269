//! Scores of predictions: what ties a data set's examples to the metric that the registry names for it.
//!
//! A runner makes a [`Prediction`] for each example, in their order, and [`score`] gives the number. What a prediction must be
//! follows from the metric; anything else is an error that names the row.

use std::collections::{BTreeSet, HashMap};

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::loader::{Example, Input, Mask, MaskMeaning, Role, Target};
use crate::metric::{
    self, Appearance, Average, CategoryPolicy, Detected, DetectedPose, Frame, Metric, Picture, RougeKind, Smoothing,
    Stemming, Window,
};
use crate::tokenize::ptb_caption;

/// How far apart people set keypoints of animals, as a share of their size: AP-10K's, in the order of its points.
const AP10K_SIGMAS: [f64; 17] = [
    0.025, 0.025, 0.026, 0.035, 0.035, 0.079, 0.072, 0.062, 0.079, 0.072, 0.062, 0.107, 0.087, 0.089, 0.107, 0.087,
    0.089,
];
/// Pixels that super-resolution by four leaves out at each side.
const BORDER: usize = 4;

/// What a model gave for an example.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prediction {
    /// A class.
    Label(usize),
    /// Several classes.
    LabelSet(Vec<usize>),
    /// A text.
    Text(String),
    /// A tag of each word.
    Tags(Vec<String>),
    /// What is meant.
    Frame(Frame),
    /// A number; a count of people, too.
    Number(f64),
    /// Negative log-likelihoods, in nats, of what perplexity is counted by: of Penn Treebank words and ends of sentences, each
    /// the sum over its tokens.
    Nats(Vec<f64>),
    /// Objects.
    Boxes(Vec<Detected>),
    /// Poses.
    Poses(Vec<DetectedPose>),
    /// The class of each pixel, row after row.
    Classes(Vec<u16>),
    /// The opacity of each pixel, 0 to 1, row after row.
    Opacity(Vec<f64>),
    /// A picture of red, green and blue between 0 and 255.
    Picture(Picture),
    /// How alike each of the example's texts, or the example itself, is to each entry: the examples of the gallery where there
    /// is one, else all examples, in their order.
    Likeness(Vec<Vec<f64>>),
    /// Nothing, for entries of a gallery.
    Entry,
}

/// The score of all examples together; `labels` is how many classes there are.
///
/// # Errors
/// [`Error::Metric`] for unlike counts, for a prediction or a target that is not of the metric's kind, naming the row, and
/// those of the metric; those of reading masks and pictures that are right.
pub fn score(metric: Metric, labels: usize, examples: &[Example], predictions: &[Prediction]) -> Result<f64> {
    if examples.len() != predictions.len() {
        let reason = format!("{} predictions for {} examples", predictions.len(), examples.len());
        return Err(Error::metric(metric.name(), reason));
    }
    let rows = Rows { metric, examples, predictions };
    match metric {
        Metric::Accuracy | Metric::MacroF1 | Metric::Matthews => rows.of_labels(labels),
        Metric::MultiLabelF1 => {
            let (found, right) = rows.pairs(|row| match row {
                (Target::LabelSet(right), Prediction::LabelSet(found)) => Some((found.clone(), right.clone())),
                _ => None,
            })?;
            Ok(metric::multi_label_f1(&found, &right, labels, Average::Macro)?.f1)
        }
        Metric::SpanF1 => {
            let (found, right) = rows.pairs(|row| match row {
                (Target::Tags(right), Prediction::Tags(found)) => Some((found.clone(), right.clone())),
                _ => None,
            })?;
            Ok(metric::span_scores(&found, &right, Average::Micro)?.f1)
        }
        Metric::SluF1 => {
            let (found, right) = rows.pairs(|row| match row {
                (Target::Frame(right), Prediction::Frame(found)) => Some((found.clone(), right.clone())),
                _ => None,
            })?;
            Ok(metric::slu(&found, &right)?.slu.f1)
        }
        Metric::Pearson | Metric::Spearman | Metric::MeanAbsoluteError => rows.of_numbers(),
        Metric::Perplexity => {
            let (found, _) = rows.pairs(|row| match row {
                (_, Prediction::Nats(nats)) => Some((nats.clone(), ())),
                _ => None,
            })?;
            metric::perplexity(&found.concat())
        }
        Metric::AveragePrecision => rows.of_boxes(),
        Metric::PoseAveragePrecision => {
            let (found, right) = rows.pairs(|row| match row {
                (Target::Poses(right), Prediction::Poses(found)) => Some((found.clone(), right.clone())),
                _ => None,
            })?;
            Ok(metric::pose_average_precision(&found.concat(), &right.concat(), &AP10K_SIGMAS)?.ap)
        }
        Metric::MeanIou | Metric::Sad => rows.of_masks(labels),
        Metric::Psnr | Metric::Ssim => rows.of_pictures(),
        Metric::RecallAt1 | Metric::ReidMap => rows.of_likeness(),
        _ => rows.of_texts(),
    }
}

/// As transcripts are compared, whatever the case and the punctuation of a set: words in lower case with single spaces.
fn spoken(texts: &[String]) -> Vec<String> {
    let kept = |c: char| if c.is_alphanumeric() || c == '\'' { c } else { ' ' };
    let plain = |text: &String| {
        let words: String = text.to_lowercase().chars().map(kept).collect();
        words.split_whitespace().collect::<Vec<_>>().join(" ")
    };
    texts.iter().map(plain).collect()
}

struct Rows<'a> {
    metric: Metric,
    examples: &'a [Example],
    predictions: &'a [Prediction],
}

impl Rows<'_> {
    fn wrong(&self, row: usize) -> Error {
        let kind = |text: String| text.split(['(', ' ', '{']).next().unwrap_or_default().to_owned();
        let (target, found) =
            (kind(format!("{:?}", self.examples[row].target)), kind(format!("{:?}", self.predictions[row])));
        let id = &self.examples[row].id;
        Error::metric(self.metric.name(), format!("row {row} ({id}): {found} for a target of {target}"))
    }

    /// What `pick` takes of each row, prediction first.
    fn pairs<A, B>(&self, pick: impl Fn((&Target, &Prediction)) -> Option<(A, B)>) -> Result<(Vec<A>, Vec<B>)> {
        let rows = self.examples.iter().zip(self.predictions).enumerate();
        let both: Result<Vec<(A, B)>> =
            rows.map(|(row, (example, found))| pick((&example.target, found)).ok_or_else(|| self.wrong(row))).collect();
        Ok(both?.into_iter().unzip())
    }

    fn of_labels(&self, labels: usize) -> Result<f64> {
        let (found, right) = self.pairs(|row| match row {
            (Target::Label(right), Prediction::Label(found)) => Some((*found, *right)),
            _ => None,
        })?;
        match self.metric {
            Metric::Accuracy => metric::accuracy(&found, &right),
            Metric::Matthews => metric::matthews(&found, &right),
            _ => Ok(metric::class_scores(&found, &right, labels)?.average(Average::Macro).f1),
        }
    }

    fn of_numbers(&self) -> Result<f64> {
        let (found, right) = self.pairs(|row| match row {
            (Target::Number(right), Prediction::Number(found)) => Some((*found, *right)),
            (Target::Points(right), Prediction::Number(found)) => Some((*found, right.len() as f64)),
            _ => None,
        })?;
        match self.metric {
            Metric::Pearson => metric::pearson(&found, &right),
            Metric::Spearman => metric::spearman(&found, &right),
            _ => metric::mean_absolute_error(&found, &right),
        }
    }

    fn of_texts(&self) -> Result<f64> {
        let (found, right) = self.pairs(|row| match row {
            (Target::Texts(right), Prediction::Text(found)) => Some((found.clone(), right.clone())),
            _ => None,
        })?;
        let first = || -> Result<Vec<String>> {
            let rows = right.iter().enumerate();
            rows.map(|(row, all)| all.first().cloned().ok_or_else(|| self.wrong(row))).collect()
        };
        match self.metric {
            Metric::SquadF1 => Ok(metric::squad(&found, &right)?.f1),
            Metric::Bleu => Ok(metric::corpus_bleu(&found, &right, Smoothing::Exponential)?.score),
            Metric::SmoothedBleu => metric::mean_sentence_bleu(&found, &right, Smoothing::Add(1.0)),
            Metric::WordErrorRate => metric::word_error_rate(&spoken(&found), &spoken(&first()?)),
            Metric::CharacterErrorRate => metric::character_error_rate(&spoken(&found), &spoken(&first()?)),
            Metric::VqaAccuracy => metric::vqa_accuracy(&found, &right),
            Metric::Cider => {
                let found: Vec<String> = found.iter().map(|text| ptb_caption(text)).collect();
                let cut = |all: &Vec<String>| all.iter().map(|text| ptb_caption(text)).collect();
                Ok(metric::cider(&found, &right.iter().map(cut).collect::<Vec<Vec<String>>>())?.score)
            }
            Metric::RougeL => {
                let best = |(found, right): (&String, &Vec<String>)| {
                    Ok(metric::rouge_best(found, right, RougeKind::LongestOfLines, Stemming::Porter)?.f1)
                };
                let scores: Result<Vec<f64>> = found.iter().zip(&right).map(best).collect();
                self.mean(&scores?)
            }
            Metric::Gleu => {
                let sources = self.examples.iter().enumerate().map(|(row, example)| match &example.input {
                    Input::Text(text) => Ok(text.clone()),
                    _ => Err(self.wrong(row)),
                });
                Ok(metric::gleu(&found, &sources.collect::<Result<Vec<_>>>()?, &right)?.mean)
            }
            _ => metric::exact_match_of_any(&found, &right),
        }
    }

    fn mean(&self, values: &[f64]) -> Result<f64> {
        if values.is_empty() {
            return Err(Error::metric(self.metric.name(), "no examples"));
        }
        Ok(values.iter().sum::<f64>() / values.len() as f64)
    }

    fn of_boxes(&self) -> Result<f64> {
        let (found, right) = self.pairs(|row| match row {
            (Target::Boxes(right), Prediction::Boxes(found)) => Some((found.clone(), right.clone())),
            _ => None,
        })?;
        let found = found.concat();
        let objects: Vec<_> = right.iter().flat_map(|boxes| boxes.objects.iter().copied()).collect();
        let sets = |pick: fn(&crate::loader::Boxes) -> &Vec<u64>| -> HashMap<u64, BTreeSet<u64>> {
            right.iter().map(|boxes| (boxes.image, pick(boxes).iter().copied().collect())).collect()
        };
        let (absent, partial) = (sets(|boxes| &boxes.absent), sets(|boxes| &boxes.partial));
        // Only sets that do not know all objects list what is absent.
        let federated = absent.values().chain(partial.values()).any(|set| !set.is_empty());
        let policy = if federated {
            CategoryPolicy::Federated { absent: &absent, partial: &partial }
        } else {
            CategoryPolicy::Exhaustive
        };
        Ok(metric::average_precision(&found, &objects, policy)?.ap)
    }

    fn of_masks(&self, labels: usize) -> Result<f64> {
        let (mut found, mut right, mut sums) = (Vec::new(), Vec::new(), Vec::new());
        let mut ignored = None;
        for (row, (example, prediction)) in self.examples.iter().zip(self.predictions).enumerate() {
            let Target::Mask(mask) = &example.target else { return Err(self.wrong(row)) };
            let Mask { meaning, .. } = mask;
            let values = mask.values()?;
            match (meaning, prediction) {
                (MaskMeaning::Classes { ignored: none }, Prediction::Classes(classes)) => {
                    ignored = Some(*none);
                    found.push(classes.clone());
                    right.push(values.values);
                }
                (MaskMeaning::Opacity, Prediction::Opacity(opacity)) => {
                    let most = f64::from(values.most);
                    let own: Vec<f64> = values.values.iter().map(|value| f64::from(*value) / most).collect();
                    sums.push(metric::matting(opacity, &own)?.sad);
                }
                _ => return Err(self.wrong(row)),
            }
        }
        if self.metric == Metric::Sad {
            return self.mean(&sums);
        }
        Ok(metric::segmentation(&found, &right, labels, ignored)?.mean_iou)
    }

    /// Pictures that are enlarged are compared by their luminance; those of another style with their content.
    fn of_pictures(&self) -> Result<f64> {
        let mut scores = Vec::new();
        for (row, (example, prediction)) in self.examples.iter().zip(self.predictions).enumerate() {
            let Prediction::Picture(found) = prediction else { return Err(self.wrong(row)) };
            scores.push(match (&example.target, &example.input) {
                (Target::Image(right), _) => {
                    let light = |picture: &Picture| metric::luminance(picture)?.cropped(BORDER);
                    let (found, right) = (light(found)?, light(&right.picture()?)?);
                    self.of_two(&found, &right)?
                }
                (_, Input::Images(content, _)) => self.of_two(found, &content.picture()?)?,
                _ => return Err(self.wrong(row)),
            });
        }
        self.mean(&scores)
    }

    fn of_two(&self, found: &Picture, right: &Picture) -> Result<f64> {
        match self.metric {
            Metric::Psnr => metric::peak_signal_to_noise(found, right, 255.0),
            _ => metric::structural_similarity(found, right, 255.0, Window::Gauss),
        }
    }

    fn of_likeness(&self) -> Result<f64> {
        let seen = |role| {
            move |example: &Example| match example.target {
                Target::Appearance(seen, own) if own == role => Some(seen),
                _ => None,
            }
        };
        let entries: Vec<Appearance> = self.examples.iter().filter_map(seen(Role::Gallery)).collect();
        let (mut likeness, mut queries, mut right) = (Vec::new(), Vec::new(), Vec::new());
        for (row, (example, prediction)) in self.examples.iter().zip(self.predictions).enumerate() {
            match (&example.target, prediction) {
                (Target::Appearance(_, Role::Gallery), Prediction::Entry) => {}
                (Target::Appearance(seen, Role::Query), Prediction::Likeness(rows)) => {
                    let same = entries.iter().enumerate().filter(|(_, entry)| entry.identity == seen.identity);
                    let same: Vec<usize> = same.map(|(place, _)| place).collect();
                    for likes in rows {
                        likeness.push(likes.clone());
                        queries.push(*seen);
                        right.push(same.clone());
                    }
                }
                (Target::Texts(_) | Target::Label(_), Prediction::Likeness(rows)) => {
                    for likes in rows {
                        likeness.push(likes.clone());
                        right.push(vec![row]);
                    }
                }
                _ => return Err(self.wrong(row)),
            }
        }
        match self.metric {
            Metric::ReidMap => Ok(metric::reidentification(&likeness, &queries, &entries)?.map),
            _ => metric::recall_at_k(&likeness, &right, 1),
        }
    }
}
