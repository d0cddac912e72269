//! Packed weights on disk: made once, mapped from then on, made again when their source changes, and never required.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use loam::Engine;
use loam::engine::{EngineOptions, Packing};
use loam::quant::Packed;

use crate::fixture::run;
use crate::smollm2::{FILE, foundation};

const IDS: [u32; 6] = [1, 400, 17, 9000, 33, 2];

fn open(model: &Path, packing: Packing) -> Engine {
    Engine::open_with(model, EngineOptions { packing, ..EngineOptions::default() }).expect("engine")
}

/// Logits of a few tokens, and where the backbone's weights were.
fn logits(engine: &Engine) -> (Vec<f32>, Packed) {
    let logits = run(engine.language().expect("backbone").backbone(), &IDS, 4, None);
    let loaded = engine.loaded();
    (logits, loaded.iter().find(|component| component.name == "backbone").expect("loaded").packed)
}

fn stores(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).into_iter().flatten();
    let mut found: Vec<PathBuf> = entries.map(|entry| entry.expect("entry").path()).collect();
    found.sort();
    found
}

/// Lines of this process's memory map that name `part`.
#[cfg(target_os = "linux")]
fn mappings(part: &str) -> usize {
    let maps = std::fs::read_to_string("/proc/self/maps").expect("Linux has it");
    maps.lines().filter(|line| line.contains(part)).count()
}

#[test]
fn a_store_is_written_once_and_serves_equal_weights() {
    let Some(pulled) = foundation() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let model = pulled.join(FILE);
    let (expected, packed) = logits(&open(&model, Packing::Memory));
    assert_eq!(packed, Packed::Memory);
    let place = dir.path().join("packed");
    let first = logits(&open(&model, Packing::In(place.clone())));
    assert_eq!(first, (expected.clone(), Packed::Mapped));
    let [store] = &stores(&place)[..] else { panic!("one store: {:?}", stores(&place)) };
    let identity = |path: &Path| {
        let meta = std::fs::metadata(path).expect("store");
        (meta.ino(), meta.mtime_nsec(), meta.len())
    };
    let before = identity(store);
    assert_eq!(logits(&open(&model, Packing::In(place.clone()))), (expected, Packed::Mapped));
    assert_eq!(identity(store), before, "the second engine wrote nothing");
    let source = std::fs::metadata(&model).expect("model").len();
    assert!(before.2 <= source * 21 / 20, "{} bytes for a model of {source}", before.2);
}

#[test]
fn a_changed_source_and_a_damaged_store_are_packed_again() {
    let Some(pulled) = foundation() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let (model, place) = (dir.path().join("model.gguf"), dir.path().join("packed"));
    std::fs::copy(pulled.join(FILE), &model).expect("copied");
    let (expected, _) = logits(&open(&model, Packing::In(place.clone())));
    let store = stores(&place).remove(0);
    let bytes = std::fs::read(&store).expect("store");

    // Cut short, as by a copy that broke off; and with a header that promises other sizes.
    std::fs::write(&store, &bytes[..bytes.len() / 2]).expect("cut");
    assert_eq!(logits(&open(&model, Packing::In(place.clone()))), (expected.clone(), Packed::Mapped));
    let header = String::from_utf8_lossy(&bytes[..4096]).replacen("\"shape\":[", "\"shape\":[1,", 1);
    std::fs::write(&store, [header.as_bytes(), &bytes[4096..]].concat()).expect("damaged");
    assert_eq!(logits(&open(&model, Packing::In(place.clone()))), (expected.clone(), Packed::Mapped));

    // Another model under the same name: the weights of its first tensor, another.
    let mut changed = std::fs::read(&model).expect("model");
    let last = changed.len() - 4096;
    changed[last..].fill(0x11);
    std::fs::write(&model, changed).expect("changed");
    let (other, packed) = logits(&open(&model, Packing::In(place.clone())));
    assert_eq!(packed, Packed::Mapped);
    assert_ne!(other, expected, "the old store was used");
    assert_eq!(stores(&place).len(), 1, "the old store is gone: {:?}", stores(&place));
}

#[test]
fn where_nothing_can_be_written_memory_serves() {
    let Some(pulled) = foundation() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let blocked = dir.path().join("file");
    std::fs::write(&blocked, "no folder").expect("file");
    let (_, packed) = logits(&open(&pulled.join(FILE), Packing::In(blocked.join("packed"))));
    assert_eq!(packed, Packed::Memory);
}

/// A file system that is unmounted at the end.
#[cfg(target_os = "linux")]
struct Small(tempfile::TempDir);

#[cfg(target_os = "linux")]
impl Small {
    /// One of `size`, as `mount` reads it; `None` where this process may not mount.
    fn new(size: &str) -> Option<Self> {
        let dir = tempfile::tempdir().expect("directory");
        let mount = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={size}"), "tmpfs"])
            .arg(dir.path())
            .output();
        mount.is_ok_and(|out| out.status.success()).then(|| Self(dir))
    }
}

#[cfg(target_os = "linux")]
impl Drop for Small {
    fn drop(&mut self) {
        // Lazily: a failed test may leave a mapping.
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}

/// A disk too small for the store costs a warning; nothing is left on it, and what was there is kept.
#[cfg(target_os = "linux")]
#[test]
fn on_a_full_disk_memory_serves() {
    let Some(pulled) = foundation() else { return };
    let Some(disk) = Small::new("8m") else {
        eprintln!("skipped: this user may not mount a small file system");
        return;
    };
    let place = disk.0.path().join("packed");
    std::fs::create_dir(&place).expect("folder");
    std::fs::write(place.join("notes.txt"), "mine").expect("file");
    let model = pulled.join(FILE);
    let (expected, _) = logits(&open(&model, Packing::Memory));
    let found = logits(&open(&model, Packing::In(place.clone())));
    assert_eq!(found, (expected, Packed::Memory));
    assert_eq!(stores(&place), [place.join("notes.txt")], "a part of a store was left");
    assert_eq!(std::fs::read_to_string(place.join("notes.txt")).expect("kept"), "mine");
}

/// An encoder alone maps nothing of the backbone, and what is unloaded is no longer mapped: the kernel says so.
#[cfg(target_os = "linux")]
#[test]
fn only_what_is_used_is_mapped() {
    let Some(pulled) = foundation() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let place = dir.path().display().to_string();
    let engine = open(&pulled, Packing::In(dir.path().to_path_buf()));
    engine.text().expect("encoder").embed(&["a sentence"], None).expect("embedded");
    assert_eq!((mappings(&format!("{place}/text-")), mappings(&format!("{place}/backbone-"))), (1, 0));
    engine.language().expect("backbone");
    assert_eq!(mappings(&format!("{place}/backbone-")), 1);
    assert!(engine.unload("backbone"));
    assert_eq!(mappings(&format!("{place}/backbone-")), 0);
}
