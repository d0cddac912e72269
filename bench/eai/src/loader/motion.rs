//! Motion of phones: UCI-HAR, HHAR, MotionSense. Windows do not overlap, but for those that are published so.

use std::collections::BTreeMap;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;

use super::example::{Example, Examples, Input, Motion, Split, Target};
use super::folder::{Folder, Text};
use super::lines::Lines;
use super::table::{Header, Quotes};
use crate::error::{Error, Result};

/// m/s² of one g, as standards define it.
const GRAVITY: f64 = 9.806_65;
const RATE: f64 = 50.0;
/// Windows of UCI-HAR.
const UCI_WINDOW: usize = 128;
/// Windows that are cut here: six seconds.
const WINDOW: usize = 300;
/// Rows of one file of HHAR that are kept at a time; its largest has 13 million for all nine people.
const MAX_SAMPLES: usize = 40_000_000;
/// Between samples of HHAR, in seconds: what is farther apart belongs to two recordings.
const GAP: f64 = 1.0;
const HHAR_CLASSES: [&str; 6] = ["bike", "sit", "stand", "walk", "stairsup", "stairsdown"];
/// Whom no training sees; HHAR has no split of its own.
const HHAR_TEST: [&str; 2] = ["h", "i"];
const MOTION_SENSE: [&str; 6] = ["dws", "ups", "wlk", "jog", "sit", "std"];
/// Trials of MotionSense from here on are the short ones, which its authors test on.
const SHORT_TRIALS: usize = 11;

/// `test/Inertial Signals/total_acc_x_test.txt` and the like, with `y_test.txt` and `subject_test.txt`; 128 samples a row.
pub(super) fn uci_har(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "UCI-HAR";
    let name = match split {
        Split::Train => "train",
        Split::Test => "test",
        Split::Valid => return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and test" }),
    };
    let folder = Folder::new(path, FORMAT)?;
    let folder = folder.first_folder(&["UCI HAR Dataset"]).unwrap_or(folder);
    let activities = folder.first(&["activity_labels.txt"])?;
    let mut labels = Vec::new();
    for line in activities.lines()? {
        let (place, line) = line?;
        let Some((number, name)) = line.trim().split_once(' ') else { continue };
        if activities.number::<usize>(&place, "number", number)? != labels.len() + 1 {
            return Err(activities.wrong(place, format!("number {number}, expected {}", labels.len() + 1)));
        }
        labels.push(name.trim().to_lowercase());
    }
    let part = folder.first_folder(&[name])?;
    let (classes, subjects) =
        (part.first(&[&format!("y_{name}.txt")])?, part.first(&[&format!("subject_{name}.txt")])?);
    let signals = part.first_folder(&["Inertial Signals"])?;
    let mut files: Vec<(Text, Lines)> = Vec::new();
    for signal in ["total_acc_x", "total_acc_y", "total_acc_z", "body_gyro_x", "body_gyro_y", "body_gyro_z"] {
        let file = signals.first(&[&format!("{signal}_{name}.txt")])?;
        let lines = file.lines()?;
        files.push((file, lines));
    }
    let count = labels.len();
    let mut subjects_of = subjects.lines()?;
    let rows = classes.lines()?.map(move |line| {
        let (place, class) = line?;
        let number: usize = classes.number(&place, "class", &class)?;
        let class = number.checked_sub(1).filter(|class| *class < count);
        let class = class.ok_or_else(|| classes.wrong(&*place, format!("class {number}, expected 1 to {count}")))?;
        let subject = subjects_of.next().ok_or_else(|| subjects.wrong(&*place, "no such line"))??.1;
        let mut samples = vec![0.0; UCI_WINDOW * files.len()];
        let channels = files.len();
        for (channel, (file, lines)) in files.iter_mut().enumerate() {
            let (_, text) = lines.next().ok_or_else(|| file.wrong(&*place, "no such line"))??;
            let mut values = 0;
            for (step, value) in text.split_whitespace().enumerate().take(UCI_WINDOW + 1) {
                let value = file.real(&place, "value", value)?;
                // Acceleration is in g.
                let value = if channel < 3 { value * GRAVITY } else { value };
                values = step + 1;
                if step < UCI_WINDOW {
                    samples[step * channels + channel] = value as f32;
                }
            }
            if values != UCI_WINDOW {
                return Err(file.wrong(&*place, format!("{values} values, expected {UCI_WINDOW}")));
            }
        }
        let subject = subject.trim().to_owned();
        let motion = Motion { rate: RATE, channels, samples, subject };
        Ok(Example { id: place, input: Input::Motion(motion), target: Target::Label(class) })
    });
    Ok(Examples::new(labels, rows))
}

