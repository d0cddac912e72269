//! Packed weights on disk: made once, mapped from then on, made again when their source changes, and never required.

use std::io::Write as _;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use loam::Engine;
use loam::engine::{EngineOptions, Packing};
use loam::foundation::Verify;
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
    // What a process locks while it writes.
    found.retain(|path| path.file_name().is_some_and(|name| name != ".lock"));
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

    // A changed byte is found where every byte is looked at.
    let mut other = bytes.clone();
    let last = other.len() - 1;
    other[last] ^= 1;
    std::fs::write(&store, &other).expect("damaged");
    let options =
        EngineOptions { packing: Packing::In(place.clone()), verify: Verify::Digests, ..EngineOptions::default() };
    assert_eq!(logits(&Engine::open_with(&model, options).expect("engine")), (expected.clone(), Packed::Mapped));
    assert!(std::fs::read(&store).expect("store") == bytes, "it was packed again, to the same bytes");

    // Another model under the same name, of the same size and time: the weights of its first tensor, another.
    let modified = std::fs::metadata(&model).and_then(|meta| meta.modified()).expect("a time");
    let mut changed = std::fs::read(&model).expect("model");
    let last = changed.len() - 4096;
    changed[last..].fill(0x11);
    std::fs::write(&model, changed).expect("changed");
    std::fs::File::options().write(true).open(&model).and_then(|file| file.set_modified(modified)).expect("touched");
    let (other, packed) = logits(&open(&model, Packing::In(place.clone())));
    assert_eq!(packed, Packed::Mapped);
    assert_ne!(other, expected, "the old store was used");
    assert_eq!(stores(&place).len(), 1, "the old store is gone: {:?}", stores(&place));
}

/// Whoever comes while the store is written waits, and maps what the other made.
#[test]
fn engines_that_pack_at_the_same_time_share_one_store() {
    let Some(pulled) = foundation() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let place = dir.path().join("packed");
    let results: Vec<(Vec<f32>, Packed)> = std::thread::scope(|scope| {
        let open = || scope.spawn(|| logits(&open(&pulled.join(FILE), Packing::In(place.clone()))));
        let threads = [open(), open(), open()];
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    for (logits, packed) in &results {
        assert_eq!((logits, *packed), (&results[0].0, Packed::Mapped));
    }
    assert_eq!(stores(&place).len(), 1, "{:?}", stores(&place));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("folder");
    for entry in std::fs::read_dir(from).expect("folder") {
        let (path, target) = entry.map(|e| (e.path(), to.join(e.file_name()))).expect("entry");
        if path.is_dir() {
            copy(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("copied");
        }
    }
}

#[test]
fn copies_share_a_store_and_those_of_models_that_are_gone_are_removed() {
    let Some(pulled) = foundation() else { return };
    let dir = tempfile::tempdir().expect("directory");
    let place = dir.path().join("packed");
    let (copied, bare, other) =
        (dir.path().join("copied"), dir.path().join("model.gguf"), dir.path().join("other.gguf"));
    copy(&pulled, &copied);
    std::fs::copy(pulled.join(FILE), &bare).expect("copied");
    let load = |model: &Path| logits(&open(model, Packing::In(place.clone()))).1;
    assert_eq!([load(&copied), load(&pulled)], [Packed::Mapped; 2]);
    assert_eq!(stores(&place).len(), 1, "{:?}", stores(&place));
    assert_eq!(load(&bare), Packed::Mapped);
    assert_eq!(stores(&place).len(), 2, "a bare file has its own: {:?}", stores(&place));
    std::fs::remove_dir_all(&copied).expect("removed");
    std::fs::rename(&bare, &other).expect("renamed");
    assert_eq!(load(&other), Packed::Mapped);
    assert_eq!(stores(&place).len(), 1, "what is gone took its store along: {:?}", stores(&place));
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
        let _ = writeln!(std::io::stderr(), "skipped: this user may not mount a small file system");
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
