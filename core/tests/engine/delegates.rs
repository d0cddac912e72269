//! Components on delegates, which fail in every way that they can: results are right all the same, and say why they come from the
//! processor. The delegate here is real: it runs a component's graph operator by operator.

use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use loam::adapter::{Adapter, InstallPolicy};
use loam::dispatch::{
    Backend, Conditions, Delegate, DispatchOptions, Factors, FirstUse, Preference, Preparation, REFUSED, Reason,
    Segment, Strictness, Subject, Support, Thermal,
};
use loam::engine::{Batch, EngineOptions, Event, GenerateOptions, Request, Sink, Speculation, Step, TrimLevel};
use loam::graph::{Evaluator, Graph, Misfit, Signature};
use loam::input::{Audio, Channels, ImuLayout, ImuSource, ImuWindow, Input, Repair, SampleRate};
use loam::model::Modality;
use loam::model::backbone::{Backbone, ChunkShape};
use loam::model::encoder::{Encoder, open, open_text};
use loam::model::recognizer::ctc::{CtcNetwork, TowerCtc};
use loam::task::{EmbedOptions, TranscribeOptions, Transcript};
use loam::weights::Safetensors;
use loam::{Engine, Error};

use crate::fixture::{adapter_with, floats, max_difference, path};

/// What goes wrong.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    Nothing,
    Unavailable,
    Refused,
    Damaged,
    Nan,
    Fails,
    /// Gives something else than the network does.
    Wrong,
    /// After it was judged.
    NanLater,
    AdapterRange,
    /// Runs a part of each graph.
    Divides,
    /// Gives twice of what the network does.
    Doubles,
    /// Never opens.
    Hangs,
}

fn divided() -> Reason {
    Reason::Refused("LayerNormalization".to_owned())
}

#[derive(Debug)]
struct Npu {
    fault: Fault,
    /// Where the text encoder is.
    text: PathBuf,
    /// Tokens of the backbone's graphs.
    chunks: &'static [usize],
    /// Below which there is a file for each component that is compiled; `None` where all are.
    folder: Option<PathBuf>,
    runs: Arc<AtomicUsize>,
}

#[derive(Debug)]
struct Compiled {
    graph: Graph,
    signature: Signature,
    sample: Vec<Vec<f32>>,
    fault: Fault,
    runs: Arc<AtomicUsize>,
    /// Runs before all graphs are judged.
    judged: usize,
}

const TOKENS: usize = 8;
/// Earlier positions that the backbone's graph has room for.
const PAST: usize = 25;
const RANK: usize = 4;
/// Columns of the recogniser's graph: its windows have up to 100.
const COLUMNS: usize = 60;

fn motion() -> Box<dyn Encoder> {
    open(&path("models/imagebind-tiny"), Modality::IMU).expect("encoder")
}

impl Backend for Npu {
    fn name(&self) -> &str {
        "test-npu"
    }

    fn is_available(&self) -> Result<(), Reason> {
        match self.fault {
            Fault::Unavailable => Err(Reason::Unavailable("no driver".to_owned())),
            _ => Ok(()),
        }
    }

    fn identity(&self) -> Result<String, Reason> {
        Ok("v1".to_owned())
    }

    fn compiled(&self, component: &str) -> Vec<Segment> {
        let is_there = self.folder.as_ref().is_none_or(|folder| folder.join(component).is_file());
        match component {
            _ if !is_there => Vec::new(),
            "text" => vec![Segment::Text { tokens: TOKENS }],
            // The encoder around the same weights has one, too, which is not the recogniser's.
            "speech" => vec![Segment::Whole, Segment::Sound { columns: COLUMNS }],
            "backbone" => self.chunks.iter().map(|&rows| Segment::Chunk { rows, past: PAST, blocks: 2 }).collect(),
            _ => vec![Segment::Whole],
        }
    }

    fn open(&self, subject: &Subject<'_>) -> Result<Box<dyn Delegate>, Reason> {
        match self.fault {
            Fault::Refused => return Err(Reason::Refused("an operator".to_owned())),
            Fault::Damaged => {
                return Err(Reason::Damaged { file: "context".to_owned(), problem: "sha256".to_owned() });
            }
            Fault::Hangs => std::thread::sleep(Duration::from_secs(5)),
            _ => {}
        }
        let graph = match subject.segment {
            Segment::Text { tokens } => {
                open_text(&self.text).expect("text encoder").lower(tokens, RANK).expect("a graph")
            }
            Segment::Chunk { rows, past, blocks } => {
                let shape = ChunkShape { rows, past, blocks, rank: RANK };
                Backbone::open(path("models/llama2")).expect("backbone").lower(shape).expect("a graph")
            }
            Segment::Sound { columns } => {
                let tower = TowerCtc::open(&path("models/tower-speech")).expect("tower");
                tower.graph().expect("graphs").lower(columns, RANK).expect("a graph")
            }
            Segment::Whole => motion().lower(RANK).expect("a graph"),
        };
        let signature = graph.signature();
        let values = |input: &loam::graph::Entrance| (0..input.count()).map(|at| (at as f32 * 0.1).sin()).collect();
        let sample = signature.inputs.iter().filter(|input| !input.is_factor()).map(values).collect();
        let (fault, runs, judged) = (self.fault, Arc::clone(&self.runs), 3 * self.chunks.len());
        Ok(Box::new(Compiled { graph, signature, sample, fault, runs, judged }))
    }
}

