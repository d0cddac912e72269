//! Our own speech towers as recognisers: a `ctc` section in the configuration, and the head `ctc_head`.

use std::path::Path;

use super::head::CtcHead;
use super::network::CtcNetwork;
use super::vocabulary::CtcVocabulary;
use crate::error::{Error, Result};
use crate::input::{Audio, Channels, LogMel, SampleRate};
use crate::model::encoder::ModelDir;
use crate::model::encoder::tower::FrameTower;
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

    /// The grid of so many samples.
    fn grid(&self, samples: usize) -> Grid {
        Grid { width: self.mel.frames_in(samples), ..self.tower.trunk.window() }
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
        let grid = self.grid(samples);
        if grid.width == 0 { 0 } else { self.tower.trunk.output(grid).map_or(0, |grid| grid.width) }
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

    fn states(&self, samples: &[f32], deltas: Option<&Deltas>) -> Result<Vec<f32>> {
        if samples.len() > self.longest() {
            let reason = format!("{} samples, the tower reads {} at once", samples.len(), self.longest());
            return Err(Error::argument("audio", reason));
        }
        if self.frames(samples.len()) == 0 {
            return Ok(Vec::new());
        }
        let mel = self.mel.compute(&Audio::from_f32(samples, Channels::MONO, self.rate)?)?;
        let grid = self.grid(samples.len());
        Ok(self.tower.trunk.forward(&mel.into_values(), grid, deltas).0.to_vec())
    }
}
