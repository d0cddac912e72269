//! What becomes of the others when a client or the service dies.

use std::io::{BufRead, BufReader};
use std::sync::Arc;
use std::time::{Duration, Instant};

use loam_service::{ClassifyOptions, Engine, Error, Event, EventSink, Limits};

use crate::support::{Daemon, Keeper, Served, client, ended, given_socket, install, sound, tokens, wait_until};

/// Streams, a conversation and an adapter, until it is killed.
#[test]
#[ignore = "run by `a_client_that_is_killed_leaves_nothing_behind`"]
fn a_client_that_does_not_end() {
    let Some(socket) = given_socket() else { return };
    let engine = Engine::connect(socket).expect("connected");
    let app = engine.attach("doomed").expect("attached");
    let _voice = install(&app, "voice").expect("installed");
    let chat = app.chat(None, None).expect("begun");
    let keepers: Vec<Arc<Keeper>> = (0..4).map(|_| Keeper::slow(Duration::from_millis(30))).collect();
    let sink = |at: usize| Arc::clone(&keepers[at]) as Arc<dyn EventSink>;
    let _turn = chat.respond("Hello", tokens(10_000), sink(0)).expect("begun");
    let _streams: Vec<_> = (1..4).map(|at| app.generate("The cat", tokens(10_000), None, sink(at))).collect();
    wait_until("all have begun", || keepers.iter().all(|keeper| !keeper.texts().is_empty()));
    println!("\nbegun");
    std::thread::sleep(Duration::from_secs(600));
}

#[test]
fn a_client_that_is_killed_leaves_nothing_behind() {
    let served = Served::new(Limits::default());
    let engine = served.connect();
    let app = engine.attach("mail").expect("attached");
    let alone = Keeper::new();
    ended(&app.generate("A dog", tokens(60), None, Arc::clone(&alone) as Arc<dyn EventSink>)).expect("ended");
    let mut doomed = client("death::a_client_that_does_not_end", &served.socket()).spawn().expect("started");
    let lines = BufReader::new(doomed.stdout.take().expect("piped")).lines();
    assert!(lines.map_while(Result::ok).any(|line| line == "begun"), "it began");
    assert_eq!(served.server.active_calls(), 4);
    let keeper = Keeper::slow(Duration::from_millis(5));
    let going = app.generate("A dog", tokens(60), None, Arc::clone(&keeper) as Arc<dyn EventSink>);
    wait_until("it has begun", || !keeper.texts().is_empty());
    doomed.kill().expect("killed");
    let begin = Instant::now();
    wait_until("its calls are gone", || served.server.active_calls() <= 1);
    let took = begin.elapsed();
    assert!(took < Duration::from_secs(2), "{took:?}");
    doomed.wait().expect("ended");
    ended(&going).expect("the others go on");
    assert_eq!(keeper.text(), alone.text());
    served.wait_until_idle(2);
    // Nothing rests in memory for it.
    assert_eq!(served.server.engine().status().held.resting, 0);
    // Its adapter lives on.
    assert_eq!(engine.attach("doomed").expect("attached").adapters().expect("listed").len(), 1);
}

/// Waits for the encoders, until it is killed.
#[test]
#[ignore = "run by `a_client_that_is_killed_waits_for_no_encoder`"]
fn a_client_that_asks_for_encoders() {
    let Some(socket) = given_socket() else { return };
    let app = Engine::connect(socket).expect("connected").attach("doomed").expect("attached");
    std::thread::scope(|scope| {
        (0..3).for_each(|_| drop(scope.spawn(|| app.embed("a text", None, None))));
        println!("\nbegun");
        std::thread::sleep(Duration::from_secs(600));
    });
}

#[test]
fn a_client_that_is_killed_waits_for_no_encoder() {
    let served = Served::new(Limits::default());
    let turn = served.server.engine().turn(&loam::engine::Caller::default()).expect("nobody waits");
    let mut doomed = client("death::a_client_that_asks_for_encoders", &served.socket()).spawn().expect("started");
    wait_until("its calls wait", || served.server.active_calls() == 3);
    doomed.kill().expect("killed");
    doomed.wait().expect("ended");
    // The encoders are taken all the while.
    wait_until("its calls are gone", || served.server.active_calls() == 0);
    drop(turn);
}

