//! The daemon where the system has no sealed memory or tells nobody's identity.

use std::io::Write;
use std::process::ExitCode;

/// Says so.
pub fn main() -> ExitCode {
    let _ = writeln!(std::io::stderr().lock(), "loamd: only Linux and Android have what a service needs");
    ExitCode::from(5)
}
