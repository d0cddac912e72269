//! Contexts: shared prefixes, memory that is short, files that are saved, and what comes back after it was dropped.

use std::ops::ControlFlow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use loam::Error;
use loam::adapter::{Adapter, InstallPolicy};
use loam::budget::MemoryLimits;
use loam::engine::{
    Caller, ContextSource, Engine, EngineOptions, Event, FinishReason, GenerateOptions, GenerateStats, Generated,
    Mismatch, Overflow, Quotas, Request, Sink, TrimLevel,
};
use loam::model::BLOCK_TOKENS;
use loam::task::Chat;

use crate::fixture::{adapter_with, path};

fn options() -> EngineOptions {
    EngineOptions::default()
}

fn open(options: EngineOptions) -> Arc<Engine> {
    Arc::new(Engine::open_with(path("models/smolvlm"), options).expect("engine"))
}

fn caller(app: &str) -> Caller {
    Caller { app: Some(Arc::from(app)), ..Caller::default() }
}

fn of(app: &str, max_tokens: usize) -> GenerateOptions {
    GenerateOptions { max_tokens, caller: caller(app), ..GenerateOptions::default() }
}

fn prompt(seed: u32, len: usize) -> Vec<u32> {
    (0..u32::try_from(len).expect("short")).map(|i| 3 + (i * 7 + seed * 13) % 200).collect()
}

fn generate(engine: &Engine, request: Request) -> Generated {
    engine.generate(request, &mut String::new()).expect("generated")
}

fn install(engine: &Engine, alias: &str, scale: f32) -> Arc<Adapter> {
    engine.install(alias, package(scale).path(), InstallPolicy::Upsert).expect("installed")
}

fn package(scale: f32) -> tempfile::TempDir {
    let task = serde_json::json!({ "component": "vision-language" });
    adapter_with(&path("models/smolvlm/adapter"), &task, |tensors| {
        tensors.iter_mut().flat_map(|(_, _, values)| values).for_each(|value| *value *= scale);
    })
}

/// Bytes of a block of the fixture's caches.
fn block(engine: &Engine) -> u64 {
    engine.language().expect("model").backbone().new_cache().shape().block() as u64
}

fn ask(chat: &mut Chat<Arc<Engine>>, text: &str, options: &GenerateOptions) -> (String, GenerateStats) {
    let mut answer = String::new();
    let stats = chat.respond(text, options, &mut answer).expect("answered");
    (answer, stats)
}

#[test]
fn a_prefix_is_computed_once_for_an_app_and_an_adapter() {
    let engine = open(options());
    let tuned = install(&engine, "tuned", 3.0);
    let request = |app: &str, tail: u32, adapter: Option<&Arc<Adapter>>| {
        let tokens = [prompt(1, 70), prompt(tail, 9)].concat();
        Request::new(tokens, adapter.cloned(), of(app, 12))
    };
    let first = generate(&engine, request("mail", 2, None));
    assert_eq!(first.stats.cached_tokens, 0);
    let second = generate(&engine, request("mail", 3, None));
    assert_eq!(second.stats.cached_tokens, 70 / BLOCK_TOKENS * BLOCK_TOKENS, "whole blocks of the prefix");
    // The same prompt again: all whole blocks but for the last position, which gives the logits.
    let again = generate(&engine, request("mail", 2, None));
    assert_eq!(again.stats.cached_tokens, 78 / BLOCK_TOKENS * BLOCK_TOKENS);
    assert_eq!(again.generated, first.generated);

    // What others ask about it is new to them: another app, another adapter, and the engine's owner.
    for (app, adapter) in [("notes", None), ("mail", Some(&tuned))] {
        assert_eq!(generate(&engine, request(app, 2, adapter)).stats.cached_tokens, 0, "of {app}");
    }
    let owner = Request::new([prompt(1, 70), prompt(2, 9)].concat(), None, GenerateOptions::default());
    assert_eq!(generate(&engine, owner).stats.cached_tokens, 0);
    // Another generation under the same name is another adapter.
    let other = install(&engine, "tuned", 2.0);
    assert_eq!(generate(&engine, request("mail", 2, Some(&tuned))).stats.cached_tokens, 64);
    assert_eq!(generate(&engine, request("mail", 2, Some(&other))).stats.cached_tokens, 0);

    // What was found makes no difference to what is generated.
    let fresh = open(options());
    let tail = generate(&fresh, request("mail", 3, None));
    assert_eq!(tail.generated, second.generated);
}

