//! Our own towers: convolutional or hybrid trunks that a configuration describes stage by stage.
//!
//! Small data favours convolutions over transformers by far, so the trunk is a list of stages rather than one
//! architecture. `config.json` (`model_type` "loam-tower") holds the modality, the input's extents `[channels, length]` or
//! `[channels, height, width]`, the stages (see [`Stage`]), the pooling and the width of the shared space. Module paths
//! follow from positions, `stages.3.weight`, as PyTorch's `Sequential` numbers them; `parity/tower.py` builds the same
//! network there. `preprocessor_config.json` is what [`Preprocessor::parse`] reads.

mod config;
mod stage;

use rayon::prelude::*;

use super::anchor::Anchor;
use super::contract::{Encoder, Encoding, Features, Item};
use super::preprocessor::Preprocessor;
use super::registry::Source;
use crate::error::{Error, Result};
use crate::input::{ImuConfig, Input};
use crate::model::layer::{Bias, Grid, LayerNorm, Loader, Prefix};
use crate::model::modality::Modality;
use crate::model::table::LinearTable;
use crate::quant::{Deltas, Linear};
use config::{TowerConfig, TowerPooling};
use stage::{Extent, Stage};

/// A loaded tower.
struct Tower {
    config: TowerConfig,
    processor: Option<Preprocessor>,
    table: LinearTable,
    stages: Vec<Stage>,
    state_width: usize,
    norm: LayerNorm,
    projection: Linear,
    anchor: Option<Anchor>,
}

impl std::fmt::Debug for Tower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Tower({}, {} stages)", self.config.modality, self.stages.len())
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
    if let Some(output) = processor.as_ref().and_then(Preprocessor::output).filter(|output| *output != config.input) {
        let reason = format!("it makes features of shape {output:?}, the tower reads {:?}", config.input);
        return Err(Error::malformed("preprocessing", "preprocessor_config.json", reason));
    }
    let mut loader = Loader::new(source.checkpoint, Prefix::default());
    let mut extent = Extent { channels: config.input[0], grid: config.grid() };
    let mut stages = Vec::with_capacity(config.stages.len());
    for (i, spec) in config.stages.iter().enumerate() {
        let (stage, after) = Stage::load(&mut loader, &format!("stages.{i}"), spec, extent)?;
        stages.push(stage);
        extent = after;
    }
    let pooled = match config.pooling {
        TowerPooling::Mean => extent.channels,
        TowerPooling::MeanMax => 2 * extent.channels,
    };
    let norm = loader.layer_norm("norm", pooled, 1e-5)?;
    let projection = loader.linear("projection", config.dim, pooled, Bias::Required)?;
    let anchor = Anchor::load(&loader, config.dim)?;
    let table = loader.finish("loam tower", |_| false)?;
    Ok(Box::new(Tower { config, processor, table, stages, state_width: extent.channels, norm, projection, anchor }))
}

impl Encoder for Tower {
    fn modality(&self) -> Modality {
        self.config.modality
    }

    fn dim(&self) -> usize {
        self.config.dim
    }

    fn state_width(&self) -> usize {
        self.state_width
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

    fn motion(&self) -> Option<ImuConfig> {
        self.processor.as_ref().and_then(Preprocessor::motion).cloned()
    }

    fn prepare(&self, input: &Input) -> Result<Features> {
        let processor = self.processor.as_ref().ok_or_else(|| {
            Error::unsupported("raw input", "the component has no preprocessor_config.json; give prepared features")
        })?;
        processor.prepare(input)
    }

    fn encode(&self, items: &[Item<'_>]) -> Result<Vec<Encoding>> {
        for item in items {
            item.features.expect_shape(&self.config.input)?;
        }
        Ok(rayon::scope(|_| items.par_iter().map(|item| self.run(item)).collect()))
    }
}

impl Tower {
    fn run(&self, item: &Item<'_>) -> Encoding {
        let (channels, mut grid) = (self.config.input[0], self.config.grid());
        let positions = grid.count();
        // From one plane per channel to one row per position.
        let mut x = vec![0.0; positions * channels];
        for (at, row) in x.chunks_exact_mut(channels).enumerate() {
            row.iter_mut().enumerate().for_each(|(c, value)| *value = item.features.values[c * positions + at]);
        }
        for stage in &self.stages {
            (x, grid) = stage.forward(x, grid, item.deltas);
        }
        Encoding { embedding: self.pool(&x, grid, item.deltas), states: x }
    }

    fn pool(&self, x: &[f32], grid: Grid, deltas: Option<&Deltas>) -> Vec<f32> {
        let width = self.state_width;
        let mut pooled = vec![0.0; width];
        for row in x.chunks_exact(width) {
            pooled.iter_mut().zip(row).for_each(|(p, v)| *p += v);
        }
        pooled.iter_mut().for_each(|p| *p /= grid.count() as f32);
        if self.config.pooling == TowerPooling::MeanMax {
            let mut largest = vec![f32::NEG_INFINITY; width];
            for row in x.chunks_exact(width) {
                largest.iter_mut().zip(row).for_each(|(m, v)| *m = m.max(*v));
            }
            pooled.extend(largest);
        }
        self.norm.apply(&mut pooled);
        let mut out = vec![0.0; self.config.dim];
        self.projection.forward(&pooled, &[deltas], &mut out);
        out
    }
}
