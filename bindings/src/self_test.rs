//! Defects on purpose, by which packages test that a panic reaches their language as an exception.

use std::ops::ControlFlow;
use std::sync::Arc;

use crate::app::App;
use crate::error::LoamError;
use crate::event::{self, EventSink};
use crate::handle::TaskHandle;

/// Panics on the caller's thread. Every language throws its internal error, and the engine goes on.
///
/// # Errors
/// None: it has a result so that Swift, where a call without one cannot throw, throws too.
#[uniffi::export]
pub fn provoke_panic() -> std::result::Result<(), LoamError> {
    panic!("provoked on the caller's thread");
}

/// Panics where a stream would report, and reports the failure that becomes of it.
struct Panicking(Arc<dyn loam_service::EventSink>);

impl loam_service::EventSink for Panicking {
    fn on_event(&self, event: loam_service::Event) -> loam_service::Result<ControlFlow<()>> {
        match event {
            failed @ loam_service::Event::Failed { .. } => self.0.on_event(failed),
            _ => panic!("provoked on a worker thread"),
        }
    }
}

/// Panics in the middle of a stream of the language model, which fails with [`crate::LoamError::Internal`].
#[uniffi::export]
pub fn provoke_panic_in_worker(app: Arc<App>, sink: Arc<dyn EventSink>) -> Arc<TaskHandle> {
    let options = loam_service::GenerateOptions { max_tokens: 8, ..loam_service::GenerateOptions::default() };
    let sink = Arc::new(Panicking(event::service(sink)));
    TaskHandle::new(app.inner.generate("The", options, None, sink))
}
