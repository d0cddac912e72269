//! Resizing by Pillow's arithmetic: what a network sees must be what it was trained on. General libraries differ from it by
//! up to eight levels where a small picture grows.

use rayon::prelude::*;

use super::picture::Image;
use crate::error::{Error, Result};

/// Largest side of a resized picture.
const MAX_SIDE: usize = 1 << 14;
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
    fn filter(self) -> Option<(f64, fn(f64) -> f64)> {
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

/// The sum of weighted pixels as a byte.
fn byte(sum: i64) -> u8 {
    ((sum + (1 << (PRECISION - 1))) >> PRECISION).clamp(0, 255) as u8
}

impl Image {
    /// The picture at another size; its sides are scaled independently.
    ///
    /// # Errors
    /// [`Error::Argument`] for a side of 0 or above 16384.
    pub fn resize(&self, width: usize, height: usize, resampling: Resampling) -> Result<Self> {
        if width == 0 || height == 0 || width > MAX_SIDE || height > MAX_SIDE {
            return Err(Error::argument("size", format!("{width} x {height}, expected sides of 1 to {MAX_SIDE}")));
        }
        if (width, height) == (self.width(), self.height()) {
            return Ok(self.clone());
        }
        let wide = if width == self.width() { self.pixels().to_vec() } else { self.widen(width, resampling) };
        if height == self.height() {
            return Ok(Self::from_rgb(wide, width, height));
        }
        let stride = width * 3;
        let mut out = vec![0; height * stride];
        let taps = taps(self.height(), height, resampling);
        out.par_chunks_exact_mut(stride).zip(&taps).for_each(|(row, taps)| {
            for (x, value) in row.iter_mut().enumerate() {
                let column = wide[taps.first * stride + x..].iter().step_by(stride);
                *value = byte(taps.weights.iter().zip(column).map(|(w, p)| i64::from(*w) * i64::from(*p)).sum());
            }
        });
        Ok(Self::from_rgb(out, width, height))
    }

    /// Every row at another width.
    fn widen(&self, width: usize, resampling: Resampling) -> Vec<u8> {
        let mut out = vec![0; self.height() * width * 3];
        let taps = taps(self.width(), width, resampling);
        out.par_chunks_exact_mut(width * 3).zip(self.pixels().par_chunks_exact(self.width() * 3)).for_each(
            |(row, source)| {
                for (pixel, taps) in row.chunks_exact_mut(3).zip(&taps) {
                    for (channel, value) in pixel.iter_mut().enumerate() {
                        let line = source[taps.first * 3 + channel..].iter().step_by(3);
                        *value = byte(taps.weights.iter().zip(line).map(|(w, p)| i64::from(*w) * i64::from(*p)).sum());
                    }
                }
            },
        );
        out
    }

    /// The `width` by `height` pixels whose top left one is at `left`, `top`; all must lie within the picture.
    pub(super) fn crop(&self, left: usize, top: usize, width: usize, height: usize) -> Self {
        let rows = self.pixels().chunks_exact(self.width() * 3).skip(top).take(height);
        let pixels: Vec<u8> = rows.flat_map(|row| &row[left * 3..(left + width) * 3]).copied().collect();
        Self::from_rgb(pixels, width, height)
    }

    /// The middle `width` by `height` pixels; black where the picture is smaller, as transformers' `center_crop` pads.
    #[must_use]
    pub fn center_crop(&self, width: usize, height: usize) -> Self {
        let offset = |from: usize, to: usize| (from as i64 - to as i64).div_euclid(2);
        let (left, top) = (offset(self.width(), width), offset(self.height(), height));
        let mut pixels = vec![0; width * height * 3];
        for (y, row) in pixels.chunks_exact_mut(width * 3).enumerate() {
            let Some(y) = inside(y as i64 + top, self.height()) else { continue };
            for (x, pixel) in row.chunks_exact_mut(3).enumerate() {
                if let Some(x) = inside(x as i64 + left, self.width()) {
                    let at = (y * self.width() + x) * 3;
                    pixel.copy_from_slice(&self.pixels()[at..at + 3]);
                }
            }
        }
        Self::from_rgb(pixels, width, height)
    }
}

fn inside(at: i64, size: usize) -> Option<usize> {
    usize::try_from(at).ok().filter(|&at| at < size)
}
