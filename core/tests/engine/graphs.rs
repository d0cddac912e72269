//! Networks as graphs, run operator by operator, against the networks themselves.

use std::collections::HashSet;

use loam::Error;
use loam::engine::{Loading, Part, VisionLanguageModel};
use loam::graph::{Evaluator, Graph, Misfit, Role};
use loam::model::backbone::{Backbone, ChunkShape, Entry, Row, Want};
use loam::model::encoder::{Features, Item, Sequence, open, open_text};
use loam::model::recognizer::ctc::{CtcNetwork, TowerCtc};
use loam::model::{CacheType, LinearRole, LinearTable, Modality};
use loam::quant::{Deltas, FloatPair, LowRank, Matrix};
use loam::weights::Safetensors;

use crate::encoder::tiny;
use crate::every_tower::{TEXTS, TOWERS, dir, noise};
use crate::fixture::{floats, max_difference, path};

const TOLERANCE: f32 = 1e-4;
const RANK: usize = 4;

/// Runs a graph on what it reads first, a mask where it has one, and an adapter.
fn run(graph: &Graph, data: &[Vec<f32>], deltas: Option<&Deltas>) -> Result<Vec<Vec<f32>>, Misfit> {
    let signature = graph.signature();
    let mut factors = signature.factors(deltas)?.into_iter();
    let mut data = data.iter();
    let inputs = signature.inputs.iter().map(|input| match input.is_factor() {
        true => factors.next().expect("every factor"),
        false => data.next().expect("as many as the graph reads").clone(),
    });
    let inputs: Vec<Vec<f32>> = inputs.collect();
    let names: HashSet<&str> = graph.tensors().iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names.len(), graph.tensors().len(), "names are unlike each other");
    let mut seen = 0;
    let outputs = Evaluator::new(graph).run(&inputs, |_, _| seen += 1).expect("ran");
    assert_eq!(seen, graph.nodes().len() + inputs.len(), "every tensor is shown");
    Ok(outputs)
}

/// An adapter of rank `rank` on every layer, of some values.
fn adapter(linears: &LinearTable, rank: usize) -> Deltas {
    let mut state = 1u32;
    let mut matrix = |rows: usize, cols: usize| {
        let next = |_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / 16_777_216.0 - 0.5
        };
        Matrix::from_f32(&(0..rows * cols).map(next).collect::<Vec<f32>>(), rows, cols)
    };
    let linears = linears.infos().iter().filter(|info| info.role != LinearRole::Embedding);
    let low_rank = linears.map(|info| {
        let (a, b) = (matrix(rank, info.inputs), matrix(info.outputs, rank));
        (info.id, LowRank::Floats(FloatPair::new(&a, &b, 0.25).expect("floats")))
    });
    Deltas { low_rank: low_rank.collect(), ..Deltas::default() }
}

#[test]
fn the_text_encoder_as_a_graph_is_the_text_encoder() {
    let bert = tiny();
    let adapter = adapter(bert.linears(), 2);
    let width = bert.config().hidden_size;
    let (plain, graph) = (bert.lower(16, 0), bert.lower(16, RANK));
    assert!(plain.nodes().len() < graph.nodes().len());
    let tokens: Vec<u32> = (1..12).map(|i| i * 7 % 96).collect();
    for count in [1, 5, 11] {
        let tokens = &tokens[..count];
        for deltas in [None, Some(&adapter)] {
            let sequence = Sequence { tokens, deltas };
            let expected = bert.forward(&[sequence]).expect("forward");
            let inputs = bert.graph_inputs(&sequence, 16).expect("it fits");
            let outputs = run(&graph, &inputs, deltas).expect("the adapter fits");
            let worst = max_difference(&outputs[0][..count * width], &expected);
            assert!(worst <= TOLERANCE, "{count} tokens, adapter {}: {worst}", deltas.is_some());
            if deltas.is_none() {
                assert_eq!(run(&plain, &inputs, None).expect("ran"), outputs, "zeros change nothing");
            }
        }
    }
    assert!(bert.graph_inputs(&Sequence { tokens: &[1; 17], deltas: None }, 16).is_none());
    let low = bert.lower(16, 1);
    let inputs = bert.graph_inputs(&Sequence { tokens: &tokens, deltas: None }, 16).expect("it fits");
    let refused = run(&low, &inputs, Some(&adapter)).expect_err("rank 2");
    assert_eq!(refused, Misfit::Rank { rank: 2, most: 1 });
}

