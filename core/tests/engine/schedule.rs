//! Requests of several apps in one batch: each is what it would be alone, and none holds another up.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use loam::Error;
use loam::adapter::{Adapter, InstallPolicy};
use loam::engine::{
    Batch, Caller, Engine, EngineStatus, Event, FinishReason, Finished, GenerateOptions, Generated, Priority, Prompt,
    Quotas, Request, Sampling, Sink, Target,
};

use crate::fixture::{adapter_with, path};

/// A tiny model that has a tokenizer, with six adapters.
fn engine() -> &'static (Engine, Vec<Arc<Adapter>>) {
    static ENGINE: OnceLock<(Engine, Vec<Arc<Adapter>>)> = OnceLock::new();
    ENGINE.get_or_init(|| {
        let engine = Engine::open(path("models/smolvlm")).expect("engine");
        let install = |i: usize| {
            let task = serde_json::json!({ "component": "vision-language" });
            let scaled = adapter_with(&path("models/smolvlm/adapter"), &task, |tensors| {
                for (at, (_, _, values)) in tensors.iter_mut().enumerate() {
                    values.iter_mut().enumerate().for_each(|(j, v)| *v *= 1.0 + ((i * 7 + at + j) % 11) as f32 / 4.0);
                }
            });
            engine.install(&format!("a{i}"), scaled.path(), InstallPolicy::Create).expect("installed")
        };
        let adapters = (0..6).map(install).collect();
        (engine, adapters)
    })
}

/// What one request asks for.
struct Case {
    prompt: Vec<u32>,
    adapter: Option<Arc<Adapter>>,
    options: GenerateOptions,
    /// Pieces of text after which its receiver has enough.
    enough: usize,
}

/// Keeps pieces of text until it has enough.
struct Listener {
    text: String,
    pieces: usize,
    enough: usize,
}

impl Sink for Listener {
    fn event(&mut self, event: Event<'_>) -> loam::Result<ControlFlow<()>> {
        if let Event::Text(text) = event {
            assert!(self.pieces < self.enough, "text after the end");
            self.text.push_str(text);
            self.pieces += 1;
        }
        Ok(if self.pieces >= self.enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }
}

fn caller(app: &str, priority: Priority) -> Caller {
    Caller { app: Some(Arc::from(app)), priority, ..Caller::default() }
}

/// Forty requests of four apps: prompts of many lengths, six adapters or none, greedy or not, some given up early.
fn cases() -> Vec<Case> {
    let (_, adapters) = engine();
    let mut state = 1u32;
    let mut next = |below: usize| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 8) as usize % below
    };
    let priorities = [Priority::Interactive, Priority::Normal, Priority::Background];
    let case = |i: usize| Case {
        prompt: (0..1 + next(150)).map(|_| 3 + u32::try_from(next(200)).expect("small")).collect(),
        adapter: adapters.get(next(7)).cloned(),
        options: GenerateOptions {
            max_tokens: 1 + next(60),
            sampling: Sampling { temperature: if i % 5 == 4 { 0.7 } else { 0.0 }, seed: 7, ..Sampling::default() },
            caller: caller(["mail", "notes", "photos", "maps"][next(4)], priorities[next(3)]),
            ..GenerateOptions::default()
        },
        enough: if next(3) == 0 { 1 + next(12) } else { usize::MAX },
    };
    (0..40).map(case).collect()
}

fn request(case: &Case) -> Request {
    Request::new(case.prompt.clone(), case.adapter.clone(), case.options.clone())
}

fn listener(case: &Case) -> Listener {
    Listener { text: String::new(), pieces: 0, enough: case.enough }
}

/// On the calling thread, with nobody else in the batch.
fn alone(case: &Case) -> (Finished, String) {
    let model = engine().0.language().expect("model");
    let mut listener = listener(case);
    let mut batch = Batch::new(&model).expect("batch");
    batch.add(request(case), &mut listener).expect("added");
    let finished = batch.run().expect("ran").remove(0);
    (finished, listener.text)
}

