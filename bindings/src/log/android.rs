//! Logcat, under the tag `loam`.

use android_logger::{AndroidLogger, Config};
use log::Log;

/// Logcat.
pub(super) struct Platform(AndroidLogger);

impl Platform {
    pub(super) fn new() -> Self {
        // The global level filters before this does.
        Self(AndroidLogger::new(Config::default().with_tag("loam").with_max_level(log::LevelFilter::Trace)))
    }

    pub(super) fn log(&self, record: &log::Record<'_>) {
        self.0.log(record);
    }
}