/// Encoders that do not lower themselves, and why.
const WITHOUT: &[(&str, Modality, &str)] =
    &[("wav2vec2", Modality::SPEECH, "it reads sound of any length, and would hear the zeros behind shorter sound")];

/// The part of an adapter of rank 2 on every layer whose factors are inputs of `graph`.
fn fitting(graph: &Graph, linears: &LinearTable) -> Deltas {
    let mut deltas = adapter(linears, 2);
    deltas.low_rank.retain(|id, _| graph.signature().takes(*id));
    assert!(!deltas.low_rank.is_empty());
    deltas
}

/// Runs graphs with and without factors as inputs, bare and under an adapter, and compares with what `expected` gives.
fn compare(
    what: &str,
    [plain, graph]: [&Graph; 2],
    deltas: &Deltas,
    inputs: &dyn Fn(Option<&Deltas>) -> Vec<Vec<f32>>,
    expected: &dyn Fn(Option<&Deltas>) -> Vec<Vec<f32>>,
) {
    let bare = expected(None);
    for deltas in [None, Some(deltas)] {
        let (inputs, expected) = (inputs(deltas), expected(deltas));
        let outputs = run(graph, &inputs, deltas).expect("the adapter fits");
        assert_eq!(outputs.len(), expected.len(), "{what}");
        for (ours, theirs) in outputs.iter().zip(&expected) {
            let worst = max_difference(ours, theirs);
            assert!(worst <= TOLERANCE, "{what}, adapter {}: {worst}", deltas.is_some());
        }
        match deltas {
            None => assert_eq!(run(plain, &inputs, None).expect("ran"), outputs, "{what}: zeros change nothing"),
            Some(_) => {
                assert!(max_difference(&bare[0], &expected[0]) > TOLERANCE, "{what}: the adapter changes nothing")
            }
        }
    }
}

/// Further fixtures: towers without projection, with a distillation token, and without pooler.
const OTHER_TOWERS: &[(&str, &str)] =
    &[("clip_vision_model", "clip-vision-bare-tiny"), ("deit", "deit-distilled-tiny"), ("vit", "vit-classifier-tiny")];

#[test]
fn towers_as_graphs_are_the_towers() {
    let mut without = Vec::new();
    let towers = TOWERS.iter().map(|(model_type, modality, fixture, _)| (*model_type, *modality, *fixture));
    let others = OTHER_TOWERS.iter().map(|(model_type, fixture)| (*model_type, Modality::IMAGE, *fixture));
    for (model_type, modality, fixture) in towers.chain(others) {
        let what = format!("{modality} of {model_type}, {fixture}");
        let dir = dir(model_type, modality, fixture);
        let encoder = open(&dir.at, modality).unwrap_or_else(|e| panic!("{what}: {e}"));
        let (Some(plain), Some(graph)) = (encoder.lower(0), encoder.lower(RANK)) else {
            without.push((model_type, modality));
            continue;
        };
        let shape = encoder.reads().unwrap_or_else(|| panic!("{what}: no extents"));
        let features = Features::new(noise(shape.iter().product(), 99), shape).expect("features");
        let convolutions =
            encoder.linears().infos().iter().any(|info| matches!(info.role, LinearRole::Convolution { .. }));
        // What acts on convolutions has no inputs for it.
        let whole = graph.signature().factors(Some(&adapter(encoder.linears(), 2)));
        assert_eq!(whole.err(), convolutions.then_some(Misfit::Layer), "{what}");
        let deltas = fitting(&graph, encoder.linears());
        compare(&what, [&plain, &graph], &deltas, &|_| vec![features.values.clone()], &|deltas| {
            let encoding = encoder.encode(&[Item { features: &features, deltas }]).expect("encoded").remove(0);
            vec![encoding.embedding, encoding.states]
        });
    }
    let known: Vec<(&str, Modality)> =
        WITHOUT.iter().map(|(model_type, modality, _)| (*model_type, *modality)).collect();
    assert_eq!(without, known);
}

