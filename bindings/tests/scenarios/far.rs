//! The same cases on engines in a service.

use std::os::fd::IntoRawFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;

use loam_ffi::{Engine, EngineOptions, Event, FinishReason, Host, LoamError, TrimLevel};

use crate::listener::{Listener, Manner};
use crate::run::tokens;
use crate::table::{APP, Case, cases, difference, outcome_on, place};

/// The cases of the tiny foundation, but for the one that drops a component, which is the service's to drop.
fn far_cases() -> impl Iterator<Item = Case> {
    cases().into_iter().filter(|case| case.foundation == "tiny" && case.op != "close")
}

fn host(root: &Path, state: &Path) -> Arc<Host> {
    let (foundation, state) = (root.join("tiny").display().to_string(), state.display().to_string());
    Host::open(foundation, state, EngineOptions::default()).expect("opened")
}

/// An engine at the other end of a socket pair.
fn handed(host: &Host, app: &str) -> Arc<Engine> {
    let (ours, theirs) = UnixStream::pair().expect("a pair");
    host.serve_fd(theirs.into_raw_fd(), app.to_owned()).expect("served");
    Engine::connect_fd(ours.into_raw_fd(), app.to_owned()).expect("connected")
}

fn check(root: &Path, cases: impl Iterator<Item = Case>, engine: impl Fn(&Path) -> (Arc<Host>, Arc<Engine>)) {
    let place = place(root);
    let mut failures = Vec::new();
    for case in cases {
        // Adapters of a service stay: each case gets a folder of its own.
        let folder = tempfile::tempdir().expect("tempdir");
        let (_host, engine) = engine(folder.path());
        if let Some(difference) = difference("result", &outcome_on(&place, &case, engine), &case.expect) {
            failures.push(format!("{}: {difference}", case.name));
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// Through a socket in the file system.
pub fn through_a_socket(root: &Path) {
    check(root, far_cases(), |folder| {
        let (host, socket) = (host(root, &folder.join("state")), folder.join("socket").display().to_string());
        host.listen(socket.clone()).expect("listening");
        (host, Engine::connect(socket).expect("connected"))
    });
}

/// What only whoever runs an engine may ask of it, and what takes several apps.
const OWNERS: [&str; 3] = ["apps", "quotas", "trim"];

/// Through one end of a socket pair, which is one app, and not the service's owner.
pub fn through_a_pair(root: &Path) {
    check(root, far_cases().filter(|case| !OWNERS.contains(&case.op.as_str())), |folder| {
        let host = host(root, &folder.join("state"));
        let engine = handed(&host, APP);
        (host, engine)
    });
}

/// What only an engine in a service does.
pub fn ends_are_told(root: &Path) {
    let folder = tempfile::tempdir().expect("tempdir");
    let (state, socket) = (folder.path().join("state"), folder.path().join("socket").display().to_string());
    let first = host(root, &state);
    first.listen(socket.clone()).expect("listening");
    let by_path = Engine::connect(socket.clone()).expect("connected");
    let by_fd = handed(&first, "com.example.notes");
    let (mail, notes) =
        (by_path.attach(APP.to_owned()).expect("mail"), by_fd.attach("com.example.notes".to_owned()).expect("notes"));
    assert_eq!(first.connections(), 3);
    assert!(matches!(by_fd.attach(APP.to_owned()), Err(LoamError::Argument { .. })));
    assert!(!by_path.unload("text".to_owned()), "what is shared stays");
    let chat = mail.chat(None, None).expect("begun");
    let listener = Listener::new(Manner::Patient);
    let mut options = tokens(100_000);
    options.deadline_ms = Some(50);
    chat.respond("Hello".to_owned(), options, listener.clone()).expect("begun").wait().expect("ended");
    match listener.events().pop() {
        Some(Event::Done { stats }) => assert!(matches!(
            stats.finish_reason,
            FinishReason::Deadline | FinishReason::ContextFull | FinishReason::EndOfTurn
        )),
        other => panic!("{other:?}"),
    }
    assert!(first.trim(TrimLevel::Components).components.contains(&"vision-language".to_owned()));

    first.end();
    let gone = |found: Result<(), LoamError>, code| match found {
        Err(error) if error.code() == code => error.to_string(),
        other => panic!("{other:?}"),
    };
    gone(notes.adapters().map(|_| ()), 40);
    let lost = gone(chat.messages().map(|_| ()), 43);
    assert!(lost.contains("session"), "{lost}");
    gone(Engine::connect(socket.clone()).map(|_| ()), 40);
    assert!(first.serve_fd(UnixStream::pair().expect("a pair").0.into_raw_fd(), "x".to_owned()).is_err());
    drop((first, chat));

    let second = host(root, &state);
    second.listen(socket).expect("listening");
    assert!(mail.adapters().expect("connected again").is_empty());
    let still = gone(notes.adapters().map(|_| ()), 40);
    assert!(still.contains("another one"), "{still}");
}

/// What is no connected Unix socket is refused by name.
pub fn other_descriptors_are_refused(root: &Path) {
    let file = || std::fs::File::open(root.join("square.png")).expect("prepared").into_raw_fd();
    for fd in [-1, file()] {
        assert!(
            matches!(Engine::connect_fd(fd, APP.to_owned()), Err(LoamError::Argument { name, .. }) if name == "fd")
        );
    }
    let host = host(root, &tempfile::tempdir().expect("tempdir").path().join("state"));
    assert!(matches!(host.serve_fd(file(), APP.to_owned()), Err(LoamError::Argument { .. })));
}
