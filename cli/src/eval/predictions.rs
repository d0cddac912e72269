//! What came out for each row, as a file of JSON objects, one a line.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};

use serde_json::json;

use super::subject::Prediction;
use crate::data::Example;
use crate::error::{Error, Result};

/// Labels of a row that are written, the most probable ones.
const SHOWN_LABELS: usize = 5;

/// The file, or none.
#[derive(Debug)]
pub struct Predictions(Option<(PathBuf, BufWriter<File>)>);

impl Predictions {
    /// Creates the file, in place of one that is there.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn create(path: Option<&Path>) -> Result<Self> {
        let open = |path: &Path| {
            let file = File::create(path).map_err(Error::io(path))?;
            Ok::<_, Error>((path.to_path_buf(), BufWriter::new(file)))
        };
        Ok(Self(path.map(open).transpose()?))
    }

    /// Writes a row.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn write(&mut self, run: &str, example: &Example, prediction: &Prediction, ms: f64) -> Result<()> {
        let Some((path, file)) = &mut self.0 else { return Ok(()) };
        let mut line = json!({ "run": run, "row": example.place, "predicted": prediction.text });
        match example.label() {
            Some(label) => line["label"] = label.into(),
            None => line["outputs"] = example.texts().into(),
        }
        if let Some(name) = example.file_name() {
            line["file_name"] = name.into();
        }
        if !prediction.probabilities.is_empty() {
            let best = prediction.probabilities.iter().take(SHOWN_LABELS);
            line["probabilities"] = best.map(|(label, p)| json!([label, p])).collect();
        }
        line["ms"] = ms.into();
        writeln!(file, "{line}").map_err(Error::io(&*path))
    }

    /// Writes what is held back.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn finish(self) -> Result<()> {
        let Some((path, mut file)) = self.0 else { return Ok(()) };
        file.flush().map_err(Error::io(&path))
    }
}
