//! Motion in CSV files.

use std::path::Path;

use clap::{Args, ValueEnum};
use loam::input::{Acceleration, AngularRate, Axes, Gravity, ImuLayout, ImuSource, ImuWindow, Input, Repair};

use super::input::file;
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

impl MotionArgs {
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
    /// [`Error::Io`]; [`Error::Malformed`] naming the line; [`Error::Argument`] without a rate.
    pub fn recording(&self, path: &Path) -> Result<Recording> {
        let text = file(path)?;
        let wrong = |reason: String| Error::malformed(path.display(), FORMAT, reason);
        let mut reader = csv::ReaderBuilder::new().has_headers(false).trim(csv::Trim::All).from_reader(text.as_bytes());
        let mut rows: Vec<Vec<f64>> = Vec::new();
        for (index, record) in reader.records().enumerate() {
            let record = record.map_err(|reason| wrong(reason.to_string()))?;
            if index == 0 && record.iter().all(|cell| number(cell).is_none()) {
                continue;
            }
            let line = record.position().map_or(0, csv::Position::line);
            let row: Option<Vec<f64>> = record.iter().map(number).collect();
            let row = row.ok_or_else(|| wrong(format!("line {line} has a cell that is no number")))?;
            if !matches!(row.len(), 3 | 4 | 6 | 7) {
                return Err(wrong(format!("line {line} has {} columns, expected 3, 4, 6 or 7", row.len())));
            }
            if rows.len() == MAX_STEPS {
                return Err(wrong(format!("it has more than {MAX_STEPS} samples")));
            }
            rows.push(row);
        }
        let columns = rows.first().map(Vec::len).ok_or_else(|| wrong("it has no sample".to_owned()))?;
        let timed = matches!(columns, 4 | 7);
        let timestamps: Option<Vec<f64>> = timed.then(|| rows.iter().map(|row| row[0]).collect());
        let values = rows.iter().flat_map(|row| &row[usize::from(timed)..]);
        let rate = self.rate.or_else(|| timestamps.as_deref().and_then(rate_of));
        let rate = rate.ok_or_else(|| Error::Argument {
            name: "--rate",
            reason: format!("{} has no seconds, so its rate in Hz must be given", path.display()),
        })?;
        Ok(Recording {
            source: self
                .source(rate, if columns < 6 { ImuLayout::Accelerometer } else { ImuLayout::AccelerometerGyroscope }),
            samples: values.map(|value| *value as f32).collect(),
            timestamps,
        })
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