#[test]
fn every_request_of_a_mixed_crowd_is_what_it_is_alone() {
    let cases = cases();
    let together: Vec<(Generated, String)> = std::thread::scope(|scope| {
        let run = |case| {
            scope.spawn(move || {
                let mut listener = listener(case);
                let finished = engine().0.generate(request(case), &mut listener).expect("generated");
                (finished, listener.text)
            })
        };
        let threads: Vec<_> = cases.iter().map(run).collect();
        threads.into_iter().map(|thread| thread.join().expect("no panic")).collect()
    });
    let mut stopped = 0;
    for (i, (case, (finished, text))) in cases.iter().zip(together).enumerate() {
        let (expected, expected_text) = alone(case);
        assert_eq!(finished.generated, expected.generated, "tokens of request {i}");
        assert_eq!(text, expected_text, "text of request {i}");
        assert_eq!(finished.stats.finish_reason, expected.stats.finish_reason, "end of request {i}");
        assert_eq!(finished.stats.generated_tokens, expected.stats.generated_tokens);
        assert_eq!(finished.context.computed(), expected.cache.len());
        let ids = |sequence: &Prompt| sequence.token_ids().collect::<Vec<_>>();
        assert_eq!(ids(&finished.context.sequence()), ids(&expected.sequence));
        stopped += usize::from(finished.stats.finish_reason == FinishReason::Stopped);
    }
    assert!(stopped > 3, "some are given up: {stopped}");
}

fn long(app: &str, tokens: usize) -> Request {
    let options = GenerateOptions { max_tokens: tokens, caller: caller(app, Priority::Normal), ..Default::default() };
    Request::new(vec![5, 9, 20], None, options)
}

/// Runs until it is told to stop.
struct Endless<'a> {
    stop: &'a AtomicBool,
    begun: &'a AtomicUsize,
}

impl Sink for Endless<'_> {
    fn event(&mut self, _: Event<'_>) -> loam::Result<ControlFlow<()>> {
        self.begun.fetch_add(1, Ordering::Relaxed);
        Ok(ControlFlow::Continue(()))
    }

    fn is_stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }
}

#[test]
fn what_exceeds_a_quota_is_refused_with_the_time_to_come_back() {
    let engine = Engine::open(path("models/smolvlm")).expect("engine");
    engine.set_quotas("chatty", Quotas { tokens_per_minute: 100, ..Quotas::default() });
    engine.generate(long("chatty", 60), &mut String::new()).expect("within its tokens");
    let error = engine.generate(long("chatty", 60), &mut String::new()).expect_err("beyond them");
    let Error::Refused { app, retry_after_ms, waiting, .. } = &error else { panic!("{error}") };
    assert_eq!((app.as_str(), *waiting), ("chatty", 0));
    assert!((1..=60_000).contains(retry_after_ms), "{retry_after_ms}");
    assert!(error.to_string().contains("tokens per minute"), "{error}");
    engine.generate(long("modest", 60), &mut String::new()).expect("another app has its own");
}

#[test]
fn patience_has_an_end_and_a_stopped_request_does_not_wait_for_its_turn() {
    let engine = Engine::open(path("models/smolvlm")).expect("engine");
    engine.set_quotas("one", Quotas { running: 1, tokens_per_minute: u64::MAX, ..Quotas::default() });
    let (stop, begun) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        let first = scope.spawn(|| {
            let mut total = 0;
            // One request after another, so that the app's only place is taken throughout.
            while !stop.load(Ordering::Relaxed) {
                let mut sink = Endless { stop: &stop, begun: &begun };
                total += engine.generate(long("one", 200), &mut sink).expect("ran").generated.len();
            }
            total
        });
        while begun.load(Ordering::Relaxed) == 0 {
            std::thread::yield_now();
        }
        let given_up = AtomicBool::new(true);
        let start = Instant::now();
        let mut sink = Endless { stop: &given_up, begun: &begun };
        let finished = engine.generate(long("one", 200), &mut sink).expect("ended");
        assert_eq!((finished.stats.finish_reason, finished.generated.len()), (FinishReason::Stopped, 0));
        assert!(start.elapsed() < Duration::from_secs(5));
        let mut request = long("other", 5);
        request.options.caller.patience = Some(Duration::from_secs(60));
        engine.generate(request, &mut String::new()).expect("another app has a place of its own");
        stop.store(true, Ordering::Relaxed);
        assert!(first.join().expect("no panic") > 0);
    });
}