#[test]
fn a_service_that_is_killed_ends_every_call_with_a_reason() {
    let mut daemon = Daemon::start();
    let engine = Engine::connect(daemon.socket()).expect("connected");
    let app = engine.attach("mail").expect("attached");
    let voice = install(&app, "voice").expect("installed");
    let chat = app.chat(Some("Be brief."), None).expect("begun");
    ended(&chat.respond("Hello", tokens(4), Keeper::new()).expect("begun")).expect("ended");
    let transcriber = app.transcriber(16_000, loam::engine::ListenOptions::default(), None).expect("begun");
    transcriber.push(&sound().samples()[..1600]).expect("heard");
    let keepers: Vec<Arc<Keeper>> = (0..3).map(|_| Keeper::slow(Duration::from_millis(20))).collect();
    let mut handles: Vec<_> = keepers[1..]
        .iter()
        .map(|keeper| app.generate("The cat", tokens(10_000), None, Arc::clone(keeper) as Arc<dyn EventSink>))
        .collect();
    let sink = Arc::clone(&keepers[0]) as Arc<dyn EventSink>;
    handles.push(chat.respond("Why?", tokens(10_000), sink).expect("begun"));
    wait_until("all have begun", || keepers.iter().all(|keeper| !keeper.texts().is_empty()));
    daemon.kill();
    for handle in &handles {
        match ended(handle) {
            Err(Error::Disconnected { doing, .. }) => assert!(doing == "generate" || doing == "respond", "{doing}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(keepers[0].events.lock().expect("no panic").last(), Some(Event::Failed { .. })));
    // While nobody answers: a bounded time, then a reason.
    let begin = Instant::now();
    let nobody = app.adapters().map(|_| ()).expect_err("nobody is there");
    assert!(matches!(nobody, Error::Disconnected { .. }), "{nobody}");
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    let lost = chat.messages().map(|_| ()).expect_err("lost with the service");
    assert!(matches!(lost, Error::Lost { .. }), "{lost}");

    daemon.restart();
    assert!(matches!(chat.messages(), Err(Error::Lost { .. })));
    let respond = ended(&chat.respond("Hello", tokens(2), Keeper::new()).expect("begun"));
    assert!(matches!(respond, Err(Error::Lost { .. })), "{respond:?}");
    assert!(matches!(transcriber.push(&[0.0; 160]), Err(Error::Lost { .. })));
    assert_eq!(app.adapter("voice").expect("there").generation(), voice.generation());
    ended(&app.generate("The cat", tokens(4), Some(&voice), Keeper::new())).expect("it goes on");
    let chat = app.chat(None, None).expect("a new one");
    ended(&chat.respond("Hello", tokens(4), Keeper::new()).expect("begun")).expect("ended");
    assert_eq!(engine.foundation().expect("asked").id, "tiny");
}

#[test]
fn a_call_waits_for_a_service_that_starts_again() {
    let mut daemon = Daemon::start();
    let engine = Engine::connect(daemon.socket()).expect("connected");
    let app = engine.attach("mail").expect("attached");
    daemon.kill();
    let asking = std::thread::spawn(move || app.embed("a text", None, None).map(|embedding| embedding.vector.len()));
    std::thread::sleep(Duration::from_millis(200));
    daemon.restart();
    assert_eq!(asking.join().expect("no panic").expect("answered"), 16);
    assert!(matches!(Engine::connect(daemon.dir.path().join("nowhere")), Err(Error::Disconnected { .. })));
}

#[test]
fn a_service_ends_cleanly_when_it_is_asked_to() {
    let mut daemon = Daemon::start();
    let engine = Engine::connect(daemon.socket()).expect("connected");
    let app = engine.attach("mail").expect("attached");
    let keeper = Keeper::slow(Duration::from_millis(20));
    let handle = app.generate("The cat", tokens(10_000), None, Arc::clone(&keeper) as Arc<dyn EventSink>);
    wait_until("it has begun", || !keeper.texts().is_empty());
    let process = rustix::process::Pid::from_child(&daemon.child);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).expect("asked");
    wait_until("it has ended", || daemon.child.try_wait().expect("a child").is_some());
    assert!(daemon.child.wait().expect("ended").success());
    assert!(!daemon.socket().exists());
    assert!(matches!(ended(&handle), Err(Error::Disconnected { .. })));
    let result = app.classify("text", ClassifyOptions::default(), None).map(|_| ());
    assert!(matches!(result, Err(Error::Disconnected { .. })), "{result:?}");
}
