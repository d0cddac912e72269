//! Whisper against transformers: states, logits, and the tokens of every search with all rules.

use std::path::Path;
use std::sync::Arc;

use loam::Error;
use loam::adapter::{AdapterPackage, Base, BoundAdapter, InstallPolicy, bind};
use loam::engine::{
    Engine, ListenOptions, Loading, Pace, Part, Recognizer, Search, Segment, SpeechTask, Timestamps, WhisperOptions,
    WhisperRecognizer,
};
use loam::input::{Channels, Input, SampleRate};
use loam::model::Modality;
use loam::model::encoder::{Features, Item};
use loam::model::recognizer::whisper::Hypothesis;
use loam::weights::Safetensors;
use serde_json::Value;

use crate::fixture::{floats, max_difference, path, tokens};

/// Of states and logits, fp32.
const TOLERANCE: f32 = 1e-4;
const MODELS: [&str; 2] = ["whisper", "whisper-en"];

fn open(dir: &Path) -> loam::Result<Arc<WhisperRecognizer>> {
    let part = Part::new("speech", 0, Loading::First);
    WhisperRecognizer::open(part, dir).map(Arc::new)
}

struct Fixture {
    model: Arc<WhisperRecognizer>,
    expected: Safetensors,
    windows: Vec<Features>,
    dir: std::path::PathBuf,
}

fn fixture(name: &str) -> Fixture {
    let dir = path("models").join(name);
    let model = open(&dir).expect("model");
    let expected = Safetensors::open(dir.join("expected.safetensors")).expect("expected");
    let shape = model.network().config().input();
    let values = floats(&expected, "features");
    let window = |values: &[f32]| Features::new(values.to_vec(), shape.to_vec()).expect("features");
    let windows = values.chunks(shape[0] * shape[1]).map(window).collect();
    Fixture { model, expected, windows, dir }
}

/// Searches without any second thought, as the reference was run.
fn once() -> WhisperOptions {
    WhisperOptions {
        temperatures: vec![0.0],
        least_log_probability: None,
        most_compression: None,
        silence: None,
        ..WhisperOptions::default()
    }
}

#[test]
fn states_and_logits_are_those_of_transformers() {
    for name in MODELS {
        let fixture = fixture(name);
        let network = fixture.model.network();
        let expected_states = floats(&fixture.expected, "states");
        let fed = tokens(&fixture.dir.join("expected.safetensors"), "fed");
        let expected_logits = floats(&fixture.expected, "logits");
        let (per_window, vocabulary) = (expected_states.len() / 2, network.config().vocabulary());
        let mut worst = [0.0f32; 2];
        for (i, features) in fixture.windows.iter().take(2).enumerate() {
            let states = network.encode(features, None).expect("states");
            worst[0] = worst[0].max(max_difference(&states, &expected_states[i * per_window..(i + 1) * per_window]));
            let fed = &fed[i * fed.len() / 2..(i + 1) * fed.len() / 2];
            let expected = &expected_logits[i * fed.len() * vocabulary..(i + 1) * fed.len() * vocabulary];
            // Whole, token by token, and in pieces beside another hypothesis.
            let mut decoding = network.decode(&states, None).expect("decoding");
            let whole = decoding.feed(&mut [(&mut Hypothesis::default(), fed)]).expect("fed");
            worst[1] = worst[1].max(max_difference(&decoding.logits(&whole).expect("finite"), expected));
            let (mut single, mut other) = (Hypothesis::default(), Hypothesis::default());
            let mut rows = Vec::new();
            for (at, id) in fed.iter().enumerate() {
                let noise = [u32::try_from(at).expect("small"), 7];
                let states = decoding.feed(&mut [(&mut single, &[*id]), (&mut other, &noise)]).expect("fed");
                rows.extend_from_slice(&states[..network.config().width()]);
            }
            worst[1] = worst[1].max(max_difference(&decoding.logits(&rows).expect("finite"), expected));
            // A branch of a hypothesis goes on from it, and what is forgotten beside it does not matter.
            let mut branch = Hypothesis::default();
            decoding.feed(&mut [(&mut branch, &fed[..5])]).expect("fed");
            let mut copy = branch.clone();
            decoding.feed(&mut [(&mut branch, &[1, 2, 3])]).expect("fed");
            assert!(decoding.tokens() > 2 * fed.len());
            decoding.retain(&mut [&mut copy]);
            assert_eq!((decoding.tokens(), copy.len()), (5, 5));
            let rest = decoding.feed(&mut [(&mut copy, &fed[5..])]).expect("fed");
            worst[1] =
                worst[1].max(max_difference(&decoding.logits(&rest).expect("finite"), &expected[5 * vocabulary..]));
        }
        eprintln!("{name}: states {:.1e}, logits {:.1e}", worst[0], worst[1]);
        assert!(worst.iter().all(|&worst| worst <= TOLERANCE), "{name}: {worst:?}");
    }
}

