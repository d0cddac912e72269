//! A pass allocates what it hands out and what it needs once, and nothing per layer: as much with one layer as with several.

use std::alloc::{GlobalAlloc, Layout, System};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};

use loam::adapter::{AdapterPackage, Base, BoundAdapter, bind};
use loam::model::Modality;
use loam::model::backbone::{Backbone, Entry, Row, Want};
use loam::model::encoder::{Features, Item, open, open_text};
use loam::weights::{Checkpoint, Quantization, quantize};

/// The system's allocator, counting.
struct Counting;

static COUNT: AtomicUsize = AtomicUsize::new(0);

// SAFETY: every call goes to the system's allocator as it came.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, start: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        COUNT.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(start, layout, size) }
    }

    unsafe fn dealloc(&self, start: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(start, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// Allocations of `work` once everything that is kept between calls is there: a helper may come to its first share late.
fn warm(mut work: impl FnMut()) -> usize {
    let mut count = || {
        let before = COUNT.load(Ordering::Relaxed);
        work();
        COUNT.load(Ordering::Relaxed) - before
    };
    (0..10).map(|_| count()).min().expect("ten counts")
}

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(name)
}

fn json(path: &Path) -> serde_json::Value {
    serde_json::from_slice(&std::fs::read(path).expect("json file")).expect("json")
}

/// The checkpoint in eight bits.
fn quantized(name: &str) -> tempfile::TempDir {
    let (from, to) = (fixture("models").join(name), tempfile::tempdir().expect("folder"));
    std::fs::copy(from.join("config.json"), to.path().join("config.json")).expect("copied");
    let checkpoint = Checkpoint::open(&from).expect("checkpoint");
    quantize(&checkpoint, Quantization::Q8_0, &to.path().join("model.gguf"), |_| ()).expect("quantized");
    to
}

/// Allocations of `count` rows on an empty cache, through the first `blocks` blocks.
fn of_rows(backbone: &Backbone, blocks: usize, count: usize, adapters: &[Option<&BoundAdapter>]) -> usize {
    let deltas = |i: usize| adapters[i % adapters.len()].map(|bound| &bound.deltas);
    warm(|| {
        let mut cache = backbone.new_cache_of(blocks).expect("cache");
        let row = |i: usize| Row {
            entry: Entry::Token(u32::try_from(i).expect("a small number")),
            sequence: 0,
            position: i,
            deltas: deltas(i),
            want: if i + 1 == count { Want::Hidden } else { Want::Nothing },
        };
        let rows: Vec<Row<'_>> = (0..count).map(row).collect();
        backbone.forward(&rows, &mut [&mut cache]).expect("forward");
    })
}

fn check_backbone(name: &str, backbone: &Backbone, adapters: &[&str]) {
    let base = Base { linears: backbone.linears(), fingerprint: None, tied: backbone.config().tie_word_embeddings };
    let bound: Vec<BoundAdapter> = adapters
        .iter()
        .map(|adapter| {
            bind(&AdapterPackage::open(fixture("peft").join(adapter)).expect("package"), &base).expect("bound")
        })
        .collect();
    let carried: Vec<Option<&BoundAdapter>> = std::iter::once(None).chain(bound.iter().map(Some)).collect();
    let layers = backbone.config().num_hidden_layers;
    for adapters in [&carried[..1], &carried] {
        for rows in [1, 4, 30] {
            let (one, all) = (of_rows(backbone, 1, rows, adapters), of_rows(backbone, layers, rows, adapters));
            println!("{name}: {rows} rows, {} adapters: {all} allocations", adapters.len() - 1);
            assert_eq!(one, all, "{name}: {rows} rows allocate {one} times with 1 layer, {all} with {layers}");
        }
    }
}

/// A copy of an encoder with each layer twice, as `field` of its configuration counts them.
fn deeper(name: &str, field: &str) -> tempfile::TempDir {
    let (from, to) = (fixture("models").join(name), tempfile::tempdir().expect("folder"));
    let mut config = json(&from.join("config.json"));
    let layers = config[field].as_u64().expect("a number of layers");
    config[field] = (2 * layers).into();
    std::fs::write(to.path().join("config.json"), config.to_string()).expect("written");
    let bytes = std::fs::read(from.join("model.safetensors")).expect("weights");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut all: Vec<_> = tensors.tensors();
    for layer in 0..layers {
        for (name, tensor) in tensors.tensors() {
            let again = [".layer.", ".layers."].into_iter().find_map(|part| {
                let (before, after) = name.split_once(&format!("{part}{layer}."))?;
                Some(format!("{before}{part}{}.{after}", layer + layers))
            });
            all.extend(again.map(|again| (again, tensor)));
        }
    }
    std::fs::write(to.path().join("model.safetensors"), safetensors::serialize(all, None).expect("serialized"))
        .expect("written");
    to
}

fn check_encoder(name: &str, field: &str, modality: Modality) {
    let of = |dir: &Path| {
        let encoder = open(dir, modality).expect("encoder");
        let shape = encoder.reads().expect("one shape");
        let features = Features::new(vec![0.1; shape.iter().product()], shape).expect("features");
        warm(|| drop(encoder.encode(&[Item { features: &features, deltas: None }]).expect("encoded")))
    };
    let (few, many) = (of(&fixture("models").join(name)), of(deeper(name, field).path()));
    println!("{name}: {many} allocations");
    assert_eq!(few, many, "{name} allocates per layer");
}

/// One test, because all threads count together.
#[test]
fn nothing_is_allocated_per_layer() {
    for threads in [1, 2] {
        loam::pool::set_threads(threads);
        let open = |name: &str| Backbone::open(fixture("models").join(name)).expect("backbone");
        check_backbone("floats", &open("llama2"), &["llama2-all-r4", "llama2-all-r8"]);
        check_backbone("norms of heads", &open("qwen3"), &["qwen3-all"]);
        check_backbone("windows", &open("gemma3"), &["gemma3-all"]);
        let blocks = Backbone::open(quantized("llama2").path()).expect("backbone");
        check_backbone("eight bits", &blocks, &["llama2-all-r4", "llama2-all-r8"]);

        check_encoder("vit-tiny", "num_hidden_layers", Modality::IMAGE);
        check_encoder("whisper", "encoder_layers", Modality::SPEECH);
        let of = |dir: &Path| {
            let encoder = open_text(dir).expect("encoder");
            warm(|| drop(encoder.embed(&[vec![1, 5, 9, 2]], None).expect("embedded")))
        };
        let (few, many) = (of(&fixture("models/bert-tiny")), of(deeper("bert-tiny", "num_hidden_layers").path()));
        assert_eq!(few, many, "bert allocates per layer");
    }
}
