//! Where a network runs: on the processor, which always can, or on a delegate, which says why it cannot.

mod backend;
mod reason;
mod segment;

pub use backend::{Backend, Delegate, Factors, Subject, Support};
pub use reason::Reason;
pub use segment::Segment;
