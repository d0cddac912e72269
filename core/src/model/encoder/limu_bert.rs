//! LIMU-BERT (Xu et al., "LIMU-BERT: Unleashing the Potential of Unlabeled Data for IMU Sensing Applications", SenSys 2021): a
//! small transformer over the steps of a motion window, pretrained to fill in hidden stretches.
//!
//! Its blocks share one set of weights, and the residual around attention begins after it. A released `.pt` file is opened as
//! `pytorch_model.bin` beside a `config.json` with `{"model_type": "limu-bert"}`; sizes that it does not give are those of
//! the release: `feature_num` 6, `hidden` 72, `hidden_ff` 144, `n_layers` 4, `n_heads` 4, `seq_len` 120, and `emb_norm`
//! true, without which the embedding is normalised once instead of twice. The head of pretraining stays in the file.

mod lower;

use super::contract::{Encoder, Encoding, Features, Item, TimeAxis};
use super::fields::{Fields, MAX_LAYERS, MAX_WIDTH};
use super::preprocessor::Preprocessor;
use super::registry::Source;
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::graph::Graph;
use crate::input::{Acceleration, AngularRate, Gravity, ImuConfig, ImuLayout, Input, LongWindow, ShortWindow};
use crate::model::layer::{Activation, Bias, BlockShape, Heads, LayerNorm, Loader, Mask, Pass, Prefix, add, attend};
use crate::model::modality::Modality;
use crate::model::ops::mean_rows;
use crate::model::table::LinearTable;
use crate::pool;
use crate::quant::{Deltas, Linear, RowAdapters};

/// In Hz.
const RATE: f64 = 20.0;
/// What the release divides m/s^2 by.
const GRAVITY: f32 = 9.8;
const EPS: f64 = 1e-12;
/// Steps per forward pass: bounds the activations of long lists. One window is never divided.
const STEPS_PER_PASS: usize = 2048;

/// A loaded network.
struct LimuBert {
    table: LinearTable,
    preprocessor: Option<Preprocessor>,
    channels: usize,
    layers: usize,
    heads: Heads,
    input: Linear,
    /// Whether the embedding is normalised before positions are added too.
    twice: bool,
    embedding_norm: LayerNorm,
    /// `[steps, width]`.
    positions: Vec<f32>,
    /// Queries, keys, values.
    attention: [Linear; 3],
    output: Linear,
    norms: [LayerNorm; 2],
    mlp: [Linear; 2],
}

impl std::fmt::Debug for LimuBert {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "LimuBert({} layers)", self.layers)
    }
}

/// Opens the network; features are a window `[channels, steps]`, an embedding is the average of its states.
///
/// # Errors
/// [`Error::Malformed`] naming the field of a configuration, or when the preprocessing makes another window than the network
/// reads; [`Error::MissingTensor`], [`Error::Shape`], or [`Error::Unsupported`] for a tensor that would go unused.
pub(super) fn open(source: &Source<'_>) -> Result<Box<dyn Encoder>> {
    let fields = Fields::new(source.config, "config.json");
    let width = fields.size_or("hidden", 72, MAX_WIDTH)?;
    let inner = fields.size_or("hidden_ff", 144, MAX_WIDTH)?;
    let heads = fields.size_or("n_heads", 4, MAX_WIDTH)?;
    let heads = BlockShape { width, inner, heads, eps: EPS, activation: Activation::Gelu }.heads()?;
    let layers = fields.size_or("n_layers", 4, MAX_LAYERS)?;
    let channels = fields.size_or("feature_num", 6, 64)?;
    let steps = fields.size_or("seq_len", 120, MAX_WIDTH)?;
    let twice = fields.flag_or("emb_norm", true)?;
    let preprocessor = preprocessor(source, channels, steps)?;

    let mut loader = Loader::new(source.checkpoint, Prefix::from("transformer."));
    let input = loader.linear("embed.lin", width, channels, Bias::Required)?;
    let embedding_norm = norm(&loader, "embed.norm", width)?;
    let positions = loader.values("embed.pos_embed.weight", &[steps, width])?;
    let mut projection = |part: &str| loader.linear(&format!("attn.proj_{part}"), width, width, Bias::Required);
    let attention = [projection("q")?, projection("k")?, projection("v")?];
    let output = loader.linear("proj", width, width, Bias::Required)?;
    let norms = [norm(&loader, "norm1", width)?, norm(&loader, "norm2", width)?];
    let mlp = [
        loader.linear("pwff.fc1", inner, width, Bias::Required)?,
        loader.linear("pwff.fc2", width, inner, Bias::Required)?,
    ];
    let table = loader.finish("LIMU-BERT", |_| false)?;
    Ok(Box::new(LimuBert {
        table,
        preprocessor,
        channels,
        layers,
        heads,
        input,
        twice,
        embedding_norm,
        positions,
        attention,
        output,
        norms,
        mlp,
    }))
}

/// The norm `module`, whose parameters have the names of TensorFlow.
fn norm(loader: &Loader<'_>, module: &str, width: usize) -> Result<LayerNorm> {
    let values = |part: &str| loader.values(&format!("{module}.{part}"), &[width]);
    Ok(LayerNorm { weight: values("gamma")?, bias: values("beta")?, eps: EPS as f32 })
}

