//! PyTorch checkpoints against safetensors of the same values and against candle's reader; and files that must be refused.

use std::collections::HashMap;
use std::io::{Cursor, Write};
use std::path::PathBuf;

use candle_core::DType;
use candle_core::pickle::PthTensors;
use loam::adapter::AdapterPackage;
use loam::engine::Engine;
use loam::model::Modality;
use loam::model::encoder::{Bert, BertConfig, Features, Item, Sequence, open};
use loam::weights::{BlockType, Checkpoint, Pytorch, Safetensors};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use crate::fixture::{floats, path};

#[test]
fn tensors_equal_those_of_safetensors_bit_for_bit() {
    for (name, files) in [("vit-tiny", 1), ("bert-tiny", 2)] {
        let ours = Checkpoint::open(path(&format!("models/{name}-bin"))).expect("checkpoint");
        let theirs = Safetensors::open(path(&format!("models/{name}"))).expect("checkpoint");
        assert_eq!(ours.names(), theirs.names());
        assert_eq!(ours.files().len(), files);
        for name in ours.names() {
            let (ours, theirs) =
                (ours.require(&name).expect("read"), theirs.tensor(&name).expect("read").expect("there"));
            assert_eq!((ours.kind, &ours.shape, &*ours.data), (theirs.kind, &theirs.shape, &*theirs.data), "{name}");
            assert_eq!(ours.data.anonymous_len(), 0, "{name} is used where it lies");
        }
    }
}

#[test]
fn encoders_give_the_same_bits_from_either_format() {
    let expected = Safetensors::open(path("models/vit-tiny/expected.safetensors")).expect("expected");
    let pixels = Features::new(floats(&expected, "pixels")[..3 * 18 * 18].to_vec(), vec![3, 18, 18]).expect("pixels");
    let item = [Item { features: &pixels, deltas: None }];
    let encoded = |name: &str| {
        open(&path(&format!("models/{name}")), Modality::IMAGE).expect("tower").encode(&item).expect("encoded")
    };
    assert_eq!(encoded("vit-tiny-bin"), encoded("vit-tiny"));

    let states = |name: &str| {
        let dir = path(&format!("models/{name}"));
        let json = serde_json::from_slice(&std::fs::read(dir.join("config.json")).expect("config")).expect("json");
        let config = BertConfig::parse(&json).expect("config");
        let bert = Bert::load(&Checkpoint::open(&dir).expect("checkpoint"), config).expect("bert");
        bert.forward(&[Sequence { tokens: &[1, 5, 9], deltas: None }]).expect("states")
    };
    assert_eq!(states("bert-tiny-bin"), states("bert-tiny"));
}

#[test]
fn the_fingerprint_is_of_the_weight_files() {
    let fingerprint = |name: &str| {
        let engine = Engine::open(path(&format!("models/{name}"))).expect("engine");
        engine.foundation().components()[0].fingerprint().expect("readable").to_owned()
    };
    let file = path("models/vit-tiny-bin/pytorch_model.bin");
    assert_eq!(fingerprint("vit-tiny-bin"), loam::weights::sha256_file(&file).expect("readable"));
    assert_ne!(fingerprint("vit-tiny-bin"), fingerprint("vit-tiny"));
    assert_eq!(fingerprint("bert-tiny-bin").len(), 64);
}

/// Views with any strides, shared storages, parameters, halves, doubles, one value, none.
#[test]
fn every_way_in_which_a_tensor_lies_in_its_storage_is_read() {
    let expected = Safetensors::open(path("pytorch/odd.safetensors")).expect("expected");
    for file in ["odd.pth", "odd-4.pth"] {
        let odd = Checkpoint::open(path("pytorch").join(file)).expect("checkpoint");
        for name in expected.names() {
            let (ours, theirs) =
                (odd.require(&name).expect("read"), expected.tensor(&name).expect("read").expect("there"));
            assert_eq!((ours.kind, &ours.shape, &*ours.data), (theirs.kind, &theirs.shape, &*theirs.data), "{name}");
            let copied = ["transposed", "columns", "every_second", "column", "permuted", "narrow", "double"];
            let copied = copied.iter().any(|part| name.contains(part));
            assert_eq!(ours.data.anonymous_len() > 0, copied, "{name}");
        }
        let (others, floats): (Vec<String>, Vec<String>) =
            odd.names().into_iter().partition(|name| !expected.names().contains(name));
        assert_eq!(floats.len(), expected.names().len());
        assert_eq!(others, ["mask", "position_ids"]);
        for (name, kind) in [("position_ids", "I64"), ("mask", "BOOL")] {
            let refused = odd.tensor(name).expect_err("no weights").to_string();
            assert!(refused.contains(name) && refused.contains(kind), "{refused}");
            assert!(odd.describe().expect("listed").iter().any(|info| info.name == name && info.kind == kind));
        }
    }
}

