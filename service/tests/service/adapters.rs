//! What is installed stays, whatever happens; apps do not see each other's.

use std::collections::BTreeSet;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use loam_service::{Engine, Error, Identity, InstallPolicy, Limits, Server};

use crate::support::{Daemon, Keeper, Served, adapter, ended, foundation, install, small_disk, tokens, wait_until};

#[test]
fn apps_and_users_do_not_see_each_others_adapters() {
    let served = Served::new(Limits::default());
    let engine = served.connect();
    let (mail, notes) = (engine.attach("mail").expect("mail"), engine.attach("notes").expect("notes"));
    let voice = install(&mail, "voice").expect("installed");
    assert!(matches!(notes.adapter("voice"), Err(Error::UnknownAdapter { .. })));
    assert!(notes.adapters().expect("listed").is_empty());
    // The number of another app's adapter is no way to it.
    let keeper = Keeper::new();
    let stolen = notes.generate("The cat", tokens(2), Some(&voice), keeper);
    assert!(matches!(ended(&stolen), Err(Error::UnknownAdapter { .. })));
    // A second connection of the same app sees it, and another user's app of the same name does not.
    assert_eq!(engine.attach("mail").expect("again").adapter("voice").expect("there").info().alias, "voice");
    for (identity, seen) in [
        (Identity::User(rustix::process::getuid().as_raw()), true),
        (Identity::User(7), false),
        (Identity::App("mail".to_owned()), false),
    ] {
        let socket = served.dir.path().join(format!("other-{seen}-{identity:?}"));
        let listener = std::os::unix::net::UnixListener::bind(&socket).expect("bound");
        let server = served.server.clone();
        let accepting = std::thread::spawn(move || {
            // The first connection only asks what is open.
            for _ in 0..2 {
                let (stream, _) = listener.accept().expect("accepted");
                let (server, identity) = (server.clone(), identity.clone());
                std::thread::spawn(move || server.serve_stream(stream, identity));
            }
        });
        let other = Engine::connect(&socket).expect("connected");
        let app = other.attach("mail").expect("attached");
        assert_eq!(app.adapter("voice").is_ok(), seen);
        accepting.join().expect("no panic");
    }
}

#[test]
fn what_is_installed_is_there_after_a_crash() {
    let mut daemon = Daemon::start();
    let engine = Engine::connect(daemon.socket()).expect("connected");
    let app = engine.attach("mail").expect("attached");
    let voice = install(&app, "voice").expect("installed");
    let first = install(&app, "tilt").expect("installed");
    let tilt = install(&app, "tilt").expect("replaced");
    let gone = app.install_adapter("gone", adapter("voice"), InstallPolicy::Create).expect("installed");
    app.remove_adapter("gone").expect("removed");
    daemon.kill();
    // A file that a crash cut off, and one that it left whole but replaced.
    let folder = daemon.dir.path().join("state").join(format!("u{}.mail/adapters", rustix::process::getuid().as_raw()));
    std::fs::create_dir_all(folder.join(".partial-9")).expect("made");
    std::fs::write(folder.join(".partial-9/x.safetensors"), b"half").expect("written");
    daemon.restart();
    assert!(!folder.join(".partial-9").exists(), "what was cut off is swept at the start");
    // The same objects go on to work: the next call connects again, and generations have the same numbers.
    let names: Vec<(String, u64)> = app
        .adapters()
        .expect("listed")
        .iter()
        .map(|adapter| (adapter.alias().to_owned(), adapter.generation()))
        .collect();
    let expected = [("tilt".to_owned(), tilt.generation()), ("voice".to_owned(), voice.generation())];
    assert_eq!(names, expected);
    let keeper = Keeper::new();
    ended(&app.generate("The cat", tokens(2), Some(&voice), keeper)).expect("with the adapter of before");
    let keeper = Keeper::new();
    let old = ended(&app.generate("The cat", tokens(2), Some(&first), keeper));
    assert!(matches!(old, Err(Error::UnknownAdapter { .. })), "{old:?}");
    let new = install(&app, "wrong").expect_err("does not fit");
    assert!(matches!(new, Error::Adapter { .. }), "{new}");
    let again = install(&app, "voice").expect("installed");
    assert!(again.generation() > gone.generation(), "no number is used twice");
    assert_eq!(entries(&folder).len(), 2, "{:?}", entries(&folder));
}

fn entries(folder: &Path) -> BTreeSet<String> {
    // It is made with the first adapter.
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.file_name());
    names.map(|name| name.to_string_lossy().into_owned()).filter(|name| !name.starts_with('.')).collect()
}