impl Delegate for Compiled {
    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn support(&self) -> Support {
        match self.fault {
            Fault::Divides => Support::Partial(divided()),
            _ => Support::Full,
        }
    }

    fn bytes(&self) -> u64 {
        1000
    }

    fn sample(&self) -> &[Vec<f32>] {
        &self.sample
    }

    fn adapt(&self, factors: &[Vec<f32>]) -> Result<Factors, Reason> {
        if self.fault == Fault::AdapterRange && factors.iter().flatten().any(|value| *value != 0.0) {
            return Err(Reason::AdapterRange { tensor: "B".to_owned(), value: 3.0, limit: 2.0 });
        }
        Ok(Arc::new(factors.to_vec()))
    }

    fn run(&self, data: &[&[f32]], factors: &Factors) -> Result<Vec<Vec<f32>>, Reason> {
        let run = self.runs.fetch_add(1, Ordering::SeqCst);
        if self.fault == Fault::Fails {
            return Err(Reason::Failed("the driver is gone".to_owned()));
        }
        let factors = factors.downcast_ref::<Vec<Vec<f32>>>().expect("its own");
        let (mut data, mut factors) = (data.iter(), factors.iter());
        let next = |input: &loam::graph::Entrance| match input.is_factor() {
            true => factors.next().expect("a factor").clone(),
            false => data.next().expect("data").to_vec(),
        };
        let inputs: Vec<Vec<f32>> = self.signature.inputs.iter().map(next).collect();
        let mut outputs = Evaluator::new(&self.graph).run(&inputs, |_, _| {}).expect("ran");
        match self.fault {
            Fault::Nan => outputs[0][0] = f32::NAN,
            Fault::NanLater if run >= self.judged => outputs[0][0] = f32::NAN,
            Fault::Wrong => outputs[0].reverse(),
            Fault::Doubles => outputs[0].iter_mut().for_each(|value| *value *= 2.0),
            _ => {}
        }
        Ok(outputs)
    }
}

/// A model of another test with a word for each of its tokens.
fn with_words(model: &str) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("folder");
    for file in ["config.json", "model.safetensors"] {
        std::fs::copy(path(model).join(file), dir.path().join(file)).expect("copied");
    }
    let vocabulary: serde_json::Map<_, _> = (0..96).map(|id| (format!("w{id}"), id.into())).collect();
    let tokenizer = serde_json::json!({
        "version": "1.0", "pre_tokenizer": { "type": "Whitespace" },
        "model": { "type": "WordLevel", "vocab": vocabulary, "unk_token": "w0" },
    });
    std::fs::write(dir.path().join("tokenizer.json"), tokenizer.to_string()).expect("written");
    dir
}

fn npu(fault: Fault) -> Npu {
    Npu { fault, text: PathBuf::new(), chunks: &[TOKENS], folder: None, runs: Arc::default() }
}

fn options(npu: Npu) -> DispatchOptions {
    DispatchOptions { backends: vec![Arc::new(npu)], preference: Preference::Delegate, ..DispatchOptions::default() }
}

fn engine(dispatch: DispatchOptions) -> Engine {
    let options = EngineOptions { dispatch, ..EngineOptions::default() };
    Engine::open_with(path("models/imagebind-tiny"), options).expect("foundation")
}

fn window() -> Input {
    let source = ImuSource::android(200.0, ImuLayout::AccelerometerGyroscope);
    let samples = (0..40 * 6).map(|at| 9.0 * (at as f32 * 0.13).sin()).collect();
    Input::Motion { window: ImuWindow::new(source, samples, None).expect("window"), repair: Repair::Refuse }
}

fn install(engine: &Engine) -> Arc<Adapter> {
    let task = serde_json::json!({ "task": "embed", "path": "encoder", "component": "imu" });
    let package = adapter_with(&path("imagebind/imu-r3"), &task, |_| {});
    engine.install("steps", package.path(), InstallPolicy::Create).expect("installed")
}

/// The vector of the window, and the step that made it.
fn embed(engine: &Engine, adapter: Option<&Arc<Adapter>>) -> Result<(Vec<f32>, Step), Error> {
    let options = EmbedOptions { adapter: adapter.cloned(), ..EmbedOptions::default() };
    let mut embedding = engine.embed(window(), &options)?;
    Ok((embedding.vector, embedding.trace.steps.remove(0)))
}

/// Loads the encoder and waits for its delegate.
fn settled(dispatch: DispatchOptions) -> Engine {
    let engine = engine(dispatch);
    engine.encoder(Modality::IMU).expect("encoder");
    engine.wait_for_delegates("imu");
    engine
}

