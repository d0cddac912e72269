//! Prepares what the scenarios work on, or records what they give.
//!
//! `cargo run --release --package loam-ffi --example scenarios -- prepare DIR`, or `-- record DIR` to write the results of
//! this crate into the table.

#[path = "../tests/scenarios/contexts.rs"]
mod contexts;
#[path = "../tests/scenarios/listener.rs"]
mod listener;
#[path = "../tests/scenarios/prepare.rs"]
mod prepare;
#[path = "../tests/scenarios/run.rs"]
mod run;
#[path = "../tests/scenarios/table.rs"]
mod table;

use std::path::Path;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["prepare", dir] => prepare::prepare(Path::new(dir)),
        ["record", dir] => record(Path::new(dir)),
        _ => Err("usage: scenarios prepare DIR | scenarios record DIR".into()),
    }
}

fn record(dir: &Path) -> Result<(), Box<dyn std::error::Error>> {
    prepare::prepare(dir)?;
    let place = table::place(dir);
    let mut cases = table::cases();
    for case in &mut cases {
        let Some(found) = table::outcome(&place, case) else { continue };
        if let Some(difference) = table::difference("result", &found, &case.expect) {
            println!("{}: {difference}", case.name);
            case.expect = found;
        }
    }
    let lines: Vec<String> = cases.iter().map(serde_json::to_string).collect::<Result<_, _>>()?;
    Ok(std::fs::write(table::file(), format!("[\n{}\n]\n", lines.join(",\n")))?)
}
