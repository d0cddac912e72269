//! Public keys and signatures in minisign's format: read, and verified.
//!
//! The first byte says how the rest is understood: as a key's file, as a signature's file, or as a signature's parts, of which a
//! file with whole lines is made, so that most inputs reach the verification.

#![no_main]

use std::sync::OnceLock;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use libfuzzer_sys::fuzz_target;
use loam::adapter::{PublicKey, Signature, TrustedKeys};

mod panics;

const SIGNATURE_BYTES: usize = 74;
const GLOBAL_BYTES: usize = 64;

/// A key whose number is all zeros. No secret belongs to it.
fn trusted() -> &'static TrustedKeys {
    static TRUSTED: OnceLock<TrustedKeys> = OnceLock::new();
    TRUSTED.get_or_init(|| {
        let mut bytes = b"Ed".to_vec();
        bytes.resize(42, 0);
        // A point of the curve: y = 1.
        bytes[10] = 1;
        std::iter::once(PublicKey::parse("fuzz", &STANDARD.encode(bytes)).expect("a key")).collect()
    })
}

/// A file with these bytes in its lines.
fn file(bytes: &[u8]) -> Vec<u8> {
    let byte = |at: usize| bytes.get(at).copied().unwrap_or_default();
    let algorithm = if byte(0) % 2 == 0 { b"ED" } else { b"Ed" };
    // The key's number is the one that is trusted, or nearly so.
    let mut signature = algorithm.to_vec();
    signature.extend((1..9).map(|at| byte(at) / 255));
    signature.extend((9..9 + SIGNATURE_BYTES - 10).map(byte));
    let global: Vec<u8> = (73..73 + GLOBAL_BYTES).map(byte).collect();
    let comment = String::from_utf8_lossy(bytes.get(137..).unwrap_or_default()).replace(['\n', '\r'], " ");
    let lines = [
        "untrusted comment: fuzz".to_owned(),
        STANDARD.encode(signature),
        format!("trusted comment: {comment}"),
        STANDARD.encode(global),
    ];
    lines.join("\n").into_bytes()
}

fuzz_target!(init: panics::only_own(), |bytes: &[u8]| {
    let Some((&mode, rest)) = bytes.split_first() else { return };
    let parsed = match mode % 3 {
        0 => {
            if let Ok(key) = std::str::from_utf8(rest).map_err(drop).and_then(|text| PublicKey::parse("fuzz", text).map_err(drop)) {
                assert_eq!(key.id().to_string().len(), 16);
            }
            return;
        }
        1 => Signature::parse("fuzz", rest),
        _ => Signature::parse("fuzz", &file(rest)),
    };
    let Ok(signature) = parsed else { return };
    // The point of order one verifies what it should not in a careless library: minisign's refuses such keys.
    if let Ok(signer) = trusted().verify("fuzz", b"content", &signature) {
        panic!("nobody has signed this: {signer:?}");
    }
});
