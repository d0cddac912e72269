//! EDSR: pictures at a larger size (Lim et al. 2017, arXiv 1707.02921), with the configuration, the tensor names and the range of
//! pixels, 0 to 1, of the package super-image.

mod config;

pub use config::EdsrConfig;

use super::tile::{Tile, Tiling};
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::input::{Image, MAX_PIXELS, MAX_SIDE, PixelLayout};
use crate::model::layer::{Bias, Conv, ConvShape, Grid, Loader, Prefix, shuffled};
use crate::model::table::LinearTable;
use crate::pool;
use crate::quant::Deltas;
use crate::weights::Checkpoint;
use config::COLOURS;

/// Of all convolutions.
const KERNEL: usize = 3;
/// Places that the upsampling stages and the last convolution see around theirs: one and a half, one less than two for the rest.
const TAIL_RIM: usize = 2;
/// Bytes of the largest map of a tile that is cut to fit; two are held at a time, and their patches.
const MAP_BYTES: usize = 32 << 20;
/// Smallest tile that is cut to fit: below it the rims are most of the work.
const LEAST_SIDE: usize = 16;
/// Modules of the colours' mean, which super-image stores and does not run.
const UNUSED: [&str; 2] = ["sub_mean.", "add_mean."];

/// A loaded EDSR network. Immutable and shared.
#[derive(Debug)]
pub struct Edsr {
    config: EdsrConfig,
    table: LinearTable,
    head: Conv,
    blocks: Vec<[Conv; 2]>,
    trunk: Conv,
    stages: Vec<(usize, Conv)>,
    tail: Conv,
}

impl Edsr {
    /// Loads all weights.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::Shape`], or [`Error::Unsupported`] for a tensor that would go unused.
    pub fn load(checkpoint: &Checkpoint, config: EdsrConfig) -> Result<Self> {
        let mut loader = Loader::new(checkpoint, Prefix::default());
        let width = config.features;
        let mut conv = |module: &str, inputs: usize, outputs: usize| {
            loader.conv(module, ConvShape::square(inputs, outputs, KERNEL, 1, KERNEL / 2), Bias::Required)
        };
        let head = conv("head.0", COLOURS, width)?;
        let mut blocks = Vec::with_capacity(config.blocks);
        for block in 0..config.blocks {
            let mut part = |number: usize| conv(&format!("body.{block}.body.{number}"), width, width);
            blocks.push([part(0)?, part(2)?]);
        }
        let trunk = conv(&format!("body.{}", config.blocks), width, width)?;
        let mut stages = Vec::new();
        for (i, factor) in config.stages().into_iter().enumerate() {
            stages.push((factor, conv(&format!("tail.0.{}", 2 * i), width, factor * factor * width)?));
        }
        let tail = conv("tail.1", width, COLOURS)?;
        let table = loader.finish("EDSR network", |name| UNUSED.iter().any(|module| name.starts_with(module)))?;
        Ok(Self { config, table, head, blocks, trunk, stages, tail })
    }

    /// Its shape and options.
    #[must_use]
    pub fn config(&self) -> &EdsrConfig {
        &self.config
    }

    /// Its layers by name.
    #[must_use]
    pub fn linears(&self) -> &LinearTable {
        &self.table
    }

    /// `image` at `scale` times its size, values rounded to 8 bits. Cost is linear in its pixels, memory beside both pictures is
    /// that of a tile.
    ///
    /// # Errors
    /// [`Error::Argument`] for a picture that would have more than [`MAX_PIXELS`], or a side above [`MAX_SIDE`];
    /// [`Error::Malformed`] for weights that make values which are not finite.
    pub fn upscale(&self, image: &Image, tiling: Tiling, deltas: Option<&Deltas>) -> Result<Image> {
        let Grid { height, width } = self.output(image)?;
        let mut pixels = vec![0; height * width * COLOURS];
        self.each_tile(image, tiling, deltas, |tile, values| {
            for (y, row) in tile.rows.clone().zip(values.chunks_exact(tile.columns.len() * COLOURS)) {
                let start = (y * width + tile.columns.start) * COLOURS;
                let bytes = row.iter().map(|value| (value * 255.0).round_ties_even().clamp(0.0, 255.0) as u8);
                pixels[start..start + row.len()].iter_mut().zip(bytes).for_each(|(to, byte)| *to = byte);
            }
        })?;
        Image::from_pixels(&pixels, PixelLayout::Rgb, width, height)
    }