/// A second reader: candle's, which reads the tensors that are contiguous.
#[test]
fn candle_reads_the_same_values() {
    let file = path("pytorch/odd.pth");
    let ours = Checkpoint::open(&file).expect("checkpoint");
    let theirs = PthTensors::new(&file, Some("state_dict")).expect("candle's");
    let mut compared = 0;
    for name in theirs.tensor_infos().keys() {
        // It has no strides but Fortran's, and no types but these.
        let Ok(Some(tensor)) = theirs.get(name) else { continue };
        if !matches!(tensor.dtype(), DType::F32 | DType::F16 | DType::BF16 | DType::F64) {
            continue;
        }
        let values: Vec<f32> = tensor
            .to_dtype(DType::F32)
            .and_then(|tensor| tensor.contiguous()?.flatten_all()?.to_vec1())
            .expect("values");
        let view = ours.require(name).expect("read");
        assert_eq!((view.shape.as_slice(), view.to_f32()), (tensor.dims(), values), "{name}");
        compared += 1;
    }
    assert!(compared >= 10, "only {compared} tensors were compared");
}

#[test]
fn files_that_hold_no_readable_weights_are_refused_by_name() {
    for (file, reason) in [
        ("refuse-legacy.pth", "before PyTorch 1.6"),
        ("refuse-expanded.pth", "tensor 'w': size [4], strides [0]"),
        ("refuse-untyped.pth", "tensor 'w'"),
        ("refuse-nothing.pth", "holds tensors by name"),
        ("refuse-module.pth", "holds tensors by name"),
        ("refuse-compressed.pth", "compressed entry"),
    ] {
        let found = Checkpoint::open(path("pytorch").join(file)).expect_err(file).to_string();
        assert!(found.contains(reason), "{file}: {found}");
    }
    let twice = tempfile::tempdir().expect("tempdir");
    for name in ["a.pth", "b.pth"] {
        std::fs::copy(path("pytorch/odd.pth"), twice.path().join(name)).expect("copied");
    }
    let found = Checkpoint::open(twice.path()).expect_err("which one?").to_string();
    assert!(found.contains("2 .pth files"), "{found}");
    std::fs::remove_file(twice.path().join("b.pth")).expect("removed");
    assert_eq!(Checkpoint::open(twice.path()).expect("the only one").files(), [twice.path().join("a.pth")]);
}

/// An adapter is small and comes from anyone: pickles of adapters stay refused.
#[test]
fn an_adapter_in_a_pickle_is_refused() {
    let dir = tempfile::tempdir().expect("tempdir");
    std::fs::copy(path("pytorch/odd.pth"), dir.path().join("adapter_model.bin")).expect("copied");
    for target in [dir.path().to_path_buf(), dir.path().join("adapter_model.bin")] {
        assert!(AdapterPackage::open(&target).is_err(), "{}", target.display());
    }
    assert!(AdapterPackage::open(dir.path()).expect_err("refused").to_string().contains("is a pickle"));
}

/// The entries of an archive, with one of them changed.
fn repacked(entry: &str, change: impl Fn(Vec<u8>) -> Vec<u8>) -> Vec<u8> {
    let bytes = std::fs::read(path("models/vit-tiny-bin/pytorch_model.bin")).expect("fixture");
    let mut archive = ZipArchive::new(Cursor::new(bytes)).expect("a zip");
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for index in 0..archive.len() {
        let mut file = archive.by_index(index).expect("entry");
        let name = file.name().expect("a name").into_owned();
        let mut content = Vec::new();
        std::io::copy(&mut file, &mut content).expect("read");
        if name.ends_with(entry) {
            content = change(content);
        }
        writer.start_file(name, stored).expect("started");
        writer.write_all(&content).expect("memory");
    }
    writer.finish().expect("memory").into_inner()
}

fn replaced(from: &[u8], to: &[u8]) -> Vec<u8> {
    repacked("data.pkl", |pickle| {
        let at = pickle.windows(from.len()).position(|part| part == from).expect("in the pickle");
        [&pickle[..at], to, &pickle[at + from.len()..]].concat()
    })
}

