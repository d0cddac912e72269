//! Pretrained weights through the engine on a delegate, as apps use it. `LOAM_TEST_TARGET` names another target than ONNX Runtime's
//! integers, such as `qnn-v75`.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc;
use std::time::Duration;

use loam::Engine;
use loam::dispatch::{DispatchOptions, FirstUse, Preference, Reason, Segment, Strictness, Support};
use loam::engine::{EngineOptions, Event, GenerateOptions, Generated, Request, Sink};
use loam::foundation::ComponentKind;
use loam::input::{Affixes, Input, Special};
use loam::task::EmbedOptions;
use loam_delegates::{OnnxBackend, Target};

use crate::fixture::{libraries, nano, runtime};
use crate::foundation::{calibrated, compiled};

const BLOCKS: u32 = 4;
const TEXT: &str = "The ferry to the island leaves every morning at half past nine, and in summer there is a second one \
    in the afternoon. Tickets are sold at the harbour, in the small white house beside the lighthouse, ";

/// A GGUF file with the first `BLOCKS` of thirty blocks, as long as before.
fn with_few_blocks(file: &[u8]) -> Vec<u8> {
    let find = |word: &[u8]| file.windows(word.len()).position(|window| window == word).expect("GGUF");
    let number = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().expect("eight bytes"));
    let (count, key) = (number(8), b"llama.block_count");
    // Behind the key its type, a number of 32 bits, and the number.
    let value = find(key) + key.len();
    assert_eq!(file[value..value + 8], [4, 0, 0, 0, 30, 0, 0, 0]);
    // Tensors are described one after the other: length and letters of the name, dimensions, type, offset.
    let first = b"token_embd.weight";
    let start = find(first) - 8;
    let (mut at, mut kept, mut descriptions) = (start, 0u64, Vec::<u8>::new());
    for _ in 0..count {
        let named = at + 8 + number(at) as usize;
        let dimensions = u32::from_le_bytes(file[named..named + 4].try_into().expect("four bytes")) as usize;
        let end = named + 4 + 8 * dimensions + 4 + 8;
        let name = std::str::from_utf8(&file[at + 8..named]).expect("a name");
        let block = name.strip_prefix("blk.").and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
        if block.is_none_or(|block| block < BLOCKS) {
            descriptions.extend(&file[at..end]);
            kept += 1;
        }
        at = end;
    }
    const ALIGNMENT: usize = 32;
    let mut cut = file[..start].to_vec();
    cut[8..16].copy_from_slice(&kept.to_le_bytes());
    cut[value + 4..value + 8].copy_from_slice(&BLOCKS.to_le_bytes());
    cut.extend(descriptions);
    cut.resize(cut.len().next_multiple_of(ALIGNMENT), 0);
    cut.extend(&file[at.next_multiple_of(ALIGNMENT)..]);
    cut.resize(file.len(), 0);
    cut
}

/// The built-in foundation with the first of the backbone's blocks.
fn cut(nano: &Path) -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("folder");
    for entry in std::fs::read_dir(nano).expect("foundation").flatten() {
        if entry.file_name() != "backbone" {
            std::os::unix::fs::symlink(entry.path(), dir.path().join(entry.file_name())).expect("a link");
        }
    }
    let name = "backbone/SmolLM2-135M-Instruct.Q4_1.gguf";
    let file = with_few_blocks(&std::fs::read(nano.join(name)).expect("backbone"));
    std::fs::create_dir(dir.path().join("backbone")).expect("folder");
    std::fs::write(dir.path().join(name), file).expect("written");
    dir
}

fn target() -> Target {
    std::env::var("LOAM_TEST_TARGET").map_or(Target::OnnxInteger, |name| name.parse().expect("a target"))
}

fn open(dir: &Path, root: &Path, strictness: Strictness) -> Engine {
    let dispatch = DispatchOptions {
        backends: vec![Arc::new(OnnxBackend::new(target(), libraries(), root))],
        preference: Preference::Delegate,
        first_use: FirstUse::Waits,
        strictness,
        ..DispatchOptions::default()
    };
    Engine::open_with(dir, EngineOptions { dispatch, ..EngineOptions::default() }).expect("foundation")
}

/// What happens at each piece of text.
struct At<F: FnMut() + Send>(F);

impl<F: FnMut() + Send> Sink for At<F> {
    fn event(&mut self, _: Event<'_>) -> loam::Result<ControlFlow<()>> {
        (self.0)();
        Ok(ControlFlow::Continue(()))
    }
}

