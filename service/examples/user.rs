//! One app's process, for measuring what it takes.
//!
//! `cargo run --release --package loam-service --example user -- PATH NAME [ADAPTER]`: opens the foundation at PATH, or connects to
//! the service whose socket it is, asks for 64 tokens and an embedding, says `ready` and waits until its standard input ends.

use std::ops::ControlFlow;
use std::os::unix::fs::FileTypeExt;
use std::path::PathBuf;
use std::sync::Arc;

use loam::engine::EngineOptions;
use loam_service::{Engine, Event, GenerateOptions, InstallPolicy};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args_os().skip(1);
    let path = PathBuf::from(args.next().ok_or("usage: user PATH NAME [ADAPTER]")?);
    let name = args.next().ok_or("usage: user PATH NAME [ADAPTER]")?.to_string_lossy().into_owned();
    let is_socket = std::fs::metadata(&path)?.file_type().is_socket();
    let engine = if is_socket { Engine::connect(&path)? } else { Engine::open(&path, EngineOptions::default())? };
    let app = engine.attach(&name)?;
    let adapter = args.next().map(|adapter| app.install_adapter("own", PathBuf::from(adapter), InstallPolicy::Upsert));
    let adapter = adapter.transpose()?;
    let options = GenerateOptions { max_tokens: 64, ..GenerateOptions::default() };
    let silence = Arc::new(|_: Event| Ok(ControlFlow::Continue(())));
    app.generate("The history of the sea begins with", options, adapter.as_ref(), silence).wait()?;
    app.embed("A cat sleeps on the mat.", None, None)?;
    println!("ready");
    std::io::stdin().read_line(&mut String::new())?;
    Ok(())
}