#[test]
fn many_requests_share_little_memory_and_each_is_what_it_is_alone() {
    let ample = open(options());
    let size = block(&ample);
    // Room for one of the longest requests and a half: they take turns, give up what they had, and compute it again.
    let memory = MemoryLimits { budget: Some(u64::MAX), prefix: 4 * size, ..MemoryLimits::default() };
    let engine = open(EngineOptions { memory, ..options() });
    let quotas = Quotas { bytes: 20 * size, ..Quotas::default() };
    engine.set_quotas("mail", quotas);
    let requests: Vec<(Vec<u32>, usize)> =
        (0..10).map(|i| (prompt(i, 30 + (i as usize * 37) % 150), 20 + i as usize * 3)).collect();
    let run = |engine: &Engine, (prompt, tokens): &(Vec<u32>, usize)| {
        generate(engine, Request::new(prompt.clone(), None, of("mail", *tokens))).generated
    };
    let together: Vec<Vec<u32>> = std::thread::scope(|scope| {
        let threads: Vec<_> = requests.iter().map(|request| scope.spawn(|| run(&engine, request))).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    for (i, (request, generated)) in requests.iter().zip(together).enumerate() {
        assert_eq!(generated, run(&ample, request), "request {i}");
    }
    // One that is too long by itself fails, and says what it would take.
    engine.set_quotas("mail", Quotas { bytes: 5 * size, ..quotas });
    let error = engine.generate(Request::new(prompt(1, 100), None, of("mail", 5)), &mut String::new());
    assert!(
        matches!(error, Err(Error::Memory { needed, limit, .. }) if limit == 5 * size && needed > limit),
        "{error:?}"
    );
    generate(&engine, Request::new(prompt(1, 60), None, of("mail", 5)));
    // The engine's own budget and the device's memory bound it, too.
    let memory = MemoryLimits { available: || Some(70 << 20), ..MemoryLimits::default() };
    let poor = Engine::open_with(path("models/smolvlm"), EngineOptions { memory, ..options() }).expect("engine");
    poor.language().expect("small enough");
    let memory = MemoryLimits { available: || Some(64 << 20), ..MemoryLimits::default() };
    let poorer = Engine::open_with(path("models/smolvlm"), EngineOptions { memory, ..options() }).expect("engine");
    let error = poorer.language().expect_err("no memory is left").to_string();
    assert!(error.contains("a device that has little memory left"), "{error}");
}

#[test]
fn contexts_at_rest_make_room_and_come_back() {
    let swap = tempfile::tempdir().expect("folder");
    let ample = open(options());
    let size = block(&ample);
    let turns = ["Tell me about the sea, please, and of the ships that are on it", "And then?"];
    let expected: Vec<String> = {
        let mut chat = Chat::new(Arc::clone(&ample), None);
        turns.map(|turn| ask(&mut chat, turn, &of("mail", 30)).0).to_vec()
    };
    for (swap, source) in [(Some(swap.path().to_owned()), ContextSource::File), (None, ContextSource::Recomputed)] {
        let engine = open(EngineOptions { swap, ..options() });
        engine.set_quotas("mail", Quotas { contexts: 1, ..Quotas::default() });
        let (mut one, mut two) = (Chat::new(Arc::clone(&engine), None), Chat::new(Arc::clone(&engine), None));
        assert_eq!(ask(&mut one, turns[0], &of("mail", 30)).0, expected[0]);
        let (_, stats) = ask(&mut two, turns[0], &of("mail", 30));
        assert_eq!(stats.context, ContextSource::Fresh);
        // The first one gave its memory to the second; without its prefix, too, it is really gone.
        engine.trim(TrimLevel::Prefixes);
        let (answer, stats) = ask(&mut one, turns[1], &of("mail", 30));
        assert_eq!((answer.as_str(), stats.context), (expected[1].as_str(), source));
        assert_eq!(stats.cached_tokens > 0, source == ContextSource::File);
        // By now the second one rests alone and has been sent away as well.
        assert_eq!(ask(&mut two, turns[1], &of("mail", 30)).1.context, source);
        // One that stays is at hand.
        assert_eq!(ask(&mut two, "More.", &of("mail", 4)).1.context, ContextSource::Memory);
        // A request that needs the memory takes it.
        engine.set_quotas("mail", Quotas { bytes: 16 * size, ..Quotas::default() });
        generate(&engine, Request::new(prompt(1, 200), None, of("mail", 30)));
        let held = engine.held();
        assert!(held.resting + held.prefixes <= 16 * size, "{held:?}");
    }
}

/// Wants nothing.
struct GivenUp;

impl Sink for GivenUp {
    fn event(&mut self, _: Event<'_>) -> loam::Result<ControlFlow<()>> {
        Ok(ControlFlow::Break(()))
    }

    fn is_stopped(&self) -> bool {
        true
    }
}

#[test]
fn a_turn_that_never_began_leaves_the_conversation_as_it_was() {
    let engine = open(options());
    let roomy = Quotas { running: 1, tokens_per_minute: 1 << 40, ..Quotas::default() };
    engine.set_quotas("mail", roomy);
    let mut chat = Chat::new(Arc::clone(&engine), Some("Be brief."));
    let of = |tokens| GenerateOptions { max_tokens: tokens, caller: caller("mail"), ..GenerateOptions::default() };
    ask(&mut chat, "Hello there, how are you?", &of(20));
    let held = engine.usage("mail").bytes;
    assert!(held > 0);
    // Refused.
    engine.set_quotas("mail", Quotas { tokens_per_minute: 1, ..roomy });
    ask_refused(&mut chat, &of(20));
    ask_refused(&mut chat, &of(20));
    engine.set_quotas("mail", roomy);
    assert_eq!(engine.usage("mail").bytes, held);
    // Stopped while its app's only place was taken.
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let (begun, has_begun) = std::sync::mpsc::channel();
        let (engine, over, of) = (&engine, &over, &of);
        scope.spawn(move || {
            let mut sink = |_: Event<'_>| {
                let _ = begun.send(());
                while !over.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                Ok(ControlFlow::Break(()))
            };
            engine.generate(Request::new(prompt(3, 5), None, of(20)), &mut sink).expect("ran");
        });
        has_begun.recv().expect("begun");
        let stats = chat.respond("Nobody waits for this", &of(20), &mut GivenUp).expect("stopped");
        assert_eq!((stats.finish_reason, stats.generated_tokens), (FinishReason::Stopped, 0));
        over.store(true, Ordering::Relaxed);
    });
    let (_, stats) = ask(&mut chat, "And now?", &of(5));
    assert_eq!(stats.context, ContextSource::Memory);
    assert!(stats.cached_tokens > 20, "{stats:?}");
    assert!(engine.usage("mail").bytes >= held, "what it has computed counts");
}

