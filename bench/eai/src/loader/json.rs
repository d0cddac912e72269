//! JSON files, whole and line by line. Only the fields that are named are kept.

use serde::de::DeserializeOwned;

use super::folder::Text;
use crate::error::Result;

/// Of a whole file: the training annotations of COCO and LVIS are near to it.
const MAX_BYTES: u64 = 2 << 30;

impl Text {
    /// The whole file.
    pub fn json<T: DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_slice(&self.bytes(MAX_BYTES)?).map_err(|error| {
            let place = format!("line {} column {}", error.line(), error.column());
            self.wrong(place, plain(&error))
        })
    }

    /// A value a line, with its place; empty lines are left out.
    pub fn json_lines<T: DeserializeOwned>(&self) -> Result<impl Iterator<Item = Result<(String, T)>> + Send + use<T>> {
        let file = self.clone();
        let lines = self.lines()?.filter(|line| !matches!(line, Ok((_, text)) if text.trim().is_empty()));
        Ok(lines.map(move |line| {
            let (place, text) = line?;
            let value = serde_json::from_str(&text)
                .map_err(|error| file.wrong(format!("{place} column {}", error.column()), plain(&error)))?;
            Ok((place, value))
        }))
    }
}

/// Without the place, which stands before it.
fn plain(error: &serde_json::Error) -> String {
    let text = error.to_string();
    text.rsplit_once(" at line ").map_or(text.clone(), |(reason, _)| reason.to_owned())
}
