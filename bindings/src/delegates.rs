//! Processors beside the one that everything runs on: which an engine asks, and where components run.

use loam::{dispatch, engine};

/// A kind of processor that components are compiled for (`loam compile --target`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum DelegateTarget {
    /// Qualcomm's NPU of the generation v75 (Snapdragon 8 Gen 3), or its simulator on x86. Android and Linux.
    QnnV75,
    /// The one of v79 (Snapdragon 8 Elite).
    QnnV79,
    /// Apple's processors, through Core ML. iOS and macOS, without ONNX Runtime.
    CoreMl,
    /// Android's older interface to NPUs.
    Nnapi,
    /// XNNPACK on the processor, where the runtime's library was built with it.
    Xnnpack,
    /// ONNX Runtime on the processor, graphs of integers: what NPUs are compared with.
    OnnxInteger,
    /// ONNX Runtime on the processor, in single precision: what the engine is compared with.
    OnnxFloat,
}

impl DelegateTarget {
    /// As commands, folders and traces name it.
    pub(crate) fn name(self) -> &'static str {
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
}

/// What decides between a delegate that works and the processor. While the device is hot or short of power, the delegate does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Preference {
    /// Which was faster when both were timed.
    Measured,
    /// The delegate, as to spare the battery.
    Delegate,
}

impl From<Preference> for dispatch::Preference {
    fn from(preference: Preference) -> Self {
        match preference {
            Preference::Measured => Self::Measured,
            Preference::Delegate => Self::Delegate,
        }
    }
}

/// Whether a delegate that cannot be used is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Strictness {
    /// The processor does it, and the trace says why (`Step::fallback`).
    Fallback,
    /// The call fails with [`crate::LoamError::Delegate`].
    Strict,
}

impl From<Strictness> for dispatch::Strictness {
    fn from(strictness: Strictness) -> Self {
        match strictness {
            Strictness::Fallback => Self::Fallback,
            Strictness::Strict => Self::Strict,
        }
    }
}

/// Which processors an engine asks, and what it needs for that. Components run on what `loam compile` made for a target ahead of
/// time; the processor serves until a delegate is ready, and whatever none can do.
#[derive(Clone, Debug, PartialEq, Eq, uniffi::Record)]
pub struct Delegates {
    /// Those that are asked, the best first, each once.
    pub targets: Vec<DelegateTarget>,
    /// The folder of what was compiled; absent for the one beside the foundation, of its name with `.delegates` behind it.
    #[uniffi(default = None)]
    pub artefacts: Option<String>,
    /// The library of ONNX Runtime, which the app brings along: a path, or a name that the system's loader finds. Absent for its
    /// usual name, `libonnxruntime.so`. A process has one: it is loaded from where it is first asked for.
    #[uniffi(default = None)]
    pub runtime: Option<String>,
    /// The folder of Qualcomm's libraries and of their provider, `libonnxruntime_providers_qnn.so`.
    #[uniffi(default = None)]
    pub qualcomm: Option<String>,
    /// What decides between a delegate and the processor; measured when absent.
    #[uniffi(default = None)]
    pub preference: Option<Preference>,
    /// Whether it is an error when a delegate cannot be used; the processor serves when absent.
    #[uniffi(default = None)]
    pub strictness: Option<Strictness>,
    /// A file of the app's own in which measurements are kept for this device and these versions; absent for `plan.json` in the
    /// folder of what was compiled, which is measured anew each time where that cannot be written.
    #[uniffi(default = None)]
    pub plan: Option<String>,
}

/// What a run of a graph took on sample data, the median of several.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct Timing {
    /// The graph's name, such as `text-64`.
    pub graph: String,
    /// The delegate's time in ms.
    pub delegate_ms: f64,
    /// The processor's time in ms.
    pub processor_ms: f64,
}

/// How much of a component a delegate runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, uniffi::Enum)]
pub enum Support {
    /// All graphs that were compiled, all of each.
    Full,
    /// Some of them, or with parts on the processor.
    Partial,
    /// The processor runs it.
    Nothing,
}

/// Where a loaded component runs.
#[derive(Clone, Debug, PartialEq, uniffi::Record)]
pub struct PlaceStatus {
    /// Its name in the foundation.
    pub component: String,
    /// The delegate, such as `qnn-v75`; absent for the processor.
    pub backend: Option<String>,
    /// Why it is the processor.
    pub reason: Option<String>,
    /// How much of it the delegate that was tried runs.
    pub support: Support,
    /// Why not all of it.
    pub support_reason: Option<String>,
    /// What was measured, one entry for each graph of the delegate that was tried.
    pub times: Vec<Timing>,
}

impl From<engine::PlaceStatus> for PlaceStatus {
    fn from(place: engine::PlaceStatus) -> Self {
        let timing = |dispatch::Timing { segment, delegate_ms, processor_ms }| Timing {
            graph: segment,
            delegate_ms,
            processor_ms,
        };
        let (support, support_reason) = match place.support {
            dispatch::Support::Full => (Support::Full, None),
            dispatch::Support::Partial(reason) => (Support::Partial, Some(reason)),
            dispatch::Support::None(reason) => (Support::Nothing, Some(reason)),
        };
        Self {
            component: place.component,
            backend: place.backend,
            reason: place.reason.map(|reason| reason.to_string()),
            support,
            support_reason: support_reason.map(|reason| reason.to_string()),
            times: place.times.into_iter().map(timing).collect(),
        }
    }
}