fn ask_refused(chat: &mut Chat<Arc<Engine>>, options: &GenerateOptions) {
    let refused = chat.respond("Once more", options, &mut String::new()).expect_err("beyond the quota");
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
}

#[test]
fn a_saved_conversation_goes_on_in_another_process_as_in_this_one() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("chat.context");
    let engine = open(options());
    let tuned = install(&engine, "tuned", 3.0);
    let (mail, options_of) = (caller("mail"), of("mail", 32));
    let mut chat = Chat::new(Arc::clone(&engine), Some("Be brief."));
    chat.set_adapter(Some(Arc::clone(&tuned)));
    ask(&mut chat, "Good morning to you", &options_of);
    chat.save(&file, &mail).expect("saved");
    let (expected, _) = ask(&mut chat, "Go on.", &options_of);

    let other = open(options());
    let same = install(&other, "tuned", 3.0);
    let restore = |adapter: Option<&Arc<Adapter>>, mismatch: Mismatch, file: &Path| {
        Chat::restore(Arc::clone(&other), file, &mail, adapter.cloned(), mismatch)
    };
    let mut restored = restore(Some(&same), Mismatch::Refuse, &file).expect("restored");
    assert_eq!(restored.messages().len(), 3);
    let (answer, stats) = ask(&mut restored, "Go on.", &options_of);
    assert_eq!(answer, expected);
    assert!(stats.cached_tokens > 16 && stats.context == ContextSource::Memory, "{stats:?}");

    // Another adapter, or none, is not taken for the one it had.
    for adapter in [None, Some(install(&other, "tuned", 2.0))] {
        let error = restore(adapter.as_ref(), Mismatch::Refuse, &file).map(|_| ()).expect_err("another adapter");
        assert!(matches!(error, Error::Context { what: "adapter", .. }), "{error}");
        let mut chat = restore(adapter.as_ref(), Mismatch::Recompute, &file).expect("what was said");
        assert_eq!(chat.messages().len(), 3);
        assert_eq!(ask(&mut chat, "Go on.", &options_of).1.cached_tokens, 0);
    }
    // Nor are other weights.
    let error = Chat::restore(
        Arc::new(Engine::open(path("models/llama2")).expect("engine")),
        &file,
        &mail,
        None,
        Mismatch::Refuse,
    );
    assert!(matches!(error, Err(Error::Context { what: "component", .. })), "{error:?}");
    // Before the first turn there is what was said, and no more.
    let fresh = Chat::new(Arc::clone(&engine), Some("Be brief."));
    fresh.save(&file, &mail).expect("saved in place of the old one");
    assert_eq!(restore(None, Mismatch::Refuse, &file).expect("restored").messages(), fresh.messages());
    assert_eq!(std::fs::read_dir(folder.path()).expect("folder").count(), 1, "nothing is left beside it");
}

