//! Clients that mean harm: each is refused or disconnected, and the others are served.

use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use loam_service::{Engine, Error, Identity, Limits};
use rustix::fs::{MemfdFlags, Mode, OFlags, SealFlags};
use serde_json::{Value, json};

use crate::raw::{Body, Hears, Raw, Says, call, embed, framed, generate, hello, pack};
use crate::support::{Daemon, Keeper, Served, adapter, ended, tokens, wait_until};

/// Short enough to wait for.
fn limits() -> Limits {
    let (greeting, frame, patience) = (Duration::from_millis(300), Duration::from_millis(300), Duration::from_secs(1));
    Limits { greeting, frame, patience, ..Limits::default() }
}

/// Another client gets its answer.
fn assert_serves(served: &Served) {
    let app = served.connect().attach("good").expect("attached");
    assert_eq!(app.embed("a text", None, None).expect("answered").vector.len(), 16);
}

fn protocol(error: Option<Error>) {
    assert!(matches!(error, Some(Error::Protocol { .. })), "{error:?}");
}

#[test]
fn what_is_no_message_ends_the_connection() {
    let served = Served::new(limits());
    let socket = served.socket();
    let hello_frame = framed(&pack(&hello("bad")));
    let deep = [&[0x91; 5000][..], &[0xc0]].concat();
    let long_list = [&[0xdd, 0xff, 0xff, 0xff, 0xff][..], &[0xc0; 100]].concat();
    let cases: Vec<(&str, Vec<u8>)> = vec![
        ("garbage", b"GET / HTTP/1.1\r\n\r\n".to_vec()),
        ("a huge length", [&u32::MAX.to_le_bytes()[..], b"x"].concat()),
        ("an empty frame", framed(&[])),
        ("no message", framed(b"\xc1\xc1\xc1")),
        ("a deep message", framed(&deep)),
        ("a list of 4 billion", framed(&long_list)),
        ("half a length", vec![7]),
        ("half a frame", hello_frame[..hello_frame.len() / 2].to_vec()),
        ("a call before the greeting", framed(&pack(&call(1, &embed("a"))))),
        ("garbage after the greeting", [&hello_frame[..], &framed(b"\xc1")].concat()),
        ("two greetings", [&hello_frame[..], &hello_frame].concat()),
        ("half a frame after the greeting", [&hello_frame[..], &[200, 0, 0, 0, 1]].concat()),
        ("nothing", Vec::new()),
    ];
    for (name, bytes) in cases {
        let mut raw = Raw::connect(&socket);
        raw.write(&bytes);
        let begin = Instant::now();
        let error = raw.end();
        assert!(begin.elapsed() < Duration::from_secs(5), "{name}");
        assert!(matches!(error, Some(Error::Protocol { .. })), "{name}: {error:?}");
    }
    // Bytes that drip do not hold a frame open.
    let mut raw = Raw::connect(&socket);
    let begin = Instant::now();
    while raw.write(&[1]) {
        std::thread::sleep(Duration::from_millis(20));
        assert!(begin.elapsed() < Duration::from_secs(5), "it drips on");
    }
    assert_serves(&served);
    served.wait_until_idle(0);
}

#[test]
fn another_version_is_refused_by_name() {
    let served = Served::new(limits());
    let mut raw = Raw::connect(&served.socket());
    raw.say(&Says::Hello { protocol: 99, app: Some("new".to_owned()), version: "9".to_owned() });
    match raw.end() {
        Some(Error::Version { ours: 1, theirs: 99, .. }) => {}
        other => panic!("{other:?}"),
    }
    assert_serves(&served);
}

