//! Scores of classes: accuracy, macro-F1, and what was taken for what.

use serde::Serialize;

/// Names of a class of what belongs to none of the others, as `loam_train` knows them.
const OUT_OF_SCOPE: [&str; 4] = ["oos", "out_of_scope", "out-of-scope", "out of scope"];

/// Scores of a classification.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelScores {
    /// Share of rows whose class was found.
    pub accuracy: f64,
    /// Standard error of that share.
    pub accuracy_error: f64,
    /// Mean of the F1 of the classes that the rows have.
    pub macro_f1: f64,
    /// Accuracy of the rows of other classes than the one out of scope, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub in_scope_accuracy: Option<f64>,
    /// Share of the rows out of scope that were found.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_scope_recall: Option<f64>,
    /// Share of what was taken for out of scope that is so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub out_of_scope_precision: Option<f64>,
}

/// One class.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct LabelReport {
    /// The class.
    pub label: String,
    /// Rows of it.
    pub examples: usize,
    /// Rows that were taken for it.
    pub predicted: usize,
    /// Share of those that are of it; 0 where there is none.
    pub precision: f64,
    /// Share of its rows that were found; 0 where there is none.
    pub recall: f64,
    /// Harmonic mean of both.
    pub f1: f64,
}

impl LabelScores {
    /// Of a confusion matrix: `confusion[i][j]` rows of class `i` were taken for class `j`.
    #[must_use]
    pub fn new(labels: &[String], confusion: &[Vec<usize>]) -> (Self, Vec<LabelReport>) {
        let right = |range: &dyn Fn(usize) -> bool| {
            let own: usize = (0..labels.len()).filter(|i| range(*i)).map(|i| confusion[i][i]).sum();
            let all: usize = (0..labels.len()).filter(|i| range(*i)).flat_map(|i| &confusion[i]).sum();
            (own, all)
        };
        let reports: Vec<LabelReport> =
            labels.iter().enumerate().map(|(i, label)| report(label, i, confusion)).collect();
        let present: Vec<f64> = reports.iter().filter(|report| report.examples > 0).map(|report| report.f1).collect();
        let (own, all) = right(&|_| true);
        let accuracy = share(own, all);
        let outside = labels.iter().position(|label| OUT_OF_SCOPE.contains(&label.to_lowercase().as_str()));
        let outside = outside.filter(|i| reports[*i].examples > 0);
        let scores = Self {
            accuracy,
            accuracy_error: (accuracy * (1.0 - accuracy) / all.max(1) as f64).sqrt(),
            macro_f1: present.iter().sum::<f64>() / present.len().max(1) as f64,
            in_scope_accuracy: outside.map(|outside| {
                let (own, all) = right(&|i| i != outside);
                share(own, all)
            }),
            out_of_scope_recall: outside.map(|outside| reports[outside].recall),
            out_of_scope_precision: outside.map(|outside| reports[outside].precision),
        };
        (scores, reports)
    }
}

fn report(label: &str, class: usize, confusion: &[Vec<usize>]) -> LabelReport {
    let examples: usize = confusion[class].iter().sum();
    let predicted: usize = confusion.iter().map(|row| row[class]).sum();
    let both = confusion[class][class];
    let (precision, recall) = (share(both, predicted), share(both, examples));
    LabelReport {
        label: label.to_owned(),
        examples,
        predicted,
        precision,
        recall,
        f1: share(2 * both, examples + predicted),
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_of_a_small_matrix_are_those_by_hand() {
        let labels = ["a", "b", "oos", "unused"].map(str::to_owned);
        // 3 of 4 a, 2 of 2 b, 1 of 3 oos.
        let confusion = vec![vec![3, 1, 0, 0], vec![0, 2, 0, 0], vec![1, 0, 1, 1], vec![0; 4]];
        let (scores, reports) = LabelScores::new(&labels, &confusion);
        assert!((scores.accuracy - 6.0 / 9.0).abs() < 1e-12);
        let f1: Vec<f64> = reports.iter().map(|report| report.f1).collect();
        assert_eq!(f1, [6.0 / 8.0, 4.0 / 5.0, 2.0 / 4.0, 0.0]);
        assert!((scores.macro_f1 - (0.75 + 0.8 + 0.5) / 3.0).abs() < 1e-12, "a class without rows does not count");
        assert_eq!((reports[0].precision, reports[0].recall, reports[0].examples), (0.75, 0.75, 4));
        assert_eq!((scores.in_scope_accuracy, scores.out_of_scope_recall), (Some(5.0 / 6.0), Some(1.0 / 3.0)));
        assert_eq!(scores.out_of_scope_precision, Some(1.0));
        let (plain, _) = LabelScores::new(&labels[..2], &[vec![1, 0], vec![0, 1]]);
        assert_eq!((plain.accuracy, plain.accuracy_error, plain.in_scope_accuracy), (1.0, 0.0, None));
    }
}