#[test]
fn damaged_saved_contexts_are_refused_and_a_failed_save_leaves_the_old_one() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("chat.context");
    let engine = open(options());
    let mut chat = Chat::new(Arc::clone(&engine), None);
    ask(&mut chat, "Good morning", &of("mail", 8));
    chat.save(&file, &caller("mail")).expect("saved");
    let good = std::fs::read(&file).expect("read");
    let damaged = folder.path().join("damaged");
    let restore = |bytes: &[u8]| {
        std::fs::write(&damaged, bytes).expect("written");
        Chat::restore(Arc::clone(&engine), &damaged, &caller("mail"), None, Mismatch::Recompute).map(|_| ())
    };
    restore(&good).expect("as it was saved");
    for at in (0..good.len()).step_by(good.len() / 211) {
        let mut bytes = good.clone();
        bytes[at] ^= 0x10;
        let error = restore(&bytes).expect_err("a flipped bit");
        assert!(matches!(error, Error::Malformed { .. } | Error::Digest { .. }), "byte {at}: {error}");
        assert!(restore(&good[..at]).is_err(), "cut at {at}");
    }
    // A folder that cannot be written to.
    let error = chat.save(folder.path().join("missing/chat"), &caller("mail")).expect_err("no folder");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    let error = chat.save(folder.path(), &caller("mail")).expect_err("a folder in its place");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert_eq!(std::fs::read(&file).expect("read"), good);
}

#[test]
fn a_context_beyond_the_window_fails_or_slides() {
    let engine = open(options());
    let limit = engine.language().expect("model").backbone().config().max_position_embeddings;
    let request = |len: usize, tokens: usize, overflow: Overflow| {
        Request::new(prompt(1, len), None, GenerateOptions { overflow, ..of("mail", tokens) })
    };
    let error = engine.generate(request(limit + 40, 8, Overflow::Fail), &mut String::new());
    assert!(matches!(error, Err(Error::ContextFull { .. })), "{error:?}");
    let full = generate(&engine, request(limit - 20, 60, Overflow::Fail));
    assert_eq!((full.stats.finish_reason, full.generated.len()), (FinishReason::ContextFull, 20));
    // It goes on in the half that is freed, as if the rest had been all there was.
    let slid = generate(&engine, request(limit - 20, 60, Overflow::Slide { keep: 10 }));
    assert_eq!((slid.stats.finish_reason, slid.generated.len()), (FinishReason::MaxTokens, 60));
    assert_eq!(slid.generated[..20], full.generated);
    let whole: Vec<u32> = prompt(1, limit - 20).into_iter().chain(slid.generated[..20].iter().copied()).collect();
    let rest = (limit - 10) / 2;
    let shorter = [&whole[..10], &whole[whole.len() - rest..]].concat();
    let expected = generate(&engine, Request::new(shorter, None, of("mail", 40)));
    assert_eq!(slid.generated[20..], expected.generated);
    assert_eq!(slid.stats.prompt_tokens, limit - 20);
    // A prompt that is too long loses its middle.
    let long = generate(&engine, request(limit + 40, 8, Overflow::Slide { keep: 10 }));
    assert_eq!(long.stats.prompt_tokens, 10 + rest);
    let error = engine.generate(request(5, 8, Overflow::Slide { keep: limit }), &mut String::new());
    assert!(matches!(error, Err(Error::Argument { name: "overflow", .. })), "{error:?}");

    // A conversation forgets its oldest turns.
    let mut chat = Chat::new(Arc::clone(&engine), Some("Be brief."));
    let turn = "Tell me more about all of that";
    let failing = of("mail", 30);
    let sliding = GenerateOptions { overflow: Overflow::Slide { keep: 0 }, ..failing.clone() };
    for _ in 0..12 {
        ask(&mut chat, turn, &sliding);
    }
    assert_eq!(chat.messages().len(), 25, "the history is whole");
    let error = chat.respond(turn, &failing, &mut String::new());
    assert!(matches!(error, Err(Error::ContextFull { .. })), "{error:?}");
}