#[test]
fn text_towers_as_graphs_are_the_text_towers() {
    for (model_type, fixture, text) in TEXTS {
        let dir = dir(model_type, Modality::TEXT, fixture);
        let encoder = open_text(&dir.at).unwrap_or_else(|e| panic!("{model_type}: {e}"));
        // Behind a text there is room, but where texts are filled up with padding.
        let tokens = encoder.padded_length().unwrap_or(text.len() + 2);
        let lower = |rank: usize| encoder.lower(tokens, rank).unwrap_or_else(|e| panic!("{model_type}: {e}"));
        let (plain, graph) = (lower(0), lower(RANK));
        let deltas = fitting(&graph, encoder.linears());
        let inputs = |deltas: Option<&Deltas>| encoder.graph_inputs(text, deltas, tokens).expect("it fits");
        compare(&format!("text of {model_type}"), [&plain, &graph], &deltas, &inputs, &|deltas| {
            encoder.embed(&[text.to_vec()], deltas).expect("embedded")
        });
        let short = encoder.graph_inputs(text, None, text.len() - 1).expect_err("too long a text");
        assert!(matches!(short, Error::ContextFull { .. }), "{model_type}: {short}");
        assert!(encoder.lower(0, 0).is_err() && encoder.lower(1 << 20, 0).is_err(), "{model_type}");
        if encoder.padded_length().is_some() {
            assert!(encoder.graph_inputs(&text[..3], None, tokens).is_err(), "{model_type}: a text without padding");
        }
    }
}

#[test]
fn a_sentence_encoder_that_reads_its_first_state_does_so_as_a_graph() {
    let copy = tempfile::tempdir().expect("folder");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(path("models/bert-tiny").join(file), copy.path().join(file)).expect("copied");
    }
    std::fs::create_dir(copy.path().join("1_Pooling")).expect("created");
    let pooling = r#"{"pooling_mode_mean_tokens": false, "pooling_mode_cls_token": true}"#;
    std::fs::write(copy.path().join("1_Pooling/config.json"), pooling).expect("written");
    let encoder = open_text(copy.path()).expect("encoder");
    let graph = encoder.lower(8, 0).expect("a graph");
    let inputs = encoder.graph_inputs(&[1, 5, 9, 2], None, 8).expect("it fits");
    let expected = encoder.embed(&[vec![1, 5, 9, 2]], None).expect("embedded");
    assert!(max_difference(&run(&graph, &inputs, None).expect("ran")[0], &expected[0]) <= TOLERANCE);
}

#[test]
fn the_vision_tower_of_a_vision_language_model_as_a_graph_is_the_tower() {
    for name in ["idefics3", "smolvlm"] {
        let part = Part::new(name, 0, Loading::First);
        let model = VisionLanguageModel::open(part, &path(&format!("models/{name}"))).expect("model");
        let vision = model.vision();
        let (plain, graph) = (vision.lower(0), vision.lower(RANK));
        let shape = graph.inputs().next().expect("pixels").1.shape[1..].to_vec();
        assert_eq!(shape[1..], [vision.side() * vision.patch(); 2]);
        let features = Features::new(noise(shape.iter().product(), 3), shape).expect("features");
        let deltas = fitting(&graph, vision.linears());
        compare(name, [&plain, &graph], &deltas, &|_| vec![features.values.clone()], &|deltas| {
            vision.encode(&[Item { features: &features, deltas }]).expect("encoded")
        });
    }
}

/// Keys and values of one layer, `[kv_heads, past, dim]` each.
type Past = Vec<[Vec<f32>; 2]>;

