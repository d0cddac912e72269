//! Streams beyond those that run at a time: they wait, and one that is stopped does not.

use std::sync::{Arc, Condvar, Mutex};
use std::time::{Duration, Instant};

use loam_ffi::{Engine, EngineOptions, Event, EventSink, FinishReason, GenerateOptions, LoamError};

/// Streams that run at a time.
const WORKERS: usize = 32;

/// Holds its stream up at the first text until the gate opens.
struct Gated {
    gate: Arc<(Mutex<bool>, Condvar)>,
    events: Mutex<Vec<Event>>,
}

impl EventSink for Gated {
    fn on_event(&self, event: Event) -> Result<bool, LoamError> {
        self.events.lock().expect("no panic").push(event);
        let mut open = self.gate.0.lock().expect("no panic");
        while !*open {
            open = self.gate.1.wait(open).expect("no panic");
        }
        Ok(true)
    }
}

fn options() -> GenerateOptions {
    GenerateOptions {
        max_tokens: 3,
        sampling: None,
        stop: Vec::new(),
        priority: None,
        patience_ms: None,
        deadline_ms: None,
        target: None,
    }
}

#[test]
fn a_stream_that_waits_ends_as_soon_as_it_is_stopped() {
    let model = concat!(env!("CARGO_MANIFEST_DIR"), "/../core/tests/fixtures/models/smolvlm");
    let engine = Engine::open(model.to_owned(), EngineOptions::default()).expect("opened");
    // No app may have more than a part of the streams.
    let apps: Vec<_> = (0..4).map(|i| engine.attach(format!("com.example.app{i}")).expect("attached")).collect();
    let app = &apps[0];
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let begin = |number: usize, gate: &Arc<(Mutex<bool>, Condvar)>| {
        let sink = Arc::new(Gated { gate: Arc::clone(gate), events: Mutex::default() });
        (apps[number % apps.len()].generate("The cat".to_owned(), options(), None, sink.clone()), sink)
    };
    let running: Vec<_> = (0..WORKERS).map(|number| begin(number, &gate)).collect();
    while running.iter().any(|(_, sink)| sink.events.lock().expect("no panic").is_empty()) {
        std::thread::yield_now();
    }
    let open = Arc::new((Mutex::new(true), Condvar::new()));
    let (stopped, sink) = begin(0, &open);
    let (waiting, _) = begin(0, &open);
    let session = app.chat(None, None).expect("begun");
    let turn = Arc::new(Gated { gate: open, events: Mutex::default() });
    let answer = session.respond("Hello".to_owned(), options(), turn).expect("begun");
    stopped.stop();
    stopped.wait().expect("ended");
    match sink.events.lock().expect("no panic").as_slice() {
        [Event::Done { stats }] => assert_eq!(stats.finish_reason, FinishReason::Stopped),
        other => panic!("{other:?}"),
    }
    answer.stop();
    answer.wait().expect("ended");
    assert_eq!(session.messages().expect("free again").len(), 0, "it never began");
    assert!(!waiting.is_finished() && running.iter().all(|(handle, _)| !handle.is_finished()));
    // A thread counts as free a moment after its stream's end.
    let begun = Instant::now();
    while engine.active_streams() as usize != WORKERS + 1 {
        assert!(begun.elapsed() < Duration::from_secs(10), "{} streams", engine.active_streams());
        std::thread::yield_now();
    }

    *gate.0.lock().expect("no panic") = true;
    gate.1.notify_all();
    for (handle, _) in &running {
        handle.wait().expect("ended");
    }
    waiting.wait().expect("ended");
}
