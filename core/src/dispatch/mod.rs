//! Where and with how much of the device a request runs.

mod conditions;

pub use conditions::{Background, Battery, Conditions, Delegates, LOW_CHARGE, Policy, Reason, Saver, Supply, Thermal};
