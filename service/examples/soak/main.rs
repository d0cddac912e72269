//! Hours of many apps in minutes: a real `loamd` under a random mix of everything, and whether it stays as it was.
//!
//! `cargo run --release --package loam-service --example soak -- LOAMD FOUNDATION ADAPTERS [SECONDS]`: four apps with six
//! adapters ask, stop, replace adapters, save and restore conversations, come and go. Every answer must be the one that an engine
//! of this process gave to the same question alone. Memory of the service, after a fifth of the time, must not grow by more than
//! 1 %. Prints a line a minute and one JSON object at the end; exit code 1 where something does not hold.

mod client;
mod question;

use std::path::PathBuf;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use loam_service::Engine;

use client::Client;
use question::Questions;

type Failure = Box<dyn std::error::Error + Send + Sync>;

const APPS: [&str; 4] = ["mail", "notes", "photos", "maps"];
/// Clients of each app.
const CLIENTS: usize = 2;
/// Most that memory may grow, in percent.
const GROWTH: f64 = 1.0;
/// Between two looks at memory.
const PERIOD: Duration = Duration::from_millis(500);

/// What all clients have done.
#[derive(Debug, Default)]
struct Tally {
    asked: AtomicU64,
    stopped: AtomicU64,
    replaced: AtomicU64,
    restored: AtomicU64,
    refused: AtomicU64,
    reconnected: AtomicU64,
    wrong: Mutex<Vec<String>>,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("soak: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool, Failure> {
    let mut args = std::env::args_os().skip(1);
    let mut path = |what: &str| args.next().map(PathBuf::from).ok_or(format!("soak: {what} is missing"));
    let (loamd, foundation, adapters) = (path("loamd")?, path("the foundation")?, path("the folder of adapters")?);
    let seconds: u64 = match args.next() {
        Some(text) => text.to_string_lossy().parse()?,
        None => 600,
    };
    println!("answers of one app alone ...");
    let questions = Arc::new(Questions::ask(&foundation, &adapters)?);
    let dir = std::env::temp_dir().join(format!("loam-soak-{}", std::process::id()));
    std::fs::create_dir(&dir)?;
    let socket = dir.join("socket");
    let mut service = Service(
        Command::new(loamd)
            .arg("--foundation")
            .arg(&foundation)
            .arg("--socket")
            .arg(&socket)
            .arg("--state")
            .arg(dir.join("state"))
            .stdout(Stdio::null())
            .spawn()?,
    );
    let begin = Instant::now();
    while Engine::connect(&socket).is_err() {
        if begin.elapsed() > Duration::from_secs(30) {
            return Err("loamd does not answer".into());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    let (tally, over) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
    let clients: Vec<_> = (0..APPS.len() * CLIENTS)
        .map(|number| {
            let client = Client::new(number, APPS[number % APPS.len()], &socket, &dir, &questions, &tally, &over);
            std::thread::spawn(move || client.live())
        })
        .collect();
    let memory = watch(&mut service.0, Duration::from_secs(seconds), &tally)?;
    over.store(true, Ordering::Relaxed);
    for client in clients {
        client.join().map_err(|_| "a client panicked")??;
    }
    let status = Engine::connect(&socket)?.status()?;
    drop(service);
    std::fs::remove_dir_all(&dir)?;
    report(&memory, &tally, seconds, &status)
}

/// The service, ended with this.
struct Service(Child);

impl Drop for Service {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Resident memory of the service in KiB, all of it and what is anonymous, from time to time.
fn watch(service: &mut Child, length: Duration, tally: &Tally) -> Result<Vec<(u64, u64)>, Failure> {
    let (begin, mut told) = (Instant::now(), 0);
    let mut memory = Vec::new();
    while begin.elapsed() < length {
        std::thread::sleep(PERIOD);
        if let Some(status) = service.try_wait()? {
            return Err(format!("loamd ended: {status}").into());
        }
        let text = std::fs::read_to_string(format!("/proc/{}/status", service.id()))?;
        let kib = |field: &str| -> Option<u64> {
            text.lines().find(|line| line.starts_with(field))?.split_whitespace().nth(1)?.parse().ok()
        };
        let now = (kib("VmRSS:").ok_or("no VmRSS")?, kib("RssAnon:").ok_or("no RssAnon")?);
        memory.push(now);
        let minutes = begin.elapsed().as_secs() / 60;
        if minutes > told {
            told = minutes;
            let (asked, wrong) =
                (tally.asked.load(Ordering::Relaxed), tally.wrong.lock().map_or(0, |wrong| wrong.len()));
            println!("{minutes} min: {asked} answers, {wrong} wrong, {} MiB, {} anonymous", now.0 >> 10, now.1 >> 10);
        }
    }
    Ok(memory)
}

fn median(values: impl Iterator<Item = u64>) -> f64 {
    let mut sorted: Vec<u64> = values.collect();
    sorted.sort_unstable();
    sorted.get(sorted.len() / 2).copied().unwrap_or_default() as f64
}

fn report(
    memory: &[(u64, u64)],
    tally: &Tally,
    seconds: u64,
    status: &loam::engine::EngineStatus,
) -> Result<bool, Failure> {
    // The first fifth warms up; then the second fifth is compared with the last.
    let fifth = memory.len() / 5;
    let growth = |of: fn(&(u64, u64)) -> u64| {
        let part = |from: usize| median(memory[from..from + fifth].iter().map(of));
        let (before, after) = (part(fifth), part(memory.len() - fifth));
        (before / 1024.0, after / 1024.0, (after / before - 1.0) * 100.0)
    };
    if fifth == 0 {
        return Err("too short to tell anything of memory".into());
    }
    let (whole, anonymous) = (growth(|now| now.0), growth(|now| now.1));
    let wrong = tally.wrong.lock().map_err(|_| "a client panicked")?.clone();
    let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
    println!(
        "{}",
        serde_json::json!({
            "seconds": seconds, "answers": count(&tally.asked), "wrong": wrong.len(), "stopped": count(&tally.stopped),
            "replaced": count(&tally.replaced), "restored": count(&tally.restored), "refused": count(&tally.refused),
            "reconnected": count(&tally.reconnected),
            "rss_mib": { "before": whole.0, "after": whole.1, "growth_percent": whole.2 },
            "anonymous_mib": { "before": anonymous.0, "after": anonymous.1, "growth_percent": anonymous.2 },
            "passes": status.steps, "preempted": status.apps.iter().map(|app| app.counters.preempted).sum::<u64>(),
        })
    );
    wrong.iter().take(10).for_each(|line| eprintln!("wrong: {line}"));
    if status.running + status.waiting > 0 {
        eprintln!("{} requests still run and {} wait, of nobody", status.running, status.waiting);
        return Ok(false);
    }
    if whole.2 > GROWTH {
        eprintln!("memory grew by {:.2} %, the limit is {GROWTH} %", whole.2);
    }
    Ok(wrong.is_empty() && whole.2 <= GROWTH)
}
