//! How alike two pictures are: PSNR and SSIM, as scikit-image computes them, and the luminance on which super-resolution is
//! scored.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

const K1: f64 = 0.01;
const K2: f64 = 0.03;
/// Of the window of [`Window::Gauss`], in pixels; it is 11 wide.
const SIGMA: f64 = 1.5;
const GAUSS_RADIUS: usize = 5;
const UNIFORM_RADIUS: usize = 3;

/// Samples of a picture.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Picture {
    /// In pixels.
    pub width: usize,
    /// In pixels.
    pub height: usize,
    /// Per pixel.
    pub channels: usize,
    /// `[height, width, channels]`.
    pub samples: Vec<f64>,
}

/// What is seen at once by SSIM.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Window {
    /// Seven by seven pixels alike, with sample covariance: scikit-image's default.
    Uniform,
    /// Eleven by eleven pixels by distance, with plain covariance: as in the paper of Wang et al. and in super-resolution.
    Gauss,
}

impl Picture {
    /// With its samples in the order `[height, width, channels]`.
    ///
    /// # Errors
    /// [`Error::Metric`] where they are not as many as the extents say, or none, or not finite.
    pub fn new(width: usize, height: usize, channels: usize, samples: Vec<f64>) -> Result<Self> {
        let expected = width.checked_mul(height).and_then(|pixels| pixels.checked_mul(channels));
        if samples.is_empty() || expected != Some(samples.len()) {
            let reason = format!("{} samples for {width} x {height} pixels of {channels}", samples.len());
            return Err(Error::metric("picture", reason));
        }
        if let Some(wrong) = samples.iter().find(|value| !value.is_finite()) {
            return Err(Error::metric("picture", format!("a sample is {wrong}")));
        }
        Ok(Self { width, height, channels, samples })
    }

    /// The part from left and top on, of that width and height, in whole pixels; none where it does not lie within.
    #[must_use]
    pub fn part(&self, [left, top, width, height]: [f64; 4]) -> Option<Self> {
        let pixel = |value: f64| (0.0..1e9).contains(&value).then_some(value.round() as usize);
        let (left, top, width, height) = (pixel(left)?, pixel(top)?, pixel(width)?, pixel(height)?);
        if width == 0 || height == 0 || left + width > self.width || top + height > self.height {
            return None;
        }
        let row = |y: usize| {
            let begin = (y * self.width + left) * self.channels;
            &self.samples[begin..begin + width * self.channels]
        };
        Some(Self {
            width,
            height,
            channels: self.channels,
            samples: (top..top + height).flat_map(row).copied().collect(),
        })
    }

    /// Without `border` pixels at each side.
    ///
    /// # Errors
    /// [`Error::Metric`] where nothing is left.
    pub fn cropped(&self, border: usize) -> Result<Self> {
        let inner = |size: usize| size.checked_sub(2 * border).filter(|left| *left > 0);
        let (Some(width), Some(height)) = (inner(self.width), inner(self.height)) else {
            let reason = format!("{} x {} pixels without {border} at each side", self.width, self.height);
            return Err(Error::metric("picture", reason));
        };
        let corner = border as f64;
        self.part([corner, corner, width as f64, height as f64])
            .ok_or_else(|| Error::metric("picture", format!("a border of {border} pixels")))
    }
}

/// Luminance (BT.601, 16 to 235) of a picture of red, green and blue between 0 and 255.
///
/// # Errors
/// [`Error::Metric`] for pictures of other than three channels.
pub fn luminance(picture: &Picture) -> Result<Picture> {
    if picture.channels != 3 {
        return Err(Error::metric("luminance", format!("{} channels, expected 3", picture.channels)));
    }
    let light = |rgb: &[f64]| 16.0 + (65.481 * rgb[0] + 128.553 * rgb[1] + 24.966 * rgb[2]) / 255.0;
    Ok(Picture { channels: 1, samples: picture.samples.chunks_exact(3).map(light).collect(), ..*picture })
}

/// In decibels, for samples between 0 and `range`; infinite for equal pictures.
///
/// # Errors
/// [`Error::Metric`] for pictures of unlike size and a range that is not above 0.
pub fn peak_signal_to_noise(found: &Picture, right: &Picture, range: f64) -> Result<f64> {
    alike("PSNR", found, right, range)?;
    let squares: f64 = found.samples.iter().zip(&right.samples).map(|(a, b)| (a - b).powi(2)).sum();
    Ok(10.0 * (range * range / (squares / right.samples.len() as f64)).log10())
}

