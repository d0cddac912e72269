//! Streams of several processes at a time, and what a slow or stopping receiver does.

use std::io::Read;
use std::process::Child;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loam_service::{Engine, Event, EventSink, Limits, TaskHandle};

use crate::support::{Daemon, Keeper, Served, client, core, ended, given_socket, install, tokens, wait_until};

const PROMPTS: [&str; 8] = ["The cat", "A dog", "Rain", "Why not", "The sea is", "One two", "x", "They said that the"];
const LENGTH: u32 = 40;

fn begin(app: &loam_service::App, at: usize, keeper: &Arc<Keeper>) -> Arc<TaskHandle> {
    let voice = (at % 3 == 1).then(|| install(app, "voice").expect("installed"));
    let mut options = tokens(LENGTH);
    options.sampling.temperature = if at.is_multiple_of(2) { 0.0 } else { 0.8 };
    options.sampling.seed = at as u64;
    app.generate(PROMPTS[at], options, voice.as_ref(), Arc::clone(keeper) as Arc<dyn EventSink>)
}

/// One of three clients: every third stream, all at a time.
#[test]
#[ignore = "run by `eight_streams_of_three_processes_are_what_each_is_alone`"]
fn a_client_of_streams() {
    let Some(socket) = given_socket() else { return };
    let own: usize = std::env::var("LOAM_TEST_CLIENT").expect("a number").parse().expect("a number");
    let engine = Engine::connect(socket).expect("connected");
    let app = engine.attach(&format!("client{own}")).expect("attached");
    let streams: Vec<(usize, Arc<Keeper>, Arc<TaskHandle>)> = (0..PROMPTS.len())
        .filter(|at| at % 3 == own)
        .map(|at| {
            let keeper = Keeper::new();
            let handle = begin(&app, at, &keeper);
            (at, keeper, handle)
        })
        .collect();
    for (at, keeper, handle) in streams {
        ended(&handle).expect("ended");
        println!("stream {at} {}", serde_json::to_string(&keeper.text()).expect("text"));
    }
}

#[test]
fn eight_streams_of_three_processes_are_what_each_is_alone() {
    let daemon = Daemon::start();
    let clients: Vec<Child> = (0..3)
        .map(|own| {
            let mut command = client("streams::a_client_of_streams", &daemon.socket());
            command.env("LOAM_TEST_CLIENT", own.to_string()).spawn().expect("started")
        })
        .collect();
    let near = Engine::new(core());
    let mut found = 0;
    for mut process in clients {
        let mut said = String::new();
        process.stdout.take().expect("piped").read_to_string(&mut said).expect("text");
        assert!(process.wait().expect("ended").success(), "{said}");
        // The test harness writes without a line's end before the first one.
        for line in said.lines().filter_map(|line| line.find("stream ").map(|at| &line[at + 7..])) {
            let (at, text) = line.split_once(' ').expect("a number and a text");
            let at: usize = at.parse().expect("a number");
            let alone = Keeper::new();
            let app = near.attach("alone").expect("attached");
            ended(&begin(&app, at, &alone)).expect("ended");
            assert_eq!(serde_json::to_string(&alone.text()).expect("text"), text, "stream {at}");
            found += 1;
        }
    }
    assert_eq!(found, PROMPTS.len());
}

#[test]
fn a_slow_receiver_slows_its_own_stream_alone() {
    let served = Served::new(Limits::default());
    let engine = served.connect();
    let app = engine.attach("mail").expect("attached");
    let slow = Keeper::slow(Duration::from_millis(150));
    let held = app.generate("The cat", tokens(60), None, Arc::clone(&slow) as Arc<dyn EventSink>);
    wait_until("it has begun", || !slow.texts().is_empty());
    let begin = Instant::now();
    for _ in 0..5 {
        let quick = Keeper::new();
        ended(&app.generate("A dog", tokens(30), None, Arc::clone(&quick) as Arc<dyn EventSink>)).expect("ended");
        assert!(!quick.texts().is_empty());
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(!held.is_finished());
    let seen = slow.texts().len();
    held.stop();
    ended(&held).expect("stopped");
    // It was never more than the one text ahead that it was taking.
    assert!(slow.texts().len() <= seen + 1);
    served.wait_until_idle(2);
}

#[test]
fn a_stream_is_stopped_within_a_token_also_in_its_prompt() {
    let served = Served::new(Limits::default());
    let engine = served.connect();
    let app = engine.attach("mail").expect("attached");
    let keeper = Keeper::slow(Duration::from_millis(5));
    let handle = app.generate("The cat", tokens(400), None, Arc::clone(&keeper) as Arc<dyn EventSink>);
    wait_until("it has begun", || keeper.texts().len() >= 3);
    let seen = keeper.texts().len();
    handle.stop();
    ended(&handle).expect("stopped");
    assert!(keeper.texts().len() <= seen + 2, "{} after {seen}", keeper.texts().len());
    match keeper.events.lock().expect("no panic").last() {
        Some(Event::Done { stats }) => assert_eq!(stats.finish_reason, loam::engine::FinishReason::Stopped),
        other => panic!("{other:?}"),
    }
    // Before it began.
    let keeper = Keeper::new();
    let handle = app.generate("The cat", tokens(400), None, Arc::clone(&keeper) as Arc<dyn EventSink>);
    handle.stop();
    ended(&handle).expect("stopped");
    served.wait_until_idle(2);
}

#[test]
fn a_client_that_takes_nothing_loses_its_stream() {
    let served = Served::new(Limits { patience: Duration::from_millis(300), ..Limits::default() });
    let engine = served.connect();
    let app = engine.attach("mail").expect("attached");
    let asleep = Keeper::slow(Duration::from_millis(1500));
    let handle = app.generate("The cat", tokens(60), None, Arc::clone(&asleep) as Arc<dyn EventSink>);
    served_soon(&served);
    let outcome = ended(&handle);
    assert!(matches!(outcome, Err(loam_service::Error::Refused { .. })), "{outcome:?}");
    // The connection goes on.
    ended(&app.generate("A dog", tokens(3), None, Keeper::new())).expect("ended");
}

fn served_soon(served: &Served) {
    wait_until("a call", || served.server.active_calls() == 1);
    wait_until("its end", || served.server.active_calls() == 0);
}

#[test]
fn a_turn_outlives_the_session_that_began_it() {
    let served = Served::new(Limits::default());
    for engine in [served.connect(), Engine::new(core())] {
        let app = engine.attach("mail").expect("attached");
        // Many: a session that is let go at once must not overtake its turn.
        for _ in 0..20 {
            let chat = app.chat(None, None).expect("begun");
            let handle = chat.respond("Hello", tokens(2), Keeper::new()).expect("begun");
            drop(chat);
            ended(&handle).expect("ended");
        }
    }
}