fn reason(dispatch: DispatchOptions) -> Reason {
    let engine = settled(dispatch);
    let (vector, step) = embed(&engine, None).expect("from the processor");
    let plain = embed(&Engine::open(path("models/imagebind-tiny")).expect("foundation"), None).expect("embedded").0;
    assert_eq!(vector, plain, "the processor's own");
    assert!(step.backend.starts_with("cpu/"), "{step:?}");
    step.fallback.expect("a reason")
}

#[test]
fn a_delegate_serves_once_it_was_judged_and_takes_adapters() {
    let npu = npu(Fault::Nothing);
    let runs = Arc::clone(&npu.runs);
    let engine = settled(options(npu));
    assert!(runs.load(Ordering::SeqCst) > 0, "ready only after a real inference");
    let plain = Engine::open(path("models/imagebind-tiny")).expect("foundation");

    let adapters = [install(&engine), install(&plain)];
    for adapted in [false, true, false] {
        let [ours, theirs] = [(&engine, &adapters[0]), (&plain, &adapters[1])]
            .map(|(engine, adapter)| embed(engine, adapted.then_some(adapter)).expect("embedded"));
        assert_eq!((&ours.1.backend[..], &ours.1.fallback), ("test-npu", &None));
        assert!(theirs.1.backend.starts_with("cpu/") && theirs.1.fallback.is_none());
        assert!(max_difference(&ours.0, &theirs.0) <= 1e-4, "adapter {adapted}");
    }
    let places = engine.places();
    assert_eq!((places.len(), places[0].backend.as_deref(), &places[0].reason), (1, Some("test-npu"), &None));
    let times = &places[0].times;
    assert_eq!((times.len(), &times[0].segment[..]), (1, "whole"));
    assert!(times[0].delegate_ms > 0.0 && times[0].processor_ms > 0.0, "{times:?}");
}

#[test]
fn whoever_is_to_wait_gets_the_delegate_at_once() {
    let waits = |npu| DispatchOptions { first_use: FirstUse::Waits, strictness: Strictness::Strict, ..options(npu) };
    let engine = engine(waits(npu(Fault::Nothing)));
    let backends = std::thread::scope(|scope| {
        let ask = || scope.spawn(|| embed(&engine, None).map(|(_, step)| step.backend));
        [ask(), ask(), ask()].map(|asked| asked.join().expect("no panic").expect("embedded"))
    });
    assert_eq!(backends, ["test-npu"; 3], "the second one waits, too");
    let error = embed(&crate::delegates::engine(waits(npu(Fault::Refused))), None).expect_err("given up");
    assert!(matches!(error, Error::Delegate { .. }), "{error}");
}

#[test]
fn every_fault_leaves_the_processor_with_a_reason() {
    for fault in
        [Fault::Unavailable, Fault::Refused, Fault::Damaged, Fault::Nan, Fault::Fails, Fault::Wrong, Fault::Doubles]
    {
        let found = reason(options(npu(fault)));
        let is_expected = match fault {
            Fault::Unavailable => matches!(found, Reason::Unavailable(_)),
            Fault::Refused => matches!(found, Reason::Refused(_)),
            Fault::Damaged => matches!(found, Reason::Damaged { .. }),
            Fault::Nan => matches!(found, Reason::NotFinite { .. }),
            Fault::Fails => matches!(found, Reason::Failed(_)),
            Fault::Doubles => matches!(found, Reason::Scale { ratio } if ratio > 1.5),
            _ => matches!(found, Reason::Inaccurate { .. }),
        };
        assert!(is_expected, "{fault:?}: {found:?}");
        let strict = DispatchOptions { strictness: Strictness::Strict, ..options(npu(fault)) };
        let error = embed(&settled(strict), None).expect_err("strict");
        assert!(matches!(error, Error::Delegate { ref component, .. } if component == "imu"), "{error}");
        assert_eq!(i32::from(error.code()), REFUSED, "what a compiler that is refused ends with");
    }
    // Delegates that come later in the list are asked too.
    let both: Vec<Arc<dyn Backend>> = vec![Arc::new(npu(Fault::Refused)), Arc::new(npu(Fault::Nothing))];
    let engine = settled(DispatchOptions { backends: both, ..options(npu(Fault::Nothing)) });
    assert_eq!(embed(&engine, None).expect("embedded").1.backend, "test-npu");
}

#[test]
fn places_say_how_much_a_delegate_runs() {
    for (fault, expected) in [
        (Fault::Nothing, Support::Full),
        (Fault::Divides, Support::Partial(divided())),
        (Fault::Refused, Support::None(Reason::Refused("an operator".to_owned()))),
    ] {
        let place = settled(options(npu(fault))).places().remove(0);
        assert_eq!((place.backend.is_some(), &place.support), (fault != Fault::Refused, &expected), "{place:?}");
    }
}

