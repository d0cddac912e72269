//! Small networks as graphs, with sample data.

use loam::graph::{Evaluator, Graph, Role, Signature};
use loam::model::backbone::{Backbone, ChunkShape};
use loam::model::encoder::{Bert, BertConfig, Sequence, open, open_text};
use loam::model::recognizer::ctc::{CtcNetwork, TowerCtc};
use loam::model::{LinearRole, LinearTable, Modality};
use loam::quant::{Deltas, FloatPair, LowRank, Matrix};
use loam::weights::{Checkpoint, Safetensors};

use crate::fixture::{Values, models};

/// Rank of the adapters that graphs take.
pub const RANK: usize = 4;

/// A network.
pub struct Network {
    pub name: &'static str,
    /// With the factors of adapters as inputs.
    pub graph: Graph,
    /// Without.
    pub plain: Graph,
    /// Values of all inputs but an adapter's factors; the last ones are kept from calibration.
    pub samples: Vec<Vec<Vec<f32>>>,
    /// Adapters of lesser rank, as the graph takes them.
    pub adapters: Vec<Vec<Vec<f32>>>,
}

impl Network {
    /// All inputs in order.
    pub fn inputs(&self, sample: &[Vec<f32>], factors: &[Vec<f32>]) -> Vec<Vec<f32>> {
        let (mut data, mut factors) = (sample.iter(), factors.iter());
        let signature = self.graph.signature();
        let next = |input: &loam::graph::Entrance| {
            if input.is_factor() { factors.next() } else { data.next() }.expect("as many as inputs").clone()
        };
        signature.inputs.iter().map(next).collect()
    }

    /// What no adapter is.
    pub fn zeros(&self) -> Vec<Vec<f32>> {
        self.graph.signature().factors(None).expect("zeros")
    }
}

fn adapters(signature: &Signature, linears: &LinearTable) -> Vec<Vec<Vec<f32>>> {
    let adapter = |(seed, rank): (u32, usize)| {
        let mut values = Values::new(seed);
        let mut matrix = |rows: usize, cols: usize, most: f32| {
            let values: Vec<f32> = values.take(rows * cols).iter().map(|value| value * most).collect();
            Matrix::from_f32(&values, rows, cols)
        };
        let taken =
            linears.infos().iter().filter(|info| info.role != LinearRole::Embedding && signature.takes(info.id));
        let low_rank = taken.map(|info| {
            let a = matrix(rank, info.inputs, (info.inputs as f32).powf(-0.5));
            let b = matrix(info.outputs, rank, 0.2);
            (info.id, LowRank::Floats(FloatPair::new(&a, &b, 1.0).expect("floats")))
        });
        let deltas = Deltas { low_rank: low_rank.collect(), ..Deltas::default() };
        signature.factors(Some(&deltas)).expect("it fits")
    };
    [(1, RANK), (2, 2)].map(adapter).to_vec()
}

/// A text encoder with pooling and unit length.
pub fn text(name: &'static str) -> Network {
    let encoder = open_text(&models(name)).expect("text encoder");
    let tokens = encoder.max_tokens().min(16);
    let lower = |rank| encoder.lower(tokens, rank).expect("a graph");
    let (graph, plain) = (lower(RANK), lower(0));
    let sample = |seed: u32| {
        // CLIP reads the embedding where the text ends.
        let count = tokens as u32 - 1 - seed % 5;
        let mut text: Vec<u32> = (0..count).map(|at| 1 + (at * 7 + seed * 5) % 60).collect();
        text.push(63);
        encoder.graph_inputs(&text, None, tokens).expect("it fits")
    };
    let adapters = adapters(&graph.signature(), encoder.linears());
    Network { name, graph, plain, samples: (0..24).map(sample).collect(), adapters }
}

pub fn bert() -> Network {
    let dir = models("bert-tiny");
    let json = serde_json::from_slice(&std::fs::read(dir.join("config.json")).expect("config")).expect("json");
    let config = BertConfig::parse(&json).expect("config");
    let bert = Bert::load(&Checkpoint::open(&dir).expect("checkpoint"), config).expect("bert");
    let (graph, plain) = (bert.lower(16, RANK), bert.lower(16, 0));
    let sample = |seed: u32| {
        let tokens: Vec<u32> = (0..4 + seed % 9).map(|at| 1 + (at * 7 + seed * 5) % 90).collect();
        bert.graph_inputs(&Sequence { tokens: &tokens, deltas: None }, 16).expect("it fits").to_vec()
    };
    let adapters = adapters(&graph.signature(), bert.linears());
    Network { name: "bert", graph, plain, samples: (0..24).map(sample).collect(), adapters }
}

/// An encoder on noise.
pub fn transformer(name: &'static str, modality: Modality) -> Network {
    let encoder = open(&models(name), modality).expect("encoder");
    let shape = encoder.reads().expect("one shape");
    let count = shape.iter().product();
    let samples = (0..12).map(|seed| vec![Values::new(seed).take(count)]).collect();
    let (graph, plain) = (encoder.lower(RANK).expect("a graph"), encoder.lower(0).expect("a graph"));
    let adapters = adapters(&graph.signature(), encoder.linears());
    Network { name, graph, plain, samples, adapters }
}

