//! The built-in foundation on Qualcomm's simulator, with the processor forbidden.

use std::path::Path;
use std::sync::Arc;

use loam::Engine;
use loam::dispatch::{Backend, Delegate, DispatchOptions, Preference, Segment, Strictness, Subject};
use loam::engine::{EngineOptions, LanguageModel};
use loam::foundation::ComponentKind;
use loam::graph::Evaluator;
use loam::input::{
    Affixes, Audio, Channels, Image, ImuLayout, ImuSource, ImuWindow, Input, PixelLayout, Repair, SampleRate, Special,
};
use loam::model::backbone::{ChunkShape, Entry, Row, Want};
use loam::model::{CacheType, Modality};
use loam::quant::Matrix;
use loam::task::{EmbedOptions, similarity};
use loam::weights::Gguf;
use loam_delegates::component::{lower, observe, single_precision};
use loam_delegates::provider::{Arch, Provider, Qnn};
use loam_delegates::quantize::{Calibrated, Calibration};
use loam_delegates::{Compiler, OnnxBackend, Target};

use crate::fixture::{Values, cosine, libraries, nano, runtime};
use crate::qnn::{dumped, simulator};

/// Prose of this project, in pieces of some 200 tokens; the first ones calibrate, and the last ones test.
fn texts() -> Vec<String> {
    let docs = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs");
    let mut texts = Vec::new();
    for name in
        ["tasks.md", "adapters.md", "many-apps.md", "foundation.md", "training-an-adapter.md", "data-folders.md"]
    {
        let text = std::fs::read_to_string(docs.join(name)).expect("a page of the documentation");
        let words: Vec<&str> = text.split_inclusive(' ').collect();
        texts.extend(words.chunks_exact(150).map(<[&str]>::concat));
    }
    texts
}

/// As samples.
fn inputs(texts: &[String]) -> Vec<Input> {
    texts.iter().cloned().map(Input::Text).collect()
}

/// Ranges of a component's graphs, all of which read all samples.
pub fn calibrated(
    engine: &Engine,
    kind: ComponentKind,
    segments: &[Segment],
    rank: usize,
    samples: &[Input],
) -> Calibrated {
    let component = engine.foundation().component(kind).expect("component");
    let mut calibration = Calibration::default();
    for &segment in segments {
        let graph = lower(engine, component, segment, rank).expect("a graph");
        let read = observe(&mut calibration, engine, component, (segment, &graph), samples, &mut || {});
        assert!(read.expect("observed") >= samples.len());
    }
    calibration.finish(0.0)
}

/// Compiles a segment, for `target`.
pub fn compiled(
    engine: &Engine,
    kind: ComponentKind,
    (segment, rank): (Segment, usize),
    calibrated: &Calibrated,
    (target, root): (Target, &Path),
) -> Box<dyn Delegate> {
    let component = engine.foundation().component(kind).expect("component");
    let fingerprint = component.fingerprint().expect("fingerprint");
    let subject = Subject { component: component.name(), fingerprint, segment };
    let graph = lower(engine, component, segment, rank).expect("a graph");
    let runtime = runtime().expect("the caller has asked");
    let provider = target.provider(&libraries()).expect("provider");
    let compiler = Compiler { runtime: &runtime, provider: &*provider, target, root };
    compiler.compile(&subject, &graph, calibrated).expect("compiled");
    OnnxBackend::new(target, libraries(), root).open(&subject).expect("opened")
}

/// Fails unless a graph that was compiled for the reference is one graph of integers for QNN.
pub fn check_integers(root: &Path, component: &str, segment: Segment) {
    let dump = tempfile::tempdir().expect("folder");
    let provider = Qnn::new(Arch::V75, &libraries().qnn.expect("checked")).dumping_to(dump.path());
    let graph = root.join(format!("onnx-integer/{component}/{segment}/graph.onnx"));
    provider.compile(&runtime().expect("checked"), &graph, dump.path()).expect("compiled");
    let (graphs, operators, floats) = dumped(dump.path());
    assert_eq!((graphs, floats), (1, Vec::new()), "{component} {segment}: {operators:?}");
    println!("{component} {segment}: {operators:?}");
}

