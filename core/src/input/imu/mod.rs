//! Accelerometer and gyroscope: what a sensor gave, and what a network reads.
//!
//! A [`ImuWindow`] says in which units, frame and gravity convention it was recorded ([`ImuSource`]); an [`ImuConfig`]
//! belongs to a tower and says what it was trained on. Nothing is guessed: what cannot be converted is refused.
//!
//! The common frame is Android's: x to the right of the screen, y up, z out of it; the accelerometer measures specific
//! force, so that a device that lies on its back reads +9.81 m/s^2 in z.

mod axes;
mod config;
mod prepare;
mod rate;
mod repair;
mod stream;
mod units;
mod window;

pub use axes::{Axes, Axis, Sign};
pub use config::{ImuConfig, LongWindow, ShortWindow};
pub use repair::Repair;
pub use stream::ImuStream;
pub use units::{Acceleration, AngularRate, Gravity, ImuLayout};
pub use window::{ImuSource, ImuWindow};
