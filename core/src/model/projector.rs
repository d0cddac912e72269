//! Projectors: embeddings or hidden states of an encoder to soft tokens of a backbone.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::encoder::{Fields, MAX_WIDTH};
use super::layer::{Activation, Bias, Loader, Prefix};
use super::table::LinearTable;
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::pool;
use crate::quant::{Deltas, Linear, RowAdapters};
use crate::weights::{Checkpoint, read_json};

/// `model_type` of a projector's own `config.json`.
pub const PROJECTOR_TYPE: &str = "loam-projector";
/// Configurations are a few hundred bytes of JSON.
const MAX_CONFIG: u64 = 1 << 20;
/// Soft tokens that one state may become.
const MAX_TOKENS: usize = 1 << 12;
/// States that become one soft token, along an edge.
const MAX_SCALE: usize = 64;
/// States per product: bounds the activations inside of an MLP.
const ROWS_PER_PASS: usize = 1024;

/// How states become soft tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum ProjectorKind {
    /// One linear, `proj`: each state becomes `tokens` soft tokens, one after the other in the linear's output.
    Linear {
        /// Soft tokens per state.
        tokens: usize,
    },
    /// Two linears, `fc1` and `fc2`, with an activation between; else as [`ProjectorKind::Linear`].
    Mlp {
        /// Width between the linears.
        inner: usize,
        /// Soft tokens per state.
        tokens: usize,
        /// Between the linears.
        activation: Activation,
    },
    /// Squares of `scale * scale` neighbouring states become one soft token by one linear, `modality_projection.proj`:
    /// the connector of Idefics3 and `SmolVLM`.
    PixelShuffle {
        /// States along an edge of a square.
        scale: usize,
    },
}

/// What of an encoder's output enters a projector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ProjectorSource {
    /// The embedding in the shared space, of unit length: one state per input.
    Embedding,
    /// The hidden states: as many states as the encoder gives.
    States,
}

/// Shape of a projector.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct ProjectorConfig {
    /// What of an encoder's output enters it.
    pub source: ProjectorSource,
    /// How states become soft tokens.
    #[serde(flatten)]
    pub kind: ProjectorKind,
    /// Width of a state.
    pub inputs: usize,
    /// Width of a soft token: the backbone's hidden size.
    pub outputs: usize,
}

impl ProjectorConfig {
    /// Reads a projector's `config.json`.
    ///
    /// # Errors
    /// [`Error::Unsupported`] or [`Error::Malformed`] naming the field and its value.
    pub fn parse(json: &Value) -> Result<Self> {
        let fields = Fields::new(json, "config.json");
        let model_type = fields.text_or("model_type", "missing")?;
        if model_type != PROJECTOR_TYPE {
            let reason = format!("a projector has {PROJECTOR_TYPE}");
            return Err(Error::unsupported(format!("model_type '{model_type}'"), reason));
        }
        let tokens = || fields.size_or("tokens", 1, MAX_TOKENS);
        let kind = match fields.text_or("kind", "missing")? {
            "linear" => ProjectorKind::Linear { tokens: tokens()? },
            "mlp" => ProjectorKind::Mlp {
                inner: fields.size("inner", MAX_WIDTH)?,
                tokens: tokens()?,
                activation: Activation::parse("activation", fields.text_or("activation", "gelu")?)?,
            },
            "pixel_shuffle" => ProjectorKind::PixelShuffle { scale: fields.size("scale", MAX_SCALE)? },
            other => {
                let reason = "linear, mlp and pixel_shuffle are run";
                return Err(Error::unsupported(format!("projector kind '{other}'"), reason));
            }
        };
        let source = match fields.text_or("source", "embedding")? {
            "embedding" => ProjectorSource::Embedding,
            "states" => ProjectorSource::States,
            _ => return Err(fields.wrong("source", "embedding or states")),
        };
        let (inputs, outputs) = (fields.size("inputs", MAX_WIDTH)?, fields.size("outputs", MAX_WIDTH)?);
        Ok(Self { source, kind, inputs, outputs })
    }

    /// Soft tokens that a grid of that many rows and columns of states becomes.
    ///
    /// # Errors
    /// [`Error::Argument`] for a grid that does not divide into squares.
    pub fn tokens(&self, [rows, columns]: [usize; 2]) -> Result<usize> {
        let count = match self.kind {
            ProjectorKind::Linear { tokens } | ProjectorKind::Mlp { tokens, .. } => {
                rows.checked_mul(columns).and_then(|states| states.checked_mul(tokens))
            }
            ProjectorKind::PixelShuffle { scale } => (rows.is_multiple_of(scale) && columns.is_multiple_of(scale))
                .then(|| (rows / scale).checked_mul(columns / scale))
                .flatten(),
        };
        let reason = || format!("a grid of {rows} x {columns} for {:?}", self.kind);
        count.filter(|count| *count > 0).ok_or_else(|| Error::argument("states", reason()))
    }

    /// The connector of an Idefics3 or `SmolVLM` model, from the model's `config.json`.
    pub(crate) fn connector(config: &Fields<'_>, inputs: usize, outputs: usize) -> Result<Self> {
        let scale = config.size_or("scale_factor", 2, MAX_SCALE)?;
        Ok(Self { source: ProjectorSource::States, kind: ProjectorKind::PixelShuffle { scale }, inputs, outputs })
    }
}

