//! The unified log of Apple's systems, under the subsystem `dev.loam`.

use oslog::{Level, OsLog};

/// The unified log.
pub(super) struct Platform(OsLog);

impl Platform {
    pub(super) fn new() -> Self {
        Self(OsLog::new("dev.loam", "engine"))
    }

    pub(super) fn log(&self, record: &log::Record<'_>) {
        let level = match record.level() {
            log::Level::Error => Level::Error,
            // The system has no level between notices and errors; a notice is kept.
            log::Level::Warn => Level::Default,
            log::Level::Info => Level::Info,
            log::Level::Debug | log::Level::Trace => Level::Debug,
        };
        self.0.with_level(level, &format!("{}: {}", record.target(), record.args()));
    }
}
