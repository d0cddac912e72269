//! `loam pull` and `loam foundation` from outside: the real program against an index on this machine that is slow, broken or hostile.

mod build;
mod fixture;
mod outcome;
mod refusal;
mod server;
mod shelf;
mod transfer;

use fixture::text;
use server::Asked;

/// The exit code of a program that was not killed.
fn code(output: &std::process::Output) -> i32 {
    output.status.code().unwrap_or_else(|| panic!("ended by a signal: {}", text(&output.stderr)))
}

/// Where the requested ranges began.
fn starts(asked: &[Asked]) -> Vec<Option<usize>> {
    asked.iter().map(|asked| asked.from).collect()
}
