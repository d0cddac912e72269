//! Names of metrics, as the registry and results use them.

/// Whether more is better.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// More is better.
    Up,
    /// Less is better.
    Down,
}

macro_rules! metrics {
    ($($(#[$doc:meta])* $variant:ident $name:literal $direction:ident,)+) => {
        /// A metric by name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Metric { $($(#[$doc])* $variant,)+ }

        impl Metric {
            /// All of them.
            pub const ALL: &'static [Self] = &[$(Self::$variant,)+];

            /// As results and tables name it.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// Whether more is better.
            #[must_use]
            pub fn direction(self) -> Direction {
                match self { $(Self::$variant => Direction::$direction,)+ }
            }
        }
    };
}

metrics! {
    /// [`accuracy`](super::accuracy).
    Accuracy "accuracy" Up,
    /// Macro F1 of one class each: [`class_scores`](super::class_scores).
    MacroF1 "macro-F1" Up,
    /// Macro F1 of several classes each: [`multi_label_f1`](super::multi_label_f1).
    MultiLabelF1 "multi-label macro-F1" Up,
    /// [`span_scores`](super::span_scores).
    SpanF1 "span F1" Up,
    /// [`squad`](super::squad).
    SquadF1 "SQuAD F1" Up,
    /// [`matthews`](super::matthews).
    Matthews "MCC" Up,
    /// [`pearson`](super::pearson).
    Pearson "Pearson" Up,
    /// [`spearman`](super::spearman).
    Spearman "Spearman" Up,
    /// [`corpus_bleu`](super::corpus_bleu).
    Bleu "BLEU" Up,
    /// [`mean_sentence_bleu`](super::mean_sentence_bleu), smoothed by one.
    SmoothedBleu "smoothed BLEU-4" Up,
    /// [`gleu`](super::gleu).
    Gleu "GLEU" Up,
    /// [`rouge`](super::rouge), whole summaries.
    RougeL "ROUGE-Lsum" Up,
    /// [`cider`](super::cider).
    Cider "CIDEr" Up,
    /// [`word_error_rate`](super::word_error_rate).
    WordErrorRate "WER" Down,
    /// [`character_error_rate`](super::character_error_rate).
    CharacterErrorRate "CER" Down,
    /// [`exact_match`](super::exact_match).
    ExactMatch "exact match" Up,
    /// [`segmentation`](super::segmentation).
    MeanIou "mIoU" Up,
    /// [`average_precision`](super::average_precision).
    AveragePrecision "box AP" Up,
    /// [`pose_average_precision`](super::pose_average_precision).
    PoseAveragePrecision "OKS AP" Up,
    /// [`mean_absolute_error`](super::mean_absolute_error).
    MeanAbsoluteError "MAE" Down,
    /// Sum of absolute differences: [`matting`](super::matting).
    Sad "SAD" Down,
    /// [`peak_signal_to_noise`](super::peak_signal_to_noise).
    Psnr "PSNR" Up,
    /// [`structural_similarity`](super::structural_similarity).
    Ssim "SSIM" Up,
    /// [`recall_at_k`](super::recall_at_k) with one.
    RecallAt1 "R@1" Up,
    /// [`reidentification`](super::reidentification).
    ReidMap "re-id mAP" Up,
    /// [`perplexity`](super::perplexity).
    Perplexity "perplexity" Down,
    /// [`slu`](super::slu).
    SluF1 "SLU-F1" Up,
    /// [`vqa_accuracy`](super::vqa_accuracy).
    VqaAccuracy "VQA accuracy" Up,
}
