//! Dense heads: stages of convolutions over the states of a picture, from a grid of states to planes.
//!
//! `task.json` declares `{"kind": "dense", "states": [256, 16, 16], "stages": [..], "gives": "classes"}`: width, rows and columns
//! of the states that it reads, stages as `config.json` of our towers lists them, and what its planes mean. The tensors are
//! `base_model.model.classifier.stages.N.*`. The adapter's own preprocessing stretches whole pictures to the size whose states
//! have that grid.
//!
//! | `gives` | planes | mean |
//! |---|---|---|
//! | `classes` | one per label | logits of the label at each place |
//! | `mask` | one | logit of what is cut out, such as a person |
//! | `density` | one, of the only label | things per place, where it is above zero; their sum is the count |
//! | `boxes` | one per label, then four | logits of a thing's centre; distances to its left, top, right and bottom edge in places, through softplus |
//! | `points` | one per label | logits of where the point of that name is |

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::package::AdapterPackage;
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::model::encoder::tower::{Extent, StageConfig, Stages, check_stages};
use crate::model::layer::{Grid, Loader, Prefix};
use crate::weights::Checkpoint;

/// What its tensors' names begin with.
pub(super) const PREFIX: &str = "base_model.model.classifier.";
/// Rows, columns and width of what a head may read.
const MAX_EXTENT: usize = 1 << 13;
/// Edges of a box.
const EDGES: usize = 4;

/// What the planes of a dense head mean.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum DenseGives {
    /// A label at each place.
    Classes,
    /// What is cut out.
    Mask,
    /// How many of something.
    Density,
    /// Things with their boxes.
    Boxes,
    /// Points by name.
    Points,
}

/// A dense head as `task.json` declares it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DenseSpec {
    /// Width, rows and columns of the states.
    pub states: [usize; 3],
    /// Its stages, as `config.json` of our towers lists them.
    pub stages: Vec<Value>,
    /// What the planes mean.
    pub gives: DenseGives,
}

impl DenseSpec {
    /// Planes of a head with so many labels.
    pub(super) fn channels(&self, labels: usize) -> usize {
        match self.gives {
            DenseGives::Classes | DenseGives::Points => labels,
            DenseGives::Mask | DenseGives::Density => 1,
            DenseGives::Boxes => labels + EDGES,
        }
    }

    /// Succeeds when its values are in their ranges.
    ///
    /// # Errors
    /// What is wrong with them.
    pub(super) fn check(&self, labels: &[String]) -> std::result::Result<(), String> {
        if self.states.iter().any(|extent| !(1..=MAX_EXTENT).contains(extent)) {
            return Err(format!("states {:?}, expected extents from 1 to {MAX_EXTENT}", self.states));
        }
        let (least, most) = match self.gives {
            DenseGives::Classes => (2, usize::MAX),
            DenseGives::Mask => (0, 1),
            DenseGives::Density => (1, 1),
            DenseGives::Boxes | DenseGives::Points => (1, usize::MAX),
        };
        if !(least..=most).contains(&labels.len()) {
            let gives = serde_json::to_string(&self.gives).unwrap_or_default();
            return Err(format!("it gives {gives} of {} labels", labels.len()));
        }
        self.stages().map(|_| ())
    }

    fn stages(&self) -> std::result::Result<Vec<StageConfig>, String> {
        let read = |(at, stage): (usize, &Value)| {
            serde_json::from_value(stage.clone()).map_err(|error| format!("stages.{at}: {error}"))
        };
        let stages = self.stages.iter().enumerate().map(read).collect::<std::result::Result<Vec<_>, _>>()?;
        check_stages(&stages).map(|()| stages)
    }
}

/// A dense head with its tensors.
#[derive(Debug)]
pub struct DenseHead {
    spec: DenseSpec,
    stages: Stages,
    /// What comes out.
    output: [usize; 3],
    bytes: usize,
}

/// Planes over a picture.
#[derive(Clone, Debug, PartialEq)]
pub struct Planes {
    /// One plane after another, row by row.
    pub values: Vec<f32>,
    /// Rows of a plane.
    pub height: usize,
    /// Columns of a plane.
    pub width: usize,
}

impl Planes {
    /// The planes.
    pub fn iter(&self) -> std::slice::ChunksExact<'_, f32> {
        self.values.chunks_exact(self.height * self.width)
    }
}

impl DenseHead {
    /// Builds the head that `spec` declares from the tensors of `package`.
    ///
    /// # Errors
    /// [`Error::Adapter`] naming the tensor that is missing, superfluous or of a wrong shape, or the stage.
    pub(super) fn load(spec: &DenseSpec, package: &AdapterPackage) -> Result<Self> {
        let refuse = |reason: String| Error::adapter(package.name(), reason);
        let configs = spec.stages().map_err(|reason| refuse(format!("task.json: dense head: {reason}")))?;
        let checkpoint = Checkpoint::Safetensors(package.tensors().clone());
        let mut loader = Loader::new(&checkpoint, Prefix::from(PREFIX));
        let [channels, height, width] = spec.states;
        let from = Extent { channels, grid: Grid { height, width } };
        let told = |error: Error| refuse(error.to_string());
        let (stages, to) = Stages::load(&mut loader, &configs, from).map_err(told)?;
        loader.finish("dense head", |_| false).map_err(told)?;
        let wanted = spec.channels(package.task().labels.len());
        if to.channels != wanted {
            return Err(refuse(format!("its dense head gives {} planes, expected {wanted}", to.channels)));
        }
        let own = |name: &String| name.starts_with(PREFIX);
        let mut bytes = 0;
        for name in package.tensors().names().into_iter().filter(own) {
            // In memory as singles.
            bytes += package.tensors().tensor(&name)?.map_or(0, |tensor| tensor.elements() * size_of::<f32>());
        }
        Ok(Self { spec: spec.clone(), stages, output: [to.channels, to.grid.height, to.grid.width], bytes })
    }

    /// What it was declared as.
    #[must_use]
    pub fn spec(&self) -> &DenseSpec {
        &self.spec
    }

    /// Planes that it gives, and their rows and columns.
    #[must_use]
    pub fn output(&self) -> [usize; 3] {
        self.output
    }

    /// Bytes of its weights.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Planes of the states of a picture, `[rows * columns, width]`.
    ///
    /// # Panics
    /// When there are more or fewer values than it reads, which the engine checks at installation.
    #[must_use]
    pub fn apply(&self, states: &[f32]) -> Planes {
        let [width, rows, columns] = self.spec.states;
        assert_eq!(states.len(), width * rows * columns, "a dense head reads the states that it was installed for");
        let grid = Grid { height: rows, width: columns };
        let (out, grid) = crate::pool::pass(|| self.stages.forward(Room::copy(states), grid, None));
        let channels = self.output[0];
        let mut values = vec![0.0; out.len()];
        for (at, row) in out.chunks_exact(channels).enumerate() {
            row.iter().enumerate().for_each(|(plane, value)| values[plane * grid.count() + at] = *value);
        }
        Planes { values, height: grid.height, width: grid.width }
    }
}