#[test]
fn sentences_mean_the_same_on_the_simulator() {
    let (Some(_), Some(dir)) = (simulator(), nano()) else { return };
    let plain = Engine::open(&dir).expect("foundation");
    let root = tempfile::tempdir().expect("folder");
    let segment = Segment::Text { tokens: 64 };
    let texts = texts();
    // From all pages: what one of them is about would narrow the ranges.
    let known: Vec<String> = texts.iter().step_by(2).cloned().collect();
    let ranges = calibrated(&plain, ComponentKind::TEXT, &[segment], 16, &inputs(&known));
    let [ours, other, _] = [Target::QnnV75, Target::QnnV79, Target::OnnxInteger]
        .map(|target| compiled(&plain, ComponentKind::TEXT, (segment, 16), &ranges, (target, root.path())));
    check_integers(root.path(), "text", segment);
    // The two generations of the processor compute the same.
    let run = |delegate: &dyn Delegate| {
        let zeros = delegate.adapt(&delegate.signature().factors(None).expect("zeros")).expect("in range");
        let sample: Vec<&[f32]> = delegate.sample().iter().map(|values| &values[..]).collect();
        delegate.run(&sample, &zeros).expect("ran").remove(0)
    };
    let between = cosine(&run(&*ours), &run(&*other));
    assert!(between >= 0.9999, "v75 and v79: cosine {between}");
    let dispatch = DispatchOptions {
        backends: vec![Arc::new(OnnxBackend::new(Target::QnnV75, libraries(), root.path()))],
        preference: Preference::Delegate,
        strictness: Strictness::Strict,
        ..DispatchOptions::default()
    };
    let engine = Engine::open_with(&dir, EngineOptions { dispatch, ..EngineOptions::default() }).expect("foundation");
    engine.text().expect("text encoder");
    engine.wait_for_delegates("text");
    let sentences = Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures/minilm/sentences.json");
    let sentences: Vec<String> = serde_json::from_slice(&std::fs::read(sentences).expect("sentences")).expect("a list");
    let model = plain.text().expect("text encoder");
    let is_short = |sentence: &&String| model.tokens(sentence, 128).expect("tokens").len() <= 64;
    let cosines: Vec<f32> = sentences
        .iter()
        .filter(is_short)
        .map(|sentence| {
            let embed = |engine: &Engine| engine.embed(&sentence[..], &EmbedOptions::default()).expect("embedded");
            let (ours, theirs) = (embed(&engine), embed(&plain));
            assert_eq!(ours.trace.steps[0].backend, "qnn-v75");
            similarity(&ours.vector, &theirs.vector)
        })
        .collect();
    let mean = cosines.iter().sum::<f32>() / cosines.len() as f32;
    println!(
        "{} sentences on the simulator: cosine {mean:.5}, least {:.5}",
        cosines.len(),
        cosines.iter().fold(1.0f32, |a, b| a.min(*b))
    );
    assert!(cosines.len() >= 15);
    assert!(mean >= 0.999, "mean {mean} of {cosines:?}");
}

/// Something of each kind that towers read.
fn noise() -> Vec<Input> {
    let mut values = Values::new(3);
    let mut samples = Vec::new();
    for _ in 0..4 {
        let pixels: Vec<u8> = values.take(64 * 64 * 3).iter().map(|value| (127.0 + 127.0 * value) as u8).collect();
        samples.push(Input::Image(Image::from_pixels(&pixels, PixelLayout::Rgb, 64, 64).expect("a picture")));
        let sound = Audio::from_f32(&values.take(32_000), Channels::MONO, SampleRate::SPEECH).expect("sound");
        samples.push(Input::Sound(sound));
        let source = ImuSource::android(50.0, ImuLayout::AccelerometerGyroscope);
        let window = ImuWindow::new(source, values.take(200 * 6), None).expect("a window");
        samples.push(Input::Motion { window, repair: Repair::Refuse });
    }
    samples
}

/// What `check_integers` shows of the text encoder and of blocks, of all other towers of the foundation.
#[test]
fn towers_of_pictures_sounds_and_motion_compute_in_integers() {
    let (Some(_), Some(dir)) = (simulator(), nano()) else { return };
    let plain = Engine::open(&dir).expect("foundation");
    let root = tempfile::tempdir().expect("folder");
    for (modality, reads) in [
        (Modality::IMAGE, (|input| matches!(input, Input::Image(_))) as fn(&Input) -> bool),
        (Modality::SOUND, |input| matches!(input, Input::Sound(_))),
        (Modality::IMU, |input| matches!(input, Input::Motion { .. })),
    ] {
        let kind = ComponentKind::Encoder(modality);
        let samples: Vec<Input> = noise().into_iter().filter(reads).collect();
        let ranges = calibrated(&plain, kind, &[Segment::Whole], 16, &samples);
        let target = (Target::OnnxInteger, root.path());
        compiled(&plain, kind, (Segment::Whole, 16), &ranges, target);
        check_integers(root.path(), modality.as_str(), Segment::Whole);
    }
}

/// The graphs of a backbone, one for pieces of prompts and one for single tokens.
struct Chunks<'m> {
    model: &'m LanguageModel,
    shapes: [ChunkShape; 2],
    delegates: [Box<dyn Delegate>; 2],
}

