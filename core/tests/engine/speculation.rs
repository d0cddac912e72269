//! Drafts change when tokens come, never which: every request is run with and without them.

use std::cell::Cell;
use std::ops::ControlFlow;
use std::sync::OnceLock;

use loam::Error;
use loam::engine::{Batch, Drafts, Engine, Event, Finished, GenerateOptions, Request, Sampling, Sink, Speculation};
use proptest::prelude::*;

use crate::fixture::{path, read_tensors, write_tensors};

/// Positions of the tiny models.
const WINDOW: usize = 256;

/// A tiny model that has a tokenizer. Hardly ever is a draft right.
fn engine() -> &'static Engine {
    static ENGINE: OnceLock<Engine> = OnceLock::new();
    ENGINE.get_or_init(|| Engine::open(path("models/smolvlm")).expect("engine"))
}

/// The same without attention: a token decides on the next one, so that texts run in circles and drafts are right.
fn forgetful() -> &'static Engine {
    static ENGINE: OnceLock<(Engine, tempfile::TempDir)> = OnceLock::new();
    let make = || {
        let (from, to) = (path("models/smolvlm"), tempfile::tempdir().expect("folder"));
        for name in ["config.json", "tokenizer.json", "tokenizer_config.json", "preprocessor_config.json"] {
            std::fs::copy(from.join(name), to.path().join(name)).expect("copied");
        }
        let mut tensors = read_tensors(&from.join("model.safetensors"));
        let attention = |name: &str| name.contains("text_model") && name.ends_with("o_proj.weight");
        for (_, _, values) in tensors.iter_mut().filter(|(name, ..)| attention(name)) {
            values.fill(0.0);
        }
        write_tensors(&to.path().join("model.safetensors"), &tensors);
        (Engine::open(to.path()).expect("engine"), to)
    };
    &ENGINE.get_or_init(make).0
}

/// A prompt that runs in a circle already, on the model that does: the largest circle of some.
fn refrain() -> Vec<u32> {
    static REFRAIN: OnceLock<Vec<u32>> = OnceLock::new();
    let circle = |start: u32| {
        let mut ids = generate(forgetful(), &[start], &greedy(150), Listener::patient()).0.generated;
        ids.split_off(ids.len().saturating_sub(40))
    };
    let distinct = |ids: &Vec<u32>| ids.iter().collect::<std::collections::HashSet<_>>().len();
    REFRAIN
        .get_or_init(|| (3..120).map(circle).filter(|ids| ids.len() == 40).max_by_key(distinct).expect("some"))
        .clone()
}

/// Keeps every piece of text, and has enough after so many pieces, or questions whether it has.
#[derive(Debug, PartialEq)]
struct Listener {
    pieces: Vec<String>,
    asked: Cell<usize>,
    most_pieces: usize,
    most_asked: usize,
}

impl Listener {
    fn new(most_pieces: usize, most_asked: usize) -> Self {
        Self { pieces: Vec::new(), asked: Cell::new(0), most_pieces, most_asked }
    }

    fn patient() -> Self {
        Self::new(usize::MAX, usize::MAX)
    }
}