#[test]
fn what_hangs_while_it_opens_is_left_alone_and_remembered() {
    let dir = tempfile::tempdir().expect("folder");
    let dispatch = |fault| DispatchOptions {
        open_limit: if fault == Fault::Hangs { Duration::from_millis(200) } else { Duration::from_secs(60) },
        plan: Some(dir.path().join("plan.json")),
        ..options(npu(fault))
    };
    for _ in 0..2 {
        assert_eq!(reason(dispatch(Fault::Hangs)), Reason::OpenedTooLong { seconds: 0 });
    }
    // As after two processes that ended then.
    assert_eq!(reason(dispatch(Fault::Nothing)), Reason::Fatal { times: 2 });
    std::fs::remove_file(dir.path().join("plan.json")).expect("removed");
    assert_eq!(embed(&settled(dispatch(Fault::Nothing)), None).expect("embedded").1.backend, "test-npu");
}

#[test]
fn a_delegate_that_breaks_later_costs_no_result() {
    let engine = settled(options(npu(Fault::NanLater)));
    let plain = embed(&Engine::open(path("models/imagebind-tiny")).expect("foundation"), None).expect("embedded").0;
    for request in 0..5 {
        let (vector, step) = embed(&engine, None).expect("from the processor");
        assert_eq!(vector, plain);
        let found = step.fallback.expect("a reason");
        match request {
            0..3 => assert!(matches!(found, Reason::NotFinite { .. }), "{found:?}"),
            _ => assert!(matches!(found, Reason::Failed(_)), "it is left alone: {found:?}"),
        }
    }
    let places = engine.places();
    assert!(places[0].backend.is_none() && matches!(places[0].reason, Some(Reason::Failed(_))), "{places:?}");
}

#[test]
fn adapters_that_do_not_fit_and_texts_that_are_too_long_run_on_the_processor() {
    let engine = settled(options(npu(Fault::AdapterRange)));
    let adapter = install(&engine);
    let (_, step) = embed(&engine, Some(&adapter)).expect("embedded");
    assert!(matches!(step.fallback, Some(Reason::AdapterRange { .. })), "{step:?}");
    assert_eq!(embed(&engine, None).expect("embedded").1.backend, "test-npu", "without it the delegate runs");

    let dir = with_words("models/bert-tiny");
    let dispatch = options(Npu { text: dir.path().to_owned(), ..npu(Fault::Nothing) });
    let options = EngineOptions { dispatch, ..EngineOptions::default() };
    let engine = Engine::open_with(dir.path(), options).expect("foundation");
    let plain = Engine::open(dir.path()).expect("foundation");
    engine.text().expect("text encoder");
    engine.wait_for_delegates("text");
    for words in [1, TOKENS, TOKENS + 1] {
        let text: Vec<String> = (0..words).map(|at| format!("w{}", 7 * at % 96)).collect();
        let [ours, theirs] =
            [&engine, &plain].map(|engine| engine.embed(&*text.join(" "), &EmbedOptions::default()).expect("embedded"));
        assert!(max_difference(&ours.vector, &theirs.vector) <= 1e-4, "{words} words");
        let step = &ours.trace.steps[0];
        let too_long = Reason::TooLong { length: words, most: TOKENS };
        match words > TOKENS {
            true => assert_eq!(step.fallback, Some(too_long)),
            false => assert_eq!((&step.backend[..], &step.fallback), ("test-npu", &None)),
        }
    }
}

/// A script as the program that compiles; `$3` is the component.
fn preparation(dir: &std::path::Path, script: &str) -> Preparation {
    let file = dir.join("compile.sh");
    std::fs::write(&file, script).expect("written");
    let arguments = vec![file.into_os_string(), dir.as_os_str().to_owned()];
    Preparation { program: "sh".into(), arguments, limit: Duration::from_secs(1) }
}

#[test]
fn compiling_crashes_hangs_or_works_in_a_process_of_its_own_and_is_remembered() {
    let count = |dir: &std::path::Path| std::fs::read_to_string(dir.join("count")).unwrap_or_default().len();
    type Expected = fn(&Reason) -> bool;
    let cases: [(&str, Option<Expected>); 4] = [
        ("kill -SEGV $$", Some(|reason| matches!(reason, Reason::Crashed(_)))),
        ("exec sleep 60", Some(|reason| *reason == Reason::TookTooLong { seconds: 1 })),
        (
            "echo 'no operator X' >&2; exit 19",
            Some(|r| matches!(r, Reason::Refused(why) if why.contains("operator X"))),
        ),
        ("touch \"$1/$3\"", None),
    ];
    for (script, expected) in cases {
        let dir = tempfile::tempdir().expect("folder");
        // Long enough for a request meanwhile.
        let script = format!("printf x >> \"$1/count\"; sleep 0.2; {script}");
        let dispatch = || DispatchOptions {
            preparation: Some(preparation(dir.path(), &script)),
            plan: Some(dir.path().join("plan.json")),
            ..options(Npu { folder: Some(dir.path().to_owned()), ..npu(Fault::Nothing) })
        };
        let start = Instant::now();
        let engine = engine(dispatch());
        // The processor serves meanwhile.
        let (_, step) = embed(&engine, None).expect("embedded");
        assert!(start.elapsed() < Duration::from_millis(900), "nobody waits for a compiler");
        assert_eq!(step.fallback, Some(Reason::Compiling), "{script}");
        engine.wait_for_delegates("imu");
        let (_, step) = embed(&engine, None).expect("embedded");
        match expected {
            None => assert_eq!((&step.backend[..], &step.fallback), ("test-npu", &None)),
            Some(is_expected) => assert!(step.fallback.as_ref().is_some_and(is_expected), "{script}: {step:?}"),
        }
        // The next process neither compiles again nor forgets why.
        let (_, again) = embed(&settled(dispatch()), None).expect("embedded");
        assert_eq!((again.backend, again.fallback), (step.backend, step.fallback));
        assert_eq!(count(dir.path()), 1, "{script}");
        // What was compiled by hand since is used nevertheless.
        std::fs::write(dir.path().join("imu"), "").expect("written");
        assert_eq!(embed(&settled(dispatch()), None).expect("embedded").1.backend, "test-npu", "{script}");
    }
}

