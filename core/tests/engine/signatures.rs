//! Signed adapters: who may install what, and what damage does.

use std::io::Cursor;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loam::adapter::{Adapter, AdapterPackage, InstallPolicy, PublicKey, Signature, SignaturePolicy, TrustedKeys};
use loam::engine::{Engine, EngineOptions, TrimLevel};
use loam::{Error, Result};
use minisign::{KeyPair, SecretKey};
use proptest::prelude::*;
use tempfile::TempDir;

use crate::fixture::{path, run};

/// A secret key, and its public half as the engine knows it.
struct Maker {
    secret: SecretKey,
    public: PublicKey,
}

impl Maker {
    fn new() -> Self {
        let KeyPair { pk, sk } = KeyPair::generate_unencrypted_keypair().expect("chance");
        let text = pk.to_box().expect("a box").into_string();
        Self { secret: sk, public: PublicKey::parse("minisign.pub", &text).expect("a key") }
    }

    fn signature(&self, content: &[u8]) -> Vec<u8> {
        let comment = Some("timestamp:1");
        minisign::sign(None, &self.secret, Cursor::new(content), comment, None).expect("signed").to_bytes()
    }

    fn sign(&self, package: &Path) {
        let signature = self.signature(&std::fs::read(package).expect("package"));
        std::fs::write(beside(package), signature).expect("written");
    }

    fn policy(&self) -> SignaturePolicy {
        SignaturePolicy::Required(self.keys())
    }

    fn keys(&self) -> TrustedKeys {
        std::iter::once(self.public.clone()).collect()
    }
}

fn beside(package: &Path) -> PathBuf {
    package.with_extension("loam.minisig")
}

/// The fixture `peft` as one file.
fn package(dir: &TempDir, peft: &str) -> PathBuf {
    let file = dir.path().join(format!("{peft}.loam"));
    AdapterPackage::open(path("peft").join(peft)).expect("peft").save(&file).expect("saved");
    file
}

fn engine(signatures: SignaturePolicy) -> Arc<Engine> {
    let options = EngineOptions { signatures, ..EngineOptions::default() };
    Arc::new(Engine::open_with(path("models/llama2"), options).expect("engine"))
}

fn refused<T>(outcome: Result<T>, wanted: &str) {
    match outcome {
        Err(Error::Signature { reason, .. }) => assert!(reason.contains(wanted), "{reason}"),
        Err(other) => panic!("{other}"),
        Ok(_) => panic!("not refused: {wanted}"),
    }
}

#[test]
fn what_minisign_has_signed_is_verified() {
    let dir = path("signed");
    let key = PublicKey::read(dir.join("minisign.pub")).expect("a key");
    assert_eq!(key.id().to_string(), "8F59FFF7DA10A69A", "as minisign's own comment says");
    let keys: TrustedKeys = [Maker::new().public, key.clone()].into_iter().collect();
    let package = AdapterPackage::open_signed(dir.join("tilt.loam"), &keys).expect("verified");
    assert_eq!(package.signer().map(|signer| signer.key()), Some(&key));
    let signature = Signature::beside(dir.join("tilt.loam")).expect("whole").expect("there");
    assert_eq!((signature.key(), signature.comment()), (key.id(), "signed by minisign 0.11"));
    let legacy = std::fs::read(dir.join("legacy.minisig")).expect("fixture");
    refused(Signature::parse("tilt", &legacy), "not pre-hashed");
    // The second line alone is a key, too; a secret key, or anything else, is none.
    let text = std::fs::read_to_string(dir.join("minisign.pub")).expect("key");
    let line = text.lines().nth(1).expect("a key");
    assert_eq!(PublicKey::parse("line", line).expect("a key"), key);
    for bad in ["", "RWQ", &text.replace("RW", "RX"), &line[..40], &format!("{line}\n{line}"), "untrusted comment: x"] {
        assert!(matches!(PublicKey::parse("bad", bad), Err(Error::Malformed { .. })), "{bad}");
    }
}