/// The options of a case, and the model with its changed generation configuration.
fn of_case(fixture: &Fixture, case: &Value) -> (Arc<WhisperRecognizer>, WhisperOptions) {
    let text = |field: &str| case.get(field).and_then(Value::as_str);
    let mut options = once();
    options.timestamps = if case["return_timestamps"] == true { Timestamps::Predicted } else { Timestamps::Absent };
    options.listen = ListenOptions {
        language: text("language").map(str::to_owned),
        task: if text("task") == Some("translate") { SpeechTask::Translate } else { SpeechTask::Transcribe },
        search: case.get("num_beams").and_then(Value::as_u64).map_or(Search::Greedy, |n| Search::Beam(n as usize)),
        ..ListenOptions::default()
    };
    let Some(changes) = case.get("change").and_then(Value::as_object) else { return (fixture.model.clone(), options) };
    let copy = copied(&fixture.dir);
    edit(&copy.path().join("generation_config.json"), |json| {
        changes.iter().for_each(|(field, value)| json[field] = value.clone());
    });
    (open(copy.path()).expect("changed model"), options)
}

#[test]
fn every_search_finds_the_tokens_of_transformers() {
    for name in MODELS {
        let fixture = fixture(name);
        let file = std::fs::read(fixture.dir.join("cases.json")).expect("cases");
        let cases: serde_json::Map<String, Value> = serde_json::from_slice(&file).expect("JSON");
        let mut compared = 0;
        for (case, arguments) in &cases {
            let (model, options) = of_case(&fixture, arguments);
            for (i, features) in fixture.windows.iter().enumerate() {
                let text = model.write_down(features, &options, None).expect("text");
                let found: Vec<u32> = text.prompt.iter().chain(&text.tokens).copied().collect();
                let key = format!("tokens.{case}.{i}");
                let expected = tokens(&fixture.dir.join("expected.safetensors"), &key);
                assert_eq!(found, expected, "{name} {key}");
                assert!(text.log_probability <= 0.0 && !text.silent && text.temperature == 0.0);
                compared += text.tokens.len();
            }
        }
        eprintln!("{name}: {compared} tokens in {} cases", cases.len());
        assert!(compared > 500);
    }
}

fn copied(dir: &Path) -> tempfile::TempDir {
    let copy = tempfile::tempdir().expect("folder");
    for file in std::fs::read_dir(dir).expect("model").map(|entry| entry.expect("entry").path()) {
        std::fs::copy(&file, copy.path().join(file.file_name().expect("name"))).expect("copied");
    }
    copy
}

fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut json: Value = serde_json::from_slice(&std::fs::read(file).expect("file")).expect("json");
    change(&mut json);
    std::fs::write(file, json.to_string()).expect("written");
}

/// The recording of a fixture, in -1 to 1.
fn sound(fixture: &Fixture) -> Vec<f32> {
    let bytes = std::fs::read(fixture.dir.join("expected.safetensors")).expect("expected");
    let file = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let pcm = file.tensor("sound").expect("sound").data().chunks_exact(2);
    pcm.map(|b| f32::from(i16::from_le_bytes([b[0], b[1]])) / 32768.0).collect()
}

