//! A stream that runs on a worker thread.

use std::sync::Arc;

use crate::error::LoamError;

/// A running stream. Dropping the handle does not stop it: call [`TaskHandle::stop`].
#[derive(Debug, uniffi::Object)]
pub struct TaskHandle {
    inner: Arc<loam_service::TaskHandle>,
}

impl TaskHandle {
    pub(crate) fn new(inner: Arc<loam_service::TaskHandle>) -> Arc<Self> {
        Arc::new(Self { inner })
    }
}

#[uniffi::export]
impl TaskHandle {
    /// Stops it before its next token, also while it waits for other streams; what was generated until then stays. The sink
    /// still gets the event that ends the stream. Returns at once, and may be called any number of times, from any thread and from the sink.
    pub fn stop(&self) {
        self.inner.stop();
    }

    /// Whether nothing of it runs any more; its last event was delivered then.
    pub fn is_finished(&self) -> bool {
        self.inner.is_finished()
    }

    /// Blocks until it has ended. Never call it from the sink.
    ///
    /// # Errors
    /// What it failed with: [`LoamError::Callback`] where the sink threw.
    pub fn wait(&self) -> std::result::Result<(), LoamError> {
        Ok(self.inner.wait()?)
    }
}
