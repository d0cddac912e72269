//! How tokens are chosen and when a generation ends.

use clap::Args;
use loam::engine::{GenerateOptions, Sampling, Speculation};

/// Options of commands that generate text.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Generation")]
pub struct SamplingArgs {
    /// Tokens to generate at most
    #[arg(short = 'n', long, value_name = "N", default_value_t = 256, allow_negative_numbers = true)]
    max_tokens: usize,

    /// 0 takes the most probable token each time; 1 samples as the model predicts
    #[arg(short, long, value_name = "T", default_value_t = 0.0, allow_negative_numbers = true)]
    temperature: f32,

    /// Choose among the K most probable tokens (0: all)
    #[arg(long, value_name = "K", default_value_t = 0, allow_negative_numbers = true)]
    top_k: usize,

    /// Choose among the most probable tokens of probability P together
    #[arg(long, value_name = "P", default_value_t = 1.0, allow_negative_numbers = true)]
    top_p: f32,

    /// Drop tokens less probable than P times the best one
    #[arg(long, value_name = "P", default_value_t = 0.0, allow_negative_numbers = true)]
    min_p: f32,

    /// Make tokens that occurred less probable (1: off)
    #[arg(long, value_name = "R", default_value_t = 1.0, allow_negative_numbers = true)]
    repetition_penalty: f32,

    /// Subtract from the logits of tokens that were generated (0: off)
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    presence_penalty: f32,

    /// Subtract from the logits of tokens for each time they were generated (0: off)
    #[arg(long, value_name = "X", default_value_t = 0.0, allow_negative_numbers = true)]
    frequency_penalty: f32,

    /// Seed of the random choices; equal seeds give equal texts
    #[arg(long, value_name = "SEED", default_value_t = 0, allow_negative_numbers = true)]
    seed: u64,

    /// End where this text would appear; may be given several times
    #[arg(long, value_name = "TEXT")]
    stop: Vec<String>,

    /// Guess up to N tokens (1 to 7) at a time from what followed the same words before; the text is the same, sooner
    /// where it repeats itself (0: off)
    #[arg(long, value_name = "N", default_value_t = 0, allow_negative_numbers = true)]
    draft: usize,
}

impl SamplingArgs {
    /// What the engine is asked for.
    #[must_use]
    pub fn options(&self) -> GenerateOptions {
        GenerateOptions {
            max_tokens: self.max_tokens,
            sampling: Sampling {
                temperature: self.temperature,
                top_k: self.top_k,
                top_p: self.top_p,
                min_p: self.min_p,
                repetition_penalty: self.repetition_penalty,
                presence_penalty: self.presence_penalty,
                frequency_penalty: self.frequency_penalty,
                seed: self.seed,
            },
            stop: self.stop.clone(),
            speculation: match self.draft {
                0 => Speculation::Off,
                draft => Speculation::prompt_lookup(draft),
            },
            ..GenerateOptions::default()
        }
    }
}