pub fn tower(name: &'static str, modality: Modality) -> Network {
    let dir = models(name);
    let encoder = open(&dir, modality).expect("tower");
    let expected = Safetensors::open(dir.join("expected.safetensors")).expect("expected");
    let view = expected.tensor("inputs").expect("readable").expect("present");
    let values = view.to_f32();
    let count = values.len() / view.shape[0];
    // Those of the fixture, and others between them.
    let mut samples: Vec<Vec<Vec<f32>>> = values.chunks_exact(count).map(|input| vec![input.to_vec()]).collect();
    let noise = |seed: u32| {
        let own = &values[..count];
        vec![Values::new(seed).take(count).iter().zip(own).map(|(a, b)| 0.5 * (a + b)).collect::<Vec<f32>>()]
    };
    samples.splice(0..0, (0..8).map(noise));
    let (graph, plain) = (encoder.lower(RANK).expect("a graph"), encoder.lower(0).expect("a graph"));
    let adapters = adapters(&graph.signature(), encoder.linears());
    Network { name, graph, plain, samples, adapters }
}

/// A recogniser on noise, most of which does not fill its graph.
pub fn speech(name: &'static str) -> Network {
    let network = TowerCtc::open(&models(name)).expect("tower");
    let graph = network.graph().expect("graphs");
    let columns = graph.columns(network.longest()) * 3 / 4;
    let lower = |rank| graph.lower(columns, rank).expect("a graph");
    let sample = |seed: u32| {
        let samples = Values::new(seed).take(columns * 150 - 700 * seed as usize);
        let features = network.features(&samples).expect("in bounds").expect("long enough");
        graph.inputs(&features, columns).expect("it fits")
    };
    let (samples, graph, plain) = ((0..12).map(sample).collect(), lower(RANK), lower(0));
    let adapters = adapters(&graph.signature(), network.linears());
    Network { name, graph, plain, samples, adapters }
}

/// Chunks of four tokens behind others.
pub fn backbone(name: &'static str) -> Network {
    let backbone = Backbone::open(models(name)).expect("backbone");
    let layers = backbone.config().num_hidden_layers;
    let shape = ChunkShape { rows: 4, past: 12, blocks: layers, rank: RANK };
    let lower = |rank| backbone.lower(ChunkShape { rank, ..shape }).expect("a graph");
    let (graph, plain) = (lower(RANK), lower(0));
    let evaluator = Evaluator::new(&plain);
    let signature = plain.signature();
    let mut samples = Vec::new();
    for text in 0..6u32 {
        let tokens: Vec<u32> = (0..12).map(|at| 3 + (at * 5 + text * 11) % 40).collect();
        let mut kept: Vec<Vec<f32>> = signature.inputs.iter().map(|input| vec![0.0; input.count()]).collect();
        for position in [0, 4, 8] {
            let chunk = backbone.chunk_inputs(shape, position);
            for (input, kept) in signature.inputs.iter().zip(&mut kept) {
                match input.role {
                    Role::Data => *kept = backbone.embedded(&tokens[position..position + 4]),
                    Role::Mask => kept.clone_from(&chunk.mask),
                    Role::Cosines => kept.clone_from(&chunk.cosines),
                    Role::Sines => kept.clone_from(&chunk.sines),
                    _ => {}
                }
            }
            let outputs = evaluator.run(&kept, |_, _| {}).expect("ran");
            samples.push(kept.clone());
            let caches = kept.iter_mut().zip(&signature.inputs);
            let caches = caches.filter(|(_, input)| matches!(input.role, Role::Keys(_) | Role::Values(_)));
            for ((cache, input), made) in caches.zip(&outputs[1..]) {
                let [_, past, dim] = input.shape[..] else { panic!("three axes") };
                for (head, made) in made.chunks_exact(4 * dim).enumerate() {
                    let start = (head * past + position) * dim;
                    cache[start..start + made.len()].copy_from_slice(made);
                }
            }
        }
    }
    let adapters = adapters(&graph.signature(), backbone.linears());
    Network { name, graph, plain, samples, adapters }
}

pub fn all() -> Vec<Network> {
    vec![
        bert(),
        text("clip-tiny"),
        transformer("vit-tiny", Modality::IMAGE),
        transformer("siglip-tiny", Modality::IMAGE),
        transformer("whisper", Modality::SPEECH),
        transformer("limu-tiny", Modality::IMU),
        transformer("imagebind-tiny", Modality::SOUND),
        tower("tower-image", Modality::IMAGE),
        tower("tower-sound", Modality::SOUND),
        tower("tower-imu", Modality::IMU),
        speech("tower-speech"),
        speech("tower-speech-2d"),
        backbone("llama2"),
        backbone("qwen2"),
    ]
}
