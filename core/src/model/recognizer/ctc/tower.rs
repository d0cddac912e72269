//! Our own speech towers as recognisers: a `ctc` section in the configuration, and the head `ctc_head`.

use std::path::Path;

use super::head::CtcHead;
use super::network::{CtcGraph, CtcNetwork};
use super::vocabulary::CtcVocabulary;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::input::{Audio, Channels, LogMel, SampleRate};
use crate::model::encoder::tower::FrameTower;
use crate::model::encoder::{Features, ModelDir};
use crate::model::layer::{Bias, Grid};
use crate::model::table::LinearTable;
use crate::quant::Deltas;

/// Module path of the head.
const HEAD: &str = "ctc_head";

/// The tower and its head.
#[derive(Debug)]
pub struct TowerCtc {
    tower: FrameTower,
    mel: LogMel,
    rate: SampleRate,
    head: Option<CtcHead>,
    table: LinearTable,
}

impl TowerCtc {
    /// Opens the directory of a tower whose configuration has a `ctc` section.
    ///
    /// # Errors
    /// [`Error::Malformed`] or [`Error::Unsupported`] naming the field; [`Error::MissingTensor`],
    /// [`Error::Shape`], or [`Error::Unsupported`] for a tensor that would go unused.
    pub fn open(dir: &Path) -> Result<Self> {
        let files = ModelDir::open(dir)?;
        let (tower, mut loader) = FrameTower::load(&files.source())?;
        let ctc = &tower.ctc;
        let head = if ctc.vocabulary.is_empty() {
            None
        } else {
            let vocabulary = CtcVocabulary::from_list(&ctc.vocabulary, ctc.blank)?;
            let linear = loader.linear(HEAD, vocabulary.count(), tower.trunk.state_width(), Bias::Required)?;
            Some(CtcHead::new(linear, vocabulary))
        };
        let mel = LogMel::new(ctc.mel.clone())?;
        let rate = SampleRate::new(ctc.mel.sample_rate)?;
        let table = loader.finish("loam speech tower", |_| false)?;
        Ok(Self { tower, mel, rate, head, table })
    }
}

impl CtcNetwork for TowerCtc {
    fn rate(&self) -> SampleRate {
        self.rate
    }

    fn hop(&self) -> usize {
        self.mel.config().hop * self.tower.trunk.stride()
    }

    fn longest(&self) -> usize {
        let (hop, window) = (self.mel.config().hop, self.tower.trunk.window().width);
        let mut samples = window * hop + self.mel.config().n_fft;
        while self.mel.frames_in(samples) > window {
            samples -= hop;
        }
        samples
    }

    fn frames(&self, samples: usize) -> usize {
        self.states_in(self.mel.frames_in(samples))
    }

    fn width(&self) -> usize {
        self.tower.trunk.state_width()
    }

    fn head(&self) -> Option<&CtcHead> {
        self.head.as_ref()
    }

    fn linears(&self) -> &LinearTable {
        &self.table
    }

    fn features(&self, samples: &[f32]) -> Result<Option<Features>> {
        if samples.len() > self.longest() {
            let reason = format!("{} samples, the tower reads {} at once", samples.len(), self.longest());
            return Err(Error::argument("audio", reason));
        }
        if self.frames(samples.len()) == 0 {
            return Ok(None);
        }
        let mel = self.mel.compute(&Audio::from_f32(samples, Channels::MONO, self.rate)?)?;
        let shape = vec![mel.bins(), mel.frames()];
        Features::new(mel.into_values(), shape).map(Some)
    }

    fn states_of(&self, features: &Features, deltas: Option<&Deltas>) -> Result<Vec<f32>> {
        let grid = Grid { width: self.columns_of(features)?, ..self.tower.trunk.window() };
        Ok(self.tower.trunk.forward(&features.values, grid, deltas).0.to_vec())
    }

    fn graph(&self) -> Option<&dyn CtcGraph> {
        Some(self)
    }
}

impl TowerCtc {
    /// Columns of features that it reads.
    fn columns_of(&self, features: &Features) -> Result<usize> {
        let (bins, window) = (self.mel.config().n_mels, self.tower.trunk.window());
        match features.shape[..] {
            [own, columns] if own == bins && columns <= window.width && self.states_in(columns) > 0 => Ok(columns),
            _ => {
                let reason = format!("shape {:?}, the tower reads {bins} by up to {}", features.shape, window.width);
                Err(Error::argument("features", reason))
            }
        }
    }
}

impl CtcGraph for TowerCtc {
    fn columns(&self, samples: usize) -> usize {
        self.mel.frames_in(samples).min(self.tower.trunk.window().width)
    }

    fn states_in(&self, columns: usize) -> usize {
        let grid = Grid { width: columns, ..self.tower.trunk.window() };
        if columns == 0 { 0 } else { self.tower.trunk.output(grid).map_or(0, |grid| grid.width) }
    }

    fn lower(&self, columns: usize, rank: usize) -> Option<Graph> {
        let is_one = columns <= self.tower.trunk.window().width && self.states_in(columns) > 0;
        is_one.then(|| self.tower.trunk.lower_within(columns, rank))
    }

    fn inputs(&self, features: &Features, columns: usize) -> Result<Vec<Vec<f32>>> {
        let own = self.columns_of(features)?;
        if own > columns {
            return Err(Error::argument("features", format!("{own} columns, the graph has {columns}")));
        }
        Ok(self.tower.trunk.inputs_within(columns, &features.values, own))
    }
}