#[test]
fn what_was_trimmed_comes_back_and_says_so() {
    let engine = open(options());
    let package = package(3.0);
    let mail = engine.attach("mail").expect("app");
    mail.install("tuned", package.path(), InstallPolicy::Create).expect("installed");
    let run = |engine: &Engine| {
        let request = Request::new(prompt(1, 40), Some(mail.adapter("tuned").expect("there")), of("mail", 10));
        generate(engine, request)
    };
    let first = run(&engine);
    let reloaded = |finished: &Generated| {
        (finished.stats.trace.steps[0].reloaded, finished.stats.adapter.as_ref().expect("an adapter").reloaded)
    };
    assert_eq!(reloaded(&first), (false, false));
    assert!(engine.held().adapters > 0 && engine.held().prefixes > 0);

    let held = mail.adapter("tuned").expect("there");
    let trimmed = engine.trim(TrimLevel::Idle);
    assert!(trimmed.prefixes > 0 && trimmed.adapters == 0, "somebody holds it: {trimmed:?}");
    let generation = held.generation;
    drop(held);
    // The thread that ran them lets go of the model a moment after the last request.
    let components = || engine.trim(TrimLevel::Components).components;
    let trimmed = engine.trim(TrimLevel::Idle);
    assert!(trimmed.adapters > 0, "{trimmed:?}");
    let mut dropped = components();
    while dropped.is_empty() {
        std::thread::yield_now();
        dropped = components();
    }
    assert_eq!(dropped, ["vision-language"]);
    assert!(engine.loaded().is_empty() && engine.held() == Default::default(), "{:?}", engine.held());
    assert!(!mail.adapters().list()[0].is_awake);

    let second = run(&engine);
    assert_eq!((second.generated.clone(), reloaded(&second)), (first.generated, (true, true)));
    assert_eq!(second.stats.adapter.as_ref().expect("an adapter").generation, generation.0);
    assert_eq!(reloaded(&run(&engine)), (false, false), "it is told once");

    // A file that changed meanwhile is not the adapter that was installed.
    engine.trim(TrimLevel::Idle);
    let weights = package.path().join("adapter_model.safetensors");
    let mut bytes = std::fs::read(&weights).expect("read");
    *bytes.last_mut().expect("not empty") ^= 1;
    std::fs::write(&weights, bytes).expect("written");
    assert!(matches!(mail.adapter("tuned"), Err(Error::Digest { .. })));
    std::fs::remove_file(&weights).expect("removed");
    assert!(matches!(mail.adapter("tuned"), Err(Error::Io { .. })));
    assert_eq!(mail.adapters().list().len(), 1, "it stays installed");
}

#[test]
fn quotas_bound_what_an_app_holds() {
    let engine = open(options());
    engine.set_quotas("mail", Quotas { adapters: 2, ..Quotas::default() });
    let mail = engine.attach("mail").expect("app");
    assert_eq!(mail.quotas().adapters, 2);
    let package = package(3.0);
    let install = |alias: &str| mail.install(alias, package.path(), InstallPolicy::Create);
    let one = install("one").expect("installed");
    install("two").expect("installed");
    let error = install("three").expect_err("one too many").to_string();
    assert!(error.contains("installed adapters would be 3, the limit is 2"), "{error}");
    // One that does not fit into memory puts another one to sleep that nobody holds.
    let bytes = one.bytes() as u64;
    engine.set_quotas("mail", Quotas { bytes: bytes * 2, ..Quotas::default() });
    let three = install("three").expect("in place of the second");
    let awake = |alias: &str| mail.adapters().list().iter().any(|one| one.alias == alias && one.is_awake);
    assert_eq!(["one", "two", "three"].map(awake), [true, false, true]);
    let error = mail.adapter("two").expect_err("both others are held");
    assert!(matches!(error, Error::Memory { limit, .. } if limit == 2 * bytes), "{error}");
    drop(three);
    mail.adapter("two").expect("in place of the third");
    // Bytes of all adapters, asleep or not.
    engine.set_quotas("mail", Quotas { adapter_bytes: 3 * bytes, ..Quotas::default() });
    let error = install("four").expect_err("too many bytes").to_string();
    assert!(error.contains("bytes of all adapters"), "{error}");
}