impl Sink for Listener {
    fn event(&mut self, event: Event<'_>) -> loam::Result<ControlFlow<()>> {
        if let Event::Text(text) = event {
            self.pieces.push(text.to_owned());
        }
        Ok(if self.pieces.len() >= self.most_pieces { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    fn is_stopped(&self) -> bool {
        self.asked.set(self.asked.get() + 1);
        self.asked.get() > self.most_asked
    }
}

fn generate(
    engine: &Engine,
    prompt: &[u32],
    options: &GenerateOptions,
    mut listener: Listener,
) -> (Finished, Listener) {
    let request = Request::new(prompt.to_vec(), None, options.clone());
    // On this thread, where it is known when the receiver is asked.
    let model = engine.language().expect("model");
    let mut batch = Batch::new(&model).expect("a tokenizer");
    batch.add(request, &mut listener).expect("added");
    let finished = batch.run().expect("generated").remove(0);
    (finished, listener)
}

fn same(plain: &(Finished, Listener), drafted: &(Finished, Listener)) {
    assert_eq!(plain.0.generated, drafted.0.generated);
    assert_eq!(plain.1, drafted.1, "what the receiver got, and how often it was asked");
    assert_eq!(plain.0.stats.finish_reason, drafted.0.stats.finish_reason);
    assert!(plain.0.sequence.token_ids().eq(drafted.0.sequence.token_ids()));
    assert_eq!(plain.0.cache.len(), drafted.0.cache.len());
    assert_eq!(plain.0.cache.bytes(), drafted.0.cache.bytes());
}

/// Runs the request both ways and gives what became of the drafts.
fn compare(
    engine: &Engine,
    prompt: &[u32],
    options: &GenerateOptions,
    speculation: Speculation,
    listener: impl Fn() -> Listener,
) -> Drafts {
    let plain =
        generate(engine, prompt, &GenerateOptions { speculation: Speculation::Off, ..options.clone() }, listener());
    let drafted = generate(engine, prompt, &GenerateOptions { speculation, ..options.clone() }, listener());
    same(&plain, &drafted);
    assert_eq!(plain.0.stats.drafts, None);
    let drafts = drafted.0.stats.drafts.expect("it speculates");
    assert!(drafts.accepted <= drafts.drafted && drafts.accepted <= drafted.0.generated.len(), "{drafts:?}");
    drafts
}

fn greedy(max_tokens: usize) -> GenerateOptions {
    GenerateOptions { max_tokens, ..GenerateOptions::default() }
}

fn speculation() -> impl Strategy<Value = Speculation> {
    (1usize..=7, 1usize..=8).prop_map(|(draft, ngram)| Speculation::PromptLookup { draft, ngram })
}

fn prompts() -> impl Strategy<Value = Vec<u32>> {
    prop_oneof![
        prop::collection::vec(0u32..300, 1..60),
        (prop::collection::vec(0u32..300, 1..9), 2usize..12).prop_map(|(piece, times)| piece.repeat(times)),
    ]
}

fn samplings() -> impl Strategy<Value = Sampling> {
    let temperature = prop_oneof![Just(0.0f32), Just(0.05), 0.1f32..1.5];
    let penalties = prop_oneof![Just((1.0f32, 0.0f32, 0.0f32)), (0.8f32..1.5, -0.5f32..0.5, -0.5f32..0.5)];
    (temperature, 0usize..20, prop_oneof![Just(1.0f32), 0.3f32..1.0], penalties, any::<u64>()).prop_map(
        |(temperature, top_k, top_p, (repetition_penalty, presence_penalty, frequency_penalty), seed)| Sampling {
            temperature,
            top_k,
            top_p,
            repetition_penalty,
            presence_penalty,
            frequency_penalty,
            seed,
            ..Sampling::default()
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn drafts_change_no_token(
        engine in prop_oneof![Just(engine as fn() -> &'static Engine), Just(forgetful as fn() -> &'static Engine)],
        prompt in prompts(),
        sampling in samplings(),
        speculation in speculation(),
        max_tokens in 1usize..60,
        (most_pieces, most_asked) in prop_oneof![
            3 => Just((usize::MAX, usize::MAX)),
            1 => (1usize..30, Just(usize::MAX)),
            1 => (Just(usize::MAX), 0usize..30),
        ],
        stop_at in prop::option::of(0usize..40),
    ) {
        let engine = engine();
        let mut options = GenerateOptions { max_tokens, sampling, ..GenerateOptions::default() };
        // A stop string that does appear: some characters of the text that there is without it.
        if let Some(at) = stop_at {
            let text = generate(engine, &prompt, &options, Listener::patient()).1.pieces.concat();
            let stop: String = text.chars().skip(at).take(3).collect();
            options.stop.extend((!stop.is_empty()).then_some(stop));
        }
        compare(engine, &prompt, &options, speculation, || Listener::new(most_pieces, most_asked));
    }
}

#[test]
fn text_that_repeats_itself_is_mostly_drafted() {
    let drafts = compare(forgetful(), &refrain(), &greedy(100), Speculation::prompt_lookup(5), Listener::patient);
    assert!(drafts.accepted >= 75, "{drafts:?} of 100 tokens");
    let warm = Sampling { temperature: 0.02, seed: 3, ..Sampling::default() };
    let options = GenerateOptions { sampling: warm, ..greedy(100) };
    let drafts = compare(forgetful(), &refrain(), &options, Speculation::prompt_lookup(5), Listener::patient);
    assert!(drafts.accepted >= 50, "{drafts:?} of 100 tokens by chance");
}

/// Ends of every kind, at each place within drafts that are right.
#[test]
fn a_generation_ends_within_a_draft_where_it_would_without() {
    let speculation = Speculation::prompt_lookup(7);
    let text = generate(forgetful(), &refrain(), &greedy(60), Listener::patient()).1.pieces.concat();
    let (mut accepted, characters) = (0, text.chars().count());
    for end in 1..40 {
        accepted += compare(forgetful(), &refrain(), &greedy(end), speculation, Listener::patient).accepted;
        compare(forgetful(), &refrain(), &greedy(60), speculation, || Listener::new(end, usize::MAX));
        compare(forgetful(), &refrain(), &greedy(60), speculation, || Listener::new(usize::MAX, end));
        let stop: String = text.chars().skip(end * characters / 40).collect();
        let options = GenerateOptions { stop: vec![stop.chars().take(8).collect()], ..greedy(60) };
        compare(forgetful(), &refrain(), &options, speculation, Listener::patient);
    }
    assert!(accepted > 400, "{accepted}: most of these ends lay within drafts");
}

#[test]
fn a_draft_keeps_within_the_window() {
    for length in WINDOW - 12..WINDOW {
        let prompt: Vec<u32> = refrain().into_iter().cycle().take(length).collect();
        let plain = generate(forgetful(), &prompt, &greedy(100), Listener::patient());
        assert_eq!(plain.0.sequence.len(), WINDOW, "a prompt of {length}");
        compare(forgetful(), &prompt, &greedy(100), Speculation::prompt_lookup(7), Listener::patient);
    }
}

#[test]
fn requests_that_speculate_share_a_batch_with_others() {
    let model = forgetful().language().expect("model");
    let prompts: Vec<Vec<u32>> = vec![refrain(), (3..150).collect(), refrain(), vec![9, 9, 9], refrain(), vec![5, 7]];
    let options = |i: usize| GenerateOptions {
        speculation: if i.is_multiple_of(2) { Speculation::prompt_lookup(1 + i) } else { Speculation::Off },
        sampling: Sampling { temperature: if i == 4 { 0.05 } else { 0.0 }, ..Sampling::default() },
        ..greedy(20 + 7 * i)
    };
    let mut listeners: Vec<Listener> = prompts.iter().map(|_| Listener::patient()).collect();
    let mut batch = Batch::new(&model).expect("a tokenizer");
    for ((i, prompt), listener) in prompts.iter().enumerate().zip(&mut listeners) {
        batch.add(Request::new(prompt.clone(), None, options(i)), listener).expect("added");
    }
    let together = batch.run().expect("ran");
    for ((i, finished), listener) in together.into_iter().enumerate().zip(listeners) {
        let alone = GenerateOptions { speculation: Speculation::Off, ..options(i) };
        let alone = generate(forgetful(), &prompts[i], &alone, Listener::patient());
        assert_eq!((&alone.0.generated, alone.1.pieces), (&finished.generated, listener.pieces), "request {i}");
        assert_eq!(finished.stats.drafts.is_some(), i.is_multiple_of(2));
    }
}

/// More requests than drafts have room for together.
#[test]
fn many_requests_speculate_together() {
    let model = forgetful().language().expect("model");
    let mut texts = vec![String::new(); 12];
    let mut batch = Batch::new(&model).expect("a tokenizer");
    let options = GenerateOptions { speculation: Speculation::prompt_lookup(7), ..greedy(40) };
    for text in &mut texts {
        batch.add(Request::new(refrain(), None, options.clone()), text).expect("added");
    }
    let expected = generate(forgetful(), &refrain(), &greedy(40), Listener::patient()).0.generated;
    let together = batch.run().expect("ran");
    assert!(together.iter().all(|finished| finished.generated == expected));
    assert!(together.iter().any(|finished| finished.stats.drafts.is_some_and(|drafts| drafts.accepted > 0)));
}

#[test]
fn a_cache_after_drafts_serves_a_continuation() {
    let drafting = GenerateOptions { speculation: Speculation::prompt_lookup(7), ..greedy(23) };
    for end in [5, 11, 22] {
        let options = GenerateOptions { max_tokens: end, ..drafting.clone() };
        let finished = generate(forgetful(), &refrain(), &options, Listener::patient()).0;
        let mut prompt: Vec<u32> = finished.sequence.token_ids().collect();
        prompt.extend([70, 71, 72]);
        let mut request = Request::new(prompt.clone(), None, drafting.clone());
        request.cache = Some(finished.cache);
        let continued = forgetful().generate(request, &mut String::new()).expect("generated");
        assert_eq!(continued.stats.cached_tokens, prompt.len() - 4);
        assert_eq!(continued.generated, generate(forgetful(), &prompt, &greedy(23), Listener::patient()).0.generated);
    }
}

#[test]
fn stats_tell_of_drafts_only_where_there_may_be_some() {
    let json = |options: &GenerateOptions| {
        serde_json::to_value(generate(forgetful(), &refrain(), options, Listener::patient()).0.stats).expect("json")
    };
    assert_eq!(json(&greedy(9)).get("drafts"), None);
    let drafts = json(&GenerateOptions { speculation: Speculation::prompt_lookup(2), ..greedy(9) })["drafts"].clone();
    assert!(drafts["drafted"].as_u64() >= drafts["accepted"].as_u64() && drafts["accepted"].is_u64(), "{drafts}");
}

#[test]
fn drafts_of_no_token_or_of_too_many_are_refused() {
    for draft in [0, 8, usize::MAX] {
        let options = GenerateOptions { speculation: Speculation::prompt_lookup(draft), ..greedy(9) };
        let refused = engine().generate(Request::new(vec![5], None, options), &mut String::new());
        let refused = refused.expect_err("refused");
        assert!(matches!(refused, Error::Argument { name: "draft", .. }), "{refused}");
        assert!(refused.to_string().contains(&draft.to_string()), "{refused}");
    }
}
