//! Text that a command works on: an argument, a file, or standard input.

use std::io::Read;
use std::path::Path;

use crate::error::{Error, Result};

/// Largest text or token list that is read: far beyond any context window.
const MAX_BYTES: u64 = 64 << 20;

/// The argument, or all of standard input when it is absent or `-`.
///
/// # Errors
/// [`Error::Io`], or [`Error::Malformed`] for text that is not UTF-8 or too long.
pub fn text_or_stdin(argument: Option<&str>) -> Result<String> {
    match argument {
        Some(text) if text != "-" => Ok(text.to_owned()),
        _ => {
            let text = bounded("standard input", std::io::stdin().lock())?;
            // The newline that ends the last line belongs to the shell, not to the text.
            Ok(text.strip_suffix('\n').map(|t| t.strip_suffix('\r').unwrap_or(t)).unwrap_or(&text).to_owned())
        }
    }
}

/// As [`text_or_stdin`], refusing a text of nothing but white space.
///
/// # Errors
/// As [`text_or_stdin`], and [`Error::Argument`].
pub fn message_or_stdin(argument: Option<&str>) -> Result<String> {
    let text = text_or_stdin(argument)?;
    if text.trim().is_empty() {
        return Err(Error::Argument { name: "text", reason: "it is empty".into() });
    }
    Ok(text)
}

/// A whole file, `-` for standard input.
///
/// # Errors
/// As [`text_or_stdin`].
pub fn file(path: &Path) -> Result<String> {
    if path == Path::new("-") {
        return bounded("standard input", std::io::stdin().lock());
    }
    bounded(&path.display().to_string(), std::fs::File::open(path).map_err(Error::io(path))?)
}

/// A JSON list of token ids.
///
/// # Errors
/// As [`file()`].
pub fn tokens(path: &Path) -> Result<Vec<u32>> {
    serde_json::from_str(&file(path)?).map_err(|e| Error::malformed(path.display(), "JSON list of token ids", e))
}

fn bounded(what: &str, source: impl Read) -> Result<String> {
    let mut bytes = Vec::new();
    source.take(MAX_BYTES + 1).read_to_end(&mut bytes).map_err(Error::io(what))?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(Error::malformed(what, "text", format!("longer than {MAX_BYTES} bytes")));
    }
    String::from_utf8(bytes).map_err(|e| Error::malformed(what, "UTF-8 text", e))
}
