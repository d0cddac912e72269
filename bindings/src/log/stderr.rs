//! Standard error, where there is no better log.

use std::io::Write;

/// Standard error.
pub(super) struct Platform;

impl Platform {
    pub(super) fn new() -> Self {
        Self
    }

    pub(super) fn log(&self, record: &log::Record<'_>) {
        // A closed standard error is no reason to fail.
        let _ = writeln!(std::io::stderr().lock(), "{:5} {}: {}", record.level(), record.target(), record.args());
    }
}