fn listen(fixture: &Fixture, options: WhisperOptions, pieces: usize) -> Vec<Segment> {
    let mut listener = fixture.model.clone().listen_with(options, None).expect("listener");
    let mut segments = Vec::new();
    for piece in sound(fixture).chunks(pieces) {
        segments.extend(listener.push(piece).expect("heard"));
    }
    segments.extend(listener.finish().expect("finished"));
    segments
}

fn english() -> WhisperOptions {
    let mut options = once();
    options.listen.language = Some("en".to_owned());
    options
}

#[test]
fn a_recording_is_divided_as_transformers_divides_it() {
    for name in MODELS {
        let fixture = fixture(name);
        let ids = tokens(&fixture.dir.join("expected.safetensors"), "long.tokens");
        let times = floats(&fixture.expected, "long.times");
        let generation: Value =
            serde_json::from_slice(&std::fs::read(fixture.dir.join("generation_config.json")).expect("file"))
                .expect("JSON");
        let end = generation["eos_token_id"].as_u64().expect("id") as u32;
        // Segments end with -1; times and blank segments are not handed out.
        let expected = ids.split(|&id| id == u32::MAX).zip(times.chunks_exact(2)).filter_map(|(ids, times)| {
            let words: Vec<u32> = ids.iter().copied().filter(|&id| id < end).collect();
            let blank = fixture.model.text(&words).expect("text").trim().is_empty();
            (!blank).then(|| (words, times.to_vec()))
        });
        let expected: Vec<(Vec<u32>, Vec<f32>)> = expected.collect();
        assert!(expected.len() > 3, "{name}: {} segments prove little", expected.len());
        let seconds = sound(&fixture).len() as f64 / 16000.0;
        for pieces in [usize::MAX, 1600, 777] {
            let found = listen(&fixture, english(), pieces);
            assert_eq!(found.len(), expected.len(), "{name}: {found:?}");
            for (segment, (ids, times)) in found.iter().zip(&expected) {
                assert_eq!(segment.tokens, *ids, "{name}");
                assert_eq!(segment.text, fixture.model.text(ids).expect("text"));
                // The reference may end a segment behind the sound.
                assert!((segment.start - f64::from(times[0])).abs() < 1e-5, "{name}: {segment:?} for {times:?}");
                assert!((segment.end - f64::from(times[1]).min(seconds)).abs() < 1e-5, "{name}: {segment:?}");
                assert!(segment.no_speech_probability.is_some_and(|p| (0.0..=1.0).contains(&p)));
            }
        }
    }
}

/// Minutes of noise with changing loudness, a piece at a time.
fn noise(seconds: usize) -> impl Iterator<Item = Vec<f32>> {
    let mut state = 1u32;
    (0..seconds * 10).map(move |tenth| {
        let loudness = 0.05 + 0.3 * ((tenth % 37) as f32 / 37.0);
        let mut sample = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            loudness * (state as f32 / u32::MAX as f32 - 0.5)
        };
        (0..1600).map(|_| sample()).collect()
    })
}

/// Each call of a decoder is bounded by its positions, each window by its temperatures, and windows advance.
#[test]
fn minutes_of_sound_take_bounded_work_and_come_in_order() {
    let fixture = fixture("whisper");
    let mut options = english();
    // Everything looks wrong, so every temperature is tried.
    options.temperatures = vec![0.0, 0.5];
    options.least_log_probability = Some(0.0);
    let mut listener = fixture.model.clone().listen_with(options, None).expect("listener");
    let mut segments = Vec::new();
    for piece in noise(150) {
        segments.extend(listener.push(&piece).expect("heard"));
        assert_eq!(listener.partial(), "");
    }
    segments.extend(listener.finish().expect("finished"));
    // A window is a second, and begins at least a thirtieth of it behind the one before.
    assert!((100..=150 * 30).contains(&segments.len()), "{} segments", segments.len());
    let last = segments.last().expect("a segment");
    assert!(last.end <= 150.0 && last.end > 148.0, "{last:?}");
    assert!(segments.windows(2).all(|pair| pair[0].start <= pair[1].start && pair[0].end <= pair[1].end + 1.0));
    assert!(segments.iter().all(|segment| segment.start <= segment.end && segment.temperature == 0.5));
    assert_eq!(listener.language(), Some("en"));
}