/// States that lie as a grid, row by row; a series is a grid of one row.
#[derive(Clone, Copy, Debug)]
pub struct States<'a> {
    /// `[rows * columns, inputs]`.
    pub values: &'a [f32],
    /// Rows and columns.
    pub grid: [usize; 2],
}

impl<'a> States<'a> {
    /// A series of `count` states.
    #[must_use]
    pub fn series(values: &'a [f32], count: usize) -> Self {
        Self { values, grid: [1, count] }
    }
}

#[derive(Debug)]
enum Layers {
    One(Linear),
    Two(Linear, Activation, Linear),
}

/// A loaded projector. Immutable and shared.
#[derive(Debug)]
pub struct Projector {
    config: ProjectorConfig,
    table: LinearTable,
    layers: Layers,
}

impl Projector {
    /// Opens a directory with a projector's `config.json` and `model.safetensors`. Biases are optional.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::Malformed`], [`Error::Unsupported`], [`Error::MissingTensor`] or [`Error::Shape`].
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        let dir = dir.as_ref();
        let file = dir.join("config.json");
        let json = read_json(&file, MAX_CONFIG)?;
        let config = ProjectorConfig::parse(&json)?;
        Self::load(&Checkpoint::open(dir)?, Prefix::default(), config, &LinearTable::default())
    }

    /// Loads the tensors below `prefix`; layers get identities that follow those in `parts`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`], [`Error::Shape`], or [`Error::Unsupported`] for a tensor that would go unused.
    pub(crate) fn load(
        checkpoint: &Checkpoint,
        prefix: Prefix,
        config: ProjectorConfig,
        parts: &LinearTable,
    ) -> Result<Self> {
        let ProjectorConfig { kind, inputs, outputs, .. } = config;
        let mut loader = Loader::after(checkpoint, prefix, parts);
        let layers = match kind {
            ProjectorKind::Linear { tokens } => {
                Layers::One(loader.linear("proj", tokens * outputs, inputs, Bias::IfPresent)?)
            }
            ProjectorKind::Mlp { inner, tokens, activation } => {
                let up = loader.linear("fc1", inner, inputs, Bias::IfPresent)?;
                Layers::Two(up, activation, loader.linear("fc2", tokens * outputs, inner, Bias::IfPresent)?)
            }
            ProjectorKind::PixelShuffle { scale } => {
                let module = "modality_projection.proj";
                Layers::One(loader.linear(module, outputs, inputs * scale * scale, Bias::IfPresent)?)
            }
        };
        Ok(Self { config, table: loader.finish("projector", |_| false)?, layers })
    }

    /// Its shape.
    #[must_use]
    pub fn config(&self) -> &ProjectorConfig {
        &self.config
    }

    /// The layers that adapters may act on.
    #[must_use]
    pub fn linears(&self) -> &LinearTable {
        &self.table
    }

    /// Soft tokens `[tokens, outputs]` of the states of one input, under one adapter.
    ///
    /// # Errors
    /// [`Error::Argument`] when values, grid and shape do not fit together.
    pub fn project(&self, states: &States<'_>, deltas: Option<&Deltas>) -> Result<Vec<f32>> {
        let [rows, columns] = states.grid;
        let tokens = self.config.tokens(states.grid)?;
        let wanted = rows.checked_mul(columns).and_then(|count| count.checked_mul(self.config.inputs));
        if wanted != Some(states.values.len()) {
            let reason =
                format!("{} values for {rows} x {columns} states of {}", states.values.len(), self.config.inputs);
            return Err(Error::argument("states", reason));
        }
        let mut out = vec![0.0; tokens * self.config.outputs];
        let shuffled = match self.config.kind {
            ProjectorKind::PixelShuffle { scale } => Some(shuffle(states, self.config.inputs, scale)),
            ProjectorKind::Linear { .. } | ProjectorKind::Mlp { .. } => None,
        };
        pool::pass(|| self.run(shuffled.as_deref().unwrap_or(states.values), deltas, &mut out));
        Ok(out)
    }

    fn run(&self, xs: &[f32], deltas: Option<&Deltas>, out: &mut [f32]) {
        let (inputs, outputs) = match &self.layers {
            Layers::One(linear) => (linear.weight().cols(), linear.outputs()),
            Layers::Two(up, _, down) => (up.weight().cols(), down.outputs()),
        };
        for (xs, out) in xs.chunks(ROWS_PER_PASS * inputs).zip(out.chunks_mut(ROWS_PER_PASS * outputs)) {
            let adapters = RowAdapters::same(xs.len() / inputs, deltas);
            match &self.layers {
                Layers::One(linear) => linear.forward(xs, &adapters, out),
                Layers::Two(up, activation, down) => {
                    let mut inner = Room::new(adapters.rows() * up.outputs());
                    up.forward(xs, &adapters, &mut inner);
                    activation.apply(&mut inner);
                    down.forward(&inner, &adapters, out);
                }
            }
        }
    }
}

/// States of each square one after the other, row by row within the square; squares row by row of the grid.
fn shuffle(states: &States<'_>, width: usize, scale: usize) -> Vec<f32> {
    let [rows, columns] = states.grid;
    let mut out = Vec::with_capacity(states.values.len());
    for square in 0..rows / scale * (columns / scale) {
        let (top, left) = (square / (columns / scale) * scale, square % (columns / scale) * scale);
        for row in top..top + scale {
            let start = (row * columns + left) * width;
            out.extend_from_slice(&states.values[start..start + scale * width]);
        }
    }
    out
}
