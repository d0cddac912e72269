//! Adapters against peft (fp32), refusals, mixed batches, and the base left untouched.

use std::collections::BTreeMap;

use loam::adapter::{
    AdapterLimits, AdapterPackage, AdapterRegistry, AdapterTask, Base, BoundAdapter, InstallPolicy, bind,
};
use loam::model::backbone::{Backbone, Entry, Row, Want};
use loam::{Error, Result};

use crate::fixture::{expected, held, max_difference, path, run, shared};

/// The tolerance of the parity statement in the README.
const TOLERANCE: f32 = 1e-4;

fn base(backbone: &Backbone) -> Base<'_> {
    Base { linears: backbone.linears(), fingerprint: None, tied: backbone.config().tie_word_embeddings }
}

fn load(name: &str, backbone: &Backbone) -> Result<BoundAdapter> {
    bind(&AdapterPackage::open(path("peft").join(name))?, &base(backbone))
}

fn base_of(name: &str) -> String {
    std::fs::read_to_string(path("peft").join(name).join("base.txt")).expect("base.txt").trim().to_owned()
}

/// Adapters on language models, which name their base.
fn fixtures() -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(path("peft"))
        .expect("fixtures")
        .map(|e| e.expect("entry").path())
        .filter(|folder| folder.join("base.txt").is_file())
        .map(|folder| folder.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// Logits of the last position through a classification head.
fn classify(backbone: &Backbone, bound: &BoundAdapter, tokens: &[u32]) -> Vec<f32> {
    let mut cache = backbone.new_cache();
    let rows: Vec<Row<'_>> = tokens
        .iter()
        .enumerate()
        .map(|(position, &id)| Row {
            entry: Entry::Token(id),
            sequence: 0,
            position,
            deltas: Some(&bound.deltas),
            want: if position + 1 == tokens.len() { Want::Hidden } else { Want::Nothing },
        })
        .collect();
    let hidden = backbone.forward(&rows, &mut [&mut cache]).expect("forward");
    bound.head.as_ref().expect("a head").logits(&hidden)
}

#[test]
fn every_adapter_matches_peft() {
    let mut seen = 0;
    for name in fixtures().into_iter().filter(|name| !name.starts_with("refuse")) {
        let dir = path("peft").join(&name);
        let expected = expected(&dir);
        let model = path("models").join(base_of(&name));
        for file in ["", "model.gguf"] {
            let source = model.join(file);
            // llama.cpp's `llama` architecture has no sliding window, so Mistral's GGUF is another model.
            if !source.exists() || name.starts_with("mistral") && !file.is_empty() {
                continue;
            }
            let backbone = Backbone::open(&source).expect("base");
            let bound = load(&name, &backbone).unwrap_or_else(|e| panic!("{name}: {e}"));
            let logits = if bound.head.is_some() {
                classify(&backbone, &bound, &expected.tokens)
            } else {
                run(&backbone, &expected.tokens, 7, Some(&bound.deltas))
            };
            let difference = max_difference(&logits, &expected.logits);
            println!(
                "{name:<22} {:<12} max |difference| {difference:.2e}",
                if file.is_empty() { "safetensors" } else { file }
            );
            assert!(difference <= TOLERANCE, "{name}: {difference}");
            if bound.head.is_none() && !name.ends_with("zero") {
                let bare = run(&backbone, &expected.tokens, 7, None);
                assert!(max_difference(&bare, &logits) > 1e-2, "{name} changes nothing");
            }
            seen += 1;
        }
    }
    assert!(seen >= 20, "only {seen} adapter and base pairs ran");
}

#[test]
fn a_zero_adapter_is_bit_identical_to_the_base() {
    let backbone = Backbone::open(path("models/llama2")).expect("base");
    let tokens = expected(&path("models/llama2")).tokens;
    let bound = load("llama2-zero", &backbone).expect("adapter");
    let (bare, zero) = (run(&backbone, &tokens, 5, None), run(&backbone, &tokens, 5, Some(&bound.deltas)));
    assert!(bare.iter().zip(&zero).all(|(a, b)| a.to_bits() == b.to_bits()));
}

#[test]
fn adapters_that_do_not_fit_are_refused_by_name() {
    for (name, wanted) in [
        ("refuse-dora", "use_dora"),
        ("refuse-bias", "bias"),
        ("refuse-shape", "lora_A"),
        ("refuse-rank", "rank"),
        ("refuse-key", "not used by any module"),
        ("refuse-missing-b", "no matching lora_B"),
    ] {
        let backbone = Backbone::open(path("models").join(base_of(name))).expect("base");
        let error = load(name, &backbone).expect_err(name);
        println!("{name}: {error}");
        assert!(matches!(error, Error::Adapter { .. }), "{error}");
        assert!(error.to_string().contains(wanted), "{error}");
    }
}

#[test]
fn an_adapter_for_another_architecture_is_refused_by_key() {
    let Some(dir) = shared("weights/peft-lora-gpt2") else { return };
    let backbone = Backbone::open(path("models/llama2")).expect("base");
    let error = bind(&AdapterPackage::open(dir).expect("a valid gpt2 adapter"), &base(&backbone)).expect_err("gpt2");
    assert!(error.to_string().contains("transformer.h."), "{error}");
}

#[test]
fn configurations_that_change_the_arithmetic_are_refused_by_field() {
    let text = std::fs::read_to_string(path("peft/llama2-all-r4/adapter_config.json")).expect("config");
    let json: serde_json::Value = serde_json::from_str(&text).expect("json");
    for (field, value) in [
        ("peft_type", serde_json::json!("IA3")),
        ("r", serde_json::json!(0)),
        ("r", serde_json::json!(1u64 << 60)),
        ("lora_alpha", serde_json::json!("NaN")),
        ("lora_bias", serde_json::json!(true)),
        ("init_lora_weights", serde_json::json!("pissa")),
        ("layer_replication", serde_json::json!([[0, 1]])),
        ("trainable_token_indices", serde_json::json!([1])),
        ("rank_pattern", serde_json::json!({"(": 4})),
        ("alpha_pattern", serde_json::json!({"q_proj": "big"})),
        ("some_future_option", serde_json::json!(true)),
    ] {
        let mut bad = json.clone();
        bad[field] = value;
        let error = loam::adapter::LoraConfig::parse("x", bad).expect_err(field).to_string();
        assert!(error.contains(field), "{error}");
    }
}

/// Rows of two adapters and the bare base in one batch: each as when it runs alone, for 32 greedy tokens.
#[test]
fn mixed_batches_equal_isolated_runs() {
    let backbone = Backbone::open(path("models/llama2")).expect("base");
    let (a, b) = (load("llama2-all-r4", &backbone).expect("a"), load("llama2-all-r8", &backbone).expect("b"));
    let rows = [Some(&a.deltas), Some(&b.deltas), None, Some(&a.deltas)];
    let prompts: [&[u32]; 4] = [&[1, 5, 9], &[1, 5, 9], &[1, 5, 9], &[1, 40, 2, 17]];
    let greedy = |chosen: &[usize]| {
        let mut caches: Vec<_> = chosen.iter().map(|_| backbone.new_cache()).collect();
        let mut ids: Vec<Vec<u32>> = chosen.iter().map(|&r| prompts[r].to_vec()).collect();
        for _ in 0..32 {
            let mut batch = Vec::new();
            for (sequence, &r) in chosen.iter().enumerate() {
                let start = caches[sequence].len();
                for position in start..ids[sequence].len() {
                    let last = position + 1 == ids[sequence].len();
                    batch.push(Row {
                        entry: Entry::Token(ids[sequence][position]),
                        sequence,
                        position,
                        deltas: rows[r],
                        want: if last { Want::Logits } else { Want::Nothing },
                    });
                }
            }
            let mut borrowed: Vec<_> = caches.iter_mut().collect();
            let logits = backbone.forward(&batch, &mut borrowed).expect("forward");
            for (ids, logits) in ids.iter_mut().zip(logits.chunks_exact(backbone.config().vocab_size)) {
                let best = logits.iter().enumerate().max_by(|x, y| x.1.total_cmp(y.1)).expect("logits").0;
                ids.push(u32::try_from(best).expect("id"));
            }
        }
        ids
    };
    let together = greedy(&[0, 1, 2, 3]);
    for (row, shared) in together.iter().enumerate() {
        assert_eq!(&greedy(&[row])[0], shared, "row {row}");
    }
    assert_ne!(together[0], together[1]);
    assert_ne!(together[0], together[2]);
}

#[test]
fn a_hundred_load_and_unload_cycles_leave_the_base_as_it_was() {
    let dir = path("models/smollm2");
    let (backbone, tokens) = (Backbone::open(&dir).expect("base"), expected(&dir).tokens);
    let before = run(&backbone, &tokens, 24, None);
    let registry = AdapterRegistry::new(AdapterLimits::default());
    for _ in 0..100 {
        let package = AdapterPackage::open(path("peft/smollm2-all")).expect("package");
        let bound = bind(&package, &base(&backbone)).expect("bound");
        let adapter = registry.install("tone", package, bound, held(), InstallPolicy::Create).expect("installed");
        run(&backbone, &tokens[..2], 2, Some(&adapter.bound.deltas));
        registry.remove("tone").expect("removed");
    }
    let after = run(&backbone, &tokens, 24, None);
    assert!(before.iter().zip(&after).all(|(a, b)| a.to_bits() == b.to_bits()));
}

#[test]
fn a_package_round_trips_and_binds_to_its_base_only() {
    let dir = tempfile::tempdir().expect("tempdir");
    let file = dir.path().join("tone.loam");
    let backbone = Backbone::open(path("models/llama2")).expect("base");
    let mut package = AdapterPackage::open(path("peft/llama2-patterns")).expect("peft");
    package.set_task(AdapterTask {
        name: Some("tone".into()),
        base: BTreeMap::from([("backbone".into(), "aa".into())]),
        ..AdapterTask::default()
    });
    package.save(&file).expect("saved");

    let reopened = AdapterPackage::open(&file).expect("package");
    assert_eq!((reopened.name(), reopened.task()), ("tone", package.task()));
    let tokens = expected(&path("models/llama2")).tokens;
    let logits = |package: &AdapterPackage| {
        let bound = bind(package, &Base { fingerprint: Some("aa"), ..base(&backbone) }).expect("bound");
        run(&backbone, &tokens, 24, Some(&bound.deltas))
    };
    assert_eq!(logits(&package), logits(&reopened));

    let other = Base { fingerprint: Some("bb"), ..base(&backbone) };
    let error = bind(&reopened, &other).expect_err("another base").to_string();
    assert!(error.contains("aa") && error.contains("bb"), "{error}");
}

#[test]
fn a_damaged_package_is_refused_without_a_panic() {
    let dir = tempfile::tempdir().expect("tempdir");
    let file = dir.path().join("x.loam");
    AdapterPackage::open(path("peft/llama2-all-r4")).expect("peft").save(&file).expect("saved");
    let whole = std::fs::read(&file).expect("package");
    let backbone = Backbone::open(path("models/llama2")).expect("base");
    let header = 8 + usize::try_from(u64::from_le_bytes(whole[..8].try_into().expect("8 bytes"))).expect("length");
    for at in (0..header).step_by(13) {
        let mut bad = whole.clone();
        bad[at] ^= 0x55;
        std::fs::write(&file, &bad).expect("write");
        if let Ok(package) = AdapterPackage::open(&file) {
            // A flip inside of free text may leave a valid package; binding must still not panic.
            let _ = bind(&package, &base(&backbone));
        }
    }
    // A flipped bit of a weight still is a valid weight; the digest tells.
    let mut bad = whole.clone();
    bad[header + 100] ^= 1;
    std::fs::write(&file, &bad).expect("write");
    assert!(matches!(AdapterPackage::open(&file), Err(Error::Digest { .. })));
    std::fs::write(&file, &whole[..header + 10]).expect("write");
    assert!(AdapterPackage::open(&file).is_err());
}

#[test]
fn generations_and_policies_hold() {
    let backbone = Backbone::open(path("models/llama2")).expect("base");
    let registry = AdapterRegistry::new(AdapterLimits { count: 2, ..AdapterLimits::default() });
    let install = |alias: &str, name: &str, policy| {
        let package = AdapterPackage::open(path("peft").join(name)).expect("package");
        let bound = bind(&package, &base(&backbone)).expect("bound");
        registry.install(alias, package, bound, held(), policy)
    };
    let generation = |alias: &str| {
        let found = registry.list().into_iter().find(|installed| installed.alias == alias);
        found.map(|installed| installed.generation)
    };
    let first = install("a", "llama2-all-r4", InstallPolicy::Create).expect("created");
    assert!(install("a", "llama2-all-r8", InstallPolicy::Create).is_err());
    let second = install("a", "llama2-all-r8", InstallPolicy::CompareAndSwap(first.generation)).expect("swapped");
    assert!(second.generation > first.generation);
    assert!(install("a", "llama2-all-r4", InstallPolicy::CompareAndSwap(first.generation)).is_err());
    assert_eq!(first.bound.rank, 4, "a held generation stays as it was");
    assert_eq!(generation("a"), Some(second.generation));
    install("b", "llama2-all-r4", InstallPolicy::Upsert).expect("second alias");
    let error = install("c", "llama2-all-r4", InstallPolicy::Upsert).expect_err("limit").to_string();
    assert!(error.contains("the limit is 2"), "{error}");
    assert_eq!(registry.remove("a").expect("removed"), second.generation);
    assert!(matches!(registry.remove("a"), Err(Error::UnknownAdapter(_))));
    assert_eq!(generation("a"), None);
    for bad in ["", "../x", "a/b", ".hidden", "-x", "ü"] {
        assert!(install(bad, "llama2-all-r4", InstallPolicy::Upsert).is_err(), "{bad}");
    }
}
