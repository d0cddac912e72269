//! SHA-256 digests as they stand in recipes and manifests, and the hashing of streams and files.
//!
//! Only a well-formed digest can be built, so a comparison can never succeed because both sides are empty. It says
//! nothing about where bytes come from.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, Result};

/// Bytes read at once when a file is hashed.
const CHUNK: usize = 256 * 1024;

/// 64 lower-case hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest(String);

impl TryFrom<String> for Digest {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        if text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b)) {
            Ok(Self(text))
        } else {
            Err(format!("'{text}' is not a sha256: 64 lower-case hexadecimal digits are"))
        }
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.0
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A running SHA-256.
#[derive(Debug, Clone, Default)]
pub struct Hasher(Sha256);

impl Hasher {
    /// Takes more bytes in.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The digest of all bytes taken so far.
    #[must_use]
    pub fn finish(self) -> Digest {
        Digest(self.0.finalize().iter().map(|b| format!("{b:02x}")).collect())
    }

    /// Takes in the rest of `reader`, calls `seen` with each chunk's length, and returns the number of bytes.
    ///
    /// # Errors
    /// Those of the reader.
    pub fn drain(&mut self, mut reader: impl Read, mut seen: impl FnMut(u64)) -> std::io::Result<u64> {
        let mut buffer = vec![0; CHUNK];
        let mut total = 0;
        loop {
            let n = match reader.read(&mut buffer) {
                Ok(0) => return Ok(total),
                Ok(n) => n,
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(e) => return Err(e),
            };
            self.update(&buffer[..n]);
            total += n as u64;
            seen(n as u64);
        }
    }
}

/// Hashes a file, calling `seen` with the length of each chunk.
///
/// # Errors
/// [`Error::Io`] if it cannot be read.
pub fn of_file(path: &Path, seen: impl FnMut(u64)) -> Result<Digest> {
    let mut hasher = Hasher::default();
    let file = File::open(path).map_err(Error::io(path))?;
    hasher.drain(file, seen).map_err(Error::io(path))?;
    Ok(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_digest() {
        let mut hasher = Hasher::default();
        hasher.update(b"abc");
        let digest = hasher.finish();
        assert_eq!(digest.to_string(), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
        assert_eq!(Digest::try_from(digest.to_string()), Ok(digest));
    }

    #[test]
    fn malformed_digests_are_refused() {
        for text in ["", "ba78", &"A".repeat(64), &"g".repeat(64), &"é".repeat(32)] {
            assert!(Digest::try_from(text.to_owned()).is_err(), "{text}");
        }
    }
}
