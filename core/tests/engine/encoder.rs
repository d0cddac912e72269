//! The text encoder against transformers.

use loam::Error;
use loam::model::encoder::{Bert, BertConfig, Sequence};
use loam::weights::{Checkpoint, Safetensors};

use crate::fixture::{floats, path, tokens};

pub fn tiny() -> Bert {
    let dir = path("models/bert-tiny");
    let json = serde_json::from_slice(&std::fs::read(dir.join("config.json")).expect("config")).expect("json");
    Bert::load(&Checkpoint::open(&dir).expect("checkpoint"), BertConfig::parse(&json).expect("config")).expect("bert")
}

/// The reference pads to one length and masks; ours packs sequences without padding.
#[test]
fn bert_matches_transformers_without_padding() {
    let file = path("models/bert-tiny/expected.safetensors");
    let (ids, mask) = (tokens(&file, "tokens"), tokens(&file, "attention_mask"));
    let expected = floats(&Safetensors::open(&file).expect("expected"), "expected");
    let bert = tiny();
    let (width, length) = (bert.config().hidden_size, 16);
    let sequences: Vec<Vec<u32>> = ids
        .chunks_exact(length)
        .zip(mask.chunks_exact(length))
        .map(|(ids, mask)| ids.iter().zip(mask).filter(|(_, m)| **m == 1).map(|(id, _)| *id).collect())
        .collect();
    assert!(sequences.iter().any(|s| s.len() < length), "a padded sequence is among them");
    let batch: Vec<Sequence<'_>> = sequences.iter().map(|tokens| Sequence { tokens, deltas: None }).collect();
    let together = bert.forward(&batch).expect("forward");
    let mut rows = together.chunks_exact(width);
    for (i, sequence) in sequences.iter().enumerate() {
        let alone = bert.forward(&batch[i..=i]).expect("forward");
        for (t, alone) in alone.chunks_exact(width).enumerate() {
            let row = rows.next().expect("row");
            assert_eq!(row, alone, "company changed sequence {i}");
            let at = (i * length + t) * width;
            for (ours, theirs) in row.iter().zip(&expected[at..at + width]) {
                assert!((ours - theirs).abs() <= 1e-4, "sequence {i} token {t}: {ours} != {theirs}");
            }
        }
        assert_eq!(alone.len(), sequence.len() * width);
    }
}

#[test]
fn bad_sequences_are_refused() {
    let bert = tiny();
    let long = [1; 33];
    for (tokens, full) in [(&[][..], false), (&[96][..], false), (&long[..], true)] {
        let error = bert.forward(&[Sequence { tokens, deltas: None }]).expect_err("refused");
        assert_eq!(matches!(error, Error::ContextFull { .. }), full, "{error}");
    }
}
