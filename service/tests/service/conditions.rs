//! What the device is like is said by whoever has the engine, and holds for all apps.

use loam::dispatch::{Conditions, Thermal};
use loam::engine::{EngineOptions, Priority};
use loam_service::{App, Engine, Error, GenerateOptions, Limits, Result};

use crate::support::{Keeper, Served, ended, foundation, tokens};

fn hot() -> Conditions {
    Conditions { thermal: Thermal::Serious, ..Conditions::default() }
}

fn ask(app: &App, priority: Priority) -> Result<()> {
    ended(&app.generate("The cat", GenerateOptions { priority, ..tokens(8) }, None, Keeper::new()))
}

fn spares_the_device(app: &App) {
    match ask(app, Priority::Background) {
        Err(Error::Refused { retry_after_ms, reason, .. }) => {
            assert!(retry_after_ms == 60_000 && reason.contains("thermal state is serious"), "{reason}");
        }
        other => panic!("{other:?}"),
    }
    ask(app, Priority::Normal).expect("somebody waits for it");
}

#[test]
fn who_opens_an_engine_says_how_hot_the_device_is() {
    let engine = Engine::open(foundation(), EngineOptions::default()).expect("opened");
    let app = engine.attach("photos").expect("attached");
    engine.set_conditions(hot()).expect("said");
    assert_eq!(engine.status().expect("status").conditions, hot());
    spares_the_device(&app);
    engine.set_conditions(Conditions::default()).expect("said");
    ask(&app, Priority::Background).expect("it has cooled");
}

#[test]
fn a_client_hears_of_them_and_cannot_say_them() {
    let served = Served::new(Limits::default());
    let engine = served.connect();
    let app = engine.attach("photos").expect("attached");
    served.server.engine().set_conditions(hot());
    // It is the user that runs the service, who may do all else.
    assert_eq!(engine.status().expect("status").conditions, hot());
    let error = engine.set_conditions(Conditions::default());
    assert!(matches!(&error, Err(Error::Unsupported { what, .. }) if what == "conditions"), "{error:?}");
    spares_the_device(&app);
    served.server.engine().set_conditions(Conditions::default());
    ask(&app, Priority::Background).expect("it has cooled");
}
