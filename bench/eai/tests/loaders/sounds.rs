//! Sounds, speech, films and motion.

use loam_bench::loader::{Format, Input, Motion, Split, Target};
use loam_bench::metric::Entity;

use super::{labels_of, read, sound, text, texts, within};

#[test]
fn librispeech_is_a_tree() {
    let (_, rows) = read("librispeech", Format::LibriSpeech, Split::Test);
    assert_eq!(rows.len(), 3);
    assert_eq!(rows[1].target, texts(&["STUFF IT INTO YOU"]));
    let expected = "LibriSpeech/test-clean/1089/134691/1089-134691-0000.flac";
    assert_eq!(within(sound(&rows[2]), "librispeech"), expected);
}

#[test]
fn commands_have_intents() {
    let (labels, rows) = read("fsc", Format::FluentSpeechCommands, Split::Test);
    assert_eq!(
        (labels, labels_of(&rows)),
        (vec!["activate|lights|kitchen".into(), "activate|music|none".into()], vec![1])
    );
    let (_, rows) = read("slurp", Format::Slurp, Split::Test);
    assert_eq!(rows.len(), 2);
    let Target::Frame(frame) = &rows[0].target else { panic!("a frame") };
    let entity = |kind: &str, filler: &str| Entity { kind: kind.to_owned(), filler: filler.to_owned() };
    assert_eq!((frame.scenario.as_str(), frame.action.as_str()), ("calendar", "set"));
    assert_eq!(frame.entities, [entity("event_name", "meeting"), entity("person", "with pawel")]);
    assert_eq!(within(sound(&rows[0]), "slurp"), "slurp_real/audio-1-headset.flac");
    assert_eq!(rows[1].id, "4775 audio-1.flac");
}

#[test]
fn emotions_of_iemocap_are_the_four_usual_ones() {
    let (labels, rows) = read("iemocap", Format::Iemocap, Split::Test);
    assert_eq!((labels[1].as_str(), labels_of(&rows)), ("happy", vec![0, 1]));
    let expected = "Session5/sentences/wav/Ses05F_impro01/Ses05F_impro01_F001.wav";
    assert_eq!(within(sound(&rows[1]), "iemocap"), expected);
}

#[test]
fn ljspeech_is_read_as_it_is_spelt_out() {
    let (_, rows) = read("ljspeech", Format::LjSpeech, Split::Test);
    assert_eq!((rows.len(), &rows[0].input), (2, &text("In fourteen fifty-five, printing")));
    assert!(read("ljspeech", Format::LjSpeech, Split::Train).1.is_empty());
}

#[test]
fn sounds_have_classes() {
    let (labels, rows) = read("esc50", Format::Esc50, Split::Test);
    assert_eq!((labels, labels_of(&rows)), (vec!["dog".into(), "rooster".into()], vec![1]));
    let (labels, rows) = read("speechcommands", Format::SpeechCommands, Split::Test);
    assert_eq!((labels, labels_of(&rows)), (vec!["backward".into(), "bed".into()], vec![1]));
    let (_, rows) = read("speechcommands", Format::SpeechCommands, Split::Train);
    let names: Vec<&str> = rows.iter().map(|row| row.id.as_str()).collect();
    assert_eq!(names, ["backward/0b_nohash_0.wav", "bed/0b_nohash_0.wav"]);
}

#[test]
fn sounds_have_captions() {
    let (_, rows) = read("clotho", Format::Clotho, Split::Test);
    assert_eq!(rows[0].target, texts(&["A machine whines, then stops.", "b", "c", "d", "e \"loud\""]));
    assert_eq!(within(sound(&rows[0]), "clotho"), "evaluation/Santa Motor.wav");
    let (_, rows) = read("audiocaps", Format::AudioCaps, Split::Test);
    assert_eq!((rows.len(), &rows[0].target), (2, &texts(&["Wind, and waves", "Waves break"])));
}

#[test]
fn films_have_classes() {
    let (labels, rows) = read("vggsound", Format::VggSound, Split::Test);
    assert_eq!((labels.len(), labels_of(&rows)), (3, vec![0, 1]));
    assert_eq!(within(sound(&rows[1]), "vggsound"), "video/--56QUhyDQM_000185.mp4");
    let (labels, rows) = read("kinetics", Format::Kinetics, Split::Valid);
    assert_eq!((labels, labels_of(&rows)), (vec!["abseiling".into(), "air drumming".into()], vec![0, 1]));
    assert_eq!(within(sound(&rows[1]), "kinetics"), "val/2cPLjY5AWXU_000007_000017.mp4");
}

fn motion(input: &Input) -> &Motion {
    match input {
        Input::Motion(motion) => motion,
        other => panic!("{other:?} is no motion"),
    }
}

#[test]
fn uci_har_is_in_metres_a_second_squared() {
    let (labels, rows) = read("ucihar", Format::UciHar, Split::Test);
    assert_eq!((labels[2].as_str(), labels_of(&rows)), ("sitting", vec![2, 0]));
    let window = motion(&rows[1].input);
    assert_eq!((window.channels, window.samples.len(), window.subject.as_str()), (6, 128 * 6, "4"));
    let first = |signal: &str| -> f32 {
        let path = super::fixture(&format!("ucihar/UCI HAR Dataset/test/Inertial Signals/{signal}_test.txt"));
        let text = std::fs::read_to_string(path).expect("read");
        text.lines().nth(1).and_then(|line| line.split_whitespace().nth(2)).expect("a value").parse().expect("a number")
    };
    let close = |a: f32, b: f32| assert!((a - b).abs() < 1e-5, "{a} beside {b}");
    close(window.samples[2 * 6 + 1], first("total_acc_y") * 9.806_65);
    close(window.samples[2 * 6 + 5], first("body_gyro_z"));
}

#[test]
fn motion_sense_is_cut_into_windows() {
    let (labels, rows) = read("motionsense", Format::MotionSense, Split::Test);
    assert_eq!((labels[3].as_str(), labels_of(&rows)), ("jog", vec![3, 3]));
    assert_eq!((motion(&rows[1].input).samples.len(), motion(&rows[0].input).subject.as_str()), (1800, "sub_3"));
    assert!(read("motionsense", Format::MotionSense, Split::Train).1.is_empty(), "one sample fills no window");
}

#[test]
fn both_sensors_of_hhar_are_brought_to_one_rate() {
    let (labels, rows) = read("hhar", Format::Hhar, Split::Test);
    assert_eq!((labels[3].as_str(), labels_of(&rows)), ("walk", vec![3]));
    let window = motion(&rows[0].input);
    assert_eq!((window.rate, window.samples.len(), window.subject.as_str()), (50.0, 1800, "h"));
    // Both sensors rise by one a second: at 50 Hz by 0.02 a sample, also what was recorded at 40 Hz.
    for step in [0usize, 1, 150, 299] {
        let sample = &window.samples[step * 6..step * 6 + 6];
        let expected = step as f32 / 50.0;
        for axis in [0, 3] {
            assert!((sample[axis] - expected).abs() < 1e-3, "{} beside {expected}", sample[axis]);
        }
        assert!((sample[2] - 9.81).abs() < 1e-4);
    }
}
