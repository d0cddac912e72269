//! Backends, in builds that have none: every target is refused.

use loam::dispatch::DispatchOptions;

use crate::delegates::Delegates;
use crate::error::{LoamError, Result};

pub(crate) fn dispatch(delegates: Delegates, _: &str) -> Result<DispatchOptions> {
    match delegates.targets.first() {
        None => Ok(DispatchOptions::default()),
        Some(target) => Err(LoamError::Unsupported {
            what: target.name().to_owned(),
            reason: format!("unsupported {}: this build is without delegates", target.name()),
        }),
    }
}
