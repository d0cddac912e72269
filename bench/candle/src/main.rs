//! Tokens per second that candle's quantized llama reads of a prompt: `candle-prefill MODEL.gguf TOKENS RUNS` prints one rate for
//! each run after the first, a line each.

use std::error::Error;
use std::fs::File;
use std::time::Instant;

use candle_core::quantized::gguf_file::Content;
use candle_core::{Device, Tensor};
use candle_transformers::models::quantized_llama::ModelWeights;

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [path, tokens, runs] = &args[..] else { return Err("expected MODEL TOKENS RUNS".into()) };
    let (tokens, runs): (u32, usize) = (tokens.parse()?, runs.parse()?);
    let mut file = File::open(path)?;
    let content = Content::read(&mut file)?;
    let mut model = ModelWeights::from_gguf(content, &mut file, &Device::Cpu)?;
    let ids = Tensor::new((0..tokens).map(|i| 1 + i % 1000).collect::<Vec<u32>>(), &Device::Cpu)?.unsqueeze(0)?;
    for run in 0..=runs {
        let start = Instant::now();
        // From position 0 on the cache begins anew.
        let logits = model.forward(&ids, 0)?;
        logits.flatten_all()?.to_vec1::<f32>()?;
        if run > 0 {
            println!("{:.2}", f64::from(tokens) / start.elapsed().as_secs_f64());
        }
    }
    Ok(())
}