#[test]
fn early_text_only_grows_until_its_segment_is_final() {
    let fixture = fixture("whisper");
    let (mut shown, mut grown, mut finals) = (0, 0, 0);
    for search in [Search::Greedy, Search::Beam(3)] {
        let mut options = english();
        options.listen.pace = Pace::Live;
        options.listen.search = search;
        let mut listener = fixture.model.clone().listen_with(options, None).expect("listener");
        let mut before = String::new();
        let sound: Vec<f32> = sound(&fixture).into_iter().chain(noise(10).flatten()).collect();
        let mut check = |segments: &[Segment], now: &str| {
            if let Some(first) = segments.first() {
                assert!(first.text.starts_with(&before), "{before:?} was taken back: {:?}", first.text);
                finals += segments.len();
            } else {
                assert!(now.starts_with(&before), "{before:?} was taken back: {now:?}");
            }
            shown += usize::from(!now.is_empty());
            grown += usize::from(segments.is_empty() && now.len() > before.len());
            before = now.to_owned();
        };
        for piece in sound.chunks(1600) {
            let segments = listener.push(piece).expect("heard");
            check(&segments, listener.partial());
        }
        let segments = listener.finish().expect("finished");
        check(&segments, listener.partial());
        assert_eq!(listener.partial(), "");
    }
    assert!(shown > 3 && grown > 1 && finals > 3, "{shown} shown, {grown} grown, {finals} final");
}

#[test]
fn the_language_is_that_of_the_first_window() {
    let fixture = fixture("whisper");
    let prompts: Vec<u32> = fixture
        .windows
        .iter()
        .map(|window| fixture.model.write_down(window, &once(), None).expect("text").prompt[1])
        .collect();
    assert!(prompts.iter().any(|id| *id != prompts[0]), "all windows have one language: {prompts:?}");
    let mut listener = fixture.model.clone().listen_with(once(), None).expect("listener");
    assert_eq!(listener.language(), None);
    listener.push(&sound(&fixture)).expect("heard");
    let language = listener.language().expect("known").to_owned();
    assert!(fixture.model.languages().contains(&language));
    listener.finish().expect("finished");
    assert_eq!(listener.language(), Some(language.as_str()));
}

#[test]
fn wrong_texts_are_searched_again_by_chance_and_silence_is_left_out() {
    let fixture = fixture("whisper");
    let window = &fixture.windows[0];
    let mut options = english();
    let first = fixture.model.write_down(window, &options, None).expect("text");
    // Nothing is that probable: all temperatures are tried, and the last one stays.
    options.temperatures = vec![0.0, 0.4, 1.0];
    options.least_log_probability = Some(0.0);
    let by_chance = |options: &WhisperOptions, seed| {
        let mut options = options.clone();
        options.listen.seed = seed;
        fixture.model.write_down(window, &options, None).expect("text")
    };
    let texts: Vec<_> = (0..4).map(|seed| by_chance(&options, seed)).collect();
    assert!(texts.iter().all(|text| text.temperature == 1.0 && text.tokens != first.tokens));
    assert!(texts.iter().any(|text| text.tokens != texts[0].tokens));
    assert_eq!(by_chance(&options, 3), texts[3]);
    // A limit that the first text keeps is not crossed by chance.
    options.least_log_probability = Some(first.log_probability - 1e-3);
    assert_eq!(by_chance(&options, 0), first);
    options.most_compression = Some(0.1);
    assert!(by_chance(&options, 0).temperature > 0.0);
    // Silence needs both an improbable text and a probability of silence.
    options = english();
    options.silence = Some(first.no_speech_probability - 1e-6);
    assert!(!by_chance(&options, 0).silent);
    options.least_log_probability = Some(0.0);
    assert!(by_chance(&options, 0).silent);
    options.silence = Some(first.no_speech_probability + 1e-6);
    assert!(!by_chance(&options, 0).silent);
    options.silence = Some(-1.0);
    assert!(listen(&fixture, options, 1600).is_empty());
}

