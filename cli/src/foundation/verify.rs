//! `loam foundation verify`: hashes every file that a manifest lists.

use std::path::Path;

use indicatif::DecimalBytes;
use loam::foundation::{Component, Foundation, MANIFEST, Verify};
use serde_json::json;

use crate::command::model::locate_model;
use crate::console::{Console, Detail, Format};
use crate::error::Error;
use crate::home::Home;

/// Proves the foundation `name`, a path that exists or an installed one.
///
/// # Errors
/// [`Error::NotInstalled`]; [`Error::Argument`] for a model without a manifest; as [`Foundation::verify`] otherwise.
pub fn run(name: &Path, home: &Home, console: &Console) -> anyhow::Result<()> {
    let path = locate_model(name, home)?;
    let foundation = Foundation::open(&path)?;
    if foundation.version().is_none() {
        let reason = format!("{} has no {MANIFEST} to compare with", path.display());
        return Err(Error::Argument { name: "NAME|DIR", reason }.into());
    }
    let records = foundation.components().iter().filter_map(Component::record);
    let sizes: Vec<u64> = records.flat_map(|record| &record.files).map(|file| file.bytes).collect();
    let total: u64 = sizes.iter().sum();
    let progress = console.progress(&format!("verifying {}", foundation.id()), Some(total));
    foundation.verify(Verify::Digests, |bytes| progress.advance(bytes))?;
    progress.done();
    let version = foundation.version().unwrap_or_default();
    match (console.format(), console.detail()) {
        (Format::Json, _) => console.json(&json!({
            "status": "verified",
            "foundation": foundation.id(),
            "version": version,
            "path": path.display().to_string(),
            "files": sizes.len(),
            "bytes": total,
        }))?,
        (Format::Text, Detail::Quiet) => {}
        (Format::Text, _) => {
            let size = DecimalBytes(total);
            console.line(format_args!("{} {version} is intact: {size} in {} files", foundation.id(), sizes.len()))?;
        }
    }
    Ok(())
}
