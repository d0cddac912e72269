//! Quotas that whoever runs an engine gives its apps, here and in a service.

use loam::engine::Quotas;
use loam_service::{App, Engine, Error, Host, Identity, InstallPolicy, Limits, Result, Server};

use crate::support::{Daemon, Keeper, Served, adapter, ended, foundation, install, tokens};

fn ask(app: &App) -> Result<()> {
    ended(&app.generate("The cat", tokens(8), None, Keeper::new()))
}

fn refused(app: &App, limit: &str) {
    match ask(app) {
        Err(Error::Refused { retry_after_ms, reason, .. }) => {
            assert!(retry_after_ms > 0 && reason.contains(limit), "{retry_after_ms} ms: {reason}");
        }
        other => panic!("{other:?}"),
    }
}

/// A minute's tokens for one request.
fn few() -> Quotas {
    Quotas { tokens_per_minute: 10, ..Quotas::default() }
}

/// What holds of any engine whose owner asks.
fn bounds_its_apps(engine: &Engine) {
    let (mail, notes) = (engine.attach("mail").expect("attached"), engine.attach("notes").expect("attached"));
    assert_eq!(engine.quotas("mail").expect("told"), Quotas::default());
    // One that is attached has them at once, one that is not when it is.
    for app in ["mail", "later"] {
        engine.set_quotas(app, few()).expect("set");
        assert_eq!(engine.quotas(app).expect("told"), few());
    }
    let later = engine.attach("later").expect("attached");
    for app in [&mail, &later] {
        assert_eq!(app.usage().expect("usage").quotas, Some(few()));
        ask(app).expect("the first has a minute's tokens");
        refused(app, "tokens per minute");
        let counters = app.usage().expect("usage").counters;
        assert_eq!((counters.finished, counters.refused), (1, 1));
    }
    for _ in 0..3 {
        ask(&notes).expect("others are not bounded by them");
    }
    engine.set_quotas("mail", Quotas { adapters: 0, ..Quotas::default() }).expect("set");
    ask(&mail).expect("it may again");
    let none = mail.install_adapter("voice", adapter("voice"), InstallPolicy::Create);
    assert!(matches!(none, Err(Error::Adapter { .. })), "{none:?}");
    for name in ["", "no spaces"] {
        assert!(matches!(engine.quotas(name), Err(Error::Argument { .. })), "{name:?}");
        assert!(matches!(engine.set_quotas(name, few()), Err(Error::Argument { .. })), "{name:?}");
    }
}

#[test]
fn the_owner_of_an_engine_bounds_its_apps() {
    bounds_its_apps(&Engine::open(foundation(), loam::engine::EngineOptions::default()).expect("opened"));
    let served = Served::new(Limits::default());
    bounds_its_apps(&served.connect());
}

#[test]
fn a_host_bounds_apps_by_the_names_that_it_gives_them() {
    let dir = tempfile::tempdir().expect("folder");
    let engine = std::sync::Arc::new(loam::Engine::open(foundation()).expect("opened"));
    let host = Host::new(Server::open(engine, dir.path().join("state"), Limits::default()).expect("server"));
    let app = |known: &str| {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair().expect("a pair");
        host.serve(theirs, Identity::App(known.to_owned())).expect("served");
        let engine = Engine::connect_stream(ours, "mail").expect("connected");
        let app = engine.attach("mail").expect("attached");
        (engine, app)
    };
    host.server().set_quotas("u1.mail", few()).expect("set");
    let ((engine, bounded), (_other, free)) = (app("u1.mail"), app("u2.mail"));
    // What it calls itself is not looked at.
    host.server().set_quotas("mail", Quotas { waiting: 0, ..few() }).expect("set");
    assert_eq!(host.server().quotas("u1.mail").expect("told"), few());
    assert_eq!(bounded.usage().expect("usage").quotas, Some(few()));
    assert_eq!(free.usage().expect("usage").quotas, Some(Quotas::default()));
    ask(&bounded).expect("the first has a minute's tokens");
    refused(&bounded, "tokens per minute");
    ask(&free).expect("another app");
    host.server().set_quotas("u1.mail", Quotas { waiting: 0, ..Quotas::default() }).expect("set");
    refused(&bounded, "requests that wait");
    // An app is not the owner.
    for found in [engine.set_quotas("mail", Quotas::default()), engine.quotas("mail").map(|_| ())] {
        assert!(matches!(found, Err(Error::Refused { .. })), "{found:?}");
    }
}

#[test]
fn a_service_keeps_the_quotas_that_it_was_started_with() {
    let mut daemon = Daemon::start();
    daemon.kill();
    let mut command = Daemon::command(daemon.dir.path());
    command.args(["--quota", "running=3", "--quota", "mail:adapters=1", "--memory", "200", "--cache", "q8"]);
    daemon.child = command.spawn().expect("started");
    daemon.wait();
    let engine = Engine::connect(daemon.socket()).expect("connected");
    let (mail, notes) = (engine.attach("mail").expect("mail"), engine.attach("notes").expect("notes"));
    let all = Quotas { running: 3, ..Quotas::default() };
    assert_eq!(notes.usage().expect("asked").quotas, Some(all));
    assert_eq!(mail.usage().expect("asked").quotas, Some(Quotas { adapters: 1, ..all }));
    install(&mail, "voice").expect("one");
    let second = mail.install_adapter("other", adapter("voice"), InstallPolicy::Create);
    assert!(matches!(second, Err(Error::Adapter { .. } | Error::Refused { .. })), "{second:?}");
    ended(&mail.generate("The cat", tokens(8), None, Keeper::new())).expect("with keys and values of bytes");
}

#[test]
fn quotas_of_all_others_hold_at_once() {
    let served = Served::new(Limits::default());
    let app = |name: &str| served.connect().attach(name).expect("attached");
    let (mail, notes) = (app("mail"), app("notes"));
    served.server.set_quotas("mail", few()).expect("set");
    let narrow = Quotas { running: 2, contexts: 1, ..Quotas::default() };
    served.server.set_default_quotas(narrow);
    for (app, quotas) in [(&mail, few()), (&notes, narrow), (&app("later"), narrow)] {
        assert_eq!(app.usage().expect("asked").quotas, Some(quotas));
    }
}

#[test]
fn wrong_quotas_end_it_before_there_is_a_socket() {
    let folder = tempfile::tempdir().expect("folder");
    let status = Daemon::command(folder.path()).args(["--quota", "speed=3"]).status().expect("run");
    assert_eq!(status.code(), Some(2));
    assert!(!folder.path().join("socket").exists());
}