#[test]
fn bad_sound_and_bad_options_are_refused() {
    let fixture = fixture("whisper");
    let mut listener = fixture.model.clone().listen(&ListenOptions::default(), None).expect("listener");
    let error = listener.finish().expect_err("nothing was heard");
    assert!(matches!(error, Error::Argument { name: "audio", .. }), "{error}");
    listener.push(&[0.0; 500]).expect("heard");
    for (bad, named) in [(f32::NAN, "sample 502 is NaN"), (f32::INFINITY, "sample 502"), (1e6, "sample 502")] {
        let error = listener.push(&[0.0, 0.0, bad]).expect_err("bad sample").to_string();
        assert!(error.contains(named), "{error}");
    }
    listener.push(&[]).expect("nothing");
    listener.finish().expect("finished");
    let mut listener = fixture.model.clone().listen(&ListenOptions::default(), None).expect("listener");
    listener.push(&[0.5]).expect("heard");
    assert!(listener.finish().expect("too short for a frame").is_empty());

    let refused = |name: &str, change: &dyn Fn(&mut WhisperOptions)| {
        let model = self::fixture(name).model;
        let mut options = once();
        change(&mut options);
        model.listen_with(options, None).err().expect("refused").to_string()
    };
    for (model, word, change) in [
        (
            "whisper",
            "'fr', the model knows en",
            &(|o: &mut WhisperOptions| o.listen.language = Some("fr".into())) as &dyn Fn(&mut WhisperOptions),
        ),
        ("whisper", "beam", &|o| o.listen.search = Search::Beam(0)),
        ("whisper", "beam", &|o| o.listen.search = Search::Beam(33)),
        ("whisper", "temperatures", &|o| o.temperatures.clear()),
        ("whisper", "temperature", &|o| o.temperatures = vec![f32::NAN]),
        ("whisper", "silence", &|o| o.silence = Some(f32::NAN)),
        ("whisper-en", "'de', the model knows en", &|o| o.listen.language = Some("de".into())),
        ("whisper-en", "translation", &|o| o.listen.task = SpeechTask::Translate),
    ] {
        let error = refused(model, change);
        assert!(error.contains(word), "expected '{word}' in: {error}");
    }
    let wrong = Features::new(vec![0.0; 80 * 99], vec![80, 99]).expect("features");
    assert!(matches!(fixture.model.write_down(&wrong, &once(), None), Err(Error::Argument { .. })));
    let states = fixture.model.network().encode(&fixture.windows[0], None).expect("states");
    let mut decoding = fixture.model.network().decode(&states, None).expect("decoding");
    let beyond = decoding.feed(&mut [(&mut Hypothesis::default(), &[4000])]);
    assert!(matches!(beyond, Err(Error::Argument { name: "token", .. })));
    let full = decoding.feed(&mut [(&mut Hypothesis::default(), &[1; 61])]);
    assert!(matches!(full, Err(Error::ContextFull { tokens: 61, limit: 60 })));
}

