//! Every call gives from afar what it gives here.

use std::sync::Arc;
use std::time::Duration;

use loam::engine::ListenOptions;
use loam::input::{ImuWindow, Input, Repair};
use loam::model::Modality;
use loam_service::{
    App, ClassifyOptions, Engine, Error, Event, EventSink, InstallPolicy, Limits, Result, SpeakOptions, TaskHandle,
};
use serde_json::{Value, json};

use crate::support::{Keeper, Served, adapter, core, ended, install, motion, picture, sound, source, tokens};

/// What a result says apart from how long it took.
fn said(value: impl serde::Serialize) -> Value {
    const TIMES: [&str; 6] = [
        "ms",
        "real_time_factor",
        "queue_ms",
        "time_to_first_token_ms",
        "prefill_tokens_per_second",
        "decode_tokens_per_second",
    ];
    fn strip(value: &mut Value) {
        match value {
            Value::Object(fields) => {
                TIMES.iter().for_each(|time| drop(fields.remove(*time)));
                fields.values_mut().for_each(strip);
            }
            Value::Array(values) => values.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let mut value = serde_json::to_value(value).expect("serialized");
    strip(&mut value);
    value
}

fn streamed(begin: impl FnOnce(Arc<dyn EventSink>) -> Arc<TaskHandle>, keeper: Keeper) -> Value {
    let keeper = Arc::new(keeper);
    let handle = begin(Arc::clone(&keeper) as Arc<dyn EventSink>);
    let outcome = ended(&handle);
    let events = keeper.events.lock().expect("no panic").clone();
    let event = |event: &Event| match event {
        Event::Text { text } | Event::Partial { text } => json!(text),
        Event::Segment { segment } => said(segment),
        Event::Done { stats } => said(stats),
        Event::Transcribed { summary } => said(summary),
        Event::Failed { error } => json!(error.to_string()),
    };
    json!([events.iter().map(event).collect::<Vec<_>>(), format!("{outcome:?}")])
}

fn window() -> Input {
    let window = ImuWindow::new(source(), motion()[..50 * 6].to_vec(), None).expect("window");
    Input::Motion { window, repair: Repair::Refuse }
}

fn timed_window() -> Input {
    let times = (0..50).map(|i| f64::from(i) / 50.0 + 7.0).collect();
    let window = ImuWindow::new(source(), motion()[..50 * 6].to_vec(), Some(times)).expect("window");
    Input::Motion { window, repair: Repair::Interpolate { max_gap_ms: 100.0 } }
}

fn labels(labels: &[&str]) -> ClassifyOptions {
    ClassifyOptions { labels: labels.iter().map(|&label| label.to_owned()).collect(), ..ClassifyOptions::default() }
}

type Case = (&'static str, fn(&App) -> Result<Value>);

const CASES: &[Case] = &[
    ("a small picture", |app| Ok(said(app.classify(picture(40, 30), labels(&["cat", "dog"]), None)?))),
    ("a picture in memory of its own", |app| {
        Ok(said(app.classify(picture(1500, 1000), labels(&["cat", "dog"]), None)?))
    }),
    ("a template", |app| {
        let options = ClassifyOptions { template: Some("a {} here".to_owned()), ..labels(&["cat", "dog"]) };
        Ok(said(app.classify(picture(40, 30), options, None)?))
    }),
    ("a modality", |app| {
        let options = ClassifyOptions { modality: Some(Modality::IMAGE), ..labels(&["cat", "dog"]) };
        Ok(said(app.classify(picture(40, 30), options, None)?))
    }),
    ("a sound", |app| Ok(said(app.classify(sound(), ClassifyOptions::default(), None)?))),
    ("no label", |app| Ok(said(app.classify("text", labels(&[]), None)?))),
    ("motion by an adapter", |app| {
        let tilt = install(app, "tilt")?;
        let plain = app.classify(window(), ClassifyOptions::default(), Some(&tilt))?;
        let timed = app.classify(timed_window(), ClassifyOptions::default(), Some(&tilt))?;
        Ok(json!([said(plain), said(timed)]))
    }),
    ("an embedding", |app| Ok(said(app.embed("two cats on a mat", None, None)?))),
    ("an embedding by name of the modality", |app| {
        Ok(said(app.embed(picture(40, 30), Some(Modality::IMAGE), None)?))
    }),
    ("a query", |app| Ok(said(app.query("two cats on a mat", Modality::IMAGE)?))),
    ("a query that cannot be", |app| Ok(said(app.query(sound(), Modality::IMU)?))),
    ("a regression", |app| {
        let tilt = install(app, "tilt-regression")?;
        Ok(said(app.regress(window(), None, Some(&tilt))?))
    }),
    ("a regression without a head", |app| Ok(said(app.regress(picture(40, 30), None, None)?))),
    ("tags without a head", |app| {
        let tilt = install(app, "tilt")?;
        Ok(said(app.tag("play some jazz", &tilt)?))
    }),
    ("spelling", |app| {
        let tilt = install(app, "tilt-ctc")?;
        Ok(said(app.spell(window(), None, &tilt)?))
    }),
    ("spelling without a head", |app| {
        let tilt = install(app, "tilt")?;
        Ok(said(app.spell(window(), None, &tilt)?))
    }),
    ("a transcript", |app| Ok(said(app.transcribe(sound(), ListenOptions::default(), None)?))),
    ("a transcript of a text", |app| Ok(said(app.transcribe("text", ListenOptions::default(), None)?))),
    ("a transcript in an unknown language", |app| {
        let options = ListenOptions { language: Some("xx".to_owned()), ..ListenOptions::default() };
        Ok(said(app.transcribe(sound(), options, None)?))
    }),
    ("speech", |app| {
        let speech = app.speak("gobˈa kaˈok", SpeakOptions { seed: 3, ..SpeakOptions::default() })?;
        Ok(json!([said(&speech), speech.samples]))
    }),
    ("a larger picture", |app| {
        let made = app.upscale(picture(20, 14), None)?;
        Ok(json!([made.image.width(), made.image.height(), made.image.pixels(), said(&made.trace)]))
    }),
    ("a larger text", |app| Ok(json!(app.upscale("text", None)?.image.width()))),
    ("generation", |app| Ok(streamed(|sink| app.generate("The cat", tokens(12), None, sink), Keeper::default()))),
    ("generation under an adapter", |app| {
        let voice = install(app, "voice")?;
        Ok(streamed(|sink| app.generate("The cat", tokens(12), Some(&voice), sink), Keeper::default()))
    }),
    ("generation by chance, to a stop string", |app| {
        let mut options = tokens(40);
        options.sampling.temperature = 0.9;
        options.sampling.seed = 11;
        options.stop = vec!["e".to_owned()];
        Ok(streamed(|sink| app.generate("The cat", options, None, sink), Keeper::default()))
    }),
    ("a receiver that has enough", |app| {
        let keeper = Keeper { enough: Some(3), ..Keeper::default() };
        Ok(streamed(|sink| app.generate("The cat", tokens(40), None, sink), keeper))
    }),
    ("a receiver that fails", |app| {
        let failure = Some(Error::Callback { reason: "the receiver is full".to_owned() });
        let keeper = Keeper { failure, ..Keeper::default() };
        Ok(streamed(|sink| app.generate("The cat", tokens(40), None, sink), keeper))
    }),
    ("a prompt that does not fit", |app| {
        Ok(streamed(|sink| app.generate(&"The cat ".repeat(20_000), tokens(4), None, sink), Keeper::default()))
    }),
    ("an answer about two pictures", |app| {
        let inputs = vec![picture(40, 30).into(), picture(30, 30).into()];
        Ok(streamed(|sink| app.answer(inputs, "What is this?", tokens(6), None, sink), Keeper::default()))
    }),
    ("no question", |app| {
        let inputs = vec![picture(40, 30).into()];
        Ok(streamed(|sink| app.answer(inputs, " ", tokens(6), None, sink), Keeper::default()))
    }),
    ("a caption", |app| Ok(streamed(|sink| app.caption(picture(40, 30), tokens(6), None, sink), Keeper::default()))),
    ("a transcript as it comes", |app| {
        Ok(streamed(|sink| app.transcribe_stream(sound(), ListenOptions::default(), None, sink), Keeper::default()))
    }),
    ("a transcript that is enough", |app| {
        let events = std::sync::Mutex::new(0);
        let keeper = Arc::new(move |_: Event| {
            *events.lock().expect("no panic") += 1;
            assert!(*events.lock().expect("no panic") <= 2, "after the first one comes the end alone");
            Ok(std::ops::ControlFlow::Break(()))
        });
        ended(&app.transcribe_stream(sound(), ListenOptions::default(), None, keeper)).map(|()| json!(null))
    }),
    ("a microphone", |app| {
        let transcriber = app.transcriber(16_000, ListenOptions::default(), None)?;
        let mut events = Vec::new();
        for piece in sound().samples().chunks(1600) {
            events.extend(transcriber.push(piece)?);
        }
        let end = transcriber.finish()?;
        let after = transcriber.push(&[0.0; 16]).expect_err("ended").to_string();
        Ok(json!([said(events), said(end.events), said(end.summary), after]))
    }),
    ("a sensor", |app| {
        let tilt = install(app, "tilt")?;
        let options = ClassifyOptions::default();
        let sensor = app.sensor(source(), Repair::Refuse, Some(0.5), options, Some(&tilt))?;
        let mut sensed = Vec::new();
        for piece in motion().chunks(20 * 6) {
            sensed.extend(sensor.push(piece, None)?);
        }
        sensor.restart()?;
        let odd = sensor.push(&[0.0; 7], None).expect_err("no whole sample").to_string();
        let times: Vec<f64> = (0..50).map(|i| f64::from(i) / 50.0 + 3.0).collect();
        sensed.extend(sensor.push(&motion()[..50 * 6], Some(&times))?);
        Ok(json!([sensor.window_seconds(), said(sensed), odd]))
    }),
    ("a conversation", |app| {
        let voice = install(app, "voice")?;
        let chat = app.chat(Some("Be brief."), None)?;
        let turn = |text: &str| streamed(|sink| chat.respond(text, tokens(8), sink).expect("begun"), Keeper::default());
        let first = [turn("Hello"), turn("Why?")];
        chat.set_adapter(Some(&voice))?;
        let adapted = turn("And now?");
        chat.set_instructions(Some("Be kind."))?;
        let messages = chat.messages()?;
        chat.clear()?;
        Ok(json!([first, adapted, said(messages), said(chat.messages()?), turn("Hello")]))
    }),
    ("a history in memory of its own", |app| {
        let chat = app.chat(Some(&"Be brief. ".repeat(30_000)), None)?;
        Ok(said(chat.messages()?))
    }),
    ("a conversation has one turn at a time", |app| {
        let chat = app.chat(None, None)?;
        let slow = Keeper::slow(Duration::from_millis(20));
        let handle = chat.respond("Hello", tokens(40), Arc::clone(&slow) as Arc<dyn EventSink>)?;
        let second = chat.respond("Hello", tokens(4), Keeper::new()).expect_err("busy").to_string();
        let messages = chat.messages().expect_err("busy").to_string();
        handle.stop();
        ended(&handle)?;
        chat.messages()?;
        Ok(json!([second, messages]))
    }),
    ("adapters", |app| {
        let first = app.install_adapter("voice", adapter("voice"), InstallPolicy::Upsert)?;
        let again = app.install_adapter("voice", adapter("voice"), InstallPolicy::Create).expect_err("taken");
        let swap = InstallPolicy::CompareAndSwap(first.generation());
        let second = app.install_adapter("voice", adapter("voice"), swap)?;
        let stale = app.install_adapter("voice", adapter("voice"), swap).expect_err("stale");
        let wrong = app.install_adapter("wrong", adapter("wrong"), InstallPolicy::Create).expect_err("does not fit");
        let bad = app.install_adapter("../x", adapter("voice"), InstallPolicy::Create).expect_err("no alias");
        let held = streamed(|sink| app.generate("The cat", tokens(6), Some(&first), sink), Keeper::default());
        let held_generation = held.to_string().contains(&format!("\"generation\":{}", first.generation()));
        let (text, info) = (&held[0][0], app.adapter("voice")?.info().clone());
        app.remove_adapter("voice")?;
        let removed = app.adapter("voice").expect_err("removed");
        let twice = app.remove_adapter("voice").expect_err("removed");
        let codes: Vec<u8> = [&again, &stale, &wrong, &bad, &removed, &twice].iter().map(|e| e.code()).collect();
        let after = streamed(|sink| app.generate("The cat", tokens(6), Some(&second), sink), Keeper::default());
        Ok(json!([
            second.generation() > first.generation(),
            codes,
            text,
            held_generation,
            info.component,
            info.description,
            info.bytes,
            after[0][0],
            wrong.to_string()
        ]))
    }),
];

#[test]
fn every_call_gives_from_afar_what_it_gives_here() {
    let served = Served::new(Limits::default());
    let (near, far) = (Engine::new(core()), served.connect());
    assert_eq!(near.foundation().expect("near").id, far.foundation().expect("far").id);
    for (at, (name, case)) in CASES.iter().enumerate() {
        let id = format!("com.example.case{at}");
        let (near, far) = (near.attach(&id).expect("near"), far.attach(&id).expect("far"));
        let (here, there) = (case(&near), case(&far));
        match (here, there) {
            (Ok(here), Ok(there)) => assert_eq!(here, there, "{name}"),
            (here, there) => assert_eq!(
                here.map_err(|error| error.to_string()).expect_err(name),
                there.map_err(|error| error.to_string()).expect_err(name)
            ),
        }
    }
    assert_eq!(far.foundation().expect("far"), served.connect().foundation().expect("another"));
    drop(far);
    served.wait_until_idle(0);
}

#[test]
fn names_of_apps_are_checked_on_both_sides() {
    let served = Served::new(Limits::default());
    let far = served.connect();
    for id in ["", "a b", "../x", "a/b", &"x".repeat(300)] {
        let far = far.attach(id).map(|_| ()).expect_err("no name");
        assert_eq!(far.code(), 2, "{id}: {far}");
    }
}

/// Of an encoder that gives states of tokens.
#[test]
fn tags_are_the_same_from_afar() {
    let tags =
        |part: &str| std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../core/tests/fixtures/tags").join(part);
    let here = loam::Engine::open(tags("model")).expect("opened");
    let joint = here.install("joint", tags("joint"), loam::adapter::InstallPolicy::Create).expect("installed");
    let served = Served::of(loam::Engine::open(tags("model")).expect("opened"), Limits::default());
    let engine = served.connect();
    let app = engine.attach("com.example.tags").expect("attached");
    let adapter = app.install_adapter("joint", tags("joint"), InstallPolicy::Create).expect("installed");
    for text in ["play Für Elise now", "(Elise), at nineteen!", ""] {
        let far = app.tag(text, &adapter).expect("tagged");
        assert_eq!(said(&far), said(here.tag(text, &joint).expect("tagged")), "{text}");
        assert_eq!(far.spans.is_empty(), text.is_empty(), "{text}");
    }
}
