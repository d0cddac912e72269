//! Every family against transformers (fp32), from both formats, in one piece, in chunks and token by token.

use loam::model::CacheType;
use loam::model::backbone::{Backbone, Entry, Row, Want};

use crate::fixture::{expected, extend, max_difference, path, run};

/// The tolerance of the parity statement in the README.
const TOLERANCE: f32 = 1e-4;
/// With keys and values rounded to halves.
const HALVES_TOLERANCE: f32 = 3e-2;
/// With keys and values rounded to bytes, in parts of the greatest logit: 4.4 % at most were found.
const BYTES_TOLERANCE: f32 = 6e-2;

fn check(model: &str, file: Option<&str>) {
    let dir = path("models").join(model);
    let expected = expected(&dir);
    let source = file.map_or(dir.clone(), |file| dir.join(file));
    let backbone = Backbone::open(&source).unwrap_or_else(|e| panic!("{model}: {e}"));
    let spread = expected.logits.iter().fold(0.0f32, |m, v| m.max(v.abs()));
    assert!(spread > 0.5, "{model}: a reference of zeros would prove nothing");
    for chunk in [expected.tokens.len(), 7, 1] {
        for (kind, tolerance) in
            [(CacheType::F32, TOLERANCE), (CacheType::F16, HALVES_TOLERANCE), (CacheType::Q8, BYTES_TOLERANCE * spread)]
        {
            let mut cache = backbone.new_cache_as(kind);
            let logits = extend(&backbone, &expected.tokens, chunk, None, &mut cache);
            let difference = max_difference(&logits, &expected.logits);
            println!(
                "{model:<16} {:<18} chunk {chunk:<3} cache {kind:?} max |difference| {difference:.2e}",
                file.unwrap_or("safetensors")
            );
            assert!(difference <= tolerance, "{model} in chunks of {chunk}, cache {kind:?}: {difference}");
        }
    }
}

macro_rules! families {
    ($($test:ident: $model:literal, [$($file:literal),*];)*) => {$(
        #[test]
        fn $test() {
            check($model, None);
            $(check($model, Some($file));)*
        }
    )*};
}

families! {
    llama2_matches_transformers: "llama2", ["model.gguf"];
    llama3_scaling_matches_transformers: "llama3", ["model.gguf"];
    linear_scaling_matches_transformers: "llama-linear", ["model.gguf"];
    smollm2_matches_transformers: "smollm2", ["model.gguf"];
    biases_match_transformers: "llama-bias", ["model.gguf"];
    mistral_matches_transformers: "mistral", [];
    qwen2_matches_transformers: "qwen2", ["model.gguf"];
    qwen2_sliding_matches_transformers: "qwen2-sliding", [];
    qwen3_matches_transformers: "qwen3", ["model.gguf"];
    gemma3_matches_transformers: "gemma3", [];
    gemma3_pattern_matches_transformers: "gemma3-pattern", ["model.gguf"];
    gemma3_softcap_matches_transformers: "gemma3-softcap", [];
    shards_match_transformers: "llama2-sharded", [];
    f16_matches_transformers: "llama2-f16", [];
    bf16_matches_transformers: "llama2-bf16", [];
}

/// Both spellings of one configuration must describe the same model.
#[test]
fn transformers_4_configs_mean_the_same() {
    let mut seen = 0;
    for entry in std::fs::read_dir(path("models")).expect("fixtures") {
        let dir = entry.expect("entry").path();
        if !dir.join("config.v4.json").is_file() {
            continue;
        }
        let copy = tempfile::tempdir().expect("tempdir");
        for file in std::fs::read_dir(&dir).expect("model").map(|e| e.expect("entry").path()) {
            let name = file.file_name().expect("name");
            std::fs::copy(&file, copy.path().join(name)).expect("copy");
        }
        std::fs::rename(copy.path().join("config.v4.json"), copy.path().join("config.json")).expect("rename");
        let (new, old) = (Backbone::open(&dir).expect("v5"), Backbone::open(copy.path()).expect("v4"));
        assert_eq!(new.config(), old.config(), "{}", dir.display());
        seen += 1;
    }
    assert!(seen >= 8, "only {seen} models have both configurations");
}