#[test]
fn damaged_models_are_refused_by_name() {
    let check = |model: &str, file: &str, word: &str, change: &dyn Fn(&mut Value)| {
        let copy = copied(&path("models").join(model));
        edit(&copy.path().join(file), change);
        let error = open(copy.path()).expect_err(word);
        let typed = matches!(
            error,
            Error::Malformed { .. } | Error::Unsupported { .. } | Error::MissingTensor(_) | Error::Shape { .. }
        );
        let error = error.to_string();
        assert!(typed && error.contains(word), "expected '{word}' in: {error}");
    };
    type Change = &'static dyn Fn(&mut Value);
    let config: [(&str, Change); 13] = [
        ("model_type 'bart'", &|c| c["model_type"] = "bart".into()),
        ("d_model", &|c| c["d_model"] = (1u64 << 40).into()),
        ("heads", &|c| c["encoder_attention_heads"] = 5.into()),
        ("encoder_layers", &|c| c["encoder_layers"] = 100_000.into()),
        ("encoder.layers.2.", &|c| c["encoder_layers"] = 3.into()),
        ("decoder.layers.1.", &|c| c["decoder_layers"] = 1.into()),
        ("fc1.weight", &|c| c["decoder_ffn_dim"] = 37.into()),
        ("vocab_size", &|c| c["vocab_size"] = 0.into()),
        ("times", &|c| c["vocab_size"] = 276.into()),
        ("embed_tokens.weight", &|c| c["vocab_size"] = 400.into()),
        ("max_target_positions", &|c| c["max_target_positions"] = 12.into()),
        ("reads [80, 98]", &|c| c["max_source_positions"] = 49.into()),
        ("proj_out.weight", &|c| c["tie_word_embeddings"] = false.into()),
    ];
    for (word, change) in config {
        check("whisper", "config.json", word, change);
    }
    let generation: [(&str, Change); 9] = [
        ("decoder_start_token_id", &|c| c["decoder_start_token_id"] = 9999.into()),
        ("eos_token_id", &|c| c["eos_token_id"] = (-1).into()),
        ("no_timestamps_token_id", &|c| c["no_timestamps_token_id"] = "x".into()),
        ("<|notimestamps|>", &|c| c["no_timestamps_token_id"] = 326.into()),
        ("suppress_tokens", &|c| c["suppress_tokens"] = serde_json::json!([1, 70_000])),
        ("begin_suppress_tokens", &|c| c["begin_suppress_tokens"] = 3.into()),
        ("lang_to_id", &|c| c["lang_to_id"] = serde_json::json!({"<|en|>": 1u64 << 40})),
        ("lang_to_id", &|c| c["lang_to_id"] = serde_json::json!({})),
        ("max_initial_timestamp_index", &|c| c["max_initial_timestamp_index"] = (-2).into()),
    ];
    for (word, change) in generation {
        check("whisper", "generation_config.json", word, change);
    }
    check("whisper", "preprocessor_config.json", "[128, 100]", &|c| c["feature_size"] = 128.into());
    check("whisper", "preprocessor_config.json", "[80, 200]", &|c| c["chunk_length"] = 2.into());
    check("whisper-en", "added_tokens.json", "two tokens have id 0", &|c| c["<|nospeech|>"] = 0.into());
    for (file, word) in [("tokenizer.json", "tokenizer"), ("preprocessor_config.json", "preprocessor_config")] {
        let copy = copied(&path("models/whisper"));
        std::fs::remove_file(copy.path().join(file)).expect("removed");
        let error = open(copy.path()).expect_err(file).to_string();
        assert!(error.contains(word), "{error}");
    }
}

/// Everything is forbidden: the text is empty, and the search ends.
#[test]
fn a_model_that_may_write_nothing_ends() {
    let copy = copied(&path("models/whisper"));
    edit(&copy.path().join("generation_config.json"), |json| {
        json["suppress_tokens"] = (0..327).collect::<Vec<u32>>().into();
    });
    let model = open(copy.path()).expect("model");
    let window = &fixture("whisper").windows[0];
    for search in [Search::Greedy, Search::Beam(32)] {
        let mut options = english();
        options.listen.search = search;
        let text = model.write_down(window, &options, None).expect("text");
        assert!(text.tokens.is_empty(), "{text:?}");
    }
}

