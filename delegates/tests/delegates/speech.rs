//! The built-in recogniser on integers and on Qualcomm's simulator: what it hears, and what it writes.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use loam::Engine;
use loam::dispatch::{Delegate, DispatchOptions, Preference, Segment, Strictness};
use loam::engine::EngineOptions;
use loam::foundation::ComponentKind;
use loam::input::{Audio, Channels, Input, SampleRate};
use loam::model::Modality;
use loam::task::TranscribeOptions;
use loam_delegates::component::{Extents, segments};
use loam_delegates::{OnnxBackend, Target};
use symphonia::core::codecs::audio::AudioDecoderOptions;
use symphonia::core::formats::TrackType;
use symphonia::core::formats::probe::Hint;
use symphonia::core::io::MediaSourceStream;

use crate::fixture::{cosine, libraries, nano, runtime};
use crate::foundation::{calibrated, check_integers, compiled};
use crate::qnn::simulator;

const SPEECH: ComponentKind = ComponentKind::Encoder(Modality::SPEECH);
/// Seconds of the graph: all recordings that are heard are shorter, and none fills it.
const SECONDS: f64 = 1.0;
/// Rank of the adapters that the graph takes; its layers are convolutions, which have no inputs for one.
const RANK: usize = 16;
/// Those of which two speakers say one digit each; all others of the folder calibrate.
const HEARD: [&str; 2] = ["3_theo_3.flac", "6_jackson_2.flac"];

fn decoded(path: &Path) -> Audio {
    let stream = MediaSourceStream::new(Box::new(File::open(path).expect("a recording")), Default::default());
    let probe = symphonia::default::get_probe();
    let mut format = probe.probe(&Hint::new(), stream, Default::default(), Default::default()).expect("sound");
    let track = format.default_track(TrackType::Audio).expect("a track");
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio()).expect("a codec");
    let rate = SampleRate::new(parameters.sample_rate.expect("a rate")).expect("in bounds");
    let codecs = symphonia::default::get_codecs();
    let mut decoder = codecs.make_audio_decoder(parameters, &AudioDecoderOptions::default()).expect("a decoder");
    let (mut samples, mut block) = (Vec::new(), Vec::<f32>::new());
    while let Some(packet) = format.next_packet().expect("a packet") {
        decoder.decode(&packet).expect("decoded").copy_to_vec_interleaved(&mut block);
        samples.extend_from_slice(&block);
    }
    Audio::from_f32(&samples, Channels::MONO, rate).expect("one channel")
}

/// Recordings of this repository: those that are heard, and those that calibrate.
fn recordings() -> [Vec<Audio>; 2] {
    let demo = Path::new(env!("CARGO_MANIFEST_DIR")).join("../models/demo");
    let folders =
        ["fsdd", "yesno", "esc10"].map(|set| std::fs::read_dir(demo.join(set).join("test")).expect("a folder"));
    let files = folders.into_iter().flatten().map(|file| file.expect("a file").path());
    let mut files: Vec<PathBuf> =
        files.filter(|file| file.extension().is_some_and(|ending| ending == "flac")).collect();
    files.sort();
    let (heard, others): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|file| HEARD.iter().any(|name| file.ends_with(name)));
    [heard, others].map(|files| files.iter().map(|file| decoded(file)).collect())
}

/// States of a recording on a delegate, and those of the engine.
fn states(engine: &Engine, sound: &Audio, (segment, delegate): (Segment, &dyn Delegate)) -> [Vec<f32>; 2] {
    let recognizer = engine.recognizer().expect("recogniser");
    let network = recognizer.network().expect("frame by frame");
    let graph = network.graph().expect("a graph");
    let Segment::Sound { columns } = segment else { panic!("{segment}") };
    let sound = sound.resampled(recognizer.rate()).expect("in bounds");
    let features = network.features(sound.samples()).expect("heard").expect("long enough");
    assert!(features.shape[1] < columns, "there is a gap behind it");
    let inputs = graph.inputs(&features, columns).expect("it fits");
    let inputs: Vec<&[f32]> = inputs.iter().map(|values| &values[..]).collect();
    let zeros = delegate.adapt(&delegate.signature().factors(None).expect("zeros")).expect("in range");
    let mut given = delegate.run(&inputs, &zeros).expect("ran").swap_remove(0);
    given.truncate(graph.states_in(features.shape[1]) * network.width());
    [given, network.states(sound.samples(), None).expect("heard")]
}

#[test]
fn recordings_are_heard_and_written_as_by_the_engine() {
    let (Some(_), Some(dir)) = (runtime(), nano()) else { return };
    let plain = Engine::open(&dir).expect("foundation");
    let component = plain.foundation().component(SPEECH).expect("component");
    let extents = Extents { seconds: vec![SECONDS], ..Extents::default() };
    let found = segments(&plain, component, &extents).expect("segments");
    let [segment] = found[..] else { panic!("{found:?}") };
    let [heard, others] = recordings();
    let samples: Vec<Input> = others.into_iter().map(Input::Sound).collect();
    let ranges = calibrated(&plain, SPEECH, &[segment], RANK, &samples);
    let root = tempfile::tempdir().expect("folder");
    let targets = [Some(Target::OnnxInteger), simulator().map(|_| Target::QnnV75)];
    let mut closest: Vec<Vec<f32>> = Vec::new();
    for target in targets.into_iter().flatten() {
        let delegate = compiled(&plain, SPEECH, (segment, RANK), &ranges, (target, root.path()));
        for (at, sound) in heard.iter().enumerate() {
            let [given, wanted] = states(&plain, sound, (segment, &*delegate));
            let to_engine = cosine(&given, &wanted);
            println!("{} of {:.2} s on {}: cosine {to_engine:.5}", HEARD[at], sound.seconds(), target.name());
            assert!(to_engine >= 0.999, "{}: {to_engine}", target.name());
            match closest.get(at) {
                Some(integers) => assert!(cosine(&given, integers) >= 0.999, "the same integers"),
                None => closest.push(given),
            }
        }
        drop(delegate);
        let dispatch = DispatchOptions {
            backends: vec![Arc::new(OnnxBackend::new(target, libraries(), root.path()))],
            preference: Preference::Delegate,
            strictness: Strictness::Strict,
            ..DispatchOptions::default()
        };
        let options = EngineOptions { dispatch, ..EngineOptions::default() };
        let engine = Engine::open_with(&dir, options).expect("foundation");
        engine.recognizer().expect("recogniser");
        engine.wait_for_delegates(component.name());
        for sound in &heard {
            let hear = |engine: &Engine| engine.transcribe(sound, &TranscribeOptions::default()).expect("heard");
            let (ours, theirs) = (hear(&engine), hear(&plain));
            assert_eq!(ours.summary.trace.steps[0].backend, target.name());
            assert_eq!(ours.text, theirs.text);
            println!("'{}' on {}", ours.text, target.name());
        }
    }
    if simulator().is_some() {
        check_integers(root.path(), component.name(), segment);
    }
}
