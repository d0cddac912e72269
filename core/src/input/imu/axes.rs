//! Frames of reference.

use serde::{Deserialize, Serialize};

use super::units::ImuLayout;
use crate::error::{Error, Result};

/// Direction of an axis.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// The same.
    Positive,
    /// The opposite.
    Negative,
}

impl Sign {
    fn factor(self) -> f32 {
        match self {
            Self::Positive => 1.0,
            Self::Negative => -1.0,
        }
    }
}

/// Where one axis of the common frame comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Axis {
    /// The sensor's axis: 0, 1, 2 for x, y, z.
    pub source: usize,
    /// Its direction.
    pub sign: Sign,
}

/// Frame and sign convention of a recording.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axes {
    /// Android's device frame, the common one.
    Android,
    /// iOS's device frame: the same axes, but all accelerations have the opposite sign (a device on its back reads -1 g
    /// in z); angular rates are the same.
    Ios,
    /// A sensor that is mounted otherwise: where the common x, y and z come from. Acceleration has Android's sign.
    Custom([Axis; 3]),
}

const IDENTITY: [(usize, f32); 3] = [(0, 1.0), (1, 1.0), (2, 1.0)];

impl Axes {
    /// Source channel and factor of each channel in the common frame.
    ///
    /// # Errors
    /// [`Error::Argument`] unless each axis is used once, and for a mirrored frame with a gyroscope: the sign of a
    /// rotation is then undefined.
    pub(super) fn channels(self, layout: ImuLayout) -> Result<Vec<(usize, f32)>> {
        let (acceleration, rotation) = match self {
            Self::Android => (IDENTITY, IDENTITY),
            Self::Ios => (IDENTITY.map(|(source, factor)| (source, -factor)), IDENTITY),
            Self::Custom(axes) => {
                let map = axes.map(|axis| (axis.source, axis.sign.factor()));
                check(map, layout)?;
                (map, map)
            }
        };
        let mut out = acceleration.to_vec();
        if layout == ImuLayout::AccelerometerGyroscope {
            out.extend(rotation.map(|(source, factor)| (source + 3, factor)));
        }
        Ok(out)
    }
}

fn check(map: [(usize, f32); 3], layout: ImuLayout) -> Result<()> {
    let order = map.map(|(source, _)| source);
    let even = match order {
        [0, 1, 2] | [1, 2, 0] | [2, 0, 1] => 1.0,
        [0, 2, 1] | [2, 1, 0] | [1, 0, 2] => -1.0,
        _ => return Err(Error::argument("axes", format!("{order:?}, each of 0, 1 and 2 is used once"))),
    };
    let handedness: f32 = map.iter().map(|(_, factor)| factor).product::<f32>() * even;
    if handedness < 0.0 && layout == ImuLayout::AccelerometerGyroscope {
        return Err(Error::argument("axes", "they mirror the frame, which leaves the sign of a rotation undefined"));
    }
    Ok(())
}
