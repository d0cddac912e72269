//! Our own towers: convolutional or hybrid trunks that a configuration describes stage by stage.
//!
//! Small data favours convolutions over transformers by far, so the trunk is a list of stages rather than one
//! architecture. `config.json` (`model_type` "loam-tower") holds the modality, the input's extents `[channels, length]` or
//! `[channels, height, width]`, the stages (see [`Stage`]), the pooling and the width of the shared space. Module paths
//! follow from positions, `stages.3.weight`, as PyTorch's `Sequential` numbers them; `parity/tower.py` builds the same
//! network there. A speech tower may have a `ctc` section and hear frame by frame ([`FrameTower`]).
//! `preprocessor_config.json` is what [`Preprocessor::parse`] reads.

mod config;
mod lower;
mod presence;
mod stage;
mod trunk;

use super::anchor::Anchor;
use super::contract::{Encoder, Encoding, Features, Item, TimeAxis, is_read_as};
use super::preprocessor::Preprocessor;
use super::registry::Source;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::input::{ImuConfig, Input};
use crate::model::layer::{Bias, Grid, LayerNorm, Loader};
use crate::model::modality::Modality;
use crate::model::ops::mean_rows;
use crate::model::table::LinearTable;
use crate::pool;
use crate::quant::{Deltas, Linear, RowAdapters};
pub(crate) use config::{CtcConfig, StageConfig, check_stages};
use config::{TowerConfig, TowerPooling};
pub(crate) use stage::Extent;
pub(crate) use trunk::{Stages, Trunk};

/// Positions of a picture that is read at another size than the tower's own.
const MAX_POSITIONS: usize = 1 << 20;

/// A loaded tower.
struct Tower {
    config: TowerConfig,
    processor: Option<Preprocessor>,
    table: LinearTable,
    trunk: Trunk,
    output: Output,
    anchor: Option<Anchor>,
}

/// From states to the shared space.
struct Output {
    norm: LayerNorm,
    projection: Linear,
}

impl Output {
    fn load(loader: &mut Loader<'_>, config: &TowerConfig, width: usize) -> Result<Self> {
        let pooled = match config.pooling {
            TowerPooling::Mean => width,
            TowerPooling::MeanMax => 2 * width,
        };
        let norm = loader.layer_norm("norm", pooled, 1e-5)?;
        Ok(Self { norm, projection: loader.linear("projection", config.dim, pooled, Bias::Required)? })
    }
}

/// A speech tower that hears frame by frame, as `ctc` of its configuration says.
#[derive(Debug)]
pub(crate) struct FrameTower {
    /// The network.
    pub(crate) trunk: Trunk,
    /// How it hears.
    pub(crate) ctc: CtcConfig,
}

impl FrameTower {
    /// Loads the trunk, and hands back the loader for the head. A layer has the same identity as in the encoder.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Unsupported`] naming the field; [`Error::MissingTensor`] or [`Error::Shape`].
    pub(crate) fn load<'a>(source: &Source<'a>) -> Result<(Self, Loader<'a>)> {
        let config = TowerConfig::parse(source.config)?;
        let wrong = |reason: String| Error::malformed("configuration", "config.json", reason);
        let ctc = config.ctc.clone().ok_or_else(|| wrong("ctc is missing".into()))?;
        let (trunk, mut loader) = Trunk::load(source, &config)?;
        let rows = trunk.output(trunk.window()).map_or(0, |full| full.height);
        if rows != 1 {
            return Err(wrong(format!("ctc: stages give {rows} states at a time, expected 1")));
        }
        let bins = ctc.mel.n_mels;
        if !matches!(config.input[..], [n, _] | [1, n, _] if n == bins) {
            return Err(wrong(format!("ctc: mel gives {bins} bins, the input is {:?}", config.input)));
        }
        // The end of a stream has any length from that of the first state on.
        let width = trunk.window().width;
        let narrower = (1..=width).map(|width| trunk.output(Grid { width, ..trunk.window() }));
        if narrower.skip_while(Option::is_none).any(|output| output.is_none()) {
            return Err(wrong(format!("ctc: stages do not fit together for all lengths up to {width}")));
        }
        if loader.has("projection.weight") {
            Output::load(&mut loader, &config, trunk.state_width())?;
            Anchor::load(&loader, config.dim)?;
        }
        Ok((Self { trunk, ctc }, loader))
    }
}

impl std::fmt::Debug for Tower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tower({}, {:?})", self.config.modality, self.trunk)
    }
}

