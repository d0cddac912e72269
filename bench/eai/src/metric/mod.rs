//! Scores of what a model gives beside what is right: pure functions, each with its definition where it is.
//!
//! All agree to 1e-6 with the tools that publications use; `reference/` makes the cases that `tests/metrics.rs` compares
//! with. Shares are between 0 and 1 unless a function says otherwise.

mod accuracy;
mod average;
mod bleu;
mod cider;
mod confusion;
mod correlation;
mod counting;
mod detection;
mod edits;
mod exact;
mod fidelity;
mod gleu;
mod matching;
mod matting;
mod name;
mod perplexity;
mod pose;
mod retrieval;
mod rouge;
mod segmentation;
mod slu;
mod span;
mod squad;
mod vqa;
mod words;

pub use accuracy::{accuracy, top_k_accuracy};
pub use average::{Average, Scores};
pub use bleu::{Bleu, Smoothing, corpus_bleu, mean_sentence_bleu, sentence_bleu};
pub use cider::{Cider, cider};
pub use confusion::{ClassScores, class_scores, multi_label_f1};
pub use correlation::{matthews, pearson, spearman};
pub use counting::{mean_absolute_error, root_mean_squared_error};
pub use detection::{Annotated, CategoryPolicy, Detected, DetectionScores, average_precision};
pub use edits::{Edits, edit_distance, edits, normalised_distance};
pub use exact::{exact_match, exact_match_of_any};
pub use fidelity::{Picture, Window, luminance, peak_signal_to_noise, structural_similarity};
pub use gleu::{Gleu, gleu};
pub use matting::{MattingScores, matting};
pub use name::{Direction, Metric};
pub use perplexity::{bits_per_byte, perplexity};
pub use pose::{AnnotatedPose, DetectedPose, PoseScores, pose_average_precision};
pub use retrieval::{Appearance, ReidScores, recall_at_k, reidentification};
pub use rouge::{Rouge, RougeKind, Stemming, rouge, rouge_best};
pub use segmentation::{SegmentationScores, segmentation};
pub use slu::{Entity, Frame, SluScores, slu};
pub use span::{Span, span_scores, spans};
pub use squad::{SquadScores, normalise_answer, squad, squad_exact, squad_f1};
pub use vqa::{normalise_vqa_answer, vqa_accuracy};
pub use words::{character_error_rate, word_error_rate};

use crate::error::{Error, Result};

/// Both sides must have as many values, and at least one.
fn paired(metric: &'static str, found: usize, right: usize) -> Result<()> {
    if found != right {
        return Err(Error::metric(metric, format!("{found} predictions for {right} examples")));
    }
    if right == 0 {
        return Err(Error::metric(metric, "no examples"));
    }
    Ok(())
}

/// `part / whole`, 0 where there is no whole.
fn share(part: f64, whole: f64) -> f64 {
    if whole == 0.0 { 0.0 } else { part / whole }
}

/// Mean of at least one value.
fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len() as f64
}