#[test]
fn a_receiver_that_fails_or_panics_ends_its_own_request_alone() {
    let (engine, _) = engine();
    let case = Case { prompt: vec![5, 9, 20], adapter: None, options: GenerateOptions::default(), enough: usize::MAX };
    let expected = alone(&case);
    std::thread::scope(|scope| {
        let quiet = scope.spawn(|| {
            let mut text = String::new();
            (engine.generate(request(&case), &mut text).expect("ran"), text)
        });
        let failing = scope.spawn(|| {
            let mut sink = |_: Event<'_>| Err(Error::Sink("full".to_owned()));
            engine.generate(request(&case), &mut sink).expect_err("its own failure").to_string()
        });
        let panicking = scope.spawn(|| {
            let mut sink = |_: Event<'_>| panic!("a receiver's own");
            engine.generate(request(&case), &mut sink)
        });
        assert!(failing.join().expect("no panic").contains("full"));
        assert!(panicking.join().is_err());
        let (finished, text) = quiet.join().expect("no panic");
        assert_eq!((finished.generated, text), (expected.0.generated, expected.1));
    });
    // A request that cannot run is refused as such, and the queue goes on.
    let error = engine.generate(Request::new(vec![], None, GenerateOptions::default()), &mut String::new());
    assert!(matches!(error, Err(Error::Argument { .. })));
    engine.generate(request(&case), &mut String::new()).expect("ran");
}

#[test]
fn a_receiver_that_is_slow_waits_alone() {
    let (engine, _) = engine();
    let case = Case { prompt: vec![5, 9, 20], adapter: None, options: GenerateOptions::default(), enough: usize::MAX };
    let expected = alone(&case);
    let (entered, free) = (AtomicBool::new(false), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let slow = scope.spawn(|| {
            let mut text = String::new();
            let mut sink = |event: Event<'_>| {
                entered.store(true, Ordering::Relaxed);
                while !free.load(Ordering::Relaxed) {
                    std::thread::yield_now();
                }
                text.event(event)
            };
            let finished = engine.generate(request(&case), &mut sink).expect("ran");
            (finished.generated, text)
        });
        while !entered.load(Ordering::Relaxed) {
            std::thread::yield_now();
        }
        for _ in 0..3 {
            assert_eq!(
                engine.generate(request(&case), &mut String::new()).expect("ran").generated,
                expected.0.generated
            );
        }
        assert!(!slow.is_finished());
        free.store(true, Ordering::Relaxed);
        assert_eq!(slow.join().expect("no panic"), (expected.0.generated, expected.1));
    });
}

#[test]
fn receivers_that_do_not_listen_take_no_place_from_others() {
    let engine = Engine::open(path("models/smolvlm")).expect("engine");
    let (stuck, free) = (AtomicUsize::new(0), AtomicBool::new(false));
    std::thread::scope(|scope| {
        // As many as may run at a time, of apps that may run eight each.
        for number in 0..32 {
            let (engine, stuck, free) = (&engine, &stuck, &free);
            scope.spawn(move || {
                let mut sink = |_: Event<'_>| {
                    stuck.fetch_add(1, Ordering::Relaxed);
                    while !free.load(Ordering::Relaxed) {
                        std::thread::sleep(Duration::from_millis(1));
                    }
                    Ok(ControlFlow::Break(()))
                };
                engine.generate(long(&format!("deaf{}", number / 8), 50), &mut sink).expect("stopped");
            });
        }
        while stuck.load(Ordering::Relaxed) < 32 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let other = engine.generate(long("mail", 5), &mut String::new()).expect("it has a place");
        assert_eq!(other.stats.generated_tokens, 5);
        assert_eq!(engine.status().running, 32, "they still wait for their receivers");
        free.store(true, Ordering::Relaxed);
    });
}

#[test]
fn a_flood_gets_no_more_of_a_step_than_one_who_waits_beside_it() {
    let engine = Engine::open(path("models/smolvlm")).expect("engine");
    engine.set_quotas("flood", Quotas { tokens_per_minute: 1 << 40, ..Quotas::default() });
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..Quotas::default().running {
            let (engine, over) = (&engine, &over);
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    let mut sink = |_: Event<'_>| {
                        let over = over.load(Ordering::Relaxed);
                        Ok(if over { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
                    };
                    let mut request = long("flood", 2);
                    request.prompt = (0..150).map(|i| 3 + i % 200).collect::<Vec<u32>>().into();
                    engine.generate(request, &mut sink).expect("ran");
                }
            });
        }
        let of = |status: &EngineStatus, app: &str| {
            let found = status.apps.iter().find(|one| one.app.as_deref() == Some(app));
            found.map_or(0, |app| app.counters.rows)
        };
        while of(&engine.status(), "flood") < 500 {
            std::thread::sleep(Duration::from_millis(1));
        }
        let before = engine.status();
        engine.generate(long("mail", 60), &mut String::new()).expect("ran");
        let after = engine.status();
        over.store(true, Ordering::Relaxed);
        let (steps, flood) = (after.steps - before.steps, of(&after, "flood") - of(&before, "flood"));
        // 16 in each step that the other one waits for, and 32 in those between; alone it has 128 of each.
        assert!(steps >= 60 && flood <= 40 * steps, "{flood} rows of the flood in {steps} steps");
    });
}

