//! Files of results that are read whole.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use serde::de::DeserializeOwned;

use crate::error::{Error, Result};

/// A page, or a few dozen models.
const MAX_BYTES: u64 = 1 << 20;
/// Bytes that no file and no process has: sums of a few hundred of them fit 64 bits.
const MOST_BYTES: u64 = 1 << 50;
/// Milliseconds of a day: no row takes longer.
const MOST_MS: f64 = 86_400_000.0;

/// What a file of JSON holds; `format` is what it is called in errors.
///
/// # Errors
/// [`Error::Io`], and [`Error::Malformed`] for what is no ordinary file, is too long, or is of another form.
pub fn read<T: DeserializeOwned>(path: &Path, format: &'static str) -> Result<T> {
    let wrong = |reason: String| Error::malformed(path.display(), format, reason);
    // A pipe would block, and a device has no end.
    if !std::fs::metadata(path).map_err(Error::io(path))?.is_file() {
        return Err(wrong("it is no ordinary file".to_owned()));
    }
    let mut text = Vec::new();
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut text)).map_err(Error::io(path))?;
    if text.len() as u64 > MAX_BYTES {
        return Err(wrong(format!("longer than {MAX_BYTES} bytes")));
    }
    serde_json::from_slice(&text).map_err(|reason| wrong(reason.to_string()))
}

/// Times of half of the rows and of 95 of 100.
///
/// # Errors
/// Why it cannot be.
pub fn times(median: f64, p95: f64) -> std::result::Result<(), String> {
    match 0.0 <= median && median <= p95 && p95 <= MOST_MS {
        true => Ok(()),
        false => Err(format!("{median:e} ms for half of the rows and {p95:e} for 95 of 100")),
    }
}

/// What a file or a process takes.
///
/// # Errors
/// Why it cannot be.
pub fn bytes(count: u64) -> std::result::Result<(), String> {
    if count <= MOST_BYTES { Ok(()) } else { Err(format!("{count} bytes, expected at most {MOST_BYTES}")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_has_no_end_is_refused() {
        let told = read::<String>(Path::new("/dev/zero"), "text").expect_err("a device").to_string();
        assert!(told.contains("no ordinary file"), "{told}");
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("long");
        std::fs::write(&path, vec![b' '; MAX_BYTES as usize + 1]).expect("written");
        let told = read::<String>(&path, "text").expect_err("long").to_string();
        assert!(told.contains("longer than"), "{told}");
    }

    #[test]
    fn numbers_that_nothing_comes_to_are_refused() {
        assert!(times(1.0, 2.0).is_ok());
        for (median, p95) in [(-1.0, 2.0), (2.0, 1.0), (f64::NAN, 1.0), (1.0, 1e300)] {
            assert!(times(median, p95).is_err(), "{median} {p95}");
        }
        assert!(bytes(1 << 40).is_ok() && bytes(u64::MAX).is_err());
    }
}
