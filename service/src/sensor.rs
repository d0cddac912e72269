//! A running sensor.

use std::sync::Arc;

use loam::task::Sensed;

use crate::call::{Call, Opened, Reply, Thing};
use crate::error::Result;
use crate::event::Silence;
use crate::performer::{Performer, reply_of};

/// Tells what a device's motion means, window by window, from samples as they come.
#[derive(Debug)]
pub struct Sensor {
    performer: Arc<dyn Performer>,
    opened: Opened,
    window_seconds: f64,
}

impl Sensor {
    pub(crate) fn new(performer: Arc<dyn Performer>, opened: Opened, window_seconds: f64) -> Self {
        Self { performer, opened, window_seconds }
    }

    /// Length of a window in seconds.
    #[must_use]
    pub fn window_seconds(&self) -> f64 {
        self.window_seconds
    }

    /// Takes samples in the order of the source's layout, and their times in seconds, or none where they are evenly spaced.
    /// Returns the results of the windows that they complete.
    ///
    /// # Errors
    /// [`crate::Error::Argument`] for values that are no whole samples, and for gaps that the repair does not allow; after
    /// a gap call [`Sensor::restart`] and push again.
    pub fn push(&self, samples: &[f32], timestamps: Option<&[f64]>) -> Result<Vec<Sensed>> {
        let times = timestamps.map(<[f64]>::to_vec);
        let call = Call::PushMotion { sensor: self.opened, samples: samples.to_vec(), times };
        Ok(reply_of!(self.performer, &mut Silence::default(), call, Reply::Sensed(results) => results))
    }

    /// Forgets the samples at hand: a new stream begins.
    ///
    /// # Errors
    /// [`crate::Error::Lost`] and those of the connection.
    pub fn restart(&self) -> Result<()> {
        let call = Call::RestartSensor { sensor: self.opened };
        reply_of!(self.performer, &mut Silence::default(), call, Reply::Done => ());
        Ok(())
    }
}

impl Drop for Sensor {
    fn drop(&mut self) {
        self.performer.release(Thing::Sensor(self.opened));
    }
}
