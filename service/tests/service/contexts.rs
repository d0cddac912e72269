//! Saved conversations, what an app may know, and who may look at all of them.

use std::io::Write as _;
use std::process::Command;
use std::sync::Arc;

use loam::engine::{Mismatch, TrimLevel};
use loam_service::{App, Engine, Error, Event, EventSink, Identity, Limits, Session};

use crate::support::{Daemon, Keeper, Served, core, ended, install, small_disk, tokens};

fn ask(session: &Session, text: &str, count: u32) -> String {
    let keeper = Keeper::new();
    let sink = Arc::clone(&keeper) as Arc<dyn EventSink>;
    ended(&session.respond(text, tokens(count), sink).expect("begun")).expect("ended");
    keeper.text()
}

fn names(dir: &std::path::Path) -> Vec<String> {
    let mut names: Vec<String> = std::fs::read_dir(dir)
        .expect("folder")
        .map(|entry| entry.expect("entry").file_name().to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

#[test]
fn a_conversation_outlives_the_service_that_it_was_saved_from() {
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("chat");
    let mut daemon = Daemon::start();
    let engine = Engine::connect(daemon.socket()).expect("connected");
    let app = engine.attach("mail").expect("attached");
    let voice = install(&app, "voice").expect("installed");
    let chat = app.chat(Some("Be brief."), Some(&voice)).expect("begun");
    ask(&chat, "Good morning to you all", 20);
    chat.save(&file).expect("saved");
    let expected = ask(&chat, "Go on", 32);
    // Again and again while the service is killed: the file is the old one or the new one, and whole.
    let mut saving = chat;
    let mut cut = 0;
    for round in 0..4u32 {
        let pid = daemon.child.id();
        let killer = std::thread::spawn(move || {
            std::thread::sleep(std::time::Duration::from_millis(u64::from(round) * 3 + 5));
            Command::new("kill").args(["-9", &pid.to_string()]).status().expect("killed");
        });
        let mut saves = 0;
        let end = loop {
            match saving.save(&file) {
                Ok(()) => saves += 1,
                Err(error) => break error,
            }
        };
        cut += u32::from(saves > 0 && matches!(end, Error::Disconnected { .. }));
        killer.join().expect("no panic");
        daemon.kill();
        assert_eq!(names(folder.path()), ["chat"], "nothing is left beside it");
        daemon.restart();
        let lost = saving.messages().expect_err("it lived in the old service");
        assert!(matches!(lost, Error::Lost { .. }), "{lost}");
        let app = engine.attach("mail").expect("attached");
        let voice = app.adapter("voice").expect("it was acknowledged");
        let again = app.restore(&file, Some(&voice), Mismatch::Refuse).expect("restored");
        assert_eq!(again.messages().expect("history").len(), 5, "two answers");
        saving = again;
    }
    assert!(cut > 0, "no save was under way when the service was killed");
    // From the first file: the next 32 tokens are those that the killed service gave.
    let app = engine.attach("mail").expect("attached");
    let voice = app.adapter("voice").expect("there");
    let fresh = app.chat(Some("Be brief."), Some(&voice)).expect("begun");
    ask(&fresh, "Good morning to you all", 20);
    fresh.save(&file).expect("saved");
    daemon.kill();
    daemon.restart();
    let app = engine.attach("mail").expect("attached");
    let voice = app.adapter("voice").expect("there");
    let restored = app.restore(&file, Some(&voice), Mismatch::Refuse).expect("restored");
    assert_eq!(ask(&restored, "Go on", 32), expected);
    assert!(names(&daemon.dir.path().join("state")).iter().any(|name| name.ends_with("mail")));
    // In this process it goes on just so.
    let near = Engine::new(core()).attach("mail").expect("attached");
    let voice = install(&near, "voice").expect("installed");
    let here = near.restore(&file, Some(&voice), Mismatch::Refuse).expect("restored");
    assert_eq!(ask(&here, "Go on", 32), expected);
}

#[test]
fn what_is_no_saved_conversation_is_refused_and_a_failed_save_leaves_the_old_file() {
    let served = Served::new(Limits::default());
    let app = served.connect().attach("mail").expect("attached");
    let chat = app.chat(None, None).expect("begun");
    ask(&chat, "Good morning", 8);
    let folder = tempfile::tempdir().expect("folder");
    let file = folder.path().join("chat");
    chat.save(&file).expect("saved");
    let good = std::fs::read(&file).expect("read");
    let refused = |what: &str, app: &App| {
        let error = app.restore(&file, None, Mismatch::Recompute).map(|_| ()).expect_err(what);
        assert!(matches!(error, Error::Malformed { .. } | Error::Digest { .. }), "{what}: {error}");
    };
    for at in [0, 8, 100, good.len() / 2, good.len() - 1] {
        let mut bytes = good.clone();
        bytes[at] ^= 4;
        std::fs::write(&file, &bytes).expect("written");
        refused("a flipped bit", &app);
        std::fs::write(&file, &good[..at]).expect("written");
        refused("cut short", &app);
    }
    std::fs::write(&file, &good).expect("written");
    let missing = app.restore(folder.path().join("missing"), None, Mismatch::Refuse).map(|_| ());
    assert!(matches!(missing, Err(Error::Io { .. })), "{missing:?}");
    let error = chat.save(folder.path().join("missing/chat")).expect_err("no such folder");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert_eq!(std::fs::read(&file).expect("read"), good);
    assert_eq!(names(folder.path()), ["chat"]);
    assert!(names(&served.dir.path().join("state")).len() > 1);
}

/// The client's disk is full, and then the service's.
#[test]
fn a_full_disk_leaves_the_conversation_that_was_saved_before() {
    let folder = tempfile::tempdir().expect("folder");
    let Some(_unmount) = small_disk(&folder.path().join("small")) else {
        let _ = writeln!(std::io::stderr(), "skipped: no tmpfs can be mounted here");
        return;
    };
    let small = folder.path().join("small");
    let fill = |name: &str| {
        // As far as it goes.
        let written = std::fs::write(small.join(name), vec![1; 400_000]);
        assert!(written.is_err(), "the disk is larger than it should be");
    };
    let served = Served::new(Limits::default());
    let app = served.connect().attach("mail").expect("attached");
    let chat = app.chat(None, None).expect("begun");
    ask(&chat, "Good morning", 8);
    let file = small.join("chat");
    chat.save(&file).expect("saved");
    let good = std::fs::read(&file).expect("read");
    ask(&chat, "Go on", 40);
    fill("rest");
    let error = chat.save(&file).expect_err("the client's disk is full");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert_eq!(std::fs::read(&file).expect("read"), good);
    assert_eq!(names(&small), ["chat", "rest"], "nothing is left beside it");
    app.restore(&file, None, Mismatch::Refuse).expect("as it was saved");

    // In this process, too.
    let near = Engine::new(core()).attach("mail").expect("attached");
    let here = near.restore(&file, None, Mismatch::Refuse).expect("restored");
    let error = here.save(&file).expect_err("full");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert_eq!((std::fs::read(&file).expect("read"), names(&small).len()), (good, 2));

    // The service's own disk.
    let dir = tempfile::tempdir().expect("folder");
    let Some(_unmount) = small_disk(&dir.path().join("state")) else { return };
    let daemon = Daemon { child: Daemon::command(dir.path()).spawn().expect("started"), dir };
    daemon.wait();
    let app = Engine::connect(daemon.socket()).expect("connected").attach("mail").expect("attached");
    let chat = app.chat(None, None).expect("begun");
    ask(&chat, "Good morning", 8);
    let other = folder.path().join("chat");
    chat.save(&other).expect("saved");
    let before = std::fs::read(&other).expect("read");
    let _ = std::fs::write(daemon.dir.path().join("state/rest"), vec![1; 400_000]);
    let error = chat.save(&other).expect_err("the service's disk is full");
    assert!(matches!(error, Error::Io { .. }), "{error}");
    assert_eq!(std::fs::read(&other).expect("read"), before);
    std::fs::remove_file(daemon.dir.path().join("state/rest")).expect("removed");
    chat.save(&other).expect("there is room again");
}

#[test]
fn an_app_sees_its_own_use_and_only_the_owner_all() {
    let served = Served::new(Limits::default());
    let engine = served.connect();
    let (mail, notes) = (engine.attach("mail").expect("attached"), engine.attach("notes").expect("attached"));
    engine.record(100).expect("recorded");
    ended(&mail.generate("The cat", tokens(9), None, Keeper::new())).expect("ended");
    let (mine, others) = (mail.usage().expect("usage"), notes.usage().expect("usage"));
    assert_eq!((mine.counters.finished, mine.counters.generated_tokens), (1, 9));
    assert_eq!((others.counters.finished, others.waiting, others.running), (0, 0, 0));
    assert!(mine.quotas.is_some_and(|quotas| quotas.running > 0), "quotas are published");
    // The prompt that one app asked is new to another.
    let cached = |app: &App| {
        let keeper = Keeper::new();
        let sink = Arc::clone(&keeper) as Arc<dyn EventSink>;
        ended(&app.generate(&"The cat sat. ".repeat(6), tokens(2), None, sink)).expect("ended");
        let events = keeper.events.lock().expect("no panic");
        let done = events.iter().find_map(|event| match event {
            Event::Done { stats } => Some(stats.cached_tokens),
            _ => None,
        });
        done.expect("it is done")
    };
    assert_eq!((cached(&mail), cached(&mail) > 0, cached(&notes)), (0, true, 0));

    let status = engine.status().expect("this user runs the service");
    assert_eq!(status.apps.len(), 2);
    assert!(engine.timeline().expect("timeline").contains("\"passes\""));
    assert!(engine.trim(TrimLevel::Prefixes).expect("trimmed").prefixes > 0);
    // Other users, and apps that a host vouches for, may not.
    for identity in [Identity::User(7), Identity::App("mail".to_owned())] {
        let socket = served.dir.path().join(format!("{identity:?}"));
        let listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        let server = served.server.clone();
        let accepting = std::thread::spawn(move || {
            let (stream, _) = listener.accept().expect("accepted");
            let _ = server.serve_stream(stream, identity);
        });
        let other = Engine::connect(&socket).expect("connected");
        let error = other.status().expect_err("not its service");
        assert!(matches!(&error, Error::Refused { reason, .. } if reason.contains("only the user")), "{error}");
        assert!(other.timeline().is_err() && other.trim(TrimLevel::Components).is_err() && other.record(1).is_err());
        drop(other);
        accepting.join().expect("no panic");
    }
}