#[test]
fn calls_that_make_no_sense_are_answered() {
    let served = Served::new(limits());
    let mut raw = Raw::greeted(&served.socket(), "bad");
    let many: Vec<String> = vec![String::new(); 100_000];
    let text = json!({ "text": "a" });
    let key = json!({ "alias": "voice", "generation": 3 });
    let cases: Vec<Value> = vec![
        json!({ "no_such_call": {} }),
        json!({ "classify": {} }),
        json!(7),
        json!({ "classify": { "input": { "image": { "width": 1 << 30, "height": 1 << 30, "pixels": [] } },
            "options": { "labels": [], "template": null, "modality": null }, "adapter": null } }),
        json!({ "classify": { "input": text, "options": { "labels": many, "template": null, "modality": null },
            "adapter": null } }),
        embed(&"a".repeat((4 << 20) + 1)),
        json!({ "speak": { "text": "a".repeat((4 << 20) + 1), "options": { "seed": 0 } } }),
        json!({ "a call\n".repeat(10_000): {} }),
        json!({ "embed": { "input": text, "modality": "smell", "adapter": null } }),
        json!({ "embed": { "input": text, "modality": null, "adapter": key } }),
        json!({ "messages": { "session": 12 } }),
        json!({ "push_sound": { "transcriber": 1, "samples": [] } }),
        json!({ "install": { "alias": "x", "policy": "create", "files": ["package"] } }),
        json!({ "install": { "alias": "x", "policy": "create", "files": [] } }),
        json!({ "install": { "alias": "../../x", "policy": "create", "files": ["task", "task"] } }),
        json!({ "adapter": { "alias": "../../etc/passwd" } }),
        json!({ "remove": { "alias": "" } }),
    ];
    for (at, case) in (1..).zip(&cases) {
        let packed = pack(case);
        if packed.len() > 60_000 {
            raw.say_with(&Says::Call { id: at, body: Body::Attached(packed.len() as u64) }, &[sealed(&packed)]);
        } else {
            raw.say(&call(at, case));
        }
        let error = raw.outcome(at).unwrap_or_else(|| panic!("{at} was taken"));
        assert!(matches!(error.code(), 2 | 8 | 42 | 43), "{at}: {error}");
        assert!(error.to_string().len() < 1000 && !error.to_string().contains('\n'), "{at}: it is quoted at length");
    }
    // The connection goes on.
    raw.say(&call(100, &embed("a text")));
    assert_eq!(raw.outcome(100), None);
    // A client without an app may only ask what is open.
    let mut nobody = Raw::connect(&served.socket());
    nobody.say(&Says::Hello { protocol: 1, app: None, version: String::new() });
    assert!(matches!(nobody.hear(), Some(Hears::Welcome(_))));
    nobody.say(&call(1, &embed("a text")));
    protocol(nobody.outcome(1));
    // A number that is under way.
    raw.say(&call(200, &generate(200)));
    raw.say(&call(200, &embed("a text")));
    protocol(raw.end());
    served.wait_until_idle(1);
}

fn memory(bytes: &[u8]) -> File {
    let memory = rustix::fs::memfd_create("test", MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING).expect("memory");
    let mut file = File::from(memory);
    file.write_all(bytes).expect("written");
    file
}

fn sealed(bytes: &[u8]) -> OwnedFd {
    let file = memory(bytes);
    rustix::fs::fcntl_add_seals(&file, SealFlags::SHRINK | SealFlags::WRITE).expect("sealed");
    file.into()
}

fn descriptors(served: &Served) -> Vec<(&'static str, OwnedFd)> {
    let dir = served.dir.path();
    let write_only = File::create(dir.join("write-only")).expect("created");
    let path = rustix::fs::open(dir.join("write-only"), OFlags::PATH, Mode::empty()).expect("opened");
    let (pipe, _writer) = rustix::pipe::pipe().expect("pipe");
    let shrinkable = memory(&pack(&embed("a")));
    rustix::fs::fcntl_add_seals(&shrinkable, SealFlags::GROW).expect("sealed");
    vec![
        ("a folder", File::open(dir).expect("opened").into()),
        ("a pipe", pipe),
        ("a socket", UnixStream::pair().expect("pair").0.into()),
        ("a device", File::open("/dev/zero").expect("opened").into()),
        ("memory that is not sealed", memory(&pack(&embed("a"))).into()),
        ("memory that may shrink", shrinkable.into()),
        ("a file for writing", write_only.into()),
        ("a path", path),
    ]
}