#[test]
fn the_backbone_as_a_graph_is_the_backbone_in_chunks_and_token_by_token() {
    for name in ["llama2", "llama-bias", "qwen2", "partial-rotary"] {
        let backbone = Backbone::open(path(&format!("models/{name}"))).expect("backbone");
        let config = backbone.config().clone();
        let (layers, past) = (config.num_hidden_layers, 12);
        let tokens: Vec<u32> = (0..9).map(|i| 3 + i * 5 % 40).collect();
        let mut cache = backbone.new_cache_as(CacheType::F32);
        let rows = tokens.iter().enumerate().map(|(position, &id)| Row {
            entry: Entry::Token(id),
            sequence: 0,
            position,
            deltas: None,
            want: Want::Hidden,
        });
        let expected = backbone.forward(&rows.collect::<Vec<_>>(), &mut [&mut cache]).expect("forward");
        let (heads, dim, width) = (config.num_key_value_heads, config.head_dim, config.hidden_size);
        let mut kept: Past = vec![[vec![0.0; heads * past * dim], vec![0.0; heads * past * dim]]; layers];
        let mut position = 0;
        for count in [4, 4, 1] {
            let shape = ChunkShape { rows: count, past, blocks: layers, rank: 0 };
            let graph = backbone.lower(shape).expect("a graph");
            let inputs = backbone.chunk_inputs(shape, position);
            let own = &tokens[position..position + count];
            let inputs: Vec<Vec<f32>> = graph
                .inputs()
                .map(|(_, _, role)| match role {
                    Role::Data => backbone.embedded(own),
                    Role::Mask => inputs.mask.clone(),
                    Role::Cosines => inputs.cosines.clone(),
                    Role::Sines => inputs.sines.clone(),
                    Role::Keys(layer) => kept[*layer][0].clone(),
                    Role::Values(layer) => kept[*layer][1].clone(),
                    Role::Down(_) | Role::Up(..) | Role::Pooling | Role::Presence => {
                        unreachable!("no rank, no pooling, and no sound")
                    }
                })
                .collect();
            let outputs = Evaluator::new(&graph).run(&inputs, |_, _| {}).expect("ran");
            let worst = max_difference(&outputs[0], &expected[position * width..(position + count) * width]);
            assert!(worst <= 2e-3, "{name}, rows {position} to {}: {worst}", position + count);
            // The caller writes keys and values behind those that are there.
            for (at, made) in outputs[1..].iter().enumerate() {
                for (head, made) in made.chunks_exact(count * dim).enumerate() {
                    let start = (head * past + position) * dim;
                    kept[at / 2][at % 2][start..start + made.len()].copy_from_slice(made);
                }
            }
            position += count;
        }
    }
    let gemma = Backbone::open(path("models/gemma3")).expect("backbone");
    let shape = ChunkShape { rows: 4, past: 8, blocks: 1, rank: 0 };
    assert_eq!(gemma.lower(shape).err(), Some("norms of queries and keys"));
}

/// Sound of any length through graphs of two lengths, behind masks: its states are those that it has alone.
#[test]
fn sound_that_fills_a_graph_in_part_is_heard_as_it_is_alone() {
    for name in ["tower-speech", "tower-speech-2d"] {
        let network = TowerCtc::open(&path(&format!("models/{name}"))).expect("tower");
        let graph = network.graph().expect("a graph");
        let sound = floats(
            &Safetensors::open(path(&format!("models/{name}")).join("expected.safetensors")).expect("expected"),
            "sound",
        );
        let (longest, whole) = (graph.columns(network.longest()), adapter(network.linears(), 2));
        for columns in [longest, longest / 2 + 1] {
            let lowered = graph.lower(columns, RANK).expect("a graph");
            for samples in [sound.len().min(network.longest()), 7_777, 5_000, 3_201, 3_040, 700] {
                let features = network.features(&sound[..samples]).expect("in bounds").expect("long enough");
                let own = features.shape[1];
                if own > columns {
                    let refused = graph.inputs(&features, columns).expect_err("too long").to_string();
                    assert!(refused.contains(&columns.to_string()), "{refused}");
                    continue;
                }
                let inputs = graph.inputs(&features, columns).expect("it fits");
                let states = network.states(&sound[..samples], None).expect("heard");
                assert_eq!(states.len(), graph.states_in(own) * network.width());
                let given = run(&lowered, &inputs, None).expect("it fits");
                let worst = max_difference(&given[0][..states.len()], &states);
                assert!(worst <= TOLERANCE, "{name}, {own} of {columns} columns: {worst}");
                // Convolutions, and the head behind the states, are no inputs.
                assert_eq!(run(&lowered, &inputs, Some(&whole)), Err(Misfit::Layer));
                let mut own = adapter(network.linears(), 2);
                own.low_rank.retain(|id, _| lowered.signature().takes(*id));
                assert!(!own.low_rank.is_empty());
                let given = run(&lowered, &inputs, Some(&own)).expect("it fits");
                let adapted = network.states(&sound[..samples], Some(&own)).expect("heard");
                let worst = max_difference(&given[0][..states.len()], &adapted);
                assert!(worst <= TOLERANCE, "{name}, adapted: {worst}");
                assert!(max_difference(&adapted, &states) > 1e-2);
            }
        }
        for none in [0, longest + 1] {
            assert!(graph.lower(none, 0).is_none(), "{none} columns");
        }
        let other = Features::new(vec![0.0; 13 * 20], vec![13, 20]).expect("features");
        assert!(graph.inputs(&other, longest).is_err() && network.states_of(&other, None).is_err());
    }
}
