//! How likely a text is, word by word.

use std::sync::Arc;
use std::time::Instant;

use loam::engine::LanguageModel;
use loam::input::{Affixes, Special};
use loam_bench::Prediction;
use loam_bench::loader::{Example, Input as Given};

use super::{Answer, Context, Solver};
use crate::error::Error;

/// Tokens of a text that count: passages are longer than what a score takes.
const MAX_TOKENS: usize = 512;
/// What stands between texts: it comes before the first word, and is what ends a sentence.
const BREAK: &str = "\n";

/// Reads texts.
pub struct Reader<'a> {
    context: &'a Context<'a>,
    model: Arc<LanguageModel>,
}

impl<'a> Reader<'a> {
    /// # Errors
    /// The engine's for a foundation without a backbone.
    pub fn new(context: &'a Context<'a>) -> anyhow::Result<Self> {
        Ok(Self { context, model: context.engine.language()? })
    }
}

impl Solver for Reader<'_> {
    fn solve(&mut self, example: &Example) -> anyhow::Result<Answer> {
        let Given::Text(text) = &example.input else {
            return Err(Error::malformed(&example.id, "row", "it has no text").into());
        };
        let tokenizer = self.model.tokenizer()?;
        let text = format!("{BREAK}{text}{BREAK}");
        let mut tokens = tokenizer.encode(&text, Special::Plain, Affixes::Add)?;
        tokens.truncate(MAX_TOKENS);
        let start = Instant::now();
        let mut likely = Vec::with_capacity(tokens.len());
        self.model.score(&tokens, self.context.adapter.as_deref(), |position, logits| {
            likely.extend(tokens.get(position + 1).map(|next| surprise(logits, *next)));
            Ok(())
        })?;
        let ms = start.elapsed().as_secs_f64() * 1e3;
        let mut nats: Vec<f64> = Vec::new();
        for (token, surprise) in tokens[1..].iter().zip(likely) {
            let begins = tokenizer.token(*token).is_none_or(|text| begins_word(&text));
            match nats.last_mut().filter(|_| !begins) {
                Some(word) => *word += surprise,
                None => nats.push(surprise),
            }
        }
        Ok(Answer { prediction: Prediction::Nats(nats), scored_by: "backbone", ms })
    }
}

/// As vocabularies write a space or the end of a line before a word.
fn begins_word(token: &str) -> bool {
    token.starts_with(['Ġ', 'Ċ', '▁']) || token.starts_with(char::is_whitespace)
}

/// Negative log-likelihood of a token, in nats.
fn surprise(logits: &[f32], token: u32) -> f64 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let sum: f64 = logits.iter().map(|logit| f64::from(logit - most).exp()).sum();
    sum.ln() - f64::from(logits[token as usize] - most)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn surprise_is_of_a_softmax() {
        let found = surprise(&[1.0, 2.0, 3.0], 2);
        assert!((found - 0.407_605_96).abs() < 1e-6, "{found}");
        assert!(begins_word("Ġthe") && begins_word(" the") && !begins_word("ing"));
    }
}