#[test]
fn descriptors_of_anything_else_are_refused() {
    let served = Served::new(limits());
    let mut raw = Raw::greeted(&served.socket(), "bad");
    let size = pack(&embed("a")).len() as u64;
    let mut id = 0;
    for (name, file) in descriptors(&served) {
        id += 2;
        let copy = file.try_clone().expect("copied");
        raw.say_with(&Says::Call { id, body: Body::Attached(size) }, &[file]);
        let error = raw.outcome(id);
        assert!(matches!(error, Some(Error::Protocol { .. })), "a body in {name}: {error:?}");
        let install = json!({ "install": { "alias": "x", "policy": "create", "files": ["package"] } });
        raw.say_with(&call(id + 1, &install), &[copy]);
        let error = raw.outcome(id + 1);
        assert!(matches!(error, Some(Error::Protocol { .. })), "an adapter in {name}: {error:?}");
    }
    // A regular file is no body, but may be an adapter.
    let file = || OwnedFd::from(File::open(adapter("tilt").join("adapter_model.safetensors")).expect("opened"));
    raw.say_with(&Says::Call { id: 50, body: Body::Attached(size) }, &[file()]);
    protocol(raw.outcome(50));
    raw.say_with(
        &call(51, &json!({ "install": { "alias": "x", "policy": "create", "files": ["package"] } })),
        &[file()],
    );
    assert!(matches!(raw.outcome(51), Some(Error::Adapter { .. })), "weights without a configuration");
    // Sizes that do not agree, and that nobody has memory for.
    for (at, bytes) in (60..).zip([size - 1, size + 1, 0, 1 << 40, u64::MAX]) {
        raw.say_with(&Says::Call { id: at, body: Body::Attached(bytes) }, &[sealed(&pack(&embed("a")))]);
        protocol(raw.outcome(at));
    }
    raw.say(&Says::Call { id: 70, body: Body::Attached(10) });
    protocol(raw.outcome(70));
    raw.say_with(&call(71, &embed("a")), &[file()]);
    protocol(raw.outcome(71));
    raw.say_with(&Says::Call { id: 72, body: Body::Attached(size) }, &[sealed(&pack(&embed("a")))]);
    assert_eq!(raw.outcome(72), None);
    // A sparse file of a terabyte.
    let sparse =
        File::options().read(true).write(true).create(true).truncate(true).open(served.dir.path().join("sparse"));
    let sparse = sparse.expect("created");
    sparse.set_len(1 << 40).expect("set");
    let install = json!({ "install": { "alias": "x", "policy": "create", "files": ["package"] } });
    raw.say_with(&call(73, &install), &[sparse.into()]);
    assert!(matches!(raw.outcome(73), Some(Error::Adapter { .. })));
    // Too many at a time, and some where none belong.
    raw.say_with(&call(80, &embed("a")), &(0..60).map(|_| file()).collect::<Vec<_>>());
    protocol(raw.end());
    let mut raw = Raw::greeted(&served.socket(), "bad");
    raw.say_with(&Says::Stop { id: 1 }, &[file()]);
    protocol(raw.end());
    assert_serves(&served);
    served.wait_until_idle(0);
    let state = served.dir.path().join("state").join(format!("u{}.bad/adapters", rustix::process::getuid().as_raw()));
    let left: Vec<_> =
        std::fs::read_dir(state).map(|all| all.flatten().map(|e| e.file_name()).collect()).unwrap_or_default();
    assert!(left.iter().all(|name: &std::ffi::OsString| name.to_string_lossy().starts_with(".last@")), "{left:?}");
}

#[test]
fn a_flood_of_calls_is_bounded() {
    let served = Served::new(limits());
    let good = served.connect().attach("good").expect("attached");
    let mut raw = Raw::greeted(&served.socket(), "bad");
    // It reads nothing, neither answers nor refusals.
    let mut sent = 0;
    for id in 0..20_000 {
        if !raw.say(&call(id, &generate(50))) {
            break;
        }
        sent += 1;
        if id % 500 == 0 {
            assert!(served.server.active_calls() <= served.server.limits().calls_per_connection + 1);
            assert_eq!(good.embed("a text", None, None).expect("answered").vector.len(), 16);
        }
    }
    assert!(sent < 20_000, "it was never cut off");
    wait_until("its calls have ended", || served.server.active_calls() == 0);
    served.wait_until_idle(1);
}

#[test]
fn a_client_has_so_many_conversations() {
    let served = Served::new(limits());
    let app = served.connect().attach("bad").expect("attached");
    let mut chats: Vec<_> = (0..64).map(|_| app.chat(None, None).expect("begun")).collect();
    let refused = app.chat(None, None).map(|_| ()).expect_err("one too many");
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    chats.pop();
    app.chat(None, None).expect("one was let go");
}

