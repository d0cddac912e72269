//! chrF (Popović 2015): F-score of the characters that two texts share, as sacrebleu counts it: orders 1 to 6, recall twice
//! as heavy as precision, spaces left out, over all rows together; of several references the one that fits best.

use std::collections::HashMap;

/// Longest run of characters.
const ORDER: usize = 6;
/// Weight of recall.
const BETA: f64 = 2.0;

/// Counts of one row or of many.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Chrf([Counts; ORDER]);

/// Of runs of one length.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
struct Counts {
    found: usize,
    right: usize,
    both: usize,
}

impl Chrf {
    /// Of a text beside the reference that it is most like.
    #[must_use]
    pub fn of(found: &str, references: &[String]) -> Self {
        let of_one = |reference: &String| Self::pair(found, reference);
        references.iter().map(of_one).max_by(|a, b| a.score().total_cmp(&b.score())).unwrap_or_default()
    }

    fn pair(found: &str, reference: &str) -> Self {
        let characters = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<Vec<char>>();
        let (found, right) = (characters(found), characters(reference));
        Self(std::array::from_fn(|order| {
            let (found, right) = (runs(&found, order + 1), runs(&right, order + 1));
            let count = |runs: &HashMap<&[char], usize>| runs.values().sum();
            let both = found.iter().map(|(run, n)| *right.get(run).unwrap_or(&0).min(n)).sum();
            // Where the reference is too short for a run, none is expected.
            let given = if right.is_empty() { 0 } else { count(&found) };
            Counts { found: given, right: count(&right), both }
        }))
    }

    /// Adds another row.
    pub fn add(&mut self, other: &Self) {
        for (sum, counts) in self.0.iter_mut().zip(&other.0) {
            sum.found += counts.found;
            sum.right += counts.right;
            sum.both += counts.both;
        }
    }

    /// From 0 to 1.
    #[must_use]
    pub fn score(&self) -> f64 {
        let counted: Vec<&Counts> = self.0.iter().filter(|counts| counts.found > 0 && counts.right > 0).collect();
        let mean = |of: fn(&Counts) -> f64| {
            if counted.is_empty() { 0.0 } else { counted.iter().map(|c| of(c)).sum::<f64>() / counted.len() as f64 }
        };
        let precision = mean(|counts| counts.both as f64 / counts.found as f64);
        let recall = mean(|counts| counts.both as f64 / counts.right as f64);
        if precision + recall == 0.0 {
            return 0.0;
        }
        let weight = BETA * BETA;
        (1.0 + weight) * precision * recall / (weight * precision + recall)
    }
}

fn runs(characters: &[char], order: usize) -> HashMap<&[char], usize> {
    let mut runs = HashMap::new();
    characters.windows(order).for_each(|run| *runs.entry(run).or_insert(0) += 1);
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of sacrebleu 2.6, `corpus_chrf`.
    #[test]
    fn scores_are_those_of_sacrebleu() {
        let rows = [
            ("The cat sat on the mat.", vec!["The cat sat on a mat.", "A cat was on the mat."], 0.714_224_756_3),
            ("hello", vec!["goodbye"], 0.060_606_060_6),
            ("ab", vec!["abcdefgh"], 0.234_042_553_2),
            ("same text", vec!["same text"], 1.0),
            ("", vec!["something"], 0.0),
        ];
        let mut all = Chrf::default();
        for (found, references, wanted) in rows {
            let references: Vec<String> = references.into_iter().map(str::to_owned).collect();
            let row = Chrf::of(found, &references);
            assert!((row.score() - wanted).abs() < 1e-6, "{found}: {} instead of {wanted}", row.score());
            all.add(&row);
        }
        assert!((all.score() - 0.482_298_725_5).abs() < 1e-6, "{}", all.score());
    }
}