/// What `preprocessor_config.json` says, else as the release: six channels, 20 Hz, acceleration with gravity over 9.8, rad/s.
fn preprocessor(source: &Source<'_>, channels: usize, steps: usize) -> Result<Option<Preprocessor>> {
    if let Some(json) = source.preprocessor {
        let own = Preprocessor::parse(json)?;
        let (makes, reads) = (own.output(), vec![channels, steps]);
        if makes.as_ref() != Some(&reads) {
            let reason = format!("it makes features of shape {makes:?}, the network reads {reads:?}");
            return Err(Error::malformed("preprocessing", "preprocessor_config.json", reason));
        }
        return Ok(Some(own));
    }
    let layout = ImuLayout::AccelerometerGyroscope;
    // A network with a magnetometer, or a window too short for one, has no preprocessing here.
    if channels != layout.channels() || steps < 2 {
        return Ok(None);
    }
    let config = ImuConfig {
        rate: RATE,
        steps,
        layout,
        acceleration: Acceleration::MetersPerSecondSquared,
        rotation: AngularRate::RadiansPerSecond,
        gravity: Gravity::Included,
        mean: vec![0.0; channels],
        std: [[GRAVITY; 3], [1.0; 3]].concat(),
        short: ShortWindow::Refuse,
        long: LongWindow::Refuse,
    };
    Ok(Some(Preprocessor::Motion(config)))
}

impl Encoder for LimuBert {
    fn modality(&self) -> Modality {
        Modality::IMU
    }

    fn dim(&self) -> usize {
        self.width()
    }

    fn state_width(&self) -> usize {
        self.width()
    }

    fn reads(&self) -> Option<Vec<usize>> {
        Some(vec![self.channels, self.steps()])
    }

    fn linears(&self) -> &LinearTable {
        &self.table
    }

    fn time_axis(&self) -> TimeAxis {
        TimeAxis::STATES
    }

    fn motion(&self) -> Option<ImuConfig> {
        self.preprocessor.as_ref().and_then(Preprocessor::motion).cloned()
    }

    fn prepare(&self, input: &Input) -> Result<Features> {
        let own = self.preprocessor.as_ref().ok_or_else(|| {
            Error::unsupported("raw motion", "the component has no preprocessor_config.json; give a prepared window")
        })?;
        own.prepare(input)
    }

    fn lower(&self, rank: usize) -> Option<Graph> {
        Some(Self::lower(self, rank))
    }

    fn encode(&self, items: &[Item<'_>]) -> Result<Vec<Encoding>> {
        for item in items {
            item.features.expect_shape(&[self.channels, self.steps()])?;
        }
        let windows = (STEPS_PER_PASS / self.steps()).max(1);
        // One hand-over to the thread pool per pass, not one per product.
        Ok(items.chunks(windows).flat_map(|items| pool::pass(|| self.pass(items))).collect())
    }
}

impl LimuBert {
    fn width(&self) -> usize {
        self.embedding_norm.weight.len()
    }

    fn steps(&self) -> usize {
        self.positions.len() / self.width()
    }

    fn pass(&self, items: &[Item<'_>]) -> Vec<Encoding> {
        let (width, steps) = (self.width(), self.steps());
        let of_items: Vec<Option<&Deltas>> = items.iter().map(|item| item.deltas).collect();
        let adapters = Pass::rows(&vec![steps; items.len()], &of_items);
        let mut rows = Vec::with_capacity(adapters.rows() * self.channels);
        for item in items {
            let values = &item.features.values;
            rows.extend((0..steps).flat_map(|step| (0..self.channels).map(move |c| values[c * steps + step])));
        }
        let mut x = Room::new(adapters.rows() * width);
        self.input.forward(&rows, &adapters, &mut x);
        if self.twice {
            self.embedding_norm.apply(&mut x);
        }
        for window in x.chunks_exact_mut(self.positions.len()) {
            window.iter_mut().zip(&self.positions).for_each(|(x, p)| *x += p);
        }
        self.embedding_norm.apply(&mut x);
        for _ in 0..self.layers {
            x = self.block(&x, &adapters);
        }
        x.chunks_exact(steps * width).map(|states| self.encoding(states)).collect()
    }

    fn block(&self, x: &[f32], adapters: &RowAdapters<'_>) -> Room {
        let through = |linear: &Linear, xs: &[f32]| {
            let mut out = Room::new(adapters.rows() * linear.outputs());
            linear.forward(xs, adapters, &mut out);
            out
        };
        let [q, k, v] = self.attention.each_ref().map(|linear| through(linear, x));
        let mut attended = Room::new(x.len());
        let window = self.positions.len();
        for (at, out) in attended.chunks_exact_mut(window).enumerate() {
            let span = at * window..(at + 1) * window;
            attend(self.heads, Mask::None, &q[span.clone()], &k[span.clone()], &v[span], out);
        }
        let projected = through(&self.output, &attended);
        let mut h = attended;
        add(&mut h, &projected);
        self.norms[0].apply(&mut h);
        let [up, down] = &self.mlp;
        let mut inner = through(up, &h);
        Activation::Gelu.apply(&mut inner);
        add(&mut h, &through(down, &inner));
        self.norms[1].apply(&mut h);
        h
    }

    fn encoding(&self, states: &[f32]) -> Encoding {
        Encoding { embedding: mean_rows(states, self.width()), states: states.to_vec() }
    }
}
