//! Who made a package: ed25519 signatures in minisign's format, each in a file beside its package.
//!
//! What is signed is the whole package file, so that minisign itself signs and verifies it. A PEFT directory has no such bytes:
//! `loam adapter import` makes one file of it first. Only pre-hashed signatures count, which minisign makes since 0.10: those
//! from before sign a short file and the digest of a long one alike.

use std::fmt;
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};
use crate::weights::{Sha256Hex, read_bounded};

/// What follows the name of a package in that of its signature.
pub const SIGNATURE_ENDING: &str = ".minisig";

/// minisign's own limits: 1 KiB for the untrusted comment and 8 KiB for the trusted one, beside 200 bytes.
const MAX_BYTES: u64 = 10 << 10;
const KEY_FORMAT: &str = "minisign public key";
const UNTRUSTED: &str = "untrusted comment: ";
const TRUSTED: &str = "trusted comment: ";
/// Algorithm, number of the key, key.
const KEY_BYTES: usize = 2 + 8 + 32;
/// Algorithm, number of the key, signature.
const SIGNATURE_BYTES: usize = 2 + 8 + 64;
const GLOBAL_BYTES: usize = 64;
/// ed25519 over a BLAKE2b digest; over the content itself.
const PREHASHED: &[u8] = b"ED";
const LEGACY: &[u8] = b"Ed";

/// The number by which people tell keys apart. It proves nothing: whoever makes a key chooses it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId(u64);

impl KeyId {
    /// The number that follows the algorithm.
    fn of(bytes: &[u8]) -> Self {
        Self(bytes[2..10].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte)))
    }
}

impl fmt::Display for KeyId {
    /// As minisign writes it: 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016X}", self.0)
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl serde::Serialize for KeyId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// A key that signatures are verified with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: KeyId,
    key: minisign_verify::PublicKey,
}

impl PublicKey {
    /// The key in `text`: the content of a `.pub` file of minisign's, or its second line alone. Errors name it by `what`.
    ///
    /// # Errors
    /// [`Error::Malformed`].
    pub fn parse(what: &str, text: &str) -> Result<Self> {
        let refuse = |reason: String| Error::malformed(what, KEY_FORMAT, reason);
        let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
        let line = match lines.as_slice() {
            [comment, line] if comment.starts_with(UNTRUSTED.trim_end()) => line,
            [line] => line,
            _ => return Err(refuse(format!("{} lines, expected a comment and a key", lines.len()))),
        };
        let bytes = decode(line, KEY_BYTES).map_err(|reason| refuse(format!("the key: {reason}")))?;
        if &bytes[..2] != LEGACY {
            return Err(refuse(format!("algorithm {:?}, expected \"Ed\"", String::from_utf8_lossy(&bytes[..2]))));
        }
        let key = minisign_verify::PublicKey::from_base64(line).map_err(|e| refuse(e.to_string()))?;
        Ok(Self { id: KeyId::of(&bytes), key })
    }

    /// The key in a file; as [`PublicKey::parse`].
    ///
    /// # Errors
    /// [`Error::Io`] or [`Error::Malformed`].
    pub fn read(path: impl AsRef<Path>) -> Result<Self> {
        let path = path.as_ref();
        let bytes = read_bounded(path, MAX_BYTES)?;
        let text = String::from_utf8(bytes).map_err(|e| Error::malformed(path.display(), KEY_FORMAT, e))?;
        Self::parse(&path.display().to_string(), &text)
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> KeyId {
        self.id
    }
}

/// A signature as it lies beside its package. What it says counts only once [`TrustedKeys::verify`] has found its key.
#[derive(Clone)]
pub struct Signature {
    key: KeyId,
    signature: minisign_verify::Signature,
}

impl fmt::Debug for Signature {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature({}, {:?})", self.key, self.comment())
    }
}

impl Signature {
    /// The signature in the content of a `.minisig` file, of `adapter`.
    ///
    /// # Errors
    /// [`Error::Signature`] naming the line.
    pub fn parse(adapter: &str, content: &[u8]) -> Result<Self> {
        let refuse = |reason: String| Error::signature(adapter, format!("the signature is damaged: {reason}"));
        if content.len() as u64 > MAX_BYTES {
            return Err(refuse(format!("{} bytes, the limit is {MAX_BYTES}", content.len())));
        }
        let text = std::str::from_utf8(content).map_err(|e| refuse(e.to_string()))?;
        let lines: Vec<&str> = text.lines().collect();
        let [untrusted, signature, trusted, global] = lines.as_slice() else {
            return Err(refuse(format!("{} lines, expected 4", lines.len())));
        };
        for (line, start) in [(untrusted, UNTRUSTED), (trusted, TRUSTED)] {
            if !line.starts_with(start) {
                return Err(refuse(format!("a line does not begin with '{start}'")));
            }
        }
        let bytes = decode(signature, SIGNATURE_BYTES).map_err(|reason| refuse(format!("line 2: {reason}")))?;
        decode(global, GLOBAL_BYTES).map_err(|reason| refuse(format!("line 4: {reason}")))?;
        match &bytes[..2] {
            PREHASHED => {}
            LEGACY => return Err(refuse("it is not pre-hashed; sign again with minisign 0.10 or newer".to_owned())),
            other => return Err(refuse(format!("algorithm {:?}", String::from_utf8_lossy(other)))),
        }
        let parsed = minisign_verify::Signature::decode(text).map_err(|e| refuse(e.to_string()))?;
        Ok(Self { key: KeyId::of(&bytes), signature: parsed })
    }

