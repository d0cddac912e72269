//! Resizing by Pillow's arithmetic: what a network sees must be what it was trained on. General libraries differ from it by
//! up to eight levels where a small picture grows.
//!
//! Rows come before columns, as in Pillow up to version 12: checkpoints were trained so. Version 13 begins with the columns
//! where a picture becomes much flatter, which moves pixels at hard edges by up to 13 levels, since both orders round to 8
//! bits in between.

use super::raster::{Raster, check_pixels, check_size};
use crate::error::Result;
use crate::pool;
use crate::quant::kernels;

/// Bits after the point of a weight: Pillow's `32 - 8 - 2`.
const PRECISION: u32 = 22;

/// How pixels between pixels are made. All but `Nearest` widen their filter when they shrink, as Pillow does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resampling {
    /// The nearest pixel.
    Nearest,
    /// Lanczos, radius 3.
    Lanczos,
    /// Linear in each direction.
    Bilinear,
    /// Cubic with a = -0.5 (Catmull-Rom).
    Bicubic,
}

/// The value of a filter at a distance.
type Weight = fn(f64) -> f64;

impl Resampling {
    /// Pillow's number of a filter, as preprocessor configurations hold it.
    #[must_use]
    pub fn from_pillow(code: u64) -> Option<Self> {
        match code {
            0 => Some(Self::Nearest),
            1 => Some(Self::Lanczos),
            2 => Some(Self::Bilinear),
            3 => Some(Self::Bicubic),
            _ => None,
        }
    }

    /// Reach of the filter in source pixels, and its value at a distance; `None` for `Nearest`.
    fn filter(self) -> Option<(f64, Weight)> {
        match self {
            Self::Nearest => None,
            Self::Lanczos => Some((3.0, lanczos)),
            Self::Bilinear => Some((1.0, |x| (1.0 - x.abs()).max(0.0))),
            Self::Bicubic => Some((2.0, bicubic)),
        }
    }
}

fn bicubic(x: f64) -> f64 {
    const A: f64 = -0.5;
    match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    }
}

fn lanczos(x: f64) -> f64 {
    let sinc = |x: f64| if x == 0.0 { 1.0 } else { (x * std::f64::consts::PI).sin() / (x * std::f64::consts::PI) };
    if (-3.0..3.0).contains(&x) { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

/// Where an output pixel comes from along one axis: the first source pixel, and fixed-point weights from there on.
struct Taps {
    first: usize,
    weights: Vec<i32>,
}

fn taps(from: usize, to: usize, resampling: Resampling) -> Vec<Taps> {
    let scale = from as f64 / to as f64;
    let Some((reach, filter)) = resampling.filter() else {
        // Pillow adds the step again and again, and its rounding errors decide which of two equally near pixels it takes.
        let mut place = scale * 0.5;
        let nearest = |_| {
            let first = (place as usize).min(from - 1);
            place += scale;
            Taps { first, weights: vec![1 << PRECISION] }
        };
        return (0..to).map(nearest).collect();
    };
    // A shrinking filter widens, so that every source pixel counts.
    let stretch = scale.max(1.0);
    let support = reach * stretch;
    (0..to)
        .map(|at| {
            let center = (at as f64 + 0.5) * scale;
            let first = (center - support + 0.5).max(0.0) as usize;
            let end = ((center + support + 0.5) as usize).min(from);
            // Multiplied by reciprocals, as Pillow does: the last bit of a weight decides ties.
            let narrow = 1.0 / stretch;
            let values: Vec<f64> = (first..end).map(|x| filter((x as f64 - center + 0.5) * narrow)).collect();
            let share = 1.0 / values.iter().sum::<f64>();
            let fixed = |v: f64| (v * share * f64::from(1 << PRECISION)).round() as i32;
            Taps { first, weights: values.into_iter().map(fixed).collect() }
        })
        .collect()
}

/// What sums begin at, so that they are rounded when the bits after the point are dropped. Weights add up to one, their
/// magnitudes to less than two, so sums of weighted bytes fit.
const HALF: i32 = 1 << (PRECISION - 1);

/// The sum of weighted pixels as a byte.
fn byte(sum: i32) -> u8 {
    (sum >> PRECISION).clamp(0, 255) as u8
}

/// A row at another width, of pixels of `N` bytes.
fn widen_row<const N: usize>(taps: &[Taps], source: &[u8], out: &mut [u8]) {
    let (source, out) = (source.as_chunks::<N>().0, out.as_chunks_mut::<N>().0);
    for (target, taps) in out.iter_mut().zip(taps) {
        let mut sums = [HALF; N];
        for (weight, pixel) in taps.weights.iter().zip(&source[taps.first..]) {
            for (sum, value) in sums.iter_mut().zip(pixel) {
                *sum += weight * i32::from(*value);
            }
        }
        *target = sums.map(byte);
    }
}

impl Raster {
    /// See [`Image::resize`](super::Image::resize).
    pub(super) fn resize(&self, width: usize, height: usize, resampling: Resampling) -> Result<Self> {
        check_size(width, height)?;
        // Rows at the new width, as many as there were, come in between.
        check_pixels(width, self.height())?;
        Ok(match (width == self.width(), height == self.height()) {
            (true, true) => self.clone(),
            (false, true) => self.widen(width, resampling),
            (true, false) => self.heighten(height, resampling),
            (false, false) => self.widen(width, resampling).heighten(height, resampling),
        })
    }

    /// Every row at another width.
    fn widen(&self, width: usize, resampling: Resampling) -> Self {
        let pixel = self.channels();
        let taps = taps(self.width(), width, resampling);
        let mut bytes = vec![0; self.height() * width * pixel];
        let stride = self.width() * pixel;
        pool::rows(&mut bytes, width * pixel, |at, row| {
            let source = &self.bytes()[at * stride..(at + 1) * stride];
            match pixel {
                1 => widen_row::<1>(&taps, source, row),
                2 => widen_row::<2>(&taps, source, row),
                3 => widen_row::<3>(&taps, source, row),
                _ => widen_row::<4>(&taps, source, row),
            }
        });
        self.of_size(bytes, width, self.height())
    }

    /// Every column at another height.
    fn heighten(&self, height: usize, resampling: Resampling) -> Self {
        let stride = self.width() * self.channels();
        let taps = taps(self.height(), height, resampling);
        let mut bytes = vec![0; height * stride];
        pool::rows(&mut bytes, stride, |row, out| {
            let taps = &taps[row];
            let mut sums = vec![HALF; stride];
            for (weight, source) in taps.weights.iter().zip(self.bytes()[taps.first * stride..].chunks_exact(stride)) {
                (kernels().rows.add_bytes)(&mut sums, *weight, source);
            }
            out.iter_mut().zip(sums).for_each(|(value, sum)| *value = byte(sum));
        });
        self.of_size(bytes, self.width(), height)
    }
}
