//! Adapters that have to be signed, through the socket.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::process::Command;

use loam::adapter::{AdapterPackage, PublicKey, SignaturePolicy};
use loam_service::{App, Engine, Error, InstallPolicy, Limits};
use minisign::KeyPair;

use crate::support::{Daemon, Served, adapter, wait_until};

fn sign(pair: &KeyPair, package: &Path) -> PathBuf {
    let content = Cursor::new(std::fs::read(package).expect("package"));
    let signature = minisign::sign(None, &pair.sk, content, None, None).expect("signed");
    let mut place = package.as_os_str().to_owned();
    place.push(".minisig");
    std::fs::write(&place, signature.to_bytes()).expect("written");
    place.into()
}

fn public(pair: &KeyPair) -> String {
    pair.pk.to_box().expect("a box").into_string()
}

fn package(dir: &Path) -> PathBuf {
    let file = dir.join("voice.loam");
    AdapterPackage::open(adapter("voice")).expect("peft").save(&file).expect("saved");
    file
}

fn refused(app: &App, file: &Path) {
    match app.install_adapter("voice", file, InstallPolicy::Upsert) {
        Err(error @ Error::Signature { .. }) => assert_eq!(error.code(), 18),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_signature_travels_with_its_adapter() {
    let served = Served::new(Limits::default());
    let (pair, other) = (
        KeyPair::generate_unencrypted_keypair().expect("keys"),
        KeyPair::generate_unencrypted_keypair().expect("keys"),
    );
    let key = PublicKey::parse("key", &public(&pair)).expect("a key");
    served.server.set_signatures("mail", SignaturePolicy::Required(std::iter::once(key.clone()).collect()));
    let engine = served.connect();
    let (mail, notes) = (engine.attach("mail").expect("mail"), engine.attach("notes").expect("notes"));
    let file = package(served.dir.path());
    refused(&mail, &adapter("voice"));
    refused(&mail, &file);
    sign(&other, &file);
    refused(&mail, &file);
    assert!(mail.adapters().expect("listed").is_empty());
    let signature = sign(&pair, &file);
    let voice = mail.install_adapter("voice", &file, InstallPolicy::Upsert).expect("signed");
    assert_eq!(voice.info().signer, Some(key.id().to_string()));
    assert_eq!(notes.install_adapter("voice", &file, InstallPolicy::Upsert).expect("any").info().signer, None);
    // One that is too large is not copied.
    std::fs::write(&signature, vec![b' '; 1 << 20]).expect("written");
    let large = notes.install_adapter("voice", &file, InstallPolicy::Upsert).expect_err("too large");
    assert!(matches!(large, Error::Adapter { .. }), "{large}");
    std::fs::write(&signature, "untrusted comment: nothing").expect("written");
    refused(&mail, &file);
    assert_eq!(mail.adapters().expect("listed").len(), 1, "what was installed stays");
}

#[test]
fn a_service_asks_for_signatures_again_when_it_starts() {
    let mut daemon = Daemon::start();
    let app = |daemon: &Daemon| Engine::connect(daemon.socket()).expect("connected").attach("mail").expect("attached");
    let pair = KeyPair::generate_unencrypted_keypair().expect("keys");
    let (file, key) = (package(daemon.dir.path()), daemon.dir.path().join("maker.pub"));
    std::fs::write(&key, public(&pair)).expect("written");
    app(&daemon).install_adapter("unsigned", &file, InstallPolicy::Create).expect("nobody asks yet");
    sign(&pair, &file);
    app(&daemon).install_adapter("signed", &file, InstallPolicy::Create).expect("nobody asks yet");
    daemon.kill();
    let requiring = |dir: &Path| {
        let mut command: Command = Daemon::command(dir);
        command.arg("--require-signature").arg(format!("mail={}", key.display()));
        command
    };
    daemon.child = requiring(daemon.dir.path()).spawn().expect("started");
    daemon.wait();
    let names: Vec<String> = app(&daemon).adapters().expect("listed").iter().map(|a| a.alias().to_owned()).collect();
    assert_eq!(names, ["signed"], "its signature lies with it");
    daemon.kill();
    // A key that is none ends it before there is a socket.
    std::fs::write(&key, "no key").expect("written");
    daemon.child = requiring(daemon.dir.path()).spawn().expect("started");
    wait_until("it ends", || daemon.child.try_wait().expect("asked").is_some());
    let code = daemon.child.wait().expect("ended").code();
    assert_eq!(code, Some(4));
}