#[test]
fn hostile_descriptions_of_tensors_are_refused() {
    assert!(Pytorch::check(&repacked("data.pkl", |pickle| pickle)).is_ok());
    // The class token: [1, 1, 24] with strides (24, 24, 1) from 0, in a storage of 24.
    let size = b"K\0K\x01K\x01K\x18\x87";
    for (to, reason) in [
        (&b"J\xff\xff\xff\xffK\x01K\x01K\x18\x87"[..], "offset is Int(-1)"),
        (b"K\x01K\x01K\x01K\x18\x87", "from 1 in a storage of 24"),
        (b"K\0K\x01K\x02K\x18\x87", "in a storage of 24"),
        (b"K\0K\x01K\x01J\xff\xff\xff\xff\x87", "size is Int(-1)"),
        (b"K\0K\x01J\xff\xff\xff\x7fJ\xff\xff\xff\x7f\x87", "too large"),
        (b"K\0K\x01K\x01NN\x86\x87", "size is Tuple"),
        (b"\x8a\x08\xff\xff\xff\xff\xff\xff\xff\x7fK\x01K\x01K\x18\x87", "in a storage of 24"),
        (b"K\0K\x01K\x01\x86", "1 strides"),
    ] {
        let found = Pytorch::check(&replaced(size, to)).map_err(|e| e.to_string()).expect_err(reason);
        assert!(found.contains(reason) || found.contains("strides"), "{reason}: {found}");
    }
    for (from, to, reason) in [
        (&b"FloatStorage"[..], &b"QInt8Storage"[..], "QInt8Storage"),
        (b"ctorch\nFloatStorage", b"cos\nsystem", "its storage is described by"),
        (b"_rebuild_tensor_v2", b"_rebuild_sparse_tensor", "_rebuild_sparse_tensor is not read"),
        (b"X\x01\0\0\x000", b"X\x01\0\0\x00?", "no entry 'data/?'"),
        (b"X\x01\0\0\x000", b"X\x0a\0\0\x00../version", "no entry 'data/../version'"),
    ] {
        let found = Pytorch::check(&replaced(from, to)).map_err(|e| e.to_string()).expect_err(reason);
        assert!(found.contains(reason), "{reason}: {found}");
    }
    let short = Pytorch::check(&repacked("data/3", |data| data[..data.len() - 4].to_vec())).expect_err("too short");
    assert!(short.to_string().contains("too few"), "{short}");
    let other = Pytorch::check(&repacked("byteorder", |_| b"big".to_vec())).expect_err("big-endian");
    assert!(other.to_string().contains("little-endian"), "{other}");
}

/// Many names for one transposed storage: each would be copied.
#[test]
fn copies_larger_than_the_file_are_refused() {
    let pickle = |count: usize| {
        let mut out = b"\x80\x02}(".to_vec();
        for i in 0..count {
            let name = format!("w{i}");
            out.extend([b'X', u8::try_from(name.len()).expect("short"), 0, 0, 0]);
            out.extend(name.as_bytes());
            out.extend(b"ctorch._utils\n_rebuild_tensor_v2\n((X\x07\0\0\0storagectorch\nFloatStorage\nX\x01\0\0\x000X\x03\0\0\0cpuM\0\x40tQ");
            out.extend(b"K\0K\x80K\x80\x86K\x01K\x80\x86\x89}tR");
        }
        out.extend(b"u.");
        out
    };
    let archive = |count: usize| {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
        for (name, content) in [("a/data.pkl", pickle(count)), ("a/data/0", vec![0; 128 * 128 * 4])] {
            writer.start_file(name, stored).expect("started");
            writer.write_all(&content).expect("memory");
        }
        writer.finish().expect("memory").into_inner()
    };
    assert_eq!(Pytorch::check(&archive(1)).expect("one copy"), ["w0"]);
    let found = Pytorch::check(&archive(100)).expect_err("a hundred copies").to_string();
    assert!(found.contains("must be copied"), "{found}");
}

#[test]
fn every_truncation_is_refused_without_a_panic() {
    let whole = std::fs::read(path("pytorch/odd.pth")).expect("fixture");
    for len in (0..whole.len()).step_by(13).chain([whole.len() - 1]) {
        assert!(Pytorch::check(&whole[..len]).is_err(), "{len} bytes were accepted");
    }
}

/// Files with a few bytes changed, the zip's structure and the pickle alike: read or refused, never a panic; what is read
/// can be used.
#[test]
fn changed_files_never_panic() {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        usize::try_from(state >> 33).expect("31 bits") % below
    };
    let dir = tempfile::tempdir().expect("tempdir");
    let file: PathBuf = dir.path().join("changed.pth");
    let mut outcomes: HashMap<bool, usize> = HashMap::new();
    for name in ["pytorch/odd.pth", "pytorch/odd-4.pth"] {
        let whole = std::fs::read(path(name)).expect("fixture");
        let pickle = whole.len().min(2600);
        for round in 0..2000 {
            let mut changed = whole.clone();
            for _ in 0..=random(4) {
                // The pickle comes first and is what matters most.
                let at = if round % 3 == 0 { random(whole.len()) } else { random(pickle) };
                changed[at] = match random(4) {
                    0 => 0xff,
                    1 => 0,
                    2 => changed[at] ^ 1 << random(8),
                    _ => whole[random(whole.len())],
                };
            }
            let outcome = Pytorch::check(&changed);
            *outcomes.entry(outcome.is_ok()).or_default() += 1;
            if outcome.is_err() || round % 8 != 0 {
                continue;
            }
            std::fs::write(&file, &changed).expect("written");
            let opened = Checkpoint::open(&file).expect("checked");
            for name in opened.names() {
                if let Ok(Some(view)) = opened.tensor(&name) {
                    assert_eq!(view.data.len(), BlockType::bytes(view.kind, view.elements()), "{name}");
                }
            }
        }
    }
    assert!(outcomes.len() == 2 && outcomes.values().all(|&count| count > 100), "{outcomes:?}");
}
