//! What it costs that the engine is in another process.
//!
//! `cargo run --release --package loam-service --example overhead -- FOUNDATION`: medians of calls and streams here, and of
//! the same through a socket to a server on other threads of this process, whose memory and threads are those of a service.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use loam::input::{Audio, Channels, Image, PixelLayout, SampleRate};
use loam_service::{App, ClassifyOptions, Engine, Event, GenerateOptions, Limits, Listener, Result, Server};

type Failure = Box<dyn std::error::Error>;

fn main() -> std::result::Result<(), Failure> {
    let foundation = std::env::args().nth(1).ok_or("usage: overhead FOUNDATION")?;
    let core = Arc::new(loam::Engine::open(foundation)?);
    let dir = std::env::temp_dir().join(format!("loam-overhead-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let server = Server::open(Arc::clone(&core), dir.join("state"), Limits::default())?;
    let listener = Arc::new(Listener::bind(dir.join("socket"), 0o600, None)?);
    let accepting = Arc::clone(&listener);
    let serving = std::thread::spawn(move || accepting.serve(&server));
    let (near, far) = (Engine::new(core), Engine::connect(dir.join("socket"))?);
    let (near, far) = (near.attach("overhead")?, far.attach("overhead")?);
    println!("{:32} {:>12} {:>12}", "", "here", "far");
    compare("list no adapters", &near, &far, 2000, |app| app.adapters().map(drop));
    compare("embed a sentence", &near, &far, 200, |app| app.embed("A cat sleeps on the mat.", None, None).map(drop));
    compare("64 tokens", &near, &far, 9, |app| generate(app, 64));
    compare("refuse 36 MB of pixels", &near, &far, 9, |app| {
        let image = picture(4000, 3000)?;
        // A label is missing: what remains is the way there.
        let _ = app.classify(image, ClassifyOptions::default(), None);
        Ok(())
    });
    compare("refuse 3.8 MB of sound", &near, &far, 30, |app| {
        let audio = Audio::from_f32(&vec![0.25; 960_000], Channels::MONO, SampleRate::SPEECH)?;
        let _ = app.classify(audio, ClassifyOptions::default(), None);
        Ok(())
    });
    drop((near, far));
    listener.end();
    serving.join().map_err(|_| "the server panicked")??;
    Ok(std::fs::remove_dir_all(dir)?)
}

fn picture(width: usize, height: usize) -> Result<Image> {
    Ok(Image::from_pixels(&vec![127; width * height * 3], PixelLayout::Rgb, width, height)?)
}

fn generate(app: &App, count: u32) -> Result<()> {
    let options = GenerateOptions { max_tokens: count, ..GenerateOptions::default() };
    let sink = Arc::new(|_: Event| Ok(ControlFlow::Continue(())));
    app.generate("The history of the sea begins with", options, None, sink).wait()
}

fn compare(name: &str, near: &App, far: &App, rounds: usize, call: impl Fn(&App) -> Result<()>) {
    let (mut here, mut there) = (Vec::new(), Vec::new());
    for _ in 0..rounds {
        // In turns, so that both have the same weather.
        for (app, times) in [(near, &mut here), (far, &mut there)] {
            let begin = Instant::now();
            if let Err(error) = call(app) {
                return println!("{name:32} {error}");
            }
            times.push(begin.elapsed());
        }
    }
    println!("{name:32} {:>12.2?} {:>12.2?}", median(here), median(there));
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}