    /// The signature beside the package file at `path`; `None` where there is none.
    ///
    /// # Errors
    /// [`Error::Signature`] for one that is damaged or too large, [`Error::Io`].
    pub fn beside(path: impl AsRef<Path>) -> Result<Option<Self>> {
        let path = path.as_ref();
        let adapter = path.display().to_string();
        match read_bounded(&signature_path(path), MAX_BYTES) {
            Ok(content) => Self::parse(&adapter, &content).map(Some),
            Err(Error::Io { source, .. }) if source.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(Error::Malformed { reason, .. }) => {
                Err(Error::signature(adapter, format!("the signature is damaged: {reason}")))
            }
            Err(other) => Err(other),
        }
    }

    /// The number of the key that it says it was made with.
    #[must_use]
    pub fn key(&self) -> KeyId {
        self.key
    }

    /// Its trusted comment, which is signed as well: minisign's says when, and the file's name.
    #[must_use]
    pub fn comment(&self) -> &str {
        self.signature.trusted_comment()
    }
}

/// Where the signature of the package at `path` lies.
#[must_use]
pub(super) fn signature_path(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SIGNATURE_ENDING);
    name.into()
}

/// Keys whose signatures count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TrustedKeys(Vec<PublicKey>);

impl FromIterator<PublicKey> for TrustedKeys {
    fn from_iter<I: IntoIterator<Item = PublicKey>>(keys: I) -> Self {
        Self(keys.into_iter().collect())
    }
}

impl TrustedKeys {
    /// The keys.
    #[must_use]
    pub fn keys(&self) -> &[PublicKey] {
        &self.0
    }

    /// Finds the key that made `signature` of `content`, which is that of `adapter`.
    ///
    /// # Errors
    /// [`Error::Signature`] where none of the keys has, or the content or the trusted comment was changed.
    pub fn verify(&self, adapter: &str, content: &[u8], signature: &Signature) -> Result<Signer> {
        let of_this_number = || self.0.iter().filter(|key| key.id == signature.key);
        if of_this_number().next().is_none() {
            let reason = format!("signed with key {}, which is not one that counts here: {self}", signature.key);
            return Err(Error::signature(adapter, reason));
        }
        let verified = of_this_number().find(|key| key.key.verify(content, &signature.signature, false).is_ok());
        let Some(key) = verified else {
            let reason = format!("its content is not what key {} has signed", signature.key);
            return Err(Error::signature(adapter, reason));
        };
        Ok(Signer { key: key.clone(), sha256: format!("{:x}", Sha256::digest(content)) })
    }
}

impl fmt::Display for TrustedKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ids: Vec<String> = self.0.iter().map(|key| key.id.to_string()).collect();
        if ids.is_empty() { write!(f, "none") } else { write!(f, "{}", ids.join(", ")) }
    }
}

/// Who signed a package, as was verified, and the digest of what was signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signer {
    key: PublicKey,
    sha256: Sha256Hex,
}

impl Signer {
    /// The key.
    #[must_use]
    pub fn key(&self) -> &PublicKey {
        &self.key
    }

    /// SHA-256 of the whole package file.
    #[must_use]
    pub fn sha256(&self) -> &str {
        &self.sha256
    }
}

/// Whose adapters an app may use.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SignaturePolicy {
    /// Anybody's: signatures are not looked at.
    #[default]
    Any,
    /// Those that one of these keys has signed.
    Required(TrustedKeys),
}

impl SignaturePolicy {
    /// Succeeds for an adapter that may be used, which `signer` has signed.
    ///
    /// # Errors
    /// [`Error::Signature`].
    pub(crate) fn admit(&self, adapter: &str, signer: Option<&Signer>) -> Result<()> {
        match (self, signer) {
            (Self::Any, _) => Ok(()),
            (Self::Required(keys), Some(signer)) if keys.0.contains(&signer.key) => Ok(()),
            (Self::Required(keys), Some(signer)) => {
                let reason = format!("signed with key {}, which is not one that counts here: {keys}", signer.key.id);
                Err(Error::signature(adapter, reason))
            }
            (Self::Required(_), None) => {
                Err(Error::signature(adapter, "it was installed without a verified signature"))
            }
        }
    }
}

/// The bytes that a line of base64 stands for. One byte string has one spelling.
fn decode(line: &str, length: usize) -> std::result::Result<Vec<u8>, String> {
    let bytes = STANDARD.decode(line).map_err(|e| e.to_string())?;
    if bytes.len() == length { Ok(bytes) } else { Err(format!("{} bytes, expected {length}", bytes.len())) }
}