fn generate(engine: &Engine, at_each: impl FnMut() + Send) -> Generated {
    let tokenizer = engine.language().expect("backbone");
    let tokens = tokenizer.tokenizer().expect("tokenizer").encode(TEXT, Special::Plain, Affixes::Add).expect("tokens");
    let options = GenerateOptions { max_tokens: 12, ..GenerateOptions::default() };
    engine.generate(Request::new(tokens, None, options), &mut At(at_each)).expect("generated")
}

#[test]
fn a_pretrained_backbone_answers_from_its_delegate() {
    let (Some(_), Some(nano)) = (runtime(), nano()) else { return };
    let (dir, root) = (cut(&nano), tempfile::tempdir().expect("folder"));
    let plain = Engine::open(dir.path()).expect("foundation");
    let segments = [16, 1].map(|rows| Segment::Chunk { rows, past: 112, blocks: BLOCKS as usize });
    let samples: Vec<Input> = include_str!("../../../docs/many-apps.md")
        .split("\n\n")
        .filter(|text| text.len() > 200)
        .take(8)
        .map(|text| Input::Text(text.to_owned()))
        .collect();
    let ranges = calibrated(&plain, ComponentKind::Backbone, &segments, 4, &samples);
    for segment in segments {
        compiled(&plain, ComponentKind::Backbone, (segment, 4), &ranges, (target(), root.path()));
    }
    let engine = open(dir.path(), root.path(), Strictness::Strict);
    let (ours, theirs) = (generate(&engine, || ()), generate(&plain, || ()));
    let step = &ours.stats.trace.steps[0];
    assert!(step.backend.starts_with(&format!("{}, cpu/", target().name())), "{step:?}");
    assert_eq!(step.fallback, None);
    let place = engine.places().into_iter().find(|place| place.component == "backbone").expect("loaded");
    assert_eq!((place.support, place.times.len()), (Support::Full, 2), "judged by states, keys and values");
    let same = ours.generated.iter().zip(&theirs.generated).take_while(|(a, b)| a == b).count();
    println!("{} of {} tokens as on the processor", same, theirs.generated.len());
    // Four blocks of thirty choose closely, and rounding turns some choices.
    assert!(same >= 3, "{:?} and {:?}", ours.generated, theirs.generated);
}

#[test]
fn an_encoder_runs_on_its_delegate_while_the_backbone_decodes_on_the_processor() {
    let (Some(_), Some(nano)) = (runtime(), nano()) else { return };
    let root = tempfile::tempdir().expect("folder");
    let plain = Engine::open(&nano).expect("foundation");
    let segment = Segment::Text { tokens: 32 };
    let samples: Vec<Input> = [TEXT, "A short one."].map(|text| Input::Text(text.to_owned())).to_vec();
    let ranges = calibrated(&plain, ComponentKind::TEXT, &[segment], 4, &samples);
    compiled(&plain, ComponentKind::TEXT, (segment, 4), &ranges, (target(), root.path()));
    let engine = open(&nano, root.path(), Strictness::Fallback);
    engine.text().expect("text encoder");
    let expected = generate(&plain, || ()).generated;

    let (begun, waiting) = mpsc::channel();
    let (embedded, ready) = mpsc::channel::<()>();
    let mut pieces = 0;
    let generated = std::thread::scope(|scope| {
        let stream = scope.spawn(|| {
            generate(&engine, move || {
                pieces += 1;
                // In the middle of its words the stream waits for what an encoder makes meanwhile.
                if pieces == 3 {
                    begun.send(()).expect("somebody waits");
                    ready.recv_timeout(Duration::from_secs(120)).expect("embedded in the middle of a stream");
                }
            })
        });
        waiting.recv_timeout(Duration::from_secs(120)).expect("a stream");
        for _ in 0..3 {
            let embedding = engine.embed("The harbour at noon", &EmbedOptions::default()).expect("embedded");
            let step = &embedding.trace.steps[0];
            assert_eq!((&step.backend[..], &step.fallback), (target().name(), &None));
        }
        embedded.send(()).expect("the stream waits");
        stream.join().expect("no panic")
    });
    let step = &generated.stats.trace.steps[0];
    assert!(step.backend.starts_with("cpu/"), "{step:?}");
    assert_eq!(step.fallback, Some(Reason::NotCompiled));
    assert_eq!(generated.generated, expected);
}
