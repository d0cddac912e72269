//! Where log records go: the platform's own log, or a sink of the app.

#[cfg(target_os = "android")]
#[path = "android.rs"]
mod target;
#[cfg(target_vendor = "apple")]
#[path = "apple.rs"]
mod target;
#[cfg(not(any(target_os = "android", target_vendor = "apple")))]
#[path = "stderr.rs"]
mod target;

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, PoisonError, RwLock};

use log::{LevelFilter, Log, Metadata, Record};
use once_cell::sync::OnceCell;

use crate::error::{LoamError, Result};
use target::Platform;

/// How much is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum LogLevel {
    /// Nothing.
    Off,
    /// Failures.
    Error,
    /// What may surprise, such as a text that was cut.
    Warn,
    /// Components that are loaded and dropped.
    Info,
    /// Details for a developer of the app.
    Debug,
    /// Everything.
    Trace,
}

impl LogLevel {
    fn filter(self) -> LevelFilter {
        match self {
            Self::Off => LevelFilter::Off,
            Self::Error => LevelFilter::Error,
            Self::Warn => LevelFilter::Warn,
            Self::Info => LevelFilter::Info,
            Self::Debug => LevelFilter::Debug,
            Self::Trace => LevelFilter::Trace,
        }
    }

    fn of(level: log::Level) -> Self {
        match level {
            log::Level::Error => Self::Error,
            log::Level::Warn => Self::Warn,
            log::Level::Info => Self::Info,
            log::Level::Debug => Self::Debug,
            log::Level::Trace => Self::Trace,
        }
    }
}

/// Receives log records, from any thread.
#[uniffi::export(foreign)]
pub trait LogSink: Send + Sync {
    /// Takes one record. What it logs itself is dropped, and it cannot change where records go.
    ///
    /// # Errors
    /// An exception is dropped: there is nowhere to log it.
    fn record(&self, level: LogLevel, target: String, message: String) -> std::result::Result<(), LoamError>;
}

enum Destination {
    Platform(Platform),
    Sink(Arc<dyn LogSink>),
}

struct Logger {
    destination: RwLock<Destination>,
}

static LOGGER: OnceCell<Logger> = OnceCell::new();
/// Another logger of the process was there before ours.
static REFUSED: AtomicBool = AtomicBool::new(false);

thread_local! {
    /// A sink is called on this thread: what it logs is dropped, and it may not change where records go.
    static IN_SINK: Cell<bool> = const { Cell::new(false) };
}

impl Log for Logger {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.level() <= log::max_level()
    }

    fn log(&self, record: &Record<'_>) {
        if IN_SINK.get() {
            return;
        }
        let destination = self.destination.read().unwrap_or_else(PoisonError::into_inner);
        // It may have become quieter since, and another destination.
        if !self.enabled(record.metadata()) {
            return;
        }
        match &*destination {
            Destination::Platform(platform) => platform.log(record),
            Destination::Sink(sink) => {
                let (level, target) = (LogLevel::of(record.level()), record.target().to_owned());
                let told = || sink.record(level, target, record.args().to_string());
                IN_SINK.set(true);
                let _ = catch_unwind(AssertUnwindSafe(told));
                IN_SINK.set(false);
            }
        }
    }

    fn flush(&self) {}
}

fn log_into(destination: Destination, level: LogLevel) -> Result<()> {
    if IN_SINK.get() {
        return Err(unsupported("a sink cannot change where records go".to_owned()));
    }
    if REFUSED.load(Ordering::Relaxed) {
        return Err(unsupported("another logger of this process came first".to_owned()));
    }
    let mut destination = Some(destination);
    let logger = LOGGER.get_or_try_init(|| {
        let destination = destination.take().expect("invariant: it is taken once");
        Ok::<_, LoamError>(Logger { destination: RwLock::new(destination) })
    })?;
    if let Some(destination) = destination {
        let mut current = logger.destination.write().unwrap_or_else(PoisonError::into_inner);
        log::set_max_level(level.filter());
        *current = destination;
        return Ok(());
    } else {
        log::set_logger(logger).map_err(|error| {
            REFUSED.store(true, Ordering::Relaxed);
            unsupported(format!("another logger of this process came first: {error}"))
        })?;
    }
    log::set_max_level(level.filter());
    Ok(())
}

fn unsupported(reason: String) -> LoamError {
    LoamError::Unsupported { what: "logging".to_owned(), reason }
}

/// Logs to the platform's own log: logcat on Android, the unified log on Apple's systems, standard error elsewhere. Nothing
/// is logged before this or [`log_to`] is called; the last call counts.
///
/// # Errors
/// [`LoamError::Unsupported`] when other Rust code of the process has set a logger, and from within a sink.
#[uniffi::export]
pub fn log_to_platform(level: LogLevel) -> std::result::Result<(), LoamError> {
    log_into(Destination::Platform(Platform::new()), level)
}

/// Logs to `sink`.
///
/// # Errors
/// As [`log_to_platform`].
#[uniffi::export]
pub fn log_to(level: LogLevel, sink: Arc<dyn LogSink>) -> std::result::Result<(), LoamError> {
    log_into(Destination::Sink(sink), level)
}