/// Opens a tower.
///
/// # Errors
/// [`Error::Malformed`] or [`Error::Unsupported`] naming the field; [`Error::MissingTensor`], [`Error::Shape`], or
/// [`Error::Unsupported`] for a tensor that would go unused.
pub(super) fn open(source: &Source<'_>) -> Result<Box<dyn Encoder>> {
    let config = TowerConfig::parse(source.config)?;
    let processor = source.preprocessor.map(Preprocessor::parse).transpose()?;
    if let Some(output) =
        processor.as_ref().and_then(Preprocessor::output).filter(|made| !is_read_as(made, &config.input))
    {
        let reason = format!("it makes features of shape {output:?}, the tower reads {:?}", config.input);
        return Err(Error::malformed("preprocessing", "preprocessor_config.json", reason));
    }
    let (trunk, mut loader) = Trunk::load(source, &config)?;
    let output = Output::load(&mut loader, &config, trunk.state_width())?;
    let anchor = Anchor::load(&loader, config.dim)?;
    let table = loader.finish("loam tower", |name| config.ctc.is_some() && name.starts_with("ctc_head."))?;
    Ok(Box::new(Tower { config, processor, table, trunk, output, anchor }))
}

impl Encoder for Tower {
    fn modality(&self) -> Modality {
        self.config.modality
    }

    fn dim(&self) -> usize {
        self.config.dim
    }

    fn state_width(&self) -> usize {
        self.trunk.state_width()
    }

    fn reads(&self) -> Option<Vec<usize>> {
        Some(self.config.input.clone())
    }

    fn linears(&self) -> &LinearTable {
        &self.table
    }

    fn logit_scale(&self) -> Option<f32> {
        self.config.logit_scale
    }

    fn anchor(&self) -> Option<&Anchor> {
        self.anchor.as_ref()
    }

    fn time_axis(&self) -> TimeAxis {
        // Pictures have two axes of space.
        match self.trunk.output(self.trunk.window()) {
            Some(grid) if self.config.modality != Modality::IMAGE => TimeAxis::Rows { skip: 0, rows: grid.height },
            _ => TimeAxis::Absent,
        }
    }

    fn motion(&self) -> Option<ImuConfig> {
        self.processor.as_ref().and_then(Preprocessor::motion).cloned()
    }

    fn prepare(&self, input: &Input) -> Result<Features> {
        let processor = self.processor.as_ref().ok_or_else(|| {
            Error::unsupported("raw input", "the component has no preprocessor_config.json; give prepared features")
        })?;
        processor.prepare(input)
    }

    fn lower(&self, rank: usize) -> Option<Graph> {
        Some(Self::lower(self, rank))
    }

    fn grid(&self, shape: &[usize]) -> Option<[usize; 2]> {
        let [channels, height, width] = *shape else { return None };
        if self.config.modality != Modality::IMAGE || channels != self.trunk.channels() {
            return None;
        }
        height.checked_mul(width).filter(|count| (1..=MAX_POSITIONS).contains(count))?;
        self.trunk.output(Grid { height, width }).map(|Grid { height, width }| [height, width])
    }

    fn map(&self, item: &Item<'_>) -> Result<Vec<f32>> {
        let shape = &item.features.shape;
        let (Some(_), [_, height, width]) = (self.grid(shape), &shape[..]) else {
            return Err(Error::argument("features", format!("shape {shape:?}, whose states lie on no grid")));
        };
        let grid = Grid { height: *height, width: *width };
        Ok(pool::pass(|| self.trunk.forward(&item.features.values, grid, item.deltas).0.to_vec()))
    }

    fn encode(&self, items: &[Item<'_>]) -> Result<Vec<Encoding>> {
        for item in items {
            item.features.expect_shape(&self.config.input)?;
        }
        // Layers are short: where there are items for every thread, each thread runs its own.
        if items.len() >= pool::threads() {
            return Ok(pool::map(items.len(), |item| self.run(&items[item])));
        }
        Ok(pool::pass(|| items.iter().map(|item| self.run(item)).collect()))
    }
}

impl Tower {
    fn run(&self, item: &Item<'_>) -> Encoding {
        let (states, _) = self.trunk.forward(&item.features.values, self.trunk.window(), item.deltas);
        Encoding { embedding: self.pool(&states, item.deltas), states: states.to_vec() }
    }

    fn pool(&self, x: &[f32], deltas: Option<&Deltas>) -> Vec<f32> {
        let width = self.trunk.state_width();
        let mut pooled = mean_rows(x, width);
        if self.config.pooling == TowerPooling::MeanMax {
            let mut largest = vec![f32::NEG_INFINITY; width];
            for row in x.chunks_exact(width) {
                largest.iter_mut().zip(row).for_each(|(m, v)| *m = m.max(*v));
            }
            pooled.extend(largest);
        }
        self.output.norm.apply(&mut pooled);
        let mut out = vec![0.0; self.config.dim];
        self.output.projection.forward(&pooled, &RowAdapters::same(1, deltas), &mut out);
        out
    }
}
