//! The order of modules: each imports only from those above it.

use std::path::Path;

/// Top to bottom; `engine` and `task` may use everything above them.
const ORDER: [&str; 14] = [
    "error",
    "arena",
    "budget",
    "pool",
    "weights",
    "quant",
    "graph",
    "input",
    "model",
    "adapter",
    "foundation",
    "dispatch",
    "engine",
    "task",
];

fn sources(dir: &Path, out: &mut Vec<std::path::PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("source folder") {
        let path = entry.expect("entry").path();
        if path.is_dir() {
            sources(&path, out);
        } else if path.extension().is_some_and(|e| e == "rs") {
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
        let Some(rank) = ORDER.iter().position(|&m| m == own) else {
            assert_eq!(own, "lib", "{} is in no module of the order", relative.display());
            continue;
        };
        let text = std::fs::read_to_string(&file).expect("source");
        for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim_start().starts_with("//")) {
            for used in line.split("crate::").skip(1) {
                let used: String = used.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
                let Some(other) = ORDER.iter().position(|&m| m == used) else { continue };
                edges += 1;
                assert!(other <= rank, "{}:{} imports `{used}`, which lies below `{own}`", relative.display(), i + 1);
            }
        }
    }
    assert!(edges > 50, "only {edges} imports were found");
}
