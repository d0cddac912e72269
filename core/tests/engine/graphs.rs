//! Networks as graphs, run operator by operator, against the networks themselves.

use loam::graph::{Evaluator, Graph, Misfit, Role};
use loam::model::backbone::{Backbone, ChunkShape, Entry, Row, Want};
use loam::model::encoder::{Features, Item, Sequence, open};
use loam::model::{CacheType, LinearRole, LinearTable, Modality};
use loam::quant::{Deltas, FloatPair, LowRank, Matrix};
use loam::weights::Safetensors;

use crate::encoder::tiny;
use crate::fixture::{max_difference, path};

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

#[test]
fn towers_as_graphs_are_the_towers() {
    for (name, modality) in [("image", Modality::IMAGE), ("sound", Modality::SOUND), ("imu", Modality::IMU)] {
        let dir = path(&format!("models/tower-{name}"));
        let encoder = open(&dir, modality).expect("tower");
        let expected = Safetensors::open(dir.join("expected.safetensors")).expect("expected");
        let view = expected.tensor("inputs").expect("readable").expect("present");
        let values = view.to_f32();
        let (plain, graph) = (encoder.lower(0).expect("a graph"), encoder.lower(RANK).expect("a graph"));
        let signature = graph.signature();
        let whole = adapter(encoder.linears(), 2);
        // What acts on convolutions has no inputs for it.
        assert_eq!(signature.factors(Some(&whole)), Err(Misfit::Layer), "{name}");
        let mut linears = adapter(encoder.linears(), 2);
        linears.low_rank.retain(|id, _| signature.takes(*id));
        assert!(!linears.low_rank.is_empty());
        for input in values.chunks_exact(values.len() / view.shape[0]) {
            let features = Features::new(input.to_vec(), view.shape[1..].to_vec()).expect("features");
            for deltas in [None, Some(&linears)] {
                let encoding = encoder.encode(&[Item { features: &features, deltas }]).expect("encoded").remove(0);
                let outputs = run(&graph, &[input.to_vec()], deltas).expect("the adapter fits");
                for (ours, theirs) in outputs.iter().zip([&encoding.embedding, &encoding.states]) {
                    let worst = max_difference(ours, theirs);
                    assert!(worst <= TOLERANCE, "{name}, adapter {}: {worst}", deltas.is_some());
                }
                if deltas.is_none() {
                    assert_eq!(run(&plain, &[input.to_vec()], None).expect("ran"), outputs, "zeros change nothing");
                }
            }
        }
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
                    Role::Down(_) | Role::Up(..) => unreachable!("no rank"),
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