    /// As [`Edsr::upscale`], neither rounded nor clipped: `[height, width, 3]`, 0 for black and 1 for white, 12 bytes a pixel.
    ///
    /// # Errors
    /// As [`Edsr::upscale`].
    pub fn values(&self, image: &Image, tiling: Tiling, deltas: Option<&Deltas>) -> Result<Vec<f32>> {
        let Grid { height, width } = self.output(image)?;
        let mut all = vec![0.0; height * width * COLOURS];
        self.each_tile(image, tiling, deltas, |tile, values| {
            for (y, row) in tile.rows.clone().zip(values.chunks_exact(tile.columns.len() * COLOURS)) {
                let start = (y * width + tile.columns.start) * COLOURS;
                all[start..start + row.len()].copy_from_slice(row);
            }
        })?;
        Ok(all)
    }

    fn output(&self, image: &Image) -> Result<Grid> {
        let scale = self.config.scale;
        let found = Grid { height: image.height() * scale, width: image.width() * scale };
        if found.count() as u64 <= MAX_PIXELS && found.height.max(found.width) <= MAX_SIDE as usize {
            return Ok(found);
        }
        let (width, height) = (image.width(), image.height());
        let most = format!("{MAX_PIXELS} pixels and sides to {MAX_SIDE}");
        let reason = format!("{width} x {height} pixels {scale} times as large; pictures have at most {most}");
        Err(Error::argument("image", reason))
    }

    fn side(&self, tiling: Tiling) -> usize {
        match tiling {
            Tiling::Whole => usize::MAX,
            Tiling::Side(side) => side.max(1),
            Tiling::Fitting => {
                let place = self.config.features * self.config.scale.pow(2) * size_of::<f32>();
                (MAP_BYTES / place).isqrt().max(LEAST_SIDE)
            }
        }
    }

    /// Calls `place` with each tile of the larger picture and its values, `[rows, columns, 3]`.
    fn each_tile(
        &self,
        image: &Image,
        tiling: Tiling,
        deltas: Option<&Deltas>,
        mut place: impl FnMut(&Tile, &[f32]),
    ) -> Result<()> {
        let (whole, scale) = (Grid { height: image.height(), width: image.width() }, self.config.scale);
        let trunk_rim = 2 + 2 * self.config.blocks;
        for core in Tile::cut(whole, self.side(tiling)) {
            let middle = core.widened(TAIL_RIM, whole);
            let outer = middle.widened(trunk_rim, whole);
            let pixels = pixels_of(image, &outer);
            let values = pool::pass(|| {
                let states = self.states(&pixels, outer.grid(), deltas);
                let states = outer.take(&states, self.config.features, &middle);
                self.enlarge(states, middle.grid(), deltas)
            });
            let core = core.scaled(scale);
            let values = middle.scaled(scale).take(&values, COLOURS, &core);
            // Clipped pixels would look like colours.
            if let Some(wrong) = values.iter().find(|value| !value.is_finite()) {
                let reason = format!("its weights make the value {wrong}; verify the files");
                return Err(Error::malformed("super-resolution", "checkpoint", reason));
            }
            place(&core, &values);
        }
        Ok(())
    }

    /// `[positions, 3]` to `[positions, features]`.
    fn states(&self, pixels: &[f32], grid: Grid, deltas: Option<&Deltas>) -> Room {
        let mut xs = self.head.forward(pixels, grid, deltas).0;
        let first = xs.clone();
        for [one, two] in &self.blocks {
            let mut inner = one.forward(&xs, grid, deltas).0;
            inner.iter_mut().for_each(|value| *value = value.max(0.0));
            let branch = two.forward(&inner, grid, deltas).0;
            let scale = self.config.residual_scale;
            xs.iter_mut().zip(&branch[..]).for_each(|(x, branch)| *x += branch * scale);
        }
        let mut out = self.trunk.forward(&xs, grid, deltas).0;
        out.iter_mut().zip(&first[..]).for_each(|(out, first)| *out += first);
        out
    }

    /// `[positions, features]` to `[positions * scale^2, 3]`.
    fn enlarge(&self, mut xs: Room, mut grid: Grid, deltas: Option<&Deltas>) -> Room {
        for (factor, conv) in &self.stages {
            let wide = conv.forward(&xs, grid, deltas).0;
            drop(xs);
            (xs, grid) = shuffled(*factor, &wide, grid);
        }
        self.tail.forward(&xs, grid, deltas).0
    }
}

/// The pixels of a tile, 0 to 1.
fn pixels_of(image: &Image, tile: &Tile) -> Room {
    let row = tile.columns.len() * COLOURS;
    let mut out = Room::new(tile.rows.len() * row);
    for (y, to) in tile.rows.clone().zip(out.chunks_exact_mut(row)) {
        let start = (y * image.width() + tile.columns.start) * COLOURS;
        let bytes = &image.pixels()[start..start + row];
        to.iter_mut().zip(bytes).for_each(|(value, byte)| *value = f32::from(*byte) / 255.0);
    }
    out
}
