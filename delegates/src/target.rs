//! What graphs are compiled for.

use std::str::FromStr;

use loam::dispatch::Reason;

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

    /// Its provider.
    ///
    /// # Errors
    /// [`Reason::Unavailable`] for one that this build does not have, or whose libraries are nowhere.
    pub fn provider(self, libraries: &Libraries) -> Result<Box<dyn Provider>, Reason> {
        let maker = MAKERS.iter().find(|(target, _)| *target == self).map(|(_, maker)| maker);
        maker.ok_or_else(|| Reason::Unavailable(format!("this build is without '{}'", self.name())))?(libraries)
    }
}

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
