//! Bytes in rows and columns, with one or three channels: what pictures and their grey versions have in common.

use super::limits::MAX_PIXELS;
use crate::error::{Error, Result};

/// Largest side of a computed picture.
const MAX_SIDE: usize = 1 << 14;

/// `[height, width, channels]`.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Raster {
    bytes: Vec<u8>,
    channels: usize,
    width: usize,
    height: usize,
}

impl Raster {
    pub(super) fn new(bytes: Vec<u8>, channels: usize, width: usize, height: usize) -> Self {
        assert_eq!(bytes.len(), width * height * channels, "invariant: the bytes fill the raster");
        Self { bytes, channels, width, height }
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn channels(&self) -> usize {
        self.channels
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// A raster of other extents with as many channels.
    pub(super) fn of_size(&self, bytes: Vec<u8>, width: usize, height: usize) -> Self {
        Self::new(bytes, self.channels, width, height)
    }

    /// See [`Image::crop`](super::Image::crop).
    pub(super) fn crop(&self, x: usize, y: usize, width: usize, height: usize) -> Result<Self> {
        let inside = |from: usize, size: usize, all: usize| size > 0 && from <= all && size <= all - from;
        if !inside(x, width, self.width) || !inside(y, height, self.height) {
            let reason = format!("{width} x {height} at {x}, {y} of {} x {} pixels", self.width, self.height);
            return Err(Error::argument("crop", reason));
        }
        let stride = self.width * self.channels;
        let columns = x * self.channels..(x + width) * self.channels;
        let rows = self.bytes.chunks_exact(stride).skip(y).take(height);
        Ok(self.of_size(rows.flat_map(|row| &row[columns.clone()]).copied().collect(), width, height))
    }

    /// See [`Image::center_crop`](super::Image::center_crop).
    pub(super) fn center_crop(&self, width: usize, height: usize) -> Result<Self> {
        check_size(width, height)?;
        let columns = Overlap::centred(self.width, width);
        let rows = Overlap::centred(self.height, height);
        let pixel = self.channels;
        let mut bytes = vec![0; width * height * pixel];
        let targets = bytes.chunks_exact_mut(width * pixel).skip(rows.to);
        let sources = self.bytes.chunks_exact(self.width * pixel).skip(rows.from);
        for (target, source) in targets.zip(sources).take(rows.count) {
            target[columns.to * pixel..][..columns.count * pixel]
                .copy_from_slice(&source[columns.from * pixel..][..columns.count * pixel]);
        }
        Ok(self.of_size(bytes, width, height))
    }
}

/// Which stretch of one axis lands where.
struct Overlap {
    from: usize,
    to: usize,
    count: usize,
}

impl Overlap {
    /// An odd pixel too many is cut off the end; an odd pixel too few is added before the start.
    fn centred(size: usize, wanted: usize) -> Self {
        let (surplus, lack) = (size.saturating_sub(wanted), wanted.saturating_sub(size));
        Self { from: surplus / 2, to: lack - lack / 2, count: size.min(wanted) }
    }
}

/// Succeeds when a picture of that size may be made.
pub(super) fn check_size(width: usize, height: usize) -> Result<()> {
    let side = 1..=MAX_SIDE;
    if side.contains(&width) && side.contains(&height) {
        return check_pixels(width, height);
    }
    Err(Error::argument("size", format!("{width} x {height}, expected sides of 1 to {MAX_SIDE}")))
}

/// Succeeds when that many pixels may be made, sides being at most those of a decoded picture.
pub(super) fn check_pixels(width: usize, height: usize) -> Result<()> {
    let count = width as u64 * height as u64;
    if count <= MAX_PIXELS {
        return Ok(());
    }
    Err(Error::argument("size", format!("{width} x {height} = {count} pixels, expected at most {MAX_PIXELS}")))
}