#[test]
fn an_app_takes_only_what_is_signed_for_it() {
    let (dir, maker, other) = (tempfile::tempdir().expect("folder"), Maker::new(), Maker::new());
    let engine = engine(SignaturePolicy::Any);
    engine.set_signatures("mail", maker.policy());
    let (mail, notes) = (engine.attach("mail").expect("app"), engine.attach("notes").expect("app"));
    let file = package(&dir, "llama2-all-r4");
    let install = || mail.install("tone", &file, InstallPolicy::Upsert);

    let error = install().expect_err("unsigned");
    assert_eq!(error.code(), 18);
    refused(Err::<(), _>(error), "has to be signed");
    // Another way in is none: what was opened without a look at its signature, and a directory.
    refused(mail.install("tone", path("peft/llama2-all-r4"), InstallPolicy::Upsert), "PEFT directory");
    other.sign(&file);
    refused(install(), "not one that counts");
    maker.sign(&file);
    let adapter = install().expect("signed");
    assert_eq!(adapter.package.signer().map(|signer| signer.key()), Some(&maker.public));
    assert_eq!(mail.adapters().list()[0].signer, Some(maker.public.id()));

    // Its content, and another signed file's in its place.
    let whole = std::fs::read(&file).expect("package");
    let mut changed = whole.clone();
    *changed.last_mut().expect("bytes") ^= 1;
    std::fs::write(&file, &changed).expect("written");
    refused(install(), "not what key");
    let second = package(&dir, "llama2-all-r8");
    maker.sign(&second);
    std::fs::copy(&second, &file).expect("copied");
    refused(install(), "not what key");
    std::fs::write(&file, [&whole[..], b"\0"].concat()).expect("written");
    refused(install(), "not what key");
    assert_eq!(mail.adapters().list().len(), 1, "what was installed stays");

    // The app without a policy asks nobody.
    std::fs::write(&file, &whole).expect("written");
    assert_eq!(notes.install("tone", &file, InstallPolicy::Create).expect("any").package.signer(), None);
    assert_eq!(notes.adapters().list()[0].signer, None);
    // No key is nobody's.
    engine.set_signatures("notes", SignaturePolicy::Required(TrustedKeys::default()));
    refused(notes.install("tone", &file, InstallPolicy::Upsert), "counts here: none");
    refused(notes.adapter("tone"), "without a verified signature");
}

#[test]
fn the_engines_own_adapters_are_bound_by_its_options() {
    let (dir, maker) = (tempfile::tempdir().expect("folder"), Maker::new());
    let engine = engine(maker.policy());
    let file = package(&dir, "llama2-all-r4");
    refused(engine.install("tone", &file, InstallPolicy::Upsert), "has to be signed");
    let unseen = AdapterPackage::open(&file).expect("package");
    refused(engine.install_package("tone", unseen, InstallPolicy::Upsert), "without a verified");
    maker.sign(&file);
    // A package that was changed after it was opened is nobody's.
    let mut changed = AdapterPackage::open_signed(&file, &maker.keys()).expect("signed");
    changed.set_task(changed.task().clone());
    refused(engine.install_package("tone", changed, InstallPolicy::Upsert), "without a verified");
    let signed = AdapterPackage::open_signed(&file, &maker.keys()).expect("signed");
    let adapter = engine.install_package("tone", signed, InstallPolicy::Upsert).expect("installed");

    // It runs as the unsigned one does.
    let free = self::engine(SignaturePolicy::Any);
    let plain = free.install("tone", &file, InstallPolicy::Upsert).expect("installed");
    let logits = |engine: &Engine, adapter: &Adapter| {
        run(engine.language().expect("model").backbone(), &[1, 5, 9], 3, Some(&adapter.bound.deltas))
    };
    assert_eq!(logits(&engine, &adapter), logits(&free, &plain));
    // Its file's memory was given back.
    assert!(adapter.package.tensors().names().is_empty());
    assert!(adapter.package.save(dir.path().join("again.loam")).is_err());
}