#[test]
fn an_engine_tells_what_it_does_and_when() {
    let engine = Engine::open(path("models/smolvlm")).expect("engine");
    engine.record(100);
    let target = Target { time_to_first_token_ms: Some(1e6), tokens_per_second: Some(1e9) };
    let mut request = long("mail", 30);
    request.options.caller.target = target;
    let stats = engine.generate(request, &mut String::new()).expect("ran").stats;
    let achieved = stats.achieved.expect("a target");
    assert_eq!((achieved.time_to_first_token, achieved.tokens_per_second), (Some(true), Some(false)));
    assert!(stats.time_to_first_token_ms >= stats.queue_ms && stats.queue_ms >= 0.0, "{stats:?}");
    assert_eq!(engine.generate(long("notes", 5), &mut String::new()).expect("ran").stats.achieved, None);
    drop(engine.turn(&caller("mail", Priority::Normal)).expect("a turn"));
    engine.set_quotas("notes", Quotas { waiting: 0, ..Quotas::default() });
    assert!(engine.generate(long("notes", 5), &mut String::new()).is_err());

    let status = engine.status();
    let of = |name: &str| status.apps.iter().find(|app| app.app.as_deref() == Some(name)).expect("an app").clone();
    let (mail, notes) = (of("mail"), of("notes"));
    assert_eq!((mail.counters.requests, mail.counters.finished, mail.counters.encoded), (2, 1, 1));
    assert_eq!((mail.counters.generated_tokens, mail.counters.rows), (30, 32), "the last token is not fed back");
    assert_eq!((notes.counters.requests, notes.counters.refused), (1, 1));
    assert_eq!((status.waiting, status.running), (0, 0));
    assert_eq!(status.components, ["vision-language"]);
    assert!(status.steps >= 30 && status.step_ms > 0.0 && status.backend.starts_with("cpu/"));
    let mut again: EngineStatus = serde_json::from_str(&serde_json::to_string(&status).expect("JSON")).expect("read");
    for (again, app) in again.apps.iter_mut().zip(&status.apps) {
        // JSON's reader may round the last digit.
        assert!((again.counters.encoder_ms - app.counters.encoder_ms).abs() < 1e-9);
        again.counters.encoder_ms = app.counters.encoder_ms;
    }
    assert_eq!(again.apps, status.apps);

    let trace: serde_json::Value = serde_json::from_str(&engine.timeline()).expect("JSON");
    let events = trace["traceEvents"].as_array().expect("events");
    let named = |name: &str| events.iter().filter(|event| event["name"] == name).count();
    assert_eq!((named("request"), named("encoder"), named("pass") as u64), (2, 1, status.steps));
    let begin = |event: &&serde_json::Value| event["ts"].as_f64().expect("a time");
    let passes = events.iter().filter(|event| event["name"] == "pass");
    assert!(passes.map(|event| begin(&event)).is_sorted());
}

#[test]
fn a_deadline_ends_a_request_with_what_there_is() {
    let engine = Engine::open(path("models/smolvlm")).expect("engine");
    let within = |deadline: Duration, tokens: usize| {
        let mut request = long("mail", tokens);
        request.options.caller.deadline = Some(deadline);
        request
    };
    let stats = engine.generate(within(Duration::from_secs(60), 5), &mut String::new()).expect("in time").stats;
    assert_eq!(stats.finish_reason, FinishReason::MaxTokens);
    // The receiver is so slow that time is over in the middle.
    let mut slow = |_: Event<'_>| {
        std::thread::sleep(Duration::from_millis(5));
        Ok(ControlFlow::Continue(()))
    };
    let finished = engine.generate(within(Duration::from_millis(40), 200), &mut slow).expect("what there is");
    assert_eq!(finished.stats.finish_reason, FinishReason::Deadline);
    assert!((1..100).contains(&finished.generated.len()), "{} tokens", finished.generated.len());
    // Before it has begun it is refused.
    engine.set_quotas("mail", Quotas { running: 0, ..Quotas::default() });
    let error = engine.generate(within(Duration::from_millis(5), 5), &mut String::new());
    assert!(matches!(&error, Err(Error::Refused { limit, .. }) if limit == "time to wait"), "{error:?}");
}
