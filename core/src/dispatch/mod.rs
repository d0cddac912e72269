//! Where a network runs: on the processor, which always can, or on a delegate, which says why it cannot.

mod backend;
mod conditions;
mod options;
mod place;
mod placement;
mod plan;
mod reason;
mod segment;

pub use backend::{Backend, Delegate, Factors, Subject, Support};
pub use conditions::{Background, Battery, Conditions, LOW_CHARGE, Policy, Saver, Strain, Supply, Thermal};
pub use options::{DispatchOptions, FirstUse, Preference, Preparation, REFUSED};
pub use place::{Place, Ran, Strictness};
pub use placement::{Placement, Timing};
pub use plan::{Entry, Plan, Verdict};
pub use reason::Reason;
pub use segment::Segment;
