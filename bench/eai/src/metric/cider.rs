//! CIDEr-D of captions, as pycocoevalcap computes it: weighted n-grams, with weights from the references of all examples.

use std::collections::{HashMap, HashSet};

use super::{mean, paired};
use crate::error::{Error, Result};

const NAME: &str = "CIDEr";
const ORDER: usize = 4;
/// Of the penalty for unlike lengths, in words.
const SIGMA: f64 = 6.0;

/// Scores of captions.
#[derive(Clone, Debug, PartialEq)]
pub struct Cider {
    /// Mean of all, 0 to 10.
    pub score: f64,
    /// Of each example.
    pub per_example: Vec<f64>,
}

type Grams = HashMap<Vec<String>, usize>;

/// A caption as weights of its n-grams.
struct Vector {
    weights: [HashMap<Vec<String>, f64>; ORDER],
    norms: [f64; ORDER],
    length: f64,
}

/// Of captions that are cut into words already, separated by spaces: see [`ptb_caption`](crate::tokenize::ptb_caption).
/// One example alone scores 0, for all n-grams are then in all references.
///
/// # Errors
/// [`Error::Metric`] for lists of unlike length, empty ones, and an example without a reference.
pub fn cider<A: AsRef<str>, B: AsRef<str>>(found: &[A], right: &[Vec<B>]) -> Result<Cider> {
    paired(NAME, found.len(), right.len())?;
    let right: Vec<Vec<Grams>> =
        right.iter().map(|all| all.iter().map(|text| grams(text.as_ref())).collect()).collect();
    if let Some(row) = right.iter().position(Vec::is_empty) {
        return Err(Error::metric(NAME, format!("row {row} has no reference")));
    }
    let mut documents: HashMap<&[String], usize> = HashMap::new();
    for references in &right {
        let here: HashSet<&[String]> = references.iter().flat_map(|grams| grams.keys().map(Vec::as_slice)).collect();
        here.into_iter().for_each(|gram| *documents.entry(gram).or_default() += 1);
    }
    let total = (right.len() as f64).ln();
    let per_example: Vec<f64> = found
        .iter()
        .zip(&right)
        .map(|(found, references)| {
            let found = vector(&grams(found.as_ref()), &documents, total);
            let sum: f64 = references.iter().map(|right| likeness(&found, &vector(right, &documents, total))).sum();
            sum / references.len() as f64 * 10.0
        })
        .collect();
    Ok(Cider { score: mean(&per_example), per_example })
}

fn grams(text: &str) -> Grams {
    let words: Vec<String> = crate::tokenize::whitespace(text).map(str::to_owned).collect();
    let mut grams = Grams::new();
    for order in 1..=ORDER {
        words.windows(order).for_each(|gram| *grams.entry(gram.to_vec()).or_default() += 1);
    }
    grams
}

fn vector(grams: &Grams, documents: &HashMap<&[String], usize>, total: f64) -> Vector {
    let mut vector = Vector { weights: Default::default(), norms: [0.0; ORDER], length: 0.0 };
    for (gram, count) in grams {
        let order = gram.len() - 1;
        let seen = documents.get(gram.as_slice()).copied().unwrap_or(0).max(1);
        let weight = *count as f64 * (total - (seen as f64).ln());
        vector.norms[order] += weight * weight;
        vector.weights[order].insert(gram.clone(), weight);
        // The tool counts pairs of words here, not words.
        if order == 1 {
            vector.length += *count as f64;
        }
    }
    vector.norms.iter_mut().for_each(|norm| *norm = norm.sqrt());
    vector
}

fn likeness(found: &Vector, right: &Vector) -> f64 {
    let difference = found.length - right.length;
    let penalty = (-(difference * difference) / (2.0 * SIGMA * SIGMA)).exp();
    let orders = (0..ORDER).map(|order| {
        let product = |(gram, weight): (&Vec<String>, &f64)| {
            right.weights[order].get(gram).map_or(0.0, |other| weight.min(*other) * other)
        };
        let sum: f64 = found.weights[order].iter().map(product).sum();
        let norms = found.norms[order] * right.norms[order];
        (if norms == 0.0 { sum } else { sum / norms }) * penalty
    });
    orders.sum::<f64>() / ORDER as f64
}