#[test]
fn a_compiler_that_failed_for_another_reason_is_tried_again() {
    let dir = tempfile::tempdir().expect("folder");
    let script =
        "printf x >> \"$1/count\"; test -e \"$1/room\" || { echo 'the disk is full' >&2; exit 3; }; touch \"$1/$3\"";
    let dispatch = || DispatchOptions {
        preparation: Some(Preparation { limit: Duration::from_secs(20), ..preparation(dir.path(), script) }),
        plan: Some(dir.path().join("plan.json")),
        ..options(Npu { folder: Some(dir.path().to_owned()), ..npu(Fault::Nothing) })
    };
    let (_, step) = embed(&settled(dispatch()), None).expect("embedded");
    assert!(matches!(&step.fallback, Some(Reason::Failed(why)) if why.contains("the disk is full")), "{step:?}");
    std::fs::write(dir.path().join("room"), "").expect("written");
    assert_eq!(embed(&settled(dispatch()), None).expect("embedded").1.backend, "test-npu");
    assert_eq!(std::fs::read_to_string(dir.path().join("count")).expect("counted"), "xx");
}

#[test]
fn the_faster_one_is_taken_unless_the_delegate_is_preferred() {
    // Operator by operator, with weights packed anew for each run, it is slower.
    let measured = DispatchOptions { preference: Preference::Measured, ..options(npu(Fault::Nothing)) };
    let found = reason(measured.clone());
    let Reason::Slower { delegate_ms, processor_ms } = found else { panic!("{found:?}") };
    assert!(delegate_ms > processor_ms);
    // A hot device prefers the one that makes less heat.
    let engine = settled(measured);
    let hot = Conditions { thermal: Thermal::Serious, ..Conditions::default() };
    for (conditions, on_delegate) in [(hot, true), (Conditions::default(), false), (hot, true)] {
        engine.set_conditions(conditions);
        let (_, step) = embed(&engine, None).expect("embedded");
        assert_eq!((step.backend == "test-npu", step.fallback.is_none()), (on_delegate, on_delegate), "{conditions:?}");
        let place = engine.places().remove(0);
        assert_eq!((place.backend.is_some(), place.reason.is_none()), (on_delegate, on_delegate), "{place:?}");
        assert_eq!(place.times.len(), 1);
    }
}

#[test]
fn an_engine_that_goes_ends_its_compiler() {
    let dir = tempfile::tempdir().expect("folder");
    let script = "echo $$ > \"$1/pid\"; exec sleep 60";
    let dispatch = DispatchOptions {
        preparation: Some(Preparation { limit: Duration::from_secs(60), ..preparation(dir.path(), script) }),
        ..options(Npu { folder: Some(dir.path().to_owned()), ..npu(Fault::Nothing) })
    };
    let engine = engine(dispatch);
    engine.encoder(Modality::IMU).expect("encoder");
    let wait_for = |test: &dyn Fn() -> bool| {
        let end = Instant::now() + Duration::from_secs(20);
        while !test() {
            assert!(Instant::now() < end, "in time");
            std::thread::sleep(Duration::from_millis(10));
        }
    };
    let pid = || std::fs::read_to_string(dir.path().join("pid")).ok().and_then(|pid| pid.trim().parse::<i32>().ok());
    wait_for(&|| pid().is_some());
    let process = PathBuf::from(format!("/proc/{}", pid().expect("written")));
    drop(engine);
    wait_for(&|| !process.exists());
}

/// A recogniser with a delegate for sound of up to 0.6 s, and without one.
fn listeners(dispatch: DispatchOptions) -> [Engine; 2] {
    let options = EngineOptions { dispatch, ..EngineOptions::default() };
    let engine = Engine::open_with(path("models/tower-speech"), options).expect("foundation");
    engine.recognizer().expect("recogniser");
    engine.wait_for_delegates("speech");
    [engine, Engine::open(path("models/tower-speech")).expect("foundation")]
}

