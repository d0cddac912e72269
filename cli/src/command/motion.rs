//! Motion in CSV files.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use clap::{Args, ValueEnum};
use loam::input::{Acceleration, AngularRate, Axes, Gravity, ImuLayout, ImuSource, ImuWindow, Input, Repair};

use crate::error::{Error, Result};

const FORMAT: &str = "CSV of motion";
/// Steps of one file: as many as a window may have.
const MAX_STEPS: usize = 1 << 20;

/// How motion was recorded.
#[derive(Debug, Clone, Args)]
#[command(next_help_heading = "Motion")]
pub struct MotionArgs {
    /// Samples per second in Hz; found from the seconds where the file has them
    #[arg(long, value_name = "HZ")]
    rate: Option<f64>,
    /// Unit of the accelerometer
    #[arg(long, value_enum, default_value_t = AccelerationUnit::MetersPerSecondSquared)]
    acceleration: AccelerationUnit,
    /// Unit of the gyroscope
    #[arg(long, value_enum, default_value_t = RotationUnit::RadiansPerSecond)]
    rotation: RotationUnit,
    /// Frame and sign convention of the device
    #[arg(long, value_enum, default_value_t = Frame::Android)]
    frame: Frame,
    /// Whether acceleration holds gravity
    #[arg(long, value_enum, default_value_t = GravityChoice::Included)]
    gravity: GravityChoice,
    /// Interpolate missing values in gaps of up to so many ms instead of refusing them
    #[arg(long, value_name = "MS")]
    repair: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum AccelerationUnit {
    #[value(name = "m/s2")]
    MetersPerSecondSquared,
    #[value(name = "g")]
    G,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum RotationUnit {
    #[value(name = "rad/s")]
    RadiansPerSecond,
    #[value(name = "deg/s")]
    DegreesPerSecond,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Frame {
    Android,
    Ios,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum GravityChoice {
    Included,
    Removed,
}

/// What a file holds: samples with their source, and seconds where it has them.
#[derive(Debug)]
pub struct Recording {
    /// How it was recorded.
    pub source: ImuSource,
    /// `[steps, channels]`.
    pub samples: Vec<f32>,
    /// Seconds, one per step.
    pub timestamps: Option<Vec<f64>>,
}

impl Default for MotionArgs {
    /// As without an option.
    fn default() -> Self {
        Self {
            rate: None,
            acceleration: AccelerationUnit::MetersPerSecondSquared,
            rotation: RotationUnit::RadiansPerSecond,
            frame: Frame::Android,
            gravity: GravityChoice::Included,
            repair: None,
        }
    }
}

impl MotionArgs {
    /// Whether the user named a rate.
    #[must_use]
    pub fn has_rate(&self) -> bool {
        self.rate.is_some()
    }

    /// What becomes of gaps and of values that are not finite.
    #[must_use]
    pub fn repair(&self) -> Repair {
        self.repair.map_or(Repair::Refuse, |max_gap_ms| Repair::Interpolate { max_gap_ms })
    }

    /// A file as one window.
    ///
    /// # Errors
    /// As [`MotionArgs::recording`]; the engine's for a window that it refuses.
    pub fn read(&self, path: &Path) -> anyhow::Result<Input> {
        let recording = self.recording(path)?;
        let window = ImuWindow::new(recording.source, recording.samples, recording.timestamps)?;
        Ok(Input::Motion { window, repair: self.repair() })
    }

    /// All samples of a file, `-` for standard input. An empty cell, or `nan`, is a missing value; a first line without
    /// numbers names the columns.
    ///
    /// # Errors
    /// As [`MotionArgs::rows`] and [`MotionArgs::describe`]; [`Error::Malformed`] for no sample, or more than 2^20.
    pub fn recording(&self, path: &Path) -> Result<Recording> {
        let mut rows = self.rows(path)?;
        let mut all = Vec::new();
        while let Some(row) = rows.next_row()? {
            if all.len() == MAX_STEPS {
                return Err(Error::malformed(path.display(), FORMAT, format!("it has more than {MAX_STEPS} samples")));
            }
            all.push(row);
        }
        let source = self.describe(path, &all)?;
        let (samples, timestamps) = split(&all);
        Ok(Recording { source, samples, timestamps })
    }

    /// The samples of a file one by one, `-` for standard input, as they come.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn rows(&self, path: &Path) -> Result<Rows> {
        let input: Box<dyn Read> = if path == Path::new("-") {
            Box::new(std::io::stdin().lock())
        } else {
            Box::new(File::open(path).map_err(Error::io(path))?)
        };
        let reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(input);
        Ok(Rows { what: path.display().to_string(), records: reader.into_records(), read: 0 })
    }

    /// How the samples were recorded, of which `rows` are the first.
    ///
    /// # Errors
    /// [`Error::Malformed`] for none; [`Error::Argument`] without a rate, or for one that their seconds contradict.
    pub fn describe(&self, path: &Path, rows: &[Row]) -> Result<ImuSource> {
        let first = rows.first().ok_or_else(|| Error::malformed(path.display(), FORMAT, "it has no sample"))?;
        let times: Vec<f64> = rows.iter().filter_map(|row| row.seconds).collect();
        let (found, wrong) = (rate_of(&times), |reason: String| Error::Argument { name: "--rate", reason });
        let rate = match (self.rate, found) {
            (Some(rate), Some(found)) if !(0.8..=1.25).contains(&(rate / found)) => {
                return Err(wrong(format!("{rate} Hz, the seconds of {} are {found:.2} Hz", path.display())));
            }
            (Some(rate), _) => rate,
            (None, Some(found)) => found,
            (None, None) => {
                let reason = format!("{} has no seconds, so its rate in Hz must be given", path.display());
                return Err(wrong(reason));
            }
        };
        let accelerometer = first.values.len() == ImuLayout::Accelerometer.channels();
        let layout = if accelerometer { ImuLayout::Accelerometer } else { ImuLayout::AccelerometerGyroscope };
        Ok(self.source(rate, layout))
    }

    fn source(&self, rate: f64, layout: ImuLayout) -> ImuSource {
        ImuSource {
            rate,
            layout,
            acceleration: match self.acceleration {
                AccelerationUnit::MetersPerSecondSquared => Acceleration::MetersPerSecondSquared,
                AccelerationUnit::G => Acceleration::G,
            },
            rotation: match self.rotation {
                RotationUnit::RadiansPerSecond => AngularRate::RadiansPerSecond,
                RotationUnit::DegreesPerSecond => AngularRate::DegreesPerSecond,
            },
            gravity: match self.gravity {
                GravityChoice::Included => Gravity::Included,
                GravityChoice::Removed => Gravity::Removed,
            },
            axes: match self.frame {
                Frame::Android => Axes::Android,
                Frame::Ios => Axes::Ios,
            },
        }
    }
}

/// A file as one window, recorded as `source` says; its columns decide on the sensors.
///
/// # Errors
/// As [`MotionArgs::read`].
pub fn read_as(path: &Path, source: ImuSource) -> anyhow::Result<Input> {
    let recording = MotionArgs { rate: Some(source.rate), ..MotionArgs::default() }.recording(path)?;
    let source = ImuSource { layout: recording.source.layout, ..source };
    let window = ImuWindow::new(source, recording.samples, recording.timestamps)?;
    Ok(Input::Motion { window, repair: Repair::Refuse })
}

/// One sample.
#[derive(Debug, Clone, PartialEq)]
pub struct Row {
    /// When it was taken, where the file says so.
    pub seconds: Option<f64>,
    /// A value per channel.
    pub values: Vec<f32>,
}

/// Samples of `rows` one after another, and their seconds.
#[must_use]
pub fn split(rows: &[Row]) -> (Vec<f32>, Option<Vec<f64>>) {
    let samples = rows.iter().flat_map(|row| &row.values).copied().collect();
    (samples, rows.iter().map(|row| row.seconds).collect())
}

/// The samples of a file.
pub struct Rows {
    what: String,
    records: csv::StringRecordsIntoIter<Box<dyn Read>>,
    read: u64,
}

impl Rows {
    /// The next sample, `None` after the last one.
    ///
    /// # Errors
    /// [`Error::Malformed`] naming the line.
    pub fn next_row(&mut self) -> Result<Option<Row>> {
        let wrong = |reason: String| Error::malformed(&self.what, FORMAT, reason);
        loop {
            let Some(record) = self.records.next() else { return Ok(None) };
            let record = record.map_err(|reason| wrong(reason.to_string()))?;
            self.read += 1;
            if self.read == 1 && record.iter().all(|cell| number(cell).is_none()) {
                continue;
            }
            let line = record.position().map_or(0, csv::Position::line);
            let row: Option<Vec<f64>> = record.iter().map(number).collect();
            let row = row.ok_or_else(|| wrong(format!("line {line} has a cell that is no number")))?;
            let timed = match row.len() {
                3 | 6 => 0,
                4 | 7 => 1,
                other => return Err(wrong(format!("line {line} has {other} columns, expected 3, 4, 6 or 7"))),
            };
            let values = row[timed..].iter().map(|value| *value as f32).collect();
            return Ok(Some(Row { seconds: (timed == 1).then(|| row[0]), values }));
        }
    }
}

/// A cell's value; a missing one is NaN.
fn number(cell: &str) -> Option<f64> {
    if cell.is_empty() { Some(f64::NAN) } else { cell.parse().ok() }
}

/// Samples per second: the median step, which a gap does not move.
fn rate_of(timestamps: &[f64]) -> Option<f64> {
    let mut steps: Vec<f64> = timestamps.windows(2).map(|pair| pair[1] - pair[0]).filter(|step| *step > 0.0).collect();
    steps.sort_by(f64::total_cmp);
    steps.get(steps.len() / 2).map(|step| 1.0 / step)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;

    #[derive(Parser)]
    struct Typed {
        #[command(flatten)]
        motion: MotionArgs,
    }

    fn read(text: &str, words: &[&str]) -> Result<Recording> {
        let dir = tempfile::tempdir().expect("tempdir");
        let path = dir.path().join("motion.csv");
        std::fs::write(&path, text).expect("written");
        let typed = Typed::try_parse_from([&["loam"], words].concat()).expect("accepted");
        typed.motion.recording(&path)
    }

    #[test]
    fn columns_decide_on_sensors_and_seconds() {
        let bare = read("1,2,3\n4,5,6\n", &["--rate", "50"]).expect("read");
        assert_eq!((bare.samples.len(), bare.source.layout), (6, ImuLayout::Accelerometer));
        assert!(bare.timestamps.is_none() && bare.source.rate == 50.0);
        let timed =
            read("t,ax,ay,az,gx,gy,gz\n0,1,2,3,4,5,6\n0.02,1,,3,4,5,6\n0.04,1,2,3,4,nan,6\n", &[]).expect("read");
        assert_eq!((timed.samples.len(), timed.source.layout), (18, ImuLayout::AccelerometerGyroscope));
        assert_eq!(timed.timestamps, Some(vec![0.0, 0.02, 0.04]));
        assert!((timed.source.rate - 50.0).abs() < 1e-9 && timed.samples[7].is_nan() && timed.samples[16].is_nan());
        let ios = read("1,2,3\n", &["--rate", "50", "--frame", "ios", "--acceleration", "g"]).expect("read");
        assert_eq!((ios.source.axes, ios.source.acceleration), (Axes::Ios, Acceleration::G));
    }

    #[test]
    fn damage_is_named() {
        for (text, words, expected) in [
            ("1,2,3\n4,x,6\n", &["--rate", "50"][..], "line 2"),
            ("1,2\n", &["--rate", "50"], "2 columns"),
            ("1,2,3\n1,2,3,4\n", &["--rate", "50"], "fields"),
            ("1,2,3\n", &[], "--rate"),
            ("x,y,z\n", &["--rate", "50"], "no sample"),
            ("", &["--rate", "50"], "no sample"),
        ] {
            let error = read(text, words).expect_err(text).to_string();
            assert!(error.contains(expected), "{text:?}: {error}");
        }
    }
}
