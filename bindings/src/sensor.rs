//! A running sensor.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use loam::task;

use crate::error::{LoamError, Result};
use crate::input::{ImuSource, Repair, doubles, floats};
use crate::results::Sensed;

/// Tells what a device's motion means, window by window, from samples as they come.
#[derive(Debug, uniffi::Object)]
pub struct Sensor {
    inner: Mutex<task::Sensor<Arc<loam::Engine>>>,
}

impl Sensor {
    pub(crate) fn begin(
        engine: &Arc<loam::Engine>,
        source: ImuSource,
        repair: Repair,
        hop_seconds: Option<f64>,
        options: task::ClassifyOptions,
    ) -> Result<Arc<Self>> {
        let hop = match hop_seconds {
            Some(hop) => hop,
            None => engine.window_seconds(&options)?,
        };
        let inner = task::Sensor::new(Arc::clone(engine), source.core(), repair.core(), hop, options)?;
        Ok(Arc::new(Self { inner: Mutex::new(inner) }))
    }

    fn inner(&self) -> MutexGuard<'_, task::Sensor<Arc<loam::Engine>>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[uniffi::export]
impl Sensor {
    /// Length of a window in seconds.
    pub fn window_seconds(&self) -> f64 {
        self.inner().window_seconds()
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
        Ok(self.inner().push(&samples, times)?.into_iter().map(Into::into).collect())
    }

    /// Forgets the samples at hand: a new stream begins.
    pub fn restart(&self) {
        self.inner().restart();
    }
}
