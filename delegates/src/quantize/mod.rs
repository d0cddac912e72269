//! From single precision to integers: what a tensor's codes mean, and graphs of integers.

mod calibrated;
mod calibration;
mod probe;
mod qdq;
mod range;
mod rounding;
mod scheme;
mod schemes;
mod written;

pub use calibrated::Calibrated;
pub use calibration::Calibration;
pub use probe::{Probes, Spread};
pub use qdq::quantize;
pub use range::{Range, Ranges};
pub use scheme::{Code, Scheme};
pub use written::{Adapted, Port, Written};
