//! How hot the device is and how it is powered.

use loam::dispatch;

/// How hot the device is, in the words of Apple's `ProcessInfo.ThermalState`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Thermal {
    /// Within normal limits.
    Nominal,
    /// Slightly elevated: nothing changes.
    Fair,
    /// High: half of the threads work, and background requests are refused.
    Serious,
    /// The system works to cool down: one thread works, and background requests are refused.
    Critical,
}

/// What the device draws its power from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Supply {
    /// A cable or a pad, whether its battery is full or not.
    Mains,
    /// Its battery.
    Battery,
}

/// Whether its user asks the device to save power: Android's battery saver, Apple's low power mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Saver {
    /// Not now.
    Off,
    /// Yes: half of the threads work, and background requests are refused.
    On,
}

/// How the device is powered. A charge below 15 % without mains counts as its saver does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Battery {
    /// Its charge in percent; absent where there is no battery or the system does not tell.
    pub percent: Option<u8>,
    /// What it draws its power from.
    pub supply: Supply,
    /// Whether it is to save power.
    pub saver: Saver,
}

/// The state of the device, as the system tells it. Cool and on mains until something else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Conditions {
    /// How hot it is.
    pub thermal: Thermal,
    /// How it is powered.
    pub battery: Battery,
}

impl Conditions {
    pub(crate) fn core(self) -> dispatch::Conditions {
        let Battery { percent, supply, saver } = self.battery;
        dispatch::Conditions {
            thermal: match self.thermal {
                Thermal::Nominal => dispatch::Thermal::Nominal,
                Thermal::Fair => dispatch::Thermal::Fair,
                Thermal::Serious => dispatch::Thermal::Serious,
                Thermal::Critical => dispatch::Thermal::Critical,
            },
            battery: dispatch::Battery {
                percent,
                supply: match supply {
                    Supply::Mains => dispatch::Supply::Mains,
                    Supply::Battery => dispatch::Supply::Battery,
                },
                saver: match saver {
                    Saver::Off => dispatch::Saver::Off,
                    Saver::On => dispatch::Saver::On,
                },
            },
        }
    }
}

impl From<dispatch::Conditions> for Conditions {
    fn from(conditions: dispatch::Conditions) -> Self {
        let dispatch::Battery { percent, supply, saver } = conditions.battery;
        Self {
            thermal: match conditions.thermal {
                dispatch::Thermal::Nominal => Thermal::Nominal,
                dispatch::Thermal::Fair => Thermal::Fair,
                dispatch::Thermal::Serious => Thermal::Serious,
                dispatch::Thermal::Critical => Thermal::Critical,
            },
            battery: Battery {
                percent,
                supply: match supply {
                    dispatch::Supply::Mains => Supply::Mains,
                    dispatch::Supply::Battery => Supply::Battery,
                },
                saver: match saver {
                    dispatch::Saver::Off => Saver::Off,
                    dispatch::Saver::On => Saver::On,
                },
            },
        }
    }
}
