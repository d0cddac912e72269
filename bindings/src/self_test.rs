//! Defects on purpose, by which packages test that a panic reaches their language as an exception.

use std::sync::Arc;

use crate::app::App;
use crate::error::LoamError;
use crate::event::{EventSink, stream};
use crate::handle::TaskHandle;

/// Panics on the caller's thread. Every language throws its internal error, and the engine goes on.
///
/// # Errors
/// None: it has a result so that Swift, where a call without one cannot throw, throws too.
#[uniffi::export]
pub fn provoke_panic() -> std::result::Result<(), LoamError> {
    panic!("provoked on the caller's thread");
}

/// Panics in the middle of a stream, which fails with [`crate::LoamError::Internal`].
#[uniffi::export]
pub fn provoke_panic_in_worker(app: Arc<App>, sink: Arc<dyn EventSink>) -> Arc<TaskHandle> {
    stream(&app.workers, sink, |_| panic!("provoked on a worker thread"))
}