impl Chunks<'_> {
    /// States of all tokens but the first, which the processor runs; the last `singles` one by one.
    fn states(&self, tokens: &[u32], singles: usize) -> Vec<f32> {
        let backbone = self.model.backbone();
        let mut cache = single_precision(backbone, self.shapes[0].blocks).expect("a cache");
        let mut states = Vec::new();
        // The first token on the processor: its keys and values enter as they are.
        let component = ChunkShape { rows: 1, rank: 0, ..self.shapes[1] };
        let graph = backbone.lower(component).expect("a graph");
        let inputs = backbone.graph_inputs(&graph.signature(), component, &cache, &tokens[..1]).expect("inputs");
        let outputs = Evaluator::new(&graph).run(&inputs, |_, _| {}).expect("ran");
        cache.append(&outputs[1..], 1, 1).expect("no budget");
        let whole = (tokens.len() - 1 - singles) / self.shapes[0].rows * self.shapes[0].rows;
        let (chunks, rest) = tokens[1..].split_at(whole);
        let pieces = chunks.chunks_exact(self.shapes[0].rows).map(|piece| (0, piece));
        for (at, piece) in pieces.chain(rest.chunks_exact(1).take(singles).map(|token| (1, token))) {
            let (shape, delegate) = (self.shapes[at], &self.delegates[at]);
            let inputs = backbone.graph_inputs(delegate.signature(), shape, &cache, piece).expect("inputs");
            let inputs: Vec<&[f32]> = inputs.iter().map(|values| &values[..]).collect();
            let zeros = delegate.adapt(&delegate.signature().factors(None).expect("zeros")).expect("in range");
            let outputs = delegate.run(&inputs, &zeros).expect("ran");
            states.extend(&outputs[0]);
            cache.append(&outputs[1..], shape.rows, shape.rows).expect("no budget");
        }
        states
    }
}

/// The backbone's first `blocks` blocks, compiled for a target.
fn chunks<'m>(
    engine: &Engine,
    model: &'m LanguageModel,
    (blocks, past, rank): (usize, usize, usize),
    (target, root): (Target, &Path),
    texts: &[String],
) -> Chunks<'m> {
    let segments = [32, 1].map(|rows| Segment::Chunk { rows, past, blocks });
    let ranges = calibrated(engine, ComponentKind::Backbone, &segments, rank, &inputs(texts));
    let delegates =
        segments.map(|segment| compiled(engine, ComponentKind::Backbone, (segment, rank), &ranges, (target, root)));
    let shapes = [32, 1].map(|rows| ChunkShape { rows, past, blocks, rank });
    Chunks { model, shapes, delegates }
}

/// What the same graph gives in single precision.
fn floats(model: &LanguageModel, shape: ChunkShape, tokens: &[u32]) -> Vec<f32> {
    let backbone = model.backbone();
    let graph = backbone.lower(ChunkShape { rank: 0, ..shape }).expect("a graph");
    let (signature, evaluator) = (graph.signature(), Evaluator::new(&graph));
    let mut cache = single_precision(backbone, shape.blocks).expect("a cache");
    let mut states = Vec::new();
    // The first token alone, and perhaps the last ones: the rest of a piece is filled up and given up.
    let pieces = std::iter::once(&tokens[..1]).chain(tokens[1..].chunks(shape.rows));
    for (at, piece) in pieces.enumerate() {
        let inputs = backbone.graph_inputs(&signature, shape, &cache, piece).expect("inputs");
        let outputs = evaluator.run(&inputs, |_, _| {}).expect("ran");
        cache.append(&outputs[1..], shape.rows, piece.len()).expect("no budget");
        if at > 0 {
            states.extend(&outputs[0][..piece.len() * backbone.config().hidden_size]);
        }
    }
    states
}

/// What the engine makes of the same tokens: states after `blocks` blocks.
fn expected(model: &LanguageModel, blocks: usize, tokens: &[u32]) -> Vec<f32> {
    let backbone = model.backbone();
    let mut cache = match blocks == backbone.config().num_hidden_layers {
        true => backbone.new_cache_as(CacheType::F32),
        false => backbone.new_cache_of(blocks).expect("a cache"),
    };
    let rows = tokens.iter().enumerate().map(|(position, &id)| Row {
        entry: Entry::Token(id),
        sequence: 0,
        position,
        deltas: None,
        want: if position == 0 { Want::Nothing } else { Want::Hidden },
    });
    backbone.forward(&rows.collect::<Vec<_>>(), &mut [&mut cache]).expect("states")
}

fn tokens(model: &LanguageModel, text: &str, most: usize) -> Vec<u32> {
    model.tokenizer().expect("tokenizer").encode_within(text, Special::Plain, Affixes::Add, most).expect("tokens")
}

