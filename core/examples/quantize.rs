//! Quantizes the linears of a checkpoint: what `bench/encoders.py --int8` measures.
//!
//! `quantize DIR TYPE OUT` reads the checkpoint in `DIR` and writes it as the GGUF file `OUT`, its linears as `q8_0`, `int8` or
//! `q4_0`.

use std::error::Error;
use std::path::Path;

use loam::weights::{Checkpoint, Quantization, quantize};

fn main() -> Result<(), Box<dyn Error>> {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let [dir, kind, out] = &args[..] else { return Err("expected DIR TYPE OUT".into()) };
    let kind = Quantization::parse(kind).ok_or_else(|| format!("no type '{kind}', known are q8_0, int8 and q4_0"))?;
    quantize(&Checkpoint::open(Path::new(dir))?, kind, Path::new(out), |_| ())?;
    Ok(())
}
