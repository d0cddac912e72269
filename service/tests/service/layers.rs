//! The order of modules: each imports only from those above it.

use std::path::{Path, PathBuf};

/// Top to bottom.
const ORDER: [&str; 22] = [
    "error",
    "workers",
    "handle",
    "event",
    "media",
    "options",
    "call",
    "performer",
    "store",
    "local",
    "source",
    "adapter",
    "transcriber",
    "sensor",
    "app",
    "session",
    "app_streams",
    "engine",
    "wire",
    "client",
    "server",
    "lib",
];

fn sources(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("source folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else {
            out.push(path);
        }
    }
}

#[test]
fn modules_import_downwards_only() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&root, &mut files);
    let mut edges = 0;
    for file in files {
        let relative = file.strip_prefix(&root).expect("below src");
        let own = relative.components().next().expect("a part").as_os_str().to_string_lossy().replace(".rs", "");
        // Of the program, which sees the library from outside.
        let Some(rank) = ORDER.iter().position(|&module| module == own) else { continue };
        let text = std::fs::read_to_string(&file).expect("source");
        for line in text.lines().filter(|line| !line.trim_start().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(other) = ORDER.iter().position(|&module| module == used) else { continue };
                edges += 1;
                assert!(other <= rank, "{} imports `{used}`, which lies below `{own}`", relative.display());
            }
        }
    }
    assert!(edges > 50, "only {edges} imports were found");
}
