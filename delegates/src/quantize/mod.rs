//! From single precision to integers: what a tensor's codes mean, and graphs of integers.

mod calibration;
mod probe;
mod qdq;
mod range;
mod scheme;
mod schemes;
mod written;

pub use calibration::Calibration;
pub use probe::{Probe, Probes};
pub use qdq::quantize;
pub use range::{Range, Ranges};
pub use scheme::{Code, Scheme};
pub use written::{Adapted, Port, Written};