/// What is said in so many samples of the fixture, over and over.
fn hear(engine: &Engine, samples: usize, adapter: Option<&Arc<Adapter>>) -> Result<Transcript, Error> {
    let file = Safetensors::open(path("models/tower-speech/expected.safetensors")).expect("expected");
    let sound: Vec<f32> = floats(&file, "sound").into_iter().cycle().take(samples).collect();
    let sound = Audio::from_f32(&sound, Channels::MONO, SampleRate::SPEECH).expect("sound");
    engine.transcribe(&sound, &TranscribeOptions { adapter: adapter.cloned(), ..TranscribeOptions::default() })
}

fn step(transcript: &Transcript) -> &Step {
    &transcript.summary.trace.steps[0]
}

#[test]
fn speech_is_heard_on_a_delegate_window_by_window() {
    let npu = npu(Fault::Nothing);
    let runs = Arc::clone(&npu.runs);
    let engines = listeners(options(npu));
    let place = &engines[0].places()[0];
    assert_eq!((place.backend.as_deref(), &place.reason), (Some("test-npu"), &None));
    // Shorter than a frame, shorter than the graph, as long, longer, and some windows with a short one behind.
    for (samples, on_delegate, on_processor) in
        [(20, false, false), (3_000, true, false), (9_520, true, false), (12_000, false, true), (36_200, true, true)]
    {
        let before = runs.load(Ordering::SeqCst);
        let [ours, theirs] = [0, 1].map(|at| hear(&engines[at], samples, None).expect("heard"));
        let words = |transcript: &Transcript| {
            let of = |segment: &loam::engine::Segment| (segment.text.clone(), segment.start, segment.end);
            transcript.segments.iter().map(of).collect::<Vec<_>>()
        };
        assert_eq!(words(&ours), words(&theirs), "{samples} samples");
        assert_eq!(runs.load(Ordering::SeqCst) > before, on_delegate, "{samples} samples");
        let step = step(&ours);
        let too_long = matches!(step.fallback, Some(Reason::TooLong { length: 61.., most: COLUMNS }));
        assert_eq!((step.backend.starts_with("test-npu"), too_long), (on_delegate, on_processor), "{step:?}");
        assert_eq!(step.fallback.is_some(), on_processor, "{step:?}");
    }
    // Layers of convolutions are no inputs.
    let [ours, theirs] = [0, 1].map(|at| {
        let adapter = engines[at].install("accent", path("peft/tower-speech-r2"), InstallPolicy::Create);
        hear(&engines[at], 9_000, Some(&adapter.expect("installed"))).expect("heard")
    });
    assert_eq!(ours.text, theirs.text);
    assert_eq!(step(&ours).fallback, Some(Reason::Misfit(Misfit::Layer)));
}

#[test]
fn speech_that_a_delegate_fails_on_comes_from_the_processor_with_a_reason() {
    for fault in [Fault::Unavailable, Fault::Nan, Fault::Fails, Fault::Wrong, Fault::NanLater] {
        let engines = listeners(options(npu(fault)));
        let [ours, theirs] = [0, 1].map(|at| hear(&engines[at], 9_000, None).expect("heard"));
        assert_eq!((&ours.text, &ours.segments), (&theirs.text, &theirs.segments), "{fault:?}");
        let step = step(&ours);
        assert!(step.backend.starts_with("cpu/") && step.fallback.is_some(), "{fault:?}: {step:?}");
        let strict = DispatchOptions { strictness: Strictness::Strict, ..options(npu(fault)) };
        let error = hear(&listeners(strict)[0], 9_000, None).expect_err("strict");
        assert!(matches!(error, Error::Delegate { ref component, .. } if component == "speech"), "{error}");
    }
}

/// A language model of two blocks with a delegate for pieces of eight tokens, and without one.
fn chats(dispatch: DispatchOptions) -> [Engine; 2] {
    let dir = with_words("models/llama2");
    let options = EngineOptions { dispatch, ..EngineOptions::default() };
    let engine = Engine::open_with(dir.path(), options).expect("foundation");
    engine.language().expect("backbone");
    engine.wait_for_delegates("backbone");
    let plain = Engine::open(dir.path()).expect("foundation");
    plain.language().expect("backbone");
    [engine, plain]
}

struct Silent;

impl Sink for Silent {
    fn event(&mut self, _: Event<'_>) -> loam::Result<ControlFlow<()>> {
        Ok(ControlFlow::Continue(()))
    }
}

fn generate(engine: &Engine, prompt: usize, adapter: Option<&Arc<Adapter>>) -> Result<(Vec<u32>, Step), Error> {
    let tokens: Vec<u32> = (0..prompt as u32).map(|at| 3 + at * 5 % 80).collect();
    let options = GenerateOptions { max_tokens: 6, ..GenerateOptions::default() };
    let mut generated = engine.generate(Request::new(tokens, adapter.cloned(), options), &mut Silent)?;
    Ok((generated.generated, generated.stats.trace.steps.remove(0)))
}

