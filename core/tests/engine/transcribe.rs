//! The task of transcribing: files, streams of any rate, what it says about itself.

use std::sync::Arc;

use loam::Error;
use loam::adapter::InstallPolicy;
use loam::engine::{Engine, ListenOptions, Pace, Search};
use loam::input::{Audio, Channels, SampleRate};
use loam::task::{TranscribeOptions, TranscriptEvent};
use loam::weights::Safetensors;

use crate::fixture::{floats, path};

const MODEL: &str = "models/wav2vec2-base";

fn sound(times: usize) -> Vec<f32> {
    let file = Safetensors::open(path(MODEL).join("expected.safetensors")).expect("expected");
    floats(&file, "sound").repeat(times)
}

fn audio(samples: &[f32], hertz: u32) -> Audio {
    Audio::from_f32(samples, Channels::MONO, SampleRate::new(hertz).expect("rate")).expect("audio")
}

#[test]
fn a_sound_and_a_stream_of_100_ms_chunks_give_one_transcript() {
    let engine = Engine::open(path(MODEL)).expect("engine");
    for (hertz, pace) in [(16_000, Pace::Thorough), (44_100, Pace::Live), (8_000, Pace::Live)] {
        let sound = audio(&sound(if hertz > 40_000 { 14 } else { 5 }), hertz);
        let listen = ListenOptions { pace, ..ListenOptions::default() };
        let options = TranscribeOptions { listen, adapter: None };
        let whole = engine.transcribe(&sound, &options).expect("transcribed");
        assert!(!whole.text.is_empty() && whole.text == whole.text.trim());
        assert_eq!(whole.text, whole.segments.iter().map(|s| &*s.text).collect::<String>());
        assert!((whole.summary.seconds - sound.seconds()).abs() < 1e-9 && whole.summary.real_time_factor > 0.0);

        let mut transcriber = engine.transcriber(sound.rate(), &options).expect("transcriber");
        let (mut segments, mut partial, mut partials) = (Vec::new(), String::new(), 0);
        let mut read = |events: Vec<TranscriptEvent>| {
            for event in events {
                match event {
                    TranscriptEvent::Segment(segment) => {
                        assert!(segment.text.starts_with(&partial), "'{partial}' was taken back");
                        partial.clear();
                        segments.push(segment);
                    }
                    TranscriptEvent::Partial { text } => {
                        assert!(text.starts_with(&partial) && text != partial, "'{partial}', then '{text}'");
                        partial = text;
                        partials += 1;
                    }
                }
            }
        };
        for chunk in sound.samples().chunks(hertz as usize / 10) {
            read(transcriber.push(chunk).expect("heard"));
        }
        let (events, summary) = transcriber.finish().expect("finished");
        read(events);
        assert_eq!(segments, whole.segments, "{hertz}");
        assert_eq!(summary.seconds, whole.summary.seconds);
        assert!(pace == Pace::Thorough || partials > 1, "{partials} partial texts");
    }
}

#[test]
fn the_trace_shows_the_speech_component_alone() {
    let engine = Engine::open(path(MODEL)).expect("engine");
    let transcript = engine.transcribe(&audio(&sound(1), 16_000), &TranscribeOptions::default()).expect("transcribed");
    let [step] = &transcript.summary.trace.steps[..] else { panic!("{:?}", transcript.summary.trace) };
    assert_eq!(step.component, "speech");
    assert!(step.bytes > 1000 && step.ms > 0.0);
    let loaded: Vec<String> = engine.loaded().into_iter().map(|component| component.name).collect();
    assert_eq!(loaded, ["speech"]);
    let json = serde_json::to_value(&transcript).expect("json");
    assert_eq!(json["trace"]["path"], "encoder");
    assert!(json["segments"][0]["end"].as_f64() > Some(0.0) && json.get("language").is_none(), "{json}");
}

#[test]
fn what_cannot_be_transcribed_is_refused() {
    let engine = Engine::open(path(MODEL)).expect("engine");
    let options = TranscribeOptions::default();
    let transcriber = engine.transcriber(SampleRate::SPEECH, &options).expect("transcriber");
    assert!(matches!(transcriber.finish(), Err(Error::Argument { .. })), "no sample");
    for hertz in [16_000, 44_100] {
        let mut transcriber = engine.transcriber(SampleRate::new(hertz).expect("rate"), &options).expect("transcriber");
        transcriber.push(&[0.1; 10]).expect("heard");
        let refused = transcriber.push(&[0.0, f32::NAN]).expect_err("refused").to_string();
        assert!(refused.contains("sample 11"), "{refused}");
    }
    // One sample is a sound in which nothing is said.
    assert_eq!(engine.transcribe(&audio(&[0.5], 44_100), &options).expect("transcribed").text, "");
    let bare = Engine::open(path("models/llama2/model.gguf")).expect("engine");
    let missing = bare.transcribe(&audio(&[0.5], 16_000), &options);
    assert!(matches!(missing, Err(Error::MissingComponent(_))), "{missing:?}");
    let listen = ListenOptions { search: Search::Beam(99), ..ListenOptions::default() };
    assert!(engine.transcribe(&audio(&[0.5], 16_000), &TranscribeOptions { listen, adapter: None }).is_err());
}

#[test]
fn an_adapter_changes_the_transcript_and_outlives_its_removal() {
    let engine = Engine::open(path(MODEL)).expect("engine");
    let adapter = engine.install("accent", path("peft/wav2vec2-r4"), InstallPolicy::Create).expect("installed");
    let sound = audio(&sound(1), 16_000);
    let bare = engine.transcribe(&sound, &TranscribeOptions::default()).expect("transcribed");
    let options = TranscribeOptions { adapter: Some(Arc::clone(&adapter)), ..TranscribeOptions::default() };
    let adapted = engine.transcribe(&sound, &options).expect("transcribed");
    assert_ne!(adapted.text, bare.text);
    let mut transcriber = engine.transcriber(SampleRate::SPEECH, &options).expect("transcriber");
    engine.adapters().remove("accent").expect("removed");
    drop((engine, adapter, options));
    transcriber.push(sound.samples()).expect("heard");
    let (events, _) = transcriber.finish().expect("finished");
    let text: String = events
        .iter()
        .filter_map(|event| match event {
            TranscriptEvent::Segment(segment) => Some(&*segment.text),
            TranscriptEvent::Partial { .. } => None,
        })
        .collect();
    assert!(adapted.text.ends_with(&text) && !text.is_empty());
}
