//! Models of our own, which the program brings along: files below `models` as they were when it was built.
//!
//! A tower that is trained anew needs no other change than a new build, since recipes take sizes and digests from here. A new
//! one is a line in [`BUNDLES`] and a component in a recipe.

use std::path::Path;

use super::recipe::Part;
use crate::digest::{Digest, Hasher};
use crate::error::{Error, Result};
use crate::install::write_new;
use crate::progress::Progress;

/// A directory of files.
#[derive(Debug)]
pub struct Bundle {
    name: &'static str,
    /// Below `models`.
    #[cfg(test)]
    directory: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

/// `bundle!("imu", "towers/imu": "config.json", ...)`: these files of `models/towers/imu`.
macro_rules! bundle {
    ($name:literal, $directory:literal: $($file:literal),+) => {
        Bundle {
            name: $name,
            #[cfg(test)]
            directory: $directory,
            files: &[$((
                $file,
                include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../models/", $directory, "/", $file)),
            )),+],
        }
    };
}

const BUNDLES: &[Bundle] = &[
    bundle!("image", "towers/image": "config.json", "model.safetensors", "preprocessor_config.json", "training.json"),
    bundle!("sound", "towers/sound": "config.json", "model.safetensors", "preprocessor_config.json", "training.json"),
    bundle!("imu", "towers/imu": "config.json", "model.safetensors", "preprocessor_config.json", "training.json"),
    bundle!("speech", "towers/speech": "config.json", "model.safetensors", "training.json"),
    bundle!("image-projector", "projectors/image": "config.json", "model.safetensors", "training.json"),
    bundle!("sound-projector", "projectors/sound": "config.json", "model.safetensors", "training.json"),
    bundle!("imu-projector", "projectors/imu": "config.json", "model.safetensors", "training.json"),
    bundle!("upscaler", "generators/upscaler": "config.json", "model.safetensors", "training.json"),
];

impl Bundle {
    /// The bundle of that name.
    ///
    /// # Errors
    /// The names that there are.
    pub fn find(name: &str) -> Result<&'static Self, String> {
        let names = || BUNDLES.iter().map(|bundle| bundle.name).collect::<Vec<_>>().join(", ");
        let found = BUNDLES.iter().find(|bundle| bundle.name == name);
        found.ok_or_else(|| format!("there is no bundle '{name}'; known are {}", names()))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// All of its files, as those of a component.
    #[must_use]
    pub fn parts(&self, component: &str) -> Vec<Part> {
        let part = |(name, content): &(&str, &[u8])| Part {
            path: format!("{component}/{name}"),
            from: (*name).to_owned(),
            bytes: content.len() as u64,
            sha256: hashed(content),
        };
        self.files.iter().map(part).collect()
    }

    /// Writes the file that `part` names to `target`, creating directories above it, and forces it to disk.
    ///
    /// # Errors
    /// [`Error::Malformed`] for a file that the bundle does not hold; [`Error::Digest`] for another one than the recipe
    /// demands; [`Error::Io`].
    pub fn write(&self, part: &Part, target: &Path, progress: &Progress) -> Result<()> {
        let found = self.files.iter().find(|(name, _)| *name == part.from);
        let (_, content) = found.ok_or_else(|| {
            let names: Vec<&str> = self.files.iter().map(|(name, _)| *name).collect();
            let reason = format!("it has no file '{}', but {}", part.from, names.join(", "));
            Error::malformed(format!("bundle '{}'", self.name), "recipe", reason)
        })?;
        let digest = hashed(content);
        if digest != part.sha256 {
            return Err(Error::Digest {
                path: Path::new(self.name).join(&part.from),
                found: digest.to_string(),
                expected: part.sha256.to_string(),
                advice: "; leave the bundle's files out of the recipe to take them as they are",
            });
        }
        if let Some(parent) = target.parent() {
            std::fs::create_dir_all(parent).map_err(Error::io(parent))?;
        }
        write_new(target, content)?;
        progress.advance(part.bytes);
        Ok(())
    }
}

fn hashed(content: &[u8]) -> Digest {
    let mut hasher = Hasher::default();
    hasher.update(content);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Nobody looks for a tower that is in the repository and not in the program.
    #[test]
    fn bundles_hold_whole_directories() {
        let models = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models");
        for bundle in BUNDLES {
            let mut there: Vec<String> = std::fs::read_dir(models.join(bundle.directory))
                .expect("a directory")
                .map(|entry| entry.expect("entry").file_name().into_string().expect("Unicode"))
                .collect();
            there.sort();
            let mut held: Vec<&str> = bundle.files.iter().map(|(name, _)| *name).collect();
            held.sort_unstable();
            assert_eq!(held, there, "{}", bundle.name);
            assert!(bundle.parts("x").iter().all(|part| part.path == format!("x/{}", part.from) && part.bytes > 0));
        }
        assert!(Bundle::find("nose").expect_err("unknown").contains("known are image, sound, imu, speech"));
    }
}
