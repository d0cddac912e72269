use serde::Deserialize;

use super::*;

/// Made by `bench/eai/reference/make_probe.py`.
const CASES: &str = include_str!("probe_cases.json");

#[derive(Deserialize)]
struct Case {
    strength: f64,
    classes: usize,
    rows: Vec<Vec<f32>>,
    right: Vec<usize>,
    /// Of scikit-learn, in nats less the first class's.
    logits: Vec<Vec<f64>>,
}

#[test]
fn agrees_with_scikit_learn() {
    let cases: Vec<Case> = serde_json::from_str(CASES).expect("cases");
    assert!(cases.len() >= 4);
    for case in cases {
        let probe = Probe::fit(&case.rows, &case.right, case.classes, case.strength);
        for (row, wanted) in case.rows.iter().zip(&case.logits) {
            let found = probe.logits(row);
            for (found, wanted) in found.iter().map(|logit| logit - found[0]).zip(wanted) {
                assert!((found - wanted).abs() < 2e-3, "{found}, scikit-learn has {wanted} at {}", case.strength);
            }
        }
    }
}

#[test]
fn classes_that_lie_apart_are_told() {
    let rows: Vec<Vec<f32>> = (0..60).map(|at| vec![(at % 3) as f32, ((at * 7) % 5) as f32 * 0.1]).collect();
    let right: Vec<usize> = (0..60).map(|at| at % 3).collect();
    let probe = Probe::fit(&rows, &right, 3, 10.0);
    assert!(rows.iter().zip(&right).all(|(row, class)| probe.class(row) == *class));
    let alone = Probe::fit(&rows[..1], &[0], 1, 1.0);
    assert_eq!(alone.class(&rows[5]), 0);
}
