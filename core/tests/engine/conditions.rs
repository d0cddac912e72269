//! A hot device, or one that is short of power, is spared; what it gives is the same.

use std::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loam::dispatch::{Battery, Conditions, Preference, Saver, Supply, Thermal};
use loam::engine::{Caller, Engine, Event, GenerateOptions, Generated, Priority, Request, Sink};
use loam::pool::{Allowance, threads};
use loam::{Error, Result};

use crate::fixture::path;

const ALL: [Thermal; 4] = [Thermal::Nominal, Thermal::Fair, Thermal::Serious, Thermal::Critical];

/// The threads are the process's, so tests that say how many there are come one after another.
fn turn() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

fn engine() -> Engine {
    Engine::open(path("models/smolvlm")).expect("engine")
}

fn hot(thermal: Thermal) -> Conditions {
    Conditions { thermal, ..Conditions::default() }
}

fn caller(app: Option<&str>, priority: Priority) -> Caller {
    Caller { app: app.map(Arc::from), priority, ..Caller::default() }
}

fn request(caller: Caller, tokens: usize) -> Request {
    let options = GenerateOptions { max_tokens: tokens, caller, ..GenerateOptions::default() };
    Request::new((3..90).collect::<Vec<u32>>(), None, options)
}

fn ask(engine: &Engine, app: Option<&str>, priority: Priority) -> Result<Generated> {
    engine.generate(request(caller(app, priority), 8), &mut String::new())
}

/// Why a background request of the app is not taken, and when it may come back.
fn refusal(engine: &Engine, app: &str) -> (String, u64) {
    let error = ask(engine, Some(app), Priority::Background).map(|_| ()).expect_err("spared");
    let Error::Refused { limit, retry_after_ms, .. } = error else { panic!("{error}") };
    (limit, retry_after_ms)
}

#[test]
fn background_work_is_refused_on_a_hot_device_and_taken_when_it_has_cooled() {
    let _turn = turn();
    let engine = engine();
    assert_eq!(engine.conditions(), Conditions::default());
    engine.set_conditions(hot(Thermal::Fair));
    ask(&engine, Some("photos"), Priority::Background).expect("fair is fair");
    engine.set_conditions(hot(Thermal::Serious));
    let reason = "background requests, none while the device's thermal state is serious";
    assert_eq!(refusal(&engine, "photos"), (reason.to_owned(), 60_000));
    // Also encoders, and whoever holds the engine itself.
    assert!(engine.turn(&caller(Some("photos"), Priority::Background)).is_err());
    assert!(ask(&engine, None, Priority::Background).is_err());
    for priority in [Priority::Interactive, Priority::Normal] {
        ask(&engine, Some("photos"), priority).expect("somebody waits for it");
        drop(engine.turn(&caller(Some("photos"), priority)).expect("a turn"));
    }
    assert_eq!(engine.policy().delegates, Preference::Delegate);
    let status = engine.status();
    assert_eq!(status.conditions, hot(Thermal::Serious));
    let photos = status.apps.iter().find(|app| app.app.as_deref() == Some("photos")).expect("counted");
    assert_eq!(photos.counters.refused, 2);
    engine.set_conditions(Conditions::default());
    ask(&engine, Some("photos"), Priority::Background).expect("it has cooled");
}

#[test]
fn background_work_is_refused_while_power_is_short() {
    let _turn = turn();
    let engine = engine();
    let powered = |percent, supply, saver| {
        let battery = Battery { percent: Some(percent), supply, saver };
        engine.set_conditions(Conditions { battery, ..Conditions::default() });
    };
    powered(14, Supply::Battery, Saver::Off);
    assert_eq!(refusal(&engine, "photos").0, "background requests, none while the device's charge is 14 %");
    powered(14, Supply::Mains, Saver::Off);
    ask(&engine, Some("photos"), Priority::Background).expect("it charges");
    powered(80, Supply::Battery, Saver::On);
    assert_eq!(refusal(&engine, "photos").0, "background requests, none while the device saves power");
}

#[test]
fn threads_follow_the_strictest_engine_that_is_open() {
    let _turn = turn();
    let all = threads();
    let (first, second) = (engine(), engine());
    first.set_conditions(hot(Thermal::Serious));
    assert_eq!(threads(), Allowance::Half.of(all));
    second.set_conditions(hot(Thermal::Critical));
    assert_eq!(threads(), 1);
    drop(second);
    assert_eq!(threads(), Allowance::Half.of(all));
    first.set_conditions(hot(Thermal::Fair));
    assert_eq!(threads(), all);
}

/// Says other conditions before each piece of text.
struct Weather<'a> {
    engine: &'a Engine,
    text: String,
    pieces: usize,
}

impl Sink for Weather<'_> {
    fn event(&mut self, event: Event<'_>) -> Result<ControlFlow<()>> {
        if let Event::Text(text) = event {
            self.engine.set_conditions(hot(ALL[self.pieces % ALL.len()]));
            self.text.push_str(text);
            self.pieces += 1;
        }
        Ok(ControlFlow::Continue(()))
    }
}

#[test]
fn what_is_generated_is_the_same_under_all_conditions() {
    let _turn = turn();
    let engine = engine();
    let wish = || request(caller(Some("mail"), Priority::Normal), 60);
    let mut expected = String::new();
    let tokens = engine.generate(wish(), &mut expected).expect("ran").generated;
    for thermal in ALL {
        engine.set_conditions(hot(thermal));
        let mut text = String::new();
        assert_eq!(engine.generate(wish(), &mut text).expect("ran").generated, tokens, "{thermal}");
        assert_eq!(text, expected, "{thermal}");
    }
    engine.set_conditions(Conditions::default());
    // One that nobody waits for goes on, whatever becomes of the device.
    let mut weather = Weather { engine: &engine, text: String::new(), pieces: 0 };
    let background = request(caller(Some("mail"), Priority::Background), 60);
    let generated = engine.generate(background, &mut weather).expect("it was taken").generated;
    assert_eq!((generated, weather.text), (tokens, expected));
    assert!(weather.pieces > ALL.len(), "{} pieces", weather.pieces);
}

#[test]
fn numbers_are_the_same_bits_on_any_number_of_threads() {
    let _turn = turn();
    let engine = engine();
    let model = engine.language().expect("model");
    let tokens: Vec<u32> = (3..200).collect();
    let bits = || model.perplexity(&tokens, None).expect("ran").perplexity.to_bits();
    let expected = bits();
    for thermal in ALL {
        engine.set_conditions(hot(thermal));
        assert_eq!(bits(), expected, "{thermal}");
    }
}
