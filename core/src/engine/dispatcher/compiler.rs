//! The process that compiles, with a time limit.

use std::io::Read;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::dispatch::{Preparation, REFUSED, Reason};

/// How often the process is looked at.
const POLL: Duration = Duration::from_millis(20);
/// What is kept of its words.
const MAX_WORDS: u64 = 64 << 10;

/// Compiles `component` for `backend`; ends the process after its time, and when `is_closed` says so.
///
/// # Errors
/// [`Reason::Unavailable`] for a program that cannot be started, [`Reason::Crashed`], [`Reason::TookTooLong`],
/// [`Reason::Refused`] with the last line of what it said, or [`Reason::Failed`] where it was not the backend that refused.
pub(super) fn compile(
    preparation: &Preparation,
    component: &str,
    backend: &str,
    is_closed: &dyn Fn() -> bool,
) -> Result<(), Reason> {
    // A file and not a pipe: nobody reads while it runs.
    let words = tempfile::tempfile().map_err(|e| Reason::Failed(e.to_string()))?;
    let stderr = words.try_clone().map_err(|e| Reason::Failed(e.to_string()))?;
    // Its standard input is a pipe that is never written to, and ends when this process does, however that ends.
    let mut command = Command::new(&preparation.program);
    command.args(&preparation.arguments).args(["--component", component, "--target", backend]);
    command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(stderr);
    let unavailable = |e: std::io::Error| Reason::Unavailable(format!("{}: {e}", preparation.program.display()));
    let mut child = command.spawn().map_err(unavailable)?;
    let end = Instant::now() + preparation.limit;
    loop {
        match child.try_wait() {
            Ok(Some(status)) => return ended(status, words),
            Ok(None) if is_closed() => {
                kill(&mut child);
                return Err(Reason::Compiling);
            }
            Ok(None) if Instant::now() >= end => {
                kill(&mut child);
                return Err(Reason::TookTooLong { seconds: preparation.limit.as_secs() });
            }
            Ok(None) => sleep(POLL),
            Err(e) => {
                kill(&mut child);
                return Err(Reason::Failed(e.to_string()));
            }
        }
    }
}

fn kill(child: &mut Child) {
    // It may have ended meanwhile.
    let _ = child.kill();
    let _ = child.wait();
}

fn ended(status: ExitStatus, mut words: std::fs::File) -> Result<(), Reason> {
    use std::io::Seek;
    if status.success() {
        return Ok(());
    }
    let mut text = Vec::new();
    let start = words.metadata().map_or(0, |data| data.len()).saturating_sub(MAX_WORDS);
    let read = words.seek(std::io::SeekFrom::Start(start)).and_then(|_| words.take(MAX_WORDS).read_to_end(&mut text));
    let text = read.map(|_| String::from_utf8_lossy(&text).into_owned()).unwrap_or_default();
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().trim().to_owned();
    match status.code() {
        Some(REFUSED) => Err(Reason::Refused(last)),
        Some(_) => Err(Reason::Failed(format!("{last} ({status})"))),
        None => Err(Reason::Crashed(status.to_string())),
    }
}
