//! `loam foundation list`: what is installed.

use std::io::ErrorKind;
use std::path::PathBuf;

use indicatif::DecimalBytes;
use loam::foundation::{Component, Foundation};
use serde_json::{Value, json};

use crate::console::{Console, Format};
use crate::error::Error;
use crate::home::Home;

/// Writes a line for each installed foundation. One that cannot be opened is listed with the reason.
///
/// # Errors
/// [`Error::Io`], and the console's.
pub fn run(home: &Home, console: &Console) -> anyhow::Result<()> {
    home.recover();
    let listed: Vec<Value> = installed(home)?.iter().map(describe).collect();
    if console.format() == Format::Json {
        console.json(&json!({ "foundations": listed }))?;
        return Ok(());
    }
    for one in &listed {
        let text = |field: &str| one[field].as_str().unwrap_or_default().to_owned();
        let Some(components) = one["components"].as_array() else {
            console.line(format_args!("{}  damaged: {}", text("path"), text("error")))?;
            continue;
        };
        let size = DecimalBytes(one["bytes"].as_u64().unwrap_or_default());
        console.line(format_args!("{} {}  {size} in {}", text("foundation"), text("version"), text("path")))?;
        for component in components {
            let word = |field: &str| component[field].as_str().unwrap_or_default();
            console.line(format_args!("  {} ({}) {}", word("name"), word("kind"), word("model")))?;
        }
    }
    Ok(())
}

fn installed(home: &Home) -> Result<Vec<PathBuf>, Error> {
    let directory = home.foundations();
    let entries = match std::fs::read_dir(&directory) {
        Ok(entries) => entries,
        Err(e) if e.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        Err(e) => return Err(Error::io(&directory)(e)),
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.map_err(Error::io(&directory))?;
        // What begins with a dot is being installed.
        if !entry.file_name().as_encoded_bytes().starts_with(b".") && entry.path().is_dir() {
            found.push(entry.path());
        }
    }
    found.sort();
    Ok(found)
}

fn describe(path: &PathBuf) -> Value {
    let shown = path.display().to_string();
    let foundation = match Foundation::open(path) {
        Ok(foundation) => foundation,
        Err(reason) => return json!({ "path": shown, "error": reason.to_string() }),
    };
    let records = || foundation.components().iter().filter_map(Component::record);
    let components: Vec<Value> = records()
        .map(|record| {
            json!({
                "name": record.name,
                "kind": record.kind,
                "model": record.properties.get("model"),
                "licence": record.licence,
                "bytes": record.files.iter().map(|file| file.bytes).sum::<u64>(),
            })
        })
        .collect();
    json!({
        "foundation": foundation.id(),
        "version": foundation.version(),
        "path": shown,
        "bytes": records().flat_map(|record| &record.files).map(|file| file.bytes).sum::<u64>(),
        "components": components,
    })
}