/// Kills the service at any moment of an installation, many times: what was acknowledged is there and loads, and nothing
/// else is.
#[test]
fn a_crash_in_the_middle_of_an_installation_leaves_no_half() {
    let mut daemon = Daemon::start();
    let folder = daemon.dir.path().join("state").join(format!("u{}.mail/adapters", rustix::process::getuid().as_raw()));
    let mut acknowledged = BTreeSet::new();
    let (mut total, mut halves) = (0, 0);
    for round in 0..30u64 {
        let engine = Engine::connect(daemon.socket()).expect("connected");
        let app = engine.attach("mail").expect("attached");
        let (path, prefix) = (adapter("tilt"), format!("r{round}-"));
        let count = Arc::new(AtomicU64::new(0));
        let counting = Arc::clone(&count);
        let installing = std::thread::spawn(move || {
            let mut done = Vec::new();
            for number in 0.. {
                let alias = format!("{prefix}{number}");
                match app.install_adapter(&alias, &path, InstallPolicy::Create) {
                    Ok(_) => {
                        done.push(alias);
                        counting.fetch_add(1, Ordering::SeqCst);
                    }
                    Err(Error::Disconnected { .. }) => break,
                    Err(Error::Adapter { reason, .. }) if reason.contains("limit") => break,
                    Err(error) => panic!("{error}"),
                }
            }
            done
        });
        // Somewhere else in an installation, of some milliseconds, each time.
        wait_until("some are installed", || count.load(Ordering::SeqCst) >= round % 4);
        std::thread::sleep(Duration::from_micros(round * 733 % 6000));
        daemon.kill();
        let done = installing.join().expect("no panic");
        total += done.len();
        acknowledged.extend(done);
        halves += usize::from(hidden(&folder).any(|name| name.starts_with(".partial")));
        daemon.restart();
        let engine = Engine::connect(daemon.socket()).expect("connected");
        let app = engine.attach("mail").expect("attached");
        let there: BTreeSet<String> =
            app.adapters().expect("listed").iter().map(|adapter| adapter.alias().to_owned()).collect();
        assert!(there.is_superset(&acknowledged), "lost: {:?}", acknowledged.difference(&there));
        // One more may be whole whose acknowledgement was cut off, and all that is on disk loads.
        assert!(there.difference(&acknowledged).count() <= 1, "{there:?}");
        assert_eq!(entries(&folder).len(), there.len(), "{:?}", entries(&folder));
        assert!(!hidden(&folder).any(|name| name.starts_with(".partial")));
        for alias in &there {
            app.remove_adapter(alias).expect("removed");
        }
        acknowledged.clear();
    }
    eprintln!("{total} were acknowledged, {halves} of the crashes left a half");
    assert!(total > 0);
}

fn hidden(folder: &Path) -> impl Iterator<Item = String> {
    let names = std::fs::read_dir(folder).into_iter().flatten().flatten();
    names.map(|entry| entry.file_name().to_string_lossy().into_owned()).filter(|name| name.starts_with('.'))
}

/// A tmpfs of 300 KB.
#[test]
fn a_full_disk_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().expect("folder");
    let Some(_unmount) = small_disk(&dir.path().join("state")) else {
        let _ = writeln!(
            std::io::stderr(),
            "skipped: no tmpfs can be mounted here; the test with a limit on the size of files stands for it"
        );
        return;
    };
    let command = Daemon::command(dir.path());
    fills_up(dir, command);
}

/// A limit on the size of files, which cuts the writing of one in its middle.
#[test]
fn a_file_that_cannot_be_written_whole_loses_nothing_that_was_acknowledged() {
    let dir = tempfile::tempdir().expect("folder");
    let plain = Daemon::command(dir.path());
    // In blocks of 1 KiB: the small adapter fits, the large one does not.
    let mut command = Command::new("bash");
    command.args(["-c", "trap '' XFSZ; ulimit -f 24; exec \"$0\" \"$@\""]);
    command.arg(plain.get_program()).args(plain.get_args()).env("LOAM_LOG", "off");
    command.stdout(Stdio::null()).stderr(Stdio::null());
    fills_up(dir, command);
}

