//! What graphs are compiled for.

use std::path::Path;
use std::str::FromStr;
use std::sync::Arc;

use loam::dispatch::{Backend, Reason};

use crate::backend::OnnxBackend;
use crate::provider::{self, Provider};
use crate::runtime::Libraries;

/// A kind of processor.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Target {
    /// Qualcomm's NPU of the generation v75, or its simulator.
    QnnV75,
    /// The one of v79.
    QnnV79,
    /// Apple's processors.
    CoreMl,
    /// Android's older interface to NPUs.
    Nnapi,
    /// XNNPACK on the processor.
    Xnnpack,
    /// ONNX Runtime on the processor, graphs of integers: what NPUs are compared with.
    OnnxInteger,
    /// ONNX Runtime on the processor, in single precision: what the engine is compared with.
    OnnxFloat,
}

/// What a target computes with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// Activations of sixteen bits, weights of eight.
    Integers,
    /// Single precision, which the provider may round by itself.
    Floats,
}

impl Target {
    /// All of them.
    pub const ALL: [Self; 7] =
        [Self::QnnV75, Self::QnnV79, Self::CoreMl, Self::Nnapi, Self::Xnnpack, Self::OnnxInteger, Self::OnnxFloat];

    /// As commands, folders and traces name it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::QnnV75 => "qnn-v75",
            Self::QnnV79 => "qnn-v79",
            Self::CoreMl => "coreml",
            Self::Nnapi => "nnapi",
            Self::Xnnpack => "xnnpack",
            Self::OnnxInteger => "onnx-integer",
            Self::OnnxFloat => "onnx-float",
        }
    }

    /// What it computes with. Providers other than Qualcomm's take few operators of sixteen bits.
    #[must_use]
    pub fn form(self) -> Form {
        match self {
            Self::QnnV75 | Self::QnnV79 | Self::OnnxInteger => Form::Integers,
            Self::CoreMl | Self::Nnapi | Self::Xnnpack | Self::OnnxFloat => Form::Floats,
        }
    }

    /// What runs artefacts below `root`, where this system may have such a processor.
    ///
    /// # Errors
    /// [`loam::Error::Unsupported`] naming the target, for one that this build or this system does not have.
    pub fn backend(self, libraries: &Libraries, root: &Path) -> loam::Result<Arc<dyn Backend>> {
        let without = |whose: &str| loam::Error::Unsupported {
            what: self.name().to_owned(),
            reason: format!("{whose} is without this delegate"),
        };
        if !SYSTEMS.contains(&self) {
            return Err(without("this system"));
        }
        if let Some((_, opener)) = OPENERS.iter().find(|(target, _)| *target == self) {
            return Ok(opener(root));
        }
        if !MAKERS.iter().any(|(target, _)| *target == self) {
            return Err(without("this build"));
        }
        Ok(Arc::new(OnnxBackend::new(self, libraries.clone(), root)))
    }

    /// Its provider.
    ///
    /// # Errors
    /// [`Reason::Unavailable`] for one that this build does not have, or whose libraries are nowhere.
    pub fn provider(self, libraries: &Libraries) -> Result<Box<dyn Provider>, Reason> {
        let maker = MAKERS.iter().find(|(target, _)| *target == self).map(|(_, maker)| maker);
        maker.ok_or_else(|| Reason::Unavailable(format!("this build is without '{}'", self.name())))?(libraries)
    }
}

/// Targets whose processor this system may have, whether this build knows it or not. XNNPACK is a matter of the runtime's build.
const SYSTEMS: &[Target] = &[
    #[cfg(not(target_vendor = "apple"))]
    Target::QnnV75,
    #[cfg(not(target_vendor = "apple"))]
    Target::QnnV79,
    #[cfg(target_vendor = "apple")]
    Target::CoreMl,
    #[cfg(target_os = "android")]
    Target::Nnapi,
    Target::Xnnpack,
    Target::OnnxInteger,
    Target::OnnxFloat,
];

type Opener = fn(&Path) -> Arc<dyn Backend>;

/// Backends that need no runtime in between.
const OPENERS: &[(Target, Opener)] = &[
    #[cfg(all(feature = "coreml", target_vendor = "apple"))]
    (Target::CoreMl, |root| Arc::new(crate::coreml::CoreMlBackend::new(root))),
];

type Maker = fn(&Libraries) -> Result<Box<dyn Provider>, Reason>;

/// Providers of this build.
const MAKERS: &[(Target, Maker)] = &[
    #[cfg(feature = "qnn")]
    (Target::QnnV75, |libraries| provider::Qnn::find(provider::Arch::V75, libraries)),
    #[cfg(feature = "qnn")]
    (Target::QnnV79, |libraries| provider::Qnn::find(provider::Arch::V79, libraries)),
    #[cfg(feature = "coreml")]
    (Target::CoreMl, |_| Ok(Box::new(provider::CoreMl))),
    #[cfg(feature = "nnapi")]
    (Target::Nnapi, |_| Ok(Box::new(provider::Nnapi))),
    #[cfg(feature = "xnnpack")]
    (Target::Xnnpack, |_| Ok(Box::new(provider::Xnnpack))),
    (Target::OnnxInteger, |_| Ok(Box::new(provider::Cpu))),
    (Target::OnnxFloat, |_| Ok(Box::new(provider::Cpu))),
];

impl FromStr for Target {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, Self::Err> {
        let known = || Self::ALL.map(Self::name).join(", ");
        Self::ALL
            .into_iter()
            .find(|target| target.name() == name)
            .ok_or_else(|| format!("'{name}' is none of {}", known()))
    }
}