#[test]
fn one_that_was_asleep_is_the_one_that_was_verified() {
    let (dir, maker) = (tempfile::tempdir().expect("folder"), Maker::new());
    let engine = engine(SignaturePolicy::Any);
    engine.set_signatures("mail", maker.policy());
    let mail = engine.attach("mail").expect("app");
    let file = package(&dir, "llama2-all-r4");
    maker.sign(&file);
    let whole = std::fs::read(&file).expect("package");
    drop(mail.install("tone", &file, InstallPolicy::Create).expect("installed"));
    let sleep = || {
        engine.trim(TrimLevel::Idle);
        assert!(!mail.adapters().list()[0].is_awake);
    };
    // The signature was verified once; what was signed is known by its digest.
    sleep();
    std::fs::remove_file(beside(&file)).expect("removed");
    assert_eq!(mail.adapter("tone").expect("awake").package.signer().map(|s| s.key()), Some(&maker.public));
    // A byte that nothing reads is a byte that was signed.
    sleep();
    let text = b"\"format\":\"pt\"";
    let at = whole.windows(text.len()).position(|window| window == text).expect("metadata");
    let mut changed = whole.clone();
    changed[at + text.len() - 2] = b'x';
    std::fs::write(&file, &changed).expect("written");
    AdapterPackage::open(&file).expect("still a package");
    assert!(matches!(mail.adapter("tone"), Err(Error::Digest { .. })));
    // Whoever does not count any more is refused, awake or not.
    std::fs::write(&file, &whole).expect("written");
    engine.set_signatures("mail", Maker::new().policy());
    refused(mail.adapter("tone"), "not one that counts");
    engine.set_signatures("mail", maker.policy());
    let awake = mail.adapter("tone").expect("awake");
    engine.set_signatures("mail", Maker::new().policy());
    refused(mail.adapter("tone"), "not one that counts");
    drop(awake);
}

#[test]
fn every_damaged_byte_of_a_signature_is_noticed() {
    let maker = Maker::new();
    let content = b"what was signed";
    let whole = maker.signature(content);
    let verify = |signature: &[u8]| {
        Signature::parse("x", signature).and_then(|parsed| maker.keys().verify("x", content, &parsed)).map(|_| ())
    };
    verify(&whole).expect("as it was made");
    let untrusted = "untrusted comment: ".len()..whole.iter().position(|&b| b == b'\n').expect("lines");
    for at in (0..whole.len()).filter(|at| !untrusted.contains(at)) {
        for flip in [1, 2, 4, 8, 16, 32, 64, 128] {
            let mut bad = whole.clone();
            bad[at] ^= flip;
            // The line's end may be of another kind, or of none at the end of the file.
            let same_line = at + 1 == whole.len();
            assert!(same_line || matches!(verify(&bad), Err(Error::Signature { .. })), "byte {at} ^ {flip}");
        }
        let cut = verify(&whole[..at]);
        assert!(at + 1 == whole.len() || matches!(cut, Err(Error::Signature { .. })), "{at} bytes");
    }
    refused(verify(&[&whole[..], b"more\n"].concat()), "5 lines");
    refused(verify(&vec![b' '; 1 << 20]), "the limit is");
}

#[test]
fn a_signature_file_that_is_too_large_is_not_read() {
    let (dir, maker) = (tempfile::tempdir().expect("folder"), Maker::new());
    let file = package(&dir, "llama2-all-r4");
    let long = std::fs::File::create(beside(&file)).expect("created");
    long.set_len(1 << 40).expect("sparse");
    refused(AdapterPackage::open_signed(&file, &maker.keys()), "the limit is");
    std::fs::remove_file(beside(&file)).expect("removed");
    std::fs::create_dir(beside(&file)).expect("made");
    assert!(matches!(AdapterPackage::open_signed(&file, &maker.keys()), Err(Error::Io { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, failure_persistence: None, ..ProptestConfig::default() })]

    /// Bytes of any kind are refused with an error, never with a panic.
    #[test]
    fn any_bytes_are_no_signature(bytes in prop::collection::vec(any::<u8>(), 0..400), lines in any::<[u8; 3]>()) {
        let is_refused = |bytes: &[u8]| matches!(Signature::parse("x", bytes), Err(Error::Signature { .. }));
        prop_assert!(is_refused(&bytes));
        let framed = format!(
            "untrusted comment: {}\n{}\ntrusted comment: {}\n{}\n",
            lines[0], String::from_utf8_lossy(&bytes), lines[1], lines[2]
        );
        prop_assert!(is_refused(framed.as_bytes()));
        prop_assert!(PublicKey::parse("x", &String::from_utf8_lossy(&bytes)).is_err());
    }
}
