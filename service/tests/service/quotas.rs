//! Quotas as the command line and a host set them.

use std::sync::Arc;

use loam::engine::Quotas;
use loam_service::{Engine, Error, EventSink, Limits};

use crate::support::{Daemon, Keeper, Served, ended, install, tokens};

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
    let second = mail.install_adapter("other", crate::support::adapter("voice"), loam_service::InstallPolicy::Create);
    assert!(matches!(second, Err(Error::Adapter { .. } | Error::Refused { .. })), "{second:?}");
    ended(&mail.generate("The cat", tokens(8), None, Keeper::new())).expect("with keys and values of bytes");
}

#[test]
fn a_quota_holds_from_the_next_attachment_on_and_says_when_to_come_again() {
    let served = Served::new(Limits::default());
    served.server.set_quotas("mail", Quotas { tokens_per_minute: 20, ..Quotas::default() });
    let engine = served.connect();
    let (mail, notes) = (engine.attach("mail").expect("mail"), engine.attach("notes").expect("notes"));
    let run = |app: &loam_service::App| {
        let keeper = Keeper::new();
        ended(&app.generate("The cat", tokens(15), None, Arc::clone(&keeper) as Arc<dyn EventSink>))
    };
    run(&mail).expect("within it");
    match run(&mail) {
        Err(Error::Refused { reason, retry_after_ms, .. }) => {
            assert!(reason.contains("tokens per minute"), "{reason}");
            assert!((1..=60_000).contains(&retry_after_ms), "{retry_after_ms}");
        }
        other => panic!("{other:?}"),
    }
    (0..3).for_each(|_| run(&notes).expect("it is none of the others'"));
    let usage = mail.usage().expect("asked");
    assert_eq!((usage.counters.requests, usage.counters.refused), (1, 1));
}

#[test]
fn terms_hold_for_a_client_that_comes_back() {
    let served = Served::new(Limits::default());
    let usage = |served: &Served| {
        let app = served.connect().attach("mail").expect("attached");
        app.usage().expect("asked").quotas.expect("an app has some")
    };
    assert_eq!(usage(&served), Quotas::default());
    let narrow = Quotas { running: 2, contexts: 1, ..Quotas::default() };
    served.server.set_quotas("mail", narrow);
    assert_eq!(usage(&served), narrow);
    served.server.set_quotas("mail", Quotas::default());
    assert_eq!(usage(&served), Quotas::default());
}

#[test]
fn wrong_quotas_end_it_before_there_is_a_socket() {
    let folder = tempfile::tempdir().expect("folder");
    let status = Daemon::command(folder.path()).args(["--quota", "speed=3"]).status().expect("run");
    assert_eq!(status.code(), Some(2));
    assert!(!folder.path().join("socket").exists());
}