/// `A_DeviceMotion_data/wlk_7/sub_1.csv` and the like, at 50 Hz, in g: windows of six seconds. The short trials, from 11 on,
/// are the test.
pub(super) fn motion_sense(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "MotionSense";
    if split == Split::Valid {
        return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and test" });
    }
    let folder = Folder::new(path, FORMAT)?;
    let folder = folder.first_folder(&["A_DeviceMotion_data"]).unwrap_or(folder);
    let mut files = Vec::new();
    for name in folder.folders()? {
        let known = name.split_once('_').and_then(|(activity, trial)| {
            let class = MOTION_SENSE.iter().position(|known| *known == activity)?;
            Some((class, trial.parse::<usize>().ok()?))
        });
        let (class, trial) = known.ok_or_else(|| folder.wrong(&name, "it names no activity and trial".to_owned()))?;
        if (trial >= SHORT_TRIALS) != (split == Split::Test) {
            continue;
        }
        let trial = folder.within(&name);
        for file in trial.files(&["csv"])? {
            files.push((format!("{name}/{file}"), class, trial.first(&[&file])?));
        }
    }
    let rows = files.into_iter().flat_map(|(id, class, file)| match device_motion(&file) {
        Err(error) => vec![Err(error)],
        Ok(samples) => {
            let subject = id.split(['/', '.']).nth(1).unwrap_or_default().to_owned();
            windows(&samples)
                .map(|(i, window)| Ok(example(format!("{id} window {i}"), window, &subject, class)))
                .collect()
        }
    });
    Ok(Examples::new(MOTION_SENSE.map(str::to_owned).to_vec(), rows))
}

fn device_motion(file: &Text) -> Result<Vec<[f32; 6]>> {
    let axes = ["x", "y", "z"];
    let names: Vec<String> = ["gravity", "userAcceleration", "rotationRate"]
        .iter()
        .flat_map(|kind| axes.map(|axis| format!("{kind}.{axis}")))
        .collect();
    let columns: Vec<&str> = names.iter().map(String::as_str).collect();
    let mut samples = Vec::new();
    for row in file.table(b',', Header::Names, Quotes::Csv)?.with(&columns)?.rows() {
        let row = row?;
        if samples.len() == MAX_SAMPLES {
            return Err(file.wrong(&*row.place, format!("more than {MAX_SAMPLES} samples")));
        }
        let mut sample = [0.0; 6];
        for axis in 0..3 {
            let acceleration = row.real(columns[axis])? + row.real(columns[3 + axis])?;
            sample[axis] = (acceleration * GRAVITY) as f32;
            sample[3 + axis] = row.real(columns[6 + axis])? as f32;
        }
        samples.push(sample);
    }
    Ok(samples)
}

/// Whole windows with their numbers.
fn windows(samples: &[[f32; 6]]) -> impl Iterator<Item = (usize, &[[f32; 6]])> {
    samples.chunks_exact(WINDOW).enumerate()
}

fn example(id: String, window: &[[f32; 6]], subject: &str, class: usize) -> Example {
    let samples = window.iter().flatten().copied().collect();
    let motion = Motion { rate: RATE, channels: 6, samples, subject: subject.to_owned() };
    Example { id, input: Input::Motion(motion), target: Target::Label(class) }
}

/// A sample of one sensor.
#[derive(Clone, Copy)]
struct Sample {
    /// In seconds.
    time: f64,
    axes: [f32; 3],
    class: Option<u8>,
}

/// By user and device, in the order of time.
type Recordings = BTreeMap<(String, String), Vec<Sample>>;

