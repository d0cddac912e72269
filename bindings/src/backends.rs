//! Backends, in builds that have them.

use std::path::Path;

use loam::dispatch::DispatchOptions;
use loam_delegates::runtime::Libraries;
use loam_delegates::{Choice, Target};

use crate::delegates::Delegates;
use crate::error::{LoamError, Result};

pub(crate) fn dispatch(delegates: Delegates, foundation: &str) -> Result<DispatchOptions> {
    let unknown = |reason| LoamError::Argument { name: "delegates".to_owned(), reason };
    let targets = delegates.targets.iter().map(|target| target.name().parse::<Target>().map_err(unknown));
    let choice = Choice {
        targets: targets.collect::<Result<_>>()?,
        libraries: Libraries { runtime: delegates.runtime.map(Into::into), qnn: delegates.qualcomm.map(Into::into) },
        artefacts: delegates.artefacts.map(Into::into),
        preference: delegates.preference.map(Into::into).unwrap_or_default(),
        strictness: delegates.strictness.map(Into::into).unwrap_or_default(),
        plan: delegates.plan.map(Into::into),
        ..Choice::default()
    };
    Ok(choice.dispatch(Path::new(foundation))?)
}