/// Ids come from the tokenizer's names where the generation configuration has none, and an untied output is its own.
#[test]
fn other_releases_of_a_model_give_the_same_text() {
    let fixture = fixture("whisper");
    let copy = copied(&fixture.dir);
    let file = copy.path().join("generation_config.json");
    edit(&file, |json| {
        for field in ["decoder_start_token_id", "no_timestamps_token_id", "task_to_id", "lang_to_id"] {
            json.as_object_mut().expect("object").remove(field);
        }
    });
    edit(&copy.path().join("config.json"), |json| {
        json["tie_word_embeddings"] = false.into();
        json.as_object_mut().expect("object").remove("decoder_start_token_id");
    });
    let weights = copy.path().join("model.safetensors");
    let bytes = std::fs::read(&weights).expect("file");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let mut views: Vec<_> = tensors.tensors();
    views.push(("proj_out.weight".into(), tensors.tensor("model.decoder.embed_tokens.weight").expect("table")));
    safetensors::serialize_to_file(views, None, &weights).expect("written");
    let other = open(copy.path()).expect("model");
    assert_eq!(other.languages(), ["en", "de", "es", "ja"]);
    for window in &fixture.windows {
        let text = |model: &WhisperRecognizer| model.write_down(window, &once(), None).expect("text");
        assert_eq!(text(&other), text(&fixture.model));
    }
    assert!(open(&fixture.dir).is_ok());
    // Without any generation configuration nothing is suppressed, but it still runs.
    std::fs::remove_file(&file).expect("removed");
    assert!(open(copy.path()).expect("model").languages().is_empty(), "the vocabulary is as small as an English one");
}

fn adapter(name: &str, model: &WhisperRecognizer) -> loam::Result<BoundAdapter> {
    let package = AdapterPackage::open(path("peft").join(name))?;
    bind(&package, &Base { linears: model.linears(), fingerprint: None, tied: true })
}

#[test]
fn adapters_act_as_peft_s_on_both_stacks() {
    for (name, base) in
        [("whisper-all", "whisper"), ("whisper-en-encoder", "whisper-en"), ("whisper-tables", "whisper")]
    {
        let fixture = fixture(base);
        let network = fixture.model.network();
        let bound = adapter(name, &fixture.model).expect("bound");
        assert_eq!(bound.rank, 3);
        let deltas = Some(&bound.deltas);
        let file = path("peft").join(name).join("expected.safetensors");
        let expected = Safetensors::open(&file).expect("expected");
        let (states, logits) = (floats(&expected, "states"), floats(&expected, "logits"));
        let fed = tokens(&fixture.dir.join("expected.safetensors"), "fed");
        let mut worst = [0.0f32; 2];
        for (i, features) in fixture.windows.iter().take(2).enumerate() {
            let half = |values: &[f32]| values[i * values.len() / 2..(i + 1) * values.len() / 2].to_vec();
            let found = network.encode(features, deltas).expect("states");
            worst[0] = worst[0].max(max_difference(&found, &half(&states)));
            let mut decoding = network.decode(&found, deltas).expect("decoding");
            let fed = &fed[i * fed.len() / 2..(i + 1) * fed.len() / 2];
            let rows = decoding.feed(&mut [(&mut Hypothesis::default(), fed)]).expect("fed");
            let found = decoding.logits(&rows).expect("finite");
            worst[1] = worst[1].max(max_difference(&found, &half(&logits)));
            let bare = half(&floats(&fixture.expected, "logits"));
            assert!(max_difference(&found, &bare) > 0.1, "{name}: the adapter changes nothing");
            if expected.names().contains(&format!("tokens.{i}")) {
                let mut options = once();
                if base == "whisper" {
                    options.listen.language = Some("de".to_owned());
                }
                let text = fixture.model.write_down(features, &options, deltas).expect("text");
                assert_eq!([text.prompt, text.tokens].concat(), tokens(&file, &format!("tokens.{i}")), "{name} {i}");
            }
        }
        eprintln!("{name}: states {:.1e}, logits {:.1e}", worst[0], worst[1]);
        assert!(worst.iter().all(|&worst| worst <= TOLERANCE), "{name}: {worst:?}");
    }
}