#[test]
fn partial_rotary_matches_llama_cpp() {
    let dir = path("models/partial-rotary");
    let expected = expected(&dir);
    let backbone = Backbone::open(dir.join("model.gguf")).expect("model");
    assert!(backbone.config().rotary_dim < backbone.config().head_dim);
    let difference = max_difference(&run(&backbone, &expected.tokens, 5, None), &expected.logits);
    assert!(difference <= TOLERANCE, "{difference}");
}

/// Rows of two sequences at different positions in one pass give bit for bit what each gives alone.
#[test]
fn sequences_do_not_mix() {
    let dir = path("models/qwen3");
    let tokens = expected(&dir).tokens;
    let backbone = Backbone::open(&dir).expect("model");
    let (first, second) = (&tokens[..10], &tokens[5..12]);
    let (alone_first, alone_second) = (run(&backbone, first, 3, None), run(&backbone, second, 2, None));

    let (mut a, mut b) = (backbone.new_cache(), backbone.new_cache());
    let row =
        |id, sequence, position| Row { entry: Entry::Token(id), sequence, position, deltas: None, want: Want::Logits };
    let vocab = backbone.config().vocab_size;
    let (mut got_first, mut got_second) = (Vec::new(), Vec::new());
    for step in 0..5 {
        let mut rows = vec![row(first[2 * step], 0, 2 * step), row(first[2 * step + 1], 0, 2 * step + 1)];
        if step < second.len() {
            rows.insert(1, row(second[step], 1, step));
        }
        let logits = backbone.forward(&rows, &mut [&mut a, &mut b]).expect("forward");
        for (row, logits) in rows.iter().zip(logits.chunks_exact(vocab)) {
            if row.sequence == 0 { &mut got_first } else { &mut got_second }.extend_from_slice(logits);
        }
    }
    assert_eq!(got_first, alone_first);
    assert_eq!(got_second, alone_second[..5 * vocab]);
}

#[test]
fn logits_come_only_where_asked() {
    let dir = path("models/llama2");
    let expected = expected(&dir);
    let backbone = Backbone::open(&dir).expect("model");
    let vocab = backbone.config().vocab_size;
    let rows: Vec<Row<'_>> = expected
        .tokens
        .iter()
        .enumerate()
        .map(|(position, &id)| Row {
            entry: Entry::Token(id),
            sequence: 0,
            position,
            deltas: None,
            want: if position % 5 == 4 { Want::Logits } else { Want::Nothing },
        })
        .collect();
    let logits = backbone.forward(&rows, &mut [&mut backbone.new_cache()]).expect("forward");
    let reference: Vec<f32> = expected.logits.chunks_exact(vocab).skip(4).step_by(5).flatten().copied().collect();
    assert!(max_difference(&logits, &reference) <= TOLERANCE);
}

#[test]
fn a_truncated_cache_continues_as_if_never_longer() {
    let dir = path("models/gemma3");
    let tokens = expected(&dir).tokens;
    let backbone = Backbone::open(&dir).expect("model");
    let mut cache = backbone.new_cache();
    crate::fixture::extend(&backbone, &tokens[..20], 20, None, &mut cache);
    cache.truncate(9);
    let again = crate::fixture::extend(&backbone, &tokens[9..], 4, None, &mut cache);
    let vocab = backbone.config().vocab_size;
    assert_eq!(again, run(&backbone, &tokens, 24, None)[9 * vocab..]);
}

#[test]
fn bad_rows_are_refused_and_change_nothing() {
    let backbone = Backbone::open(path("models/llama2")).expect("model");
    let mut cache = backbone.new_cache();
    let good = Row { entry: Entry::Token(1), sequence: 0, position: 0, deltas: None, want: Want::Logits };
    let soft = [0.0; 3];
    for bad in [
        Row { entry: Entry::Token(1_000_000), ..good },
        Row { sequence: 1, ..good },
        Row { position: 7, ..good },
        Row { entry: Entry::Token(3), ..good },
        Row { entry: Entry::Soft(&soft), ..good },
    ] {
        let error = backbone.forward(&[good, bad], &mut [&mut cache]).expect_err("refused");
        assert!(matches!(error, loam::Error::Argument { name: "rows", .. }), "{error}");
        assert!(cache.is_empty());
    }
}
