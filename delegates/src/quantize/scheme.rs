//! What the codes of a tensor mean.

use serde::{Deserialize, Serialize};

use super::range::Range;
use crate::onnx::proto::Element;

/// The type of a tensor's codes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Code {
    /// Eight bits.
    U8,
    /// Sixteen bits: activations.
    U16,
    /// Eight bits with a sign, around zero: weights.
    S8,
    /// Sixteen bits with a sign, around zero: second operands of products.
    S16,
}

impl Code {
    /// The least and the largest code. Codes around zero leave the least one out, so that they are symmetric.
    #[must_use]
    pub fn limits(self) -> (i32, i32) {
        match self {
            Self::U8 => (0, 255),
            Self::U16 => (0, 65_535),
            Self::S8 => (-127, 127),
            Self::S16 => (-32_767, 32_767),
        }
    }

    /// ONNX's type.
    #[must_use]
    pub fn element(self) -> Element {
        match self {
            Self::U8 => Element::Uint8,
            Self::U16 => Element::Uint16,
            Self::S8 => Element::Int8,
            Self::S16 => Element::Int16,
        }
    }

    /// `codes` as little-endian bytes.
    #[must_use]
    pub fn bytes(self, codes: &[i32]) -> Vec<u8> {
        match self {
            Self::U8 | Self::S8 => codes.iter().map(|&code| code as u8).collect(),
            Self::U16 | Self::S16 => codes.iter().flat_map(|&code| (code as u16).to_le_bytes()).collect(),
        }
    }
}

/// A code means `(code - zero) * scale`.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scheme {
    /// Type of the codes.
    pub code: Code,
    /// One step.
    pub scale: f32,
    /// The code of zero.
    pub zero: i32,
}

/// The least step: a tensor of zeros has codes too.
const LEAST_SCALE: f32 = 1e-9;

impl Scheme {
    /// The finest that covers `range` and zero.
    #[must_use]
    pub fn covering(range: Range, code: Code) -> Self {
        let (low, high) = (range.low.min(0.0), range.high.max(0.0));
        let (least, most) = code.limits();
        match code {
            Code::S8 | Code::S16 => Self { code, scale: (high.max(-low) / most as f32).max(LEAST_SCALE), zero: 0 },
            Code::U8 | Code::U16 => {
                let scale = ((high - low) / (most - least) as f32).max(LEAST_SCALE);
                Self { code, scale, zero: ((-low / scale).round() as i32).clamp(least, most) }
            }
        }
    }

    /// The code of `value`; that of the nearest limit where it lies outside, and of zero for NaN.
    #[must_use]
    pub fn encode(&self, value: f32) -> i32 {
        let (least, most) = self.code.limits();
        let steps = (value / self.scale).round_ties_even();
        // A cast of a float saturates.
        (steps as i32).saturating_add(self.zero).clamp(least, most)
    }

    /// What `code` means.
    #[must_use]
    pub fn decode(&self, code: i32) -> f32 {
        (code - self.zero) as f32 * self.scale
    }

    /// The values that codes can have.
    #[must_use]
    pub fn range(&self) -> Range {
        let (least, most) = self.code.limits();
        Range { low: self.decode(least), high: self.decode(most) }
    }
}
