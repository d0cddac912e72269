//! A running sensor.

use std::sync::Arc;

use crate::error::LoamError;
use crate::input::{doubles, floats};
use crate::results::Sensed;

/// Tells what a device's motion means, window by window, from samples as they come.
#[derive(Debug, uniffi::Object)]
pub struct Sensor {
    inner: loam_service::Sensor,
}

impl Sensor {
    pub(crate) fn new(inner: loam_service::Sensor) -> Arc<Self> {
        Arc::new(Self { inner })
    }
}

#[uniffi::export]
impl Sensor {
    /// Length of a window in seconds.
    pub fn window_seconds(&self) -> f64 {
        self.inner.window_seconds()
    }

    /// Takes samples, f32 in the order of the source's layout, and their times, f64 seconds, or no byte where they are
    /// evenly spaced. Returns the results of the windows that they complete.
    ///
    /// # Errors
    /// [`LoamError::Argument`] for bytes that are no whole samples, and for gaps that the repair does not allow; after a
    /// gap call [`Sensor::restart`] and push again.
    pub fn push(&self, samples: &[u8], timestamps: &[u8]) -> std::result::Result<Vec<Sensed>, LoamError> {
        let samples = floats("samples", samples)?;
        let times = doubles("timestamps", timestamps)?;
        let times = (!times.is_empty()).then_some(&times[..]);
        Ok(self.inner.push(&samples, times)?.into_iter().map(Into::into).collect())
    }

    /// Forgets the samples at hand: a new stream begins.
    ///
    /// # Errors
    /// [`LoamError::Lost`], and those of the connection to a service.
    pub fn restart(&self) -> std::result::Result<(), LoamError> {
        Ok(self.inner.restart()?)
    }
}