#[test]
fn prompts_run_on_a_delegate_in_pieces_and_the_processor_decodes() {
    let npu = npu(Fault::Nothing);
    let runs = Arc::clone(&npu.runs);
    let engines = chats(options(npu));
    let adapters = [0, 1]
        .map(|at| engines[at].install("all", path("peft/llama2-all-r4"), InstallPolicy::Create).expect("installed"));
    for adapted in [false, true] {
        // Not a piece beside the first and the last token, one, two and some more, all that there is room for, and beyond.
        for (prompt, pieces) in [(9, 0), (10, 1), (21, 2), (34, 4), (60, 4)] {
            let before = runs.load(Ordering::SeqCst);
            let [ours, theirs] =
                [0, 1].map(|at| generate(&engines[at], prompt, adapted.then_some(&adapters[at])).expect("generated"));
            assert_eq!(ours.0, theirs.0, "{prompt} tokens, adapter {adapted}");
            assert_eq!(runs.load(Ordering::SeqCst) - before, pieces, "{prompt} tokens, adapter {adapted}");
            assert_eq!(ours.1.backend.starts_with("test-npu, cpu/"), pieces > 0, "{:?}", ours.1);
            let is_too_long = matches!(ours.1.fallback, Some(Reason::TooLong { most: PAST, .. }));
            assert_eq!(is_too_long, prompt == 60, "{:?}", ours.1);
            assert!(is_too_long || ours.1.fallback.is_none());
            // What was kept of one prompt would save the next one's work.
            engines.iter().for_each(|engine| drop(engine.trim(TrimLevel::Prefixes)));
        }
    }
}

#[test]
fn a_backbone_that_breaks_on_its_delegate_answers_from_the_processor() {
    let [engine, plain] = chats(options(npu(Fault::NanLater)));
    let [ours, theirs] = [&engine, &plain].map(|engine| generate(engine, 30, None).expect("generated"));
    assert_eq!(ours.0, theirs.0);
    assert!(matches!(ours.1.fallback, Some(Reason::NotFinite { .. })), "{:?}", ours.1);
    // An adapter that brings an LM head of its own.
    let [engine, plain] = chats(options(npu(Fault::Nothing)));
    let [ours, theirs] = [&engine, &plain].map(|engine| {
        let adapter = engine.install("head", path("peft/llama2-lm-head"), InstallPolicy::Create).expect("installed");
        generate(engine, 30, Some(&adapter)).expect("generated")
    });
    assert_eq!(ours.0, theirs.0);
    assert_eq!(ours.1.fallback, Some(Reason::Misfit(Misfit::Replaced)));
    let strict = DispatchOptions { strictness: Strictness::Strict, ..options(npu(Fault::NanLater)) };
    let error = generate(&chats(strict)[0], 30, None).expect_err("strict");
    assert!(matches!(error, Error::Delegate { .. }), "{error}");
}

/// A delegate for pieces and for single tokens.
fn decoding(fault: Fault) -> Npu {
    Npu { chunks: &[TOKENS, 1], ..npu(fault) }
}

#[test]
fn a_sequence_alone_is_decoded_on_a_delegate_up_to_its_window() {
    let npu = decoding(Fault::Nothing);
    let runs = Arc::clone(&npu.runs);
    let engines = chats(options(npu));
    let adapters = [0, 1]
        .map(|at| engines[at].install("all", path("peft/llama2-all-r4"), InstallPolicy::Create).expect("installed"));
    for adapted in [false, true] {
        let mut full = 0;
        // With the pieces of a prompt, and whether its last token is a single one behind them.
        for (prompt, pieces, behind) in
            [(1, 0, 0), (9, 0, 0), (10, 1, 1), (18, 2, 1), (20, 2, 0), (25, 2, 0), (26, 3, 1)]
        {
            let before = runs.load(Ordering::SeqCst);
            let [ours, theirs] =
                [0, 1].map(|at| generate(&engines[at], prompt, adapted.then_some(&adapters[at])).expect("generated"));
            assert_eq!(ours.0, theirs.0, "{prompt} tokens, adapter {adapted}");
            // All tokens that were chosen but the last one are read again.
            let (read, room) = (ours.0.len() - 1, PAST + 1 - prompt);
            let ran = pieces + behind + read.min(room);
            assert_eq!(runs.load(Ordering::SeqCst) - before, ran, "{prompt} tokens, adapter {adapted}");
            assert_eq!(ours.1.backend.starts_with("test-npu, cpu/"), ran > 0, "{:?}", ours.1);
            let too_long = Reason::TooLong { length: PAST + 1, most: PAST };
            assert_eq!(ours.1.fallback, (read > room).then_some(too_long), "{prompt} tokens, adapter {adapted}");
            full += usize::from(read > room);
            engines.iter().for_each(|engine| drop(engine.trim(TrimLevel::Prefixes)));
        }
        assert!(full > 0, "one of them leaves the window");
    }
}

