//! Keys, signatures and what they allow, and minisign itself where it is installed.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

use crate::{fixture, json, loam, path};

fn at(home: &Path, words: &[&str]) -> Output {
    loam().args(words).args(["--home", path(home)]).stdin(Stdio::null()).output().expect("the program starts")
}

/// Whether minisign is there and content with what it was asked.
fn minisign(words: &[&str]) -> Option<bool> {
    match Command::new("minisign").args(words).stdin(Stdio::null()).output() {
        Ok(output) => Some(output.status.success()),
        Err(_) => {
            let _ = writeln!(std::io::stderr(), "skipped: minisign is not installed");
            None
        }
    }
}

#[test]
fn adapters_are_signed_verified_and_required_to_be() {
    let dir = tempfile::tempdir().expect("tempdir");
    let home = dir.path();
    let in_home = |name: &str| home.join(name).to_str().expect("UTF-8 path").to_owned();
    let (base, package, maker) = (fixture("models/llama2/model.gguf"), in_home("tone.loam"), in_home("maker"));
    let (secret, public, other) = (in_home("maker.key"), in_home("maker.pub"), in_home("other.pub"));
    let peft = fixture("peft/llama2-all-r4");
    let import = ["adapter", "import", path(&peft), "--output", &package, "--model", path(&base), "--name", "tone"];
    json(&at(home, &[&import[..], &["--json"]].concat()));

    let made = json(&at(home, &["adapter", "keygen", "--output", &maker, "--no-password", "--json"]));
    at(home, &["adapter", "keygen", "--output", &in_home("other"), "--no-password"]);
    let again = at(home, &["adapter", "keygen", "--output", &maker, "--no-password"]);
    assert_eq!(again.status.code(), Some(3), "no key is overwritten");
    let asked = at(home, &["adapter", "verify", &package, "--key", &public]);
    assert_eq!(asked.status.code(), Some(18), "{}", String::from_utf8_lossy(&asked.stderr));

    let signed = json(&at(home, &["adapter", "sign", &package, "--key", &secret, "--json"]));
    assert_eq!(signed["key"], made["key"]);
    let verified = json(&at(home, &["adapter", "verify", &package, "--key", &other, "--key", &public, "--json"]));
    assert_eq!((&verified["signature"]["verified"], &verified["signature"]["key"]), (&Value::Bool(true), &made["key"]));
    assert_eq!(at(home, &["adapter", "verify", &package, "--key", &other]).status.code(), Some(18));
    assert_eq!(at(home, &["adapter", "verify", &package]).status.code(), Some(2));
    assert_eq!(at(home, &["adapter", "sign", path(&peft), "--key", &secret]).status.code(), Some(2));
    assert_eq!(at(home, &["adapter", "sign", &package, "--key", &public]).status.code(), Some(4));
    if let Some(content) = minisign(&["-V", "-m", &package, "-p", &public]) {
        assert!(content, "minisign verifies what loam has signed");
        assert_eq!(minisign(&["-S", "-m", &package, "-s", &secret]), Some(true), "minisign reads the key");
        json(&at(home, &["adapter", "verify", &package, "--key", &public, "--json"]));
    }

    // Whoever asks for a signature installs and uses what has one, and sees whose it is.
    let install = ["adapter", "install", &package, "--model", path(&base), "--json", "--replace"];
    let asking = |key: &str| at(home, &[&install[..], &["--require-signature", key]].concat());
    assert_eq!(asking(&other).status.code(), Some(18));
    assert_eq!(json(&asking(&public))["adapter"]["signer"], made["key"]);
    let listed = json(&at(home, &["adapter", "list", "--json"]));
    assert_eq!(listed["adapters"][0]["signature"]["verified"], Value::Bool(false), "nobody has asked");
    let listed = json(&at(home, &["adapter", "list", "--key", &public, "--json"]));
    assert_eq!(listed["adapters"][0]["signature"]["key"], made["key"]);
    assert_eq!(listed["adapters"][0]["signature"]["verified"], Value::Bool(true));
    let inspected = json(&at(home, &["adapter", "inspect", "tone", "--key", &public, "--json"]));
    assert_eq!(inspected["signature"]["verified"], Value::Bool(true));

    // One that takes its place without a signature has none, and goes without a trace.
    json(&at(
        home,
        &["adapter", "install", path(&peft), "--alias", "tone", "--model", path(&base), "--replace", "--json"],
    ));
    assert_eq!(at(home, &["adapter", "inspect", "tone", "--key", &public]).status.code(), Some(18));
    json(&asking(&public));
    json(&at(home, &["adapter", "remove", "tone", "--json"]));
    assert_eq!(std::fs::read_dir(home.join("adapters")).expect("folder").count(), 0);
}

#[cfg(unix)]
#[test]
fn a_secret_key_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().expect("tempdir");
    let name = dir.path().join("maker");
    at(dir.path(), &["adapter", "keygen", "--output", path(&name), "--no-password"]);
    let mode = std::fs::metadata(dir.path().join("maker.key")).expect("written").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}