#[test]
fn one_owner_does_not_take_the_place_of_another() {
    let served = Served::new(Limits { calls_per_owner: 3, bytes_per_owner: 1 << 20, ..Limits::default() });
    let mut raws: Vec<Raw> = (0..3).map(|at| Raw::greeted(&served.socket(), &format!("bad{at}"))).collect();
    for raw in &mut raws {
        raw.say(&call(1, &generate(50)));
        assert!(matches!(raw.hear(), Some(Hears::Event(_))));
    }
    let own = served.connect().attach("good").expect("attached");
    let refused = own.embed("a text", None, None).map(|_| ()).expect_err("all places are taken");
    assert!(matches!(refused, Error::Refused { .. }), "{refused}");
    let other = serve_as(&served, 7).attach("good").expect("attached");
    assert_eq!(other.embed("a text", None, None).expect("another owner").vector.len(), 16);
    let large = other.embed(crate::support::picture(1000, 1000), None, None).map(|_| ()).expect_err("3 MB");
    assert!(matches!(large, Error::Refused { .. }), "{large}");
    // An event that was taken brings the next; an end that was asked for, the end.
    raws[0].say(&Says::Took { id: 1, verdict: "go_on" });
    assert!(matches!(raws[0].hear(), Some(Hears::Event(_))));
    raws[0].say(&Says::Stop { id: 1 });
    assert_eq!(raws[0].outcome(1), None);
    own.embed("a text", None, None).expect("a place is free");
}

/// A client of another user.
fn serve_as(served: &Served, uid: u32) -> Engine {
    let socket = served.dir.path().join(format!("user{uid}"));
    let listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
    let server = served.server.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().take(2) {
            let (server, stream) = (server.clone(), stream.expect("accepted"));
            std::thread::spawn(move || server.serve_stream(stream, Identity::User(uid)));
        }
    });
    Engine::connect(socket).expect("connected")
}

#[test]
fn ten_thousand_connections_are_turned_away() {
    let daemon = Daemon::start();
    let engine = Engine::connect(daemon.socket()).expect("connected");
    let good = engine.attach("good").expect("attached");
    let mut open = std::collections::VecDeque::new();
    for number in 0..10_000 {
        open.push_back(UnixStream::connect(daemon.socket()).expect("the queue is never full for long"));
        if open.len() > 300 {
            open.pop_front();
        }
        if number % 1000 == 0 {
            good.embed("a text", None, None).expect("one that is connected is served");
        }
    }
    let status = std::fs::read_to_string(format!("/proc/{}/status", daemon.child.id())).expect("status");
    let threads = status.lines().find_map(|line| line.strip_prefix("Threads:")).expect("a line");
    let threads: u64 = threads.trim().parse().expect("a number");
    assert!(threads < 64 + 40, "{threads} threads");
    let refused = Engine::connect(daemon.socket());
    assert!(refused.is_ok() || matches!(refused, Err(Error::Refused { .. })), "{refused:?}");
    drop(open);
    wait_until("there is room again", || Engine::connect(daemon.socket()).is_ok());
    ended(&good.generate("The cat", tokens(4), None, Keeper::new())).expect("served");
}

#[test]
fn only_users_that_are_named_may_connect() {
    let dir = tempfile::tempdir().expect("folder");
    let uid = rustix::process::getuid().as_raw();
    let mut command = Daemon::command(dir.path());
    command.args(["--allow-uid", &(uid + 1).to_string(), "--mode", "0666"]);
    let child = command.spawn().expect("started");
    let daemon = Daemon { dir, child };
    wait_until("it listens", || daemon.socket().exists());
    wait_until("it refuses", || match Engine::connect(daemon.socket()) {
        Err(Error::Disconnected { reason, .. }) => !reason.contains("refused"),
        other => panic!("{other:?}"),
    });
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(daemon.socket()).expect("socket").permissions());
    assert_eq!(mode & 0o777, 0o666);
    let state = std::fs::metadata(daemon.dir.path().join("state")).expect("state").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&state) & 0o777, 0o700);
}