#[test]
fn a_zero_adapter_changes_no_bit_and_wrong_keys_are_refused() {
    let fixture = fixture("whisper");
    let zero = adapter("whisper-zero", &fixture.model).expect("bound");
    let network = fixture.model.network();
    for window in &fixture.windows {
        let bare = network.encode(window, None).expect("states");
        assert_eq!(bare, network.encode(window, Some(&zero.deltas)).expect("states"));
        let text = |deltas| fixture.model.write_down(window, &once(), deltas).expect("text");
        assert_eq!(text(None), text(Some(&zero.deltas)));
    }
    // Of another shape of model, and of a layer that the model lacks.
    let error = adapter("whisper-all", &self::fixture("whisper-en").model).expect_err("other base").to_string();
    assert!(error.contains("layers.1") || error.contains("shape"), "{error}");
    let copy = copied(&path("peft/whisper-zero"));
    let file = copy.path().join("adapter_model.safetensors");
    let bytes = std::fs::read(&file).expect("file");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).expect("safetensors");
    let renamed = tensors.tensors().into_iter().map(|(name, view)| (name.replace("encoder_attn", "cross_attn"), view));
    safetensors::serialize_to_file(renamed.collect::<Vec<_>>(), None, &file).expect("written");
    let package = AdapterPackage::open(copy.path()).expect("package");
    let base = Base { linears: fixture.model.linears(), fingerprint: None, tied: true };
    let error = bind(&package, &base).expect_err("wrong key").to_string();
    assert!(error.contains("cross_attn"), "{error}");
}

#[test]
fn the_encoder_alone_gives_the_same_states_for_projectors_and_heads() {
    for name in MODELS {
        let fixture = fixture(name);
        let encoder = loam::model::encoder::open(&fixture.dir, Modality::SPEECH).expect("encoder");
        let width = fixture.model.network().config().width();
        assert_eq!((encoder.modality(), encoder.dim(), encoder.state_width()), (Modality::SPEECH, width, width));
        let items: Vec<Item<'_>> =
            fixture.windows.iter().take(2).map(|features| Item { features, deltas: None }).collect();
        let encodings = encoder.encode(&items).expect("encoded");
        let states: Vec<f32> = encodings.iter().flat_map(|encoding| encoding.states.clone()).collect();
        assert!(max_difference(&states, &floats(&fixture.expected, "states")) <= TOLERANCE);
        let first = &encodings[0];
        let mean = first.states.iter().step_by(width).sum::<f32>() / (first.states.len() / width) as f32;
        assert!((first.embedding[0] - mean).abs() < 1e-5);
        // An adapter of the whole model that acts on the encoder only fits the encoder alone.
        if name == "whisper-en" {
            let package = AdapterPackage::open(path("peft/whisper-en-encoder")).expect("package");
            let base = Base { linears: encoder.linears(), fingerprint: None, tied: false };
            let bound = bind(&package, &base).expect("bound");
            let items = [Item { features: &fixture.windows[0], deltas: Some(&bound.deltas) }];
            let found = &encoder.encode(&items).expect("encoded")[0].states;
            let expected = Safetensors::open(path("peft/whisper-en-encoder/expected.safetensors")).expect("expected");
            assert!(max_difference(found, &floats(&expected, "states")[..found.len()]) <= TOLERANCE);
        }
        let sound = loam::input::Audio::from_f32(&[0.1; 8000], Channels::MONO, SampleRate::SPEECH).expect("sound");
        let features = encoder.prepare(&Input::Sound(sound)).expect("features");
        assert_eq!(features.shape, fixture.model.network().config().input());
        assert!(matches!(encoder.prepare(&Input::from("text")), Err(Error::Argument { .. })));
    }
}

/// Through the engine: recogniser, adapter and listener of one foundation.
#[test]
fn the_engine_finds_the_recogniser_and_installs_adapters_on_it() {
    let engine = Engine::open(path("models/whisper")).expect("engine");
    let model = engine.recognizer().expect("recogniser");
    assert_eq!(model.rate(), SampleRate::SPEECH);
    let adapter = engine.install("accent", path("peft/whisper-all"), InstallPolicy::Create).expect("installed");
    let text = |adapter| {
        let options = ListenOptions { language: Some("en".to_owned()), ..ListenOptions::default() };
        let mut listener = model.clone().listen(&options, adapter).expect("listener");
        let mut segments = listener.push(&sound(&fixture("whisper"))).expect("heard");
        segments.extend(listener.finish().expect("finished"));
        segments.into_iter().map(|segment| segment.text).collect::<String>()
    };
    let (bare, adapted) = (text(None), text(Some(adapter)));
    assert!(!bare.is_empty() && bare != adapted);
}