/// `Phones_accelerometer.csv` and `Phones_gyroscope.csv` of the `Activity recognition exp` folder. Both are brought to 50 Hz
/// by lines between samples and cut into windows of six seconds of one activity; people h and i are the test.
pub(super) fn hhar(path: &Path, split: Split) -> Result<Examples> {
    const FORMAT: &str = "HHAR";
    if split == Split::Valid {
        return Err(Error::Split { format: FORMAT, split: split.name(), known: "train and test" });
    }
    let folder = Folder::new(path, FORMAT)?;
    let folder = folder.first_folder(&["Activity recognition exp"]).unwrap_or(folder);
    let accelerations = recordings(&folder.first(&["Phones_accelerometer.csv"])?, split)?;
    let mut rates = recordings(&folder.first(&["Phones_gyroscope.csv"])?, split)?;
    let rows = accelerations.into_iter().flat_map(move |(key, samples)| {
        let rates: Arc<[Sample]> = rates.remove(&key).unwrap_or_default().into();
        let samples: Arc<[Sample]> = samples.into();
        let (subject, device) = key;
        parts(&samples).into_iter().flat_map(move |part| {
            let (samples, rates) = (samples.clone(), rates.clone());
            let (subject, id) = (subject.clone(), format!("{subject} {device}"));
            part_windows(&samples[part.clone()]).filter_map(move |(class, begin)| {
                let grid = (0..WINDOW).map(|step| begin + step as f64 / RATE);
                let both: Option<Vec<[f32; 6]>> =
                    grid.map(|time| joined(&samples[part.clone()], &rates, time)).collect();
                let id = format!("{id} {} {begin:.3}", HHAR_CLASSES[class]);
                Some(Ok(example(id, &both?, &subject, class)))
            })
        })
    });
    Ok(Examples::new(HHAR_CLASSES.map(str::to_owned).to_vec(), rows))
}

/// Runs of one activity without gaps.
fn parts(samples: &[Sample]) -> Vec<Range<usize>> {
    let mut end = 0;
    let part = |part: &[Sample]| {
        end += part.len();
        end - part.len()..end
    };
    samples.chunk_by(|a, b| a.class == b.class && b.time - a.time < GAP).map(part).collect()
}

/// Class and begin of each whole window of a run; nothing where no activity is known.
fn part_windows(part: &[Sample]) -> impl Iterator<Item = (usize, f64)> + use<> {
    let known = match part {
        [first, .., last] => first.class.map(|class| (usize::from(class), first.time, last.time)),
        _ => None,
    };
    let length = WINDOW as f64 / RATE;
    known.into_iter().flat_map(move |(class, begin, end)| {
        let count = ((end - begin) / length) as usize;
        (0..count).map(move |window| (class, begin + window as f64 * length))
    })
}

fn recordings(file: &Text, split: Split) -> Result<Recordings> {
    let columns = ["Creation_Time", "x", "y", "z", "User", "Device", "gt"];
    let mut all = Recordings::new();
    let mut count = 0usize;
    for row in file.table(b',', Header::Names, Quotes::Plain)?.with(&columns)?.rows() {
        let row = row?;
        let user = row.at("User")?;
        if HHAR_TEST.contains(&user) != (split == Split::Test) {
            continue;
        }
        count += 1;
        if count > MAX_SAMPLES {
            return Err(file.wrong(&*row.place, format!("more than {MAX_SAMPLES} samples")));
        }
        let class = match row.at("gt")? {
            "null" | "" => None,
            name => {
                let known = HHAR_CLASSES.iter().position(|known| *known == name);
                let class = known.and_then(|class| u8::try_from(class).ok());
                Some(class.ok_or_else(|| file.wrong(&*row.place, format!("gt {name:?} is no activity")))?)
            }
        };
        let mut axes = [0.0; 3];
        for (axis, name) in axes.iter_mut().zip(["x", "y", "z"]) {
            *axis = row.real(name)? as f32;
        }
        // In nanoseconds.
        let sample = Sample { time: row.real("Creation_Time")? * 1e-9, axes, class };
        all.entry((user.to_owned(), row.at("Device")?.to_owned())).or_default().push(sample);
    }
    all.values_mut().for_each(|samples| samples.sort_by(|a, b| a.time.total_cmp(&b.time)));
    Ok(all)
}

/// Both sensors at a time; none where one of them has no samples around it.
fn joined(accelerations: &[Sample], rates: &[Sample], time: f64) -> Option<[f32; 6]> {
    let ([a, b, c], [d, e, f]) = (between(accelerations, time)?, between(rates, time)?);
    Some([a, b, c, d, e, f])
}

fn between(samples: &[Sample], time: f64) -> Option<[f32; 3]> {
    let after = samples.partition_point(|sample| sample.time <= time);
    let (left, right) = (samples.get(after.checked_sub(1)?)?, samples.get(after)?);
    if right.time - left.time >= GAP {
        return None;
    }
    let share = ((time - left.time) / (right.time - left.time)) as f32;
    let mut axes = [0.0; 3];
    for (axis, value) in axes.iter_mut().enumerate() {
        *value = left.axes[axis] + (right.axes[axis] - left.axes[axis]) * share;
    }
    Some(axes)
}
