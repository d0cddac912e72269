//! Streams that a host hands out: one end to its service, the other to a client.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::sync::Arc;

use loam_service::{ClassifyOptions, Engine, Error, Event, EventSink, Host, Identity, Limits, Server};
use tempfile::TempDir;

use crate::support::{Keeper, core, ended, foundation, install, picture, tokens, wait_until};

fn host(limits: Limits) -> (Host, TempDir) {
    let dir = tempfile::tempdir().expect("folder");
    let engine = Arc::new(loam::Engine::open(foundation()).expect("opened"));
    (Host::new(Server::open(engine, dir.path(), limits).expect("server")), dir)
}

fn identity(name: &str) -> Identity {
    Identity::App(name.to_owned())
}

fn connect(host: &Host, known_as: &str, app: &str) -> loam_service::Result<Engine> {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    host.serve(theirs, identity(known_as))?;
    Engine::connect_stream(ours, app)
}

#[test]
fn an_engine_on_a_stream_is_one_app_and_gives_what_one_here_gives() {
    let (host, _dir) = host(Limits::default());
    let engine = connect(&host, "u10001.mail", "mail").expect("connected");
    assert_eq!(engine.foundation().expect("asked").id, "tiny");
    assert!(engine.local().is_none());
    let app = engine.attach("mail").expect("attached");
    assert_eq!(app.id(), "mail");
    match engine.attach("notes") {
        Err(Error::Argument { name, reason }) => assert!(name == "app" && reason.contains("'mail'"), "{reason}"),
        other => panic!("{other:?}"),
    }
    let near = Engine::new(core()).attach("mail").expect("attached");
    let options = || ClassifyOptions { labels: vec!["cat".into(), "dog".into()], ..ClassifyOptions::default() };
    let (far_result, near_result) =
        (app.classify(picture(40, 30), options(), None), near.classify(picture(40, 30), options(), None));
    assert_eq!(far_result.expect("classified").scores, near_result.expect("classified").scores);
    let voice = install(&app, "voice").expect("installed");
    let keeper = Keeper::new();
    let sink = Arc::clone(&keeper) as Arc<dyn EventSink>;
    ended(&app.generate("The cat", tokens(6), Some(&voice), sink)).expect("ended");
    // Whoever the host says it is, is the same app, whatever it calls itself.
    let same = connect(&host, "u10001.mail", "other").expect("connected").attach("other").expect("attached");
    assert_eq!(same.adapters().expect("listed").len(), 1);
    let other = connect(&host, "u10002.mail", "mail").expect("connected").attach("mail").expect("attached");
    assert!(other.adapters().expect("listed").is_empty());
}

#[test]
fn a_stream_that_has_ended_is_not_connected_again() {
    let (host, _dir) = host(Limits::default());
    let engine = connect(&host, "mail", "mail").expect("connected");
    let app = engine.attach("mail").expect("attached");
    let chat = app.chat(None, None).expect("begun");
    let keeper = Keeper::slow(std::time::Duration::from_millis(20));
    let handle = chat.respond("Hello", tokens(10_000), Arc::clone(&keeper) as Arc<dyn EventSink>).expect("begun");
    wait_until("it has begun", || !keeper.texts().is_empty());
    host.end();
    assert!(matches!(ended(&handle), Err(Error::Disconnected { doing, .. }) if doing == "respond"));
    assert!(matches!(keeper.events.lock().expect("no panic").last(), Some(Event::Failed { .. })));
    for _ in 0..2 {
        match app.adapters() {
            Err(Error::Disconnected { reason, .. }) => assert!(reason.contains("another one"), "{reason}"),
            other => panic!("{other:?}"),
        }
    }
    assert!(matches!(engine.foundation(), Err(Error::Disconnected { .. })));
    assert!(matches!(chat.messages(), Err(Error::Lost { .. })));
    wait_until("nobody is connected", || host.server().connections() == 0);
    // Nobody is let in after the end.
    assert!(matches!(connect(&host, "mail", "mail"), Err(Error::Refused { .. })));
}

#[test]
fn a_host_keeps_its_limits_and_its_clients_names_apart() {
    let (host, _dir) = host(Limits { connections_per_owner: 1, ..Limits::default() });
    let first = connect(&host, "mail", "mail").expect("connected");
    assert!(matches!(connect(&host, "mail", "mail"), Err(Error::Refused { .. })));
    connect(&host, "notes", "notes").expect("another owner");
    assert!(matches!(connect(&host, ".notes", "notes"), Err(Error::Argument { .. })));
    assert!(matches!(connect(&host, "no spaces", "notes"), Err(Error::Argument { .. })));
    drop(first);
    wait_until("the first has gone", || connect(&host, "mail", "mail").is_ok());
}

#[test]
fn who_is_no_service_is_found_out() {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    drop(theirs);
    assert!(matches!(Engine::connect_stream(ours, "mail"), Err(Error::Disconnected { .. })));
    let (ours, mut theirs) = UnixStream::pair().expect("a pair");
    let talking = std::thread::spawn(move || {
        theirs.write_all(b"\x05\0\0\0hello").expect("said");
        let _ = theirs.read(&mut [0; 64]);
    });
    assert!(Engine::connect_stream(ours, "mail").is_err());
    talking.join().expect("no panic");
}
