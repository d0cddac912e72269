//! The run file: settings, then a line for each batch of rows with what came out. A run that was stopped goes on behind the last
//! whole line.

use std::fs::{File, OpenOptions};
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use loam_bench::Prediction;
use serde::{Deserialize, Serialize};

use super::settings::Settings;
use super::small;
use crate::error::{Error, Result};

const FORMAT: &str = "run file";
/// Likenesses of some thousand entries to as many, as numbers of JSON.
const MAX_LINE: u64 = 1 << 30;

/// What came out of a row, and how long it took.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// The answer.
    pub prediction: Prediction,
    /// Without reading and decoding the row.
    pub ms: f64,
}

/// A line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Batch {
    /// Place of its first row.
    from: usize,
    predictions: Vec<Prediction>,
    ms: Vec<f64>,
}

/// The file, open for more.
#[derive(Debug)]
pub struct Journal {
    path: PathBuf,
    file: File,
    written: usize,
}

impl Journal {
    /// Opens the file of a run: a new one, or one of the same settings with the outcomes that it has. The rest of a line that a
    /// stopped program left is cut off.
    ///
    /// # Errors
    /// [`Error::OtherSettings`]; [`Error::Malformed`] naming the line for a file that is damaged; [`Error::Io`].
    pub fn open(path: &Path, settings: &Settings) -> Result<(Self, Vec<Outcome>)> {
        if !path.exists() {
            return Ok((Self::create(path, settings)?, Vec::new()));
        }
        let (known, outcomes, whole) = read(path)?;
        let Some(known) = known else { return Ok((Self::create(path, settings)?, Vec::new())) };
        known.check(settings, path)?;
        let mut file = OpenOptions::new().write(true).open(path).map_err(Error::io(path))?;
        file.set_len(whole).and_then(|()| file.seek(SeekFrom::End(0))).map_err(Error::io(path))?;
        Ok((Self { path: path.to_path_buf(), file, written: outcomes.len() }, outcomes))
    }

    fn create(path: &Path, settings: &Settings) -> Result<Self> {
        let file = File::create(path).map_err(Error::io(path))?;
        let mut journal = Self { path: path.to_path_buf(), file, written: 0 };
        journal.line(settings)?;
        Ok(journal)
    }

    /// Adds rows, in one line.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn add(&mut self, outcomes: &[Outcome]) -> Result<()> {
        let batch = Batch {
            from: self.written,
            predictions: outcomes.iter().map(|outcome| outcome.prediction.clone()).collect(),
            ms: outcomes.iter().map(|outcome| outcome.ms).collect(),
        };
        self.line(&batch)?;
        self.written += outcomes.len();
        Ok(())
    }

    fn line(&mut self, value: &impl Serialize) -> Result<()> {
        let text =
            serde_json::to_string(value).map_err(|reason| Error::malformed(self.path.display(), FORMAT, reason))?;
        // One write, so that a program which is stopped leaves at most one line in part.
        self.file.write_all(format!("{text}\n").as_bytes()).map_err(Error::io(&self.path))
    }
}

/// Settings, outcomes, and the length of all whole lines; no settings where not even the first line is whole.
fn read(path: &Path) -> Result<(Option<Settings>, Vec<Outcome>, u64)> {
    let mut lines = BufReader::new(File::open(path).map_err(Error::io(path))?);
    let (mut settings, mut outcomes, mut whole) = (None::<Settings>, Vec::new(), 0);
    for number in 1usize.. {
        let wrong = |reason: String| Error::malformed(format!("{}, line {number}", path.display()), FORMAT, reason);
        let mut line = Vec::new();
        let length = lines.by_ref().take(MAX_LINE).read_until(b'\n', &mut line).map_err(Error::io(path))?;
        if length as u64 == MAX_LINE {
            return Err(wrong(format!("longer than {MAX_LINE} bytes")));
        }
        if line.last() != Some(&b'\n') {
            break;
        }
        let Some(known) = &settings else {
            settings = Some(serde_json::from_slice(line.trim_ascii_end()).map_err(|reason| wrong(reason.to_string()))?);
            whole += length as u64;
            continue;
        };
        let batch: Batch = serde_json::from_slice(line.trim_ascii_end()).map_err(|reason| wrong(reason.to_string()))?;
        if batch.from != outcomes.len() || batch.predictions.len() != batch.ms.len() {
            let (rows, times) = (batch.predictions.len(), batch.ms.len());
            let reason = format!("{rows} rows with {times} times from row {}, expected {}", batch.from, outcomes.len());
            return Err(wrong(reason));
        }
        if let Some(ms) = batch.ms.iter().find(|ms| small::times(**ms, **ms).is_err()) {
            return Err(wrong(format!("a row that took {ms:e} ms")));
        }
        outcomes.extend(batch.predictions.into_iter().zip(batch.ms).map(|(prediction, ms)| Outcome { prediction, ms }));
        if outcomes.len() > known.rows {
            return Err(wrong(format!("{} rows of {}", outcomes.len(), known.rows)));
        }
        whole += length as u64;
    }
    Ok((settings, outcomes, whole))
}

#[cfg(test)]
#[path = "journal_tests.rs"]
mod tests;