fn fills_up(dir: tempfile::TempDir, mut command: Command) {
    let child = command.spawn().expect("started");
    let mut daemon = Daemon { dir, child };
    daemon.wait();
    let engine = Engine::connect(daemon.socket()).expect("connected");
    let app = engine.attach("mail").expect("attached");
    install(&app, "tilt").expect("a small one");
    let mut acknowledged = vec!["tilt".to_owned()];
    let failure = loop {
        let alias = format!("voice{}", acknowledged.len());
        match app.install_adapter(&alias, adapter("voice"), InstallPolicy::Create) {
            Ok(_) => acknowledged.push(alias),
            Err(error) => break error,
        }
        assert!(acknowledged.len() < 40, "it never fills");
    };
    assert!(matches!(failure, Error::Io { .. }), "{failure}");
    let listed = |app: &loam_service::App| -> Vec<String> {
        app.adapters().expect("listed").iter().map(|adapter| adapter.alias().to_owned()).collect()
    };
    assert_eq!(listed(&app), acknowledged);
    daemon.kill();
    daemon.child = command.spawn().expect("started");
    daemon.wait();
    assert_eq!(listed(&app), acknowledged);
    // Room again: what fitted before fits.
    app.remove_adapter(&acknowledged[acknowledged.len() - 1]).expect("removed");
    let last = if acknowledged.len() > 1 { "voice" } else { "tilt" };
    install(&app, last).expect("installed");
}

#[test]
fn an_owner_has_so_much_on_disk_and_so_many_apps() {
    let bytes = 200 << 10;
    let served = Served::new(Limits { stored_per_owner: bytes, apps_per_owner: 2, ..Limits::default() });
    let engine = served.connect();
    let (one, two) = (engine.attach("one").expect("one"), engine.attach("two").expect("two"));
    let third = engine.attach("three").map(|_| ()).expect_err("a third app");
    assert!(matches!(third, Error::Refused { .. }), "{third}");
    let refused = (0..40).find_map(|number| {
        let app = if number % 2 == 0 { &one } else { &two };
        app.install_adapter(&format!("a{number}"), adapter("voice"), InstallPolicy::Create).err()
    });
    assert!(matches!(refused, Some(Error::Refused { .. })), "{refused:?}");
    // Of apps that are not connected the names are free again.
    drop((one, two));
    wait_until("both are gone", || served.server.connections() == 1);
    let third = engine.attach("three").expect("room");
    let full = install(&third, "voice").expect_err("two apps have folders");
    assert!(matches!(full, Error::Refused { .. }), "{full}");
}

#[test]
fn two_services_do_not_share_a_folder_or_a_socket() {
    let daemon = Daemon::start();
    let second = Daemon::command(daemon.dir.path()).stderr(Stdio::piped()).output().expect("run");
    assert_eq!(second.status.code(), Some(3));
    assert!(String::from_utf8_lossy(&second.stderr).contains("another service"), "{second:?}");
    let other =
        Daemon::command(daemon.dir.path()).arg("--state").arg(daemon.dir.path().join("other")).output().expect("run");
    assert_eq!(other.status.code(), Some(2), "given twice");
    let engine = Arc::new(loam::Engine::open(foundation()).expect("opened"));
    let third = Server::open(engine, daemon.dir.path().join("state"), Limits::default()).expect_err("in use");
    assert!(third.to_string().contains("another service"), "{third}");
    let bound = loam_service::Listener::bind(daemon.socket(), 0o600, None).expect_err("in use");
    assert!(bound.to_string().contains("another service answers"), "{bound}");
    let file = daemon.dir.path().join("file");
    std::fs::write(&file, b"mine").expect("written");
    loam_service::Listener::bind(&file, 0o600, None).expect_err("no socket");
    assert_eq!(std::fs::read(&file).expect("read"), b"mine");
}

/// A stream holds the generation that it was given, whatever becomes of the handle and of the alias.
#[test]
fn a_stream_keeps_its_adapter_after_its_handle_is_dropped() {
    let served = Served::new(Limits::default());
    let app = served.connect().attach("mail").expect("attached");
    let begin = |number: usize| {
        let voice = install(&app, "voice").expect("installed");
        let keeper = Keeper::new();
        let sink = Arc::clone(&keeper) as Arc<dyn loam_service::EventSink>;
        let handle = app.generate("The cat", tokens(6), Some(&voice), sink);
        (number, keeper, handle)
    };
    let streams: Vec<_> = (0..24).map(begin).collect();
    for (number, keeper, handle) in &streams {
        ended(handle).unwrap_or_else(|error| panic!("stream {number}: {error}"));
        assert_eq!(keeper.text(), streams[0].1.text());
    }
}
