//! A file that a target may overwrite at will, for readers that map files.
//!
//! It lies in the folder of temporary files, which `run.sh` places in memory and removes afterwards.

use std::path::PathBuf;
use std::sync::OnceLock;

/// Writes `bytes` to this process's file called `name`.
pub fn scratch(name: &str, bytes: &[u8]) -> PathBuf {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    let folder = FOLDER.get_or_init(|| {
        let folder = std::env::temp_dir().join(format!("loam-fuzz-{}", std::process::id()));
        std::fs::create_dir_all(&folder).expect("a folder for temporary files");
        folder
    });
    let path = folder.join(name);
    std::fs::write(&path, bytes).expect("room for a temporary file");
    path
}
