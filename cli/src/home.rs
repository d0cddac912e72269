//! The directory in which Loam keeps what it has fetched and installed, and the lock that guards changes to it.
//!
//! ```text
//! HOME/foundations/ID/     one installed foundation each, replaced as a whole
//! HOME/adapters/           installed adapters
//! HOME/packed/             weights in the order of the kernels, made when a model is first used; may be deleted
//! HOME/downloads/          what is being fetched: FILE.partial, then FILE
//! HOME/lock                held by the process that installs
//! ```
//! Reading needs no lock: what stands under its final name is complete. How it gets there is `install`'s business.

use std::fs::{File, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::error::{Error, Result};
use crate::install;

/// Name of the environment variable that moves the home directory.
pub const HOME_VARIABLE: &str = "LOAM_HOME";

/// How often a held lock is tried again.
const LOCK_PERIOD: Duration = Duration::from_millis(100);

/// Paths below one home directory. Making a value touches no file.
#[derive(Debug, Clone)]
pub struct Home {
    root: PathBuf,
}

/// The right to change a home directory, given back on drop or when the process ends in whatever way.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Home {
    /// The home directory at `root`.
    #[must_use]
    pub fn at(root: impl Into<PathBuf>) -> Self {
        Self { root: root.into() }
    }

    /// The platform's default: the user's cache directory, then `loam`.
    ///
    /// # Errors
    /// [`Error::Argument`] if the environment names no such directory.
    pub fn default_root() -> Result<PathBuf> {
        let base = if cfg!(windows) {
            directory("LOCALAPPDATA")
        } else if cfg!(target_vendor = "apple") {
            std::env::home_dir().map(|home| home.join("Library").join("Caches"))
        } else {
            // The XDG specification: a relative value is to be ignored.
            directory("XDG_CACHE_HOME")
                .filter(|path| path.is_absolute())
                .or_else(|| std::env::home_dir().map(|home| home.join(".cache")))
        };
        base.filter(|path| !path.as_os_str().is_empty()).map(|base| base.join("loam")).ok_or_else(|| Error::Argument {
            name: HOME_VARIABLE,
            reason: "this user has no home directory; set it or give --home DIR".to_owned(),
        })
    }

    /// The directory itself.
    #[must_use]
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Where foundations are installed.
    #[must_use]
    pub fn foundations(&self) -> PathBuf {
        self.root.join("foundations")
    }

    /// Where the foundation of that id is or would be installed.
    #[must_use]
    pub fn foundation(&self, id: &str) -> PathBuf {
        self.foundations().join(id)
    }

    /// Where weights lie in the order of the kernels.
    #[must_use]
    pub fn packed(&self) -> PathBuf {
        self.root.join("packed")
    }

    /// Where adapters are installed.
    #[must_use]
    pub fn adapters(&self) -> PathBuf {
        self.root.join("adapters")
    }

    /// Where files lie while they are fetched.
    #[must_use]
    pub fn downloads(&self) -> PathBuf {
        self.root.join("downloads")
    }

    /// Creates the directories, takes the lock and clears away what an interrupted installation left.
    ///
    /// If another process holds the lock, `on_wait` is called once and the lock is tried for `patience`.
    ///
    /// # Errors
    /// [`Error::Locked`] if the other process outlasts `patience`; [`Error::Io`].
    pub fn lock(&self, patience: Duration, on_wait: impl FnOnce()) -> Result<Lock> {
        for directory in [self.foundations(), self.adapters(), self.downloads()] {
            std::fs::create_dir_all(&directory).map_err(Error::io(&directory))?;
        }
        let path = self.root.join("lock");
        let file = open_lock(&path)?;
        if !try_lock(&file, &path)? {
            on_wait();
            let begun = Instant::now();
            loop {
                std::thread::sleep(LOCK_PERIOD.min(patience));
                if try_lock(&file, &path)? {
                    break;
                }
                if begun.elapsed() >= patience {
                    return Err(Error::Locked { path, seconds: patience.as_secs() });
                }
            }
        }
        self.sweep()?;
        Ok(Lock { _file: file })
    }

    /// Restores what a process that was killed while replacing it left under another name; commands that only read
    /// call it first. Does nothing while another process installs, and where this user may not write.
    pub fn recover(&self) {
        let path = self.root.join("lock");
        let Ok(file) = File::options().write(true).open(&path) else { return };
        if file.try_lock().is_ok()
            && let Err(reason) = self.sweep()
        {
            log::warn!("left-overs of an earlier installation stay: {reason}");
        }
    }

    fn sweep(&self) -> Result<()> {
        install::sweep(&self.foundations())?;
        install::sweep(&self.adapters())
    }
}

fn directory(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
}

fn open_lock(path: &Path) -> Result<File> {
    File::options().create(true).truncate(false).write(true).open(path).map_err(Error::io(path))
}

fn try_lock(file: &File, path: &Path) -> Result<bool> {
    match file.try_lock() {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(source)) => Err(Error::io(path)(source)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn second_lock_waits_and_gives_up() {
        let place = tempfile::tempdir().expect("temporary directory");
        let home = Home::at(place.path());
        let held = home.lock(Duration::ZERO, || panic!("nobody holds it")).expect("free");
        let mut waited = false;
        let refused = home.lock(Duration::ZERO, || waited = true);
        assert!(matches!(refused, Err(Error::Locked { .. })), "{refused:?}");
        assert!(waited);
        drop(held);
        home.lock(Duration::ZERO, || panic!("nobody holds it")).expect("free again");
    }

    #[test]
    fn interrupted_replacement_is_recovered() {
        let place = tempfile::tempdir().expect("temporary directory");
        let home = Home::at(place.path());
        drop(home.lock(Duration::ZERO, || {}).expect("free"));
        std::fs::create_dir(home.foundations().join(".previous-one")).expect("left-over");
        std::fs::create_dir(home.foundations().join(".staging-one")).expect("left-over");
        home.recover();
        assert!(home.foundation("one").is_dir());
        assert!(!home.foundations().join(".staging-one").exists());
    }
}