#[test]
fn a_delegate_that_fails_at_single_tokens_costs_no_word() {
    let too_large = Fault::AdapterRange;
    for fault in [Fault::NanLater, too_large] {
        let engines = chats(options(decoding(fault)));
        let [ours, theirs] = [0, 1].map(|at| {
            let adapter = engines[at].install("all", path("peft/llama2-all-r4"), InstallPolicy::Create);
            let adapter = adapter.expect("installed");
            // A prompt without a piece: only single tokens may run there.
            generate(&engines[at], 7, (fault == too_large).then_some(&adapter)).expect("generated")
        });
        assert_eq!(ours.0, theirs.0, "{fault:?}");
        let expected = match fault {
            Fault::NanLater => matches!(ours.1.fallback, Some(Reason::NotFinite { .. })),
            _ => matches!(ours.1.fallback, Some(Reason::AdapterRange { .. })),
        };
        assert!(expected && ours.1.backend.starts_with("cpu/"), "{fault:?}: {:?}", ours.1);
    }
    let strict = DispatchOptions { strictness: Strictness::Strict, ..options(decoding(Fault::NanLater)) };
    let error = generate(&chats(strict)[0], 7, None).expect_err("strict");
    assert!(matches!(error, Error::Delegate { .. }), "{error}");
}

#[test]
fn sequences_with_company_and_guesses_are_decoded_by_the_processor() {
    let npu = Npu { chunks: &[1], ..npu(Fault::Nothing) };
    let runs = Arc::clone(&npu.runs);
    let [engine, plain] = chats(options(npu));
    let options = || GenerateOptions { max_tokens: 6, ..GenerateOptions::default() };
    let both = |engine: &Engine| {
        let model = engine.language().expect("backbone");
        let (mut first, mut second) = (Silent, Silent);
        let mut batch = Batch::new(&model).expect("words");
        batch.add(Request::new(vec![3, 8, 13], None, options()), &mut first).expect("added");
        batch.add(Request::new(vec![5, 9, 17], None, options()), &mut second).expect("added");
        batch.run().expect("ran").into_iter().map(|finished| finished.generated).collect::<Vec<_>>()
    };
    let before = runs.load(Ordering::SeqCst);
    assert_eq!(both(&engine), both(&plain));
    assert_eq!(runs.load(Ordering::SeqCst), before);
    let guessed = |engine: &Engine| {
        let options = GenerateOptions { speculation: Speculation::prompt_lookup(4), ..options() };
        let request = Request::new(vec![3, 8, 13, 3, 8, 13, 3, 8], None, options);
        engine.generate(request, &mut Silent).expect("generated").generated
    };
    assert_eq!(guessed(&engine), guessed(&plain));
    assert_eq!(runs.load(Ordering::SeqCst), before);
    // That there is no graph for pieces does not matter to single tokens.
    let [ours, theirs] = [&engine, &plain].map(|engine| generate(engine, 4, None).expect("generated"));
    assert_eq!((ours.0, runs.load(Ordering::SeqCst) - before), (theirs.0, 5));
}

/// The plan says that one graph is faster than the processor and another is not, as on a device whose memory is its limit.
#[test]
fn what_the_plan_measured_decides_for_pieces_and_for_single_tokens() {
    for faster in [TOKENS, 1] {
        let dir = tempfile::tempdir().expect("folder");
        let plan = dir.path().join("plan.json");
        let dispatch =
            |npu: Npu| DispatchOptions { preference: Preference::Measured, plan: Some(plan.clone()), ..options(npu) };
        drop(chats(dispatch(decoding(Fault::Nothing))));
        let mut measured: serde_json::Value =
            serde_json::from_slice(&std::fs::read(&plan).expect("a plan")).expect("json");
        let entries = measured["entries"].as_array_mut().expect("entries");
        assert_eq!(entries.len(), 2, "each is timed beside the processor");
        for entry in entries {
            let is_faster = entry["segment"] == format!("chunk-{faster}-{PAST}-2");
            let times = &mut entry["verdict"]["measured"];
            times["delegate_ms"] = if is_faster { 1.0 } else { 3.0 }.into();
            times["processor_ms"] = 2.0.into();
        }
        std::fs::write(&plan, measured.to_string()).expect("written");

        let npu = decoding(Fault::Nothing);
        let runs = Arc::clone(&npu.runs);
        let [engine, plain] = chats(dispatch(npu));
        let before = runs.load(Ordering::SeqCst);
        let [ours, theirs] = [&engine, &plain].map(|engine| generate(engine, 12, None).expect("generated"));
        assert_eq!(ours.0, theirs.0);
        let slower = Reason::Slower { delegate_ms: 3.0, processor_ms: 2.0 };
        // A piece and no single token, or five of these and a reason why not the piece.
        let expected = if faster == 1 { (5, Some(slower)) } else { (1, None) };
        assert_eq!((runs.load(Ordering::SeqCst) - before, ours.1.fallback), expected, "{faster} at a time");
        assert!(ours.1.backend.starts_with("test-npu, cpu/"), "{}", ours.1.backend);
    }
}