#[test]
fn four_blocks_of_the_backbone_run_in_pieces_and_token_by_token() {
    let (Some(_), Some(dir)) = (simulator(), nano()) else { return };
    let engine = Engine::open(&dir).expect("foundation");
    let model = engine.language().expect("backbone");
    let (root, texts) = (tempfile::tempdir().expect("folder"), texts());
    let of = |target| chunks(&engine, &model, (4, 96, 8), (target, root.path()), &texts[..12]);
    let (ours, reference) = (of(Target::QnnV75), of(Target::OnnxInteger));
    for rows in [32, 1] {
        check_integers(root.path(), "backbone", Segment::Chunk { rows, past: 96, blocks: 4 });
    }
    let width = model.backbone().config().hidden_size;
    let text = tokens(&model, texts.last().expect("texts"), 68);
    let (given, closest) = (ours.states(&text, 3), reference.states(&text, 3));
    let wanted = expected(&model, 4, &text[..1 + given.len() / width]);
    assert_eq!(given.len() / width, 67);
    let mean = |a: &[f32], b: &[f32]| {
        let cosines: Vec<f64> = a.chunks_exact(width).zip(b.chunks_exact(width)).map(|(a, b)| cosine(a, b)).collect();
        cosines.iter().sum::<f64>() / cosines.len() as f64
    };
    let (to_engine, to_reference) = (mean(&given, &wanted), mean(&given, &closest));
    println!(
        "4 blocks, 64 tokens in pieces and 3 one by one: cosine {to_engine:.5} to the engine, {to_reference:.5} to the processor's integers"
    );
    assert!(to_engine >= 0.999 && to_reference >= 0.999, "{to_engine} {to_reference}");
}

/// Tokens of a text that run one by one, behind its pieces.
const SINGLES: usize = 4;

/// Argmax agreement of all blocks on 1,000 tokens: some ten minutes on the simulator, so it runs on demand.
/// `LOAM_TEST_TARGET=onnx-integer` takes a minute.
#[test]
#[ignore = "ten minutes on the simulator: make delegates-backbone"]
fn all_blocks_choose_the_same_tokens() {
    let (Some(_), Some(dir)) = (simulator(), nano()) else { return };
    let target = std::env::var("LOAM_TEST_TARGET").map_or(Target::QnnV75, |name| name.parse().expect("a target"));
    let engine = Engine::open(&dir).expect("foundation");
    let model = engine.language().expect("backbone");
    let blocks = model.backbone().config().num_hidden_layers;
    let (root, texts) = (tempfile::tempdir().expect("folder"), texts());
    let (known, new) = texts.split_at(texts.len() - 6);
    let chunks = chunks(&engine, &model, (blocks, 224, 16), (target, root.path()), known);
    let width = model.backbone().config().hidden_size;
    // The engine's own LM head rounds states to bytes, which turns choices that are close.
    let vocabulary = model.backbone().config().vocab_size;
    let file = Gguf::open(dir.join("backbone/SmolLM2-135M-Instruct.Q4_1.gguf")).expect("backbone");
    let head = file.tensor("token_embd.weight").expect("readable").expect("present").to_f32();
    let head = Matrix::from_f32(&head, vocabulary, width);
    // To the graph in single precision, and to the engine, whose kernels round activations to bytes.
    let (mut same, mut all, mut cosines) = ([0; 2], 0, [0.0; 2]);
    for text in new {
        let tokens = tokens(&model, text, 1 + 6 * 32 + SINGLES);
        let states = chunks.states(&tokens, SINGLES);
        let count = states.len() / width;
        let wanted = expected(&model, blocks, &tokens[..=count]);
        let choices = |states: &[f32]| -> Vec<usize> {
            let mut logits = vec![0.0; states.len() / width * vocabulary];
            head.multiply(states, states.len() / width, &mut logits);
            let largest = |row: &[f32]| (0..row.len()).max_by(|&a, &b| row[a].total_cmp(&row[b])).expect("a token");
            logits.chunks_exact(vocabulary).map(largest).collect()
        };
        let own = choices(&states);
        all += count;
        for (at, reference) in [floats(&model, chunks.shapes[0], &tokens[..=count]), wanted].iter().enumerate() {
            same[at] += own.iter().zip(&choices(reference)).filter(|(a, b)| a == b).count();
            let pairs = states.chunks_exact(width).zip(reference.chunks_exact(width));
            cosines[at] += pairs.map(|(a, b)| cosine(a, b)).sum::<f64>();
            let to = ["single precision", "the engine"][at];
            let mean = cosines[at] / all as f64;
            println!("{} to {to}: {} of {all} tokens, mean cosine {mean:.5}", target.name(), same[at]);
        }
    }
    assert!(all >= 1000, "{all} tokens");
    let agreement = same[0] as f64 / all as f64;
    assert!(agreement >= 0.97, "argmax agreement {agreement}");
}
