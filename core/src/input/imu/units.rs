//! Units and conventions of sensors.

use serde::{Deserialize, Serialize};

/// Standard gravity in m/s^2 (CGPM 1901).
const STANDARD_GRAVITY: f64 = 9.806_65;

/// Unit of an accelerometer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Acceleration {
    /// m/s^2, as Android gives it.
    #[serde(rename = "m/s^2")]
    MetersPerSecondSquared,
    /// Multiples of 9.80665 m/s^2, as iOS gives it.
    #[serde(rename = "g")]
    G,
}

impl Acceleration {
    /// What a value in this unit is multiplied by to be in another.
    pub(super) fn factor(self, to: Self) -> f64 {
        let meters = |unit| match unit {
            Self::MetersPerSecondSquared => 1.0,
            Self::G => STANDARD_GRAVITY,
        };
        meters(self) / meters(to)
    }
}

/// Unit of a gyroscope.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum AngularRate {
    /// Radians per second, as Android and iOS give it.
    #[serde(rename = "rad/s")]
    RadiansPerSecond,
    /// Degrees per second, as many data sets and bare sensors give it.
    #[serde(rename = "deg/s")]
    DegreesPerSecond,
}

impl AngularRate {
    /// What a value in this unit is multiplied by to be in another.
    pub(super) fn factor(self, to: Self) -> f64 {
        let radians = |unit| match unit {
            Self::RadiansPerSecond => 1.0,
            Self::DegreesPerSecond => std::f64::consts::PI / 180.0,
        };
        radians(self) / radians(to)
    }
}

/// Whether acceleration holds gravity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gravity {
    /// As a sensor measures it: Android's `TYPE_ACCELEROMETER`, iOS's accelerometer data.
    Included,
    /// Motion only: Android's `TYPE_LINEAR_ACCELERATION`, iOS's user acceleration.
    Removed,
}

/// Channels of a sample, in this order.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ImuLayout {
    /// Acceleration in x, y, z.
    Accelerometer,
    /// Acceleration in x, y, z, then angular rate about x, y, z.
    AccelerometerGyroscope,
}

impl ImuLayout {
    /// 3 or 6.
    #[must_use]
    pub fn channels(self) -> usize {
        match self {
            Self::Accelerometer => 3,
            Self::AccelerometerGyroscope => 6,
        }
    }
}