/// Mean over channels and all places at which the window lies within the picture, for samples between 0 and `range`.
///
/// # Errors
/// As [`peak_signal_to_noise`], and for pictures smaller than the window.
pub fn structural_similarity(found: &Picture, right: &Picture, range: f64, window: Window) -> Result<f64> {
    alike("SSIM", found, right, range)?;
    let weights = window.weights();
    if right.width.min(right.height) < weights.len() {
        let reason = format!("{} x {} pixels, the window has {}", right.width, right.height, weights.len());
        return Err(Error::metric("SSIM", reason));
    }
    let channels = (0..right.channels).map(|channel| of_channel(found, right, channel, range, window));
    Ok(channels.sum::<f64>() / right.channels as f64)
}

fn alike(metric: &'static str, found: &Picture, right: &Picture, range: f64) -> Result<()> {
    let extents = |p: &Picture| (p.width, p.height, p.channels);
    if extents(found) != extents(right) {
        return Err(Error::metric(metric, format!("{:?} beside {:?}", extents(found), extents(right))));
    }
    if !range.is_finite() || range <= 0.0 {
        return Err(Error::metric(metric, format!("range {range}")));
    }
    Ok(())
}

impl Window {
    fn weights(self) -> Vec<f64> {
        let plain: Vec<f64> = match self {
            Self::Uniform => vec![1.0; 2 * UNIFORM_RADIUS + 1],
            Self::Gauss => (0..=2 * GAUSS_RADIUS)
                .map(|i| (-0.5 * ((i as f64 - GAUSS_RADIUS as f64) / SIGMA).powi(2)).exp())
                .collect(),
        };
        let sum: f64 = plain.iter().sum();
        plain.into_iter().map(|weight| weight / sum).collect()
    }

    /// By which plain covariances are multiplied.
    fn covariance_norm(self) -> f64 {
        match self {
            Self::Uniform => {
                let pixels = ((2 * UNIFORM_RADIUS + 1) as f64).powi(2);
                pixels / (pixels - 1.0)
            }
            Self::Gauss => 1.0,
        }
    }
}

fn of_channel(found: &Picture, right: &Picture, channel: usize, range: f64, window: Window) -> f64 {
    let weights = window.weights();
    let plane = |picture: &Picture| -> Vec<f64> {
        picture.samples.iter().skip(channel).step_by(picture.channels).copied().collect()
    };
    let (x, y) = (plane(found), plane(right));
    let product = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).collect::<Vec<f64>>();
    let smooth = |values: &[f64]| smoothed(values, right.width, &weights);
    let (mean_x, mean_y) = (smooth(&x), smooth(&y));
    let (xx, yy, xy) = (smooth(&product(&x, &x)), smooth(&product(&y, &y)), smooth(&product(&x, &y)));
    let norm = window.covariance_norm();
    let (c1, c2) = ((K1 * range).powi(2), (K2 * range).powi(2));
    let at = |i: usize| {
        let (a, b) = (mean_x[i], mean_y[i]);
        let (va, vb, vab) = (norm * (xx[i] - a * a), norm * (yy[i] - b * b), norm * (xy[i] - a * b));
        ((2.0 * a * b + c1) * (2.0 * vab + c2)) / ((a * a + b * b + c1) * (va + vb + c2))
    };
    (0..mean_x.len()).map(at).sum::<f64>() / mean_x.len() as f64
}

/// Weighted means along both axes, where the window lies within.
fn smoothed(values: &[f64], width: usize, weights: &[f64]) -> Vec<f64> {
    let dot = |window: &[f64]| window.iter().zip(weights).map(|(value, weight)| value * weight).sum::<f64>();
    let rows: Vec<f64> = values.chunks_exact(width).flat_map(|row| row.windows(weights.len()).map(dot)).collect();
    let inner = width + 1 - weights.len();
    let height = rows.len() / inner;
    (0..=height - weights.len())
        .flat_map(|y| (0..inner).map(move |x| (y, x)))
        .map(|(y, x)| weights.iter().enumerate().map(|(k, weight)| weight * rows[(y + k) * inner + x]).sum())
        .collect()
}
