//! The text encoder: post-norm transformer blocks with relative positions (Shaw et al. 2018, arXiv 1803.02155) and
//! convolutions between.

use super::config::VitsConfig;
use super::convolution::Series;
use crate::arena::Room;
use crate::error::Result;
use crate::model::layer::{Activation, Bias, LayerNorm, Loader, add};
use crate::model::ops::softmax;
use crate::pool;
use crate::quant::{Linear, Matrix, RowAdapters};

/// What text becomes.
pub(super) struct Encoded {
    /// `[tokens, width]`.
    pub(super) states: Vec<f32>,
    /// Mean and log deviation of each token's latents, `[tokens, 2 * latents]`.
    pub(super) prior: Vec<f32>,
}

#[derive(Debug)]
pub(super) struct TextEncoder {
    embedding: Matrix,
    blocks: Vec<Block>,
    project: Series,
}

#[derive(Debug)]
struct Block {
    attention: Attention,
    norm: LayerNorm,
    convolutions: [Series; 2],
    activation: Activation,
    final_norm: LayerNorm,
}

#[derive(Debug)]
struct Attention {
    /// Queries, keys, values, output.
    linears: [Linear; 4],
    heads: usize,
    /// Keys and values of the distances `-window..=window`, `[2 * window + 1, head width]` each.
    relative: Option<[Vec<f32>; 2]>,
}

impl TextEncoder {
    pub(super) fn load(loader: &mut Loader<'_>, config: &VitsConfig) -> Result<Self> {
        let width = config.width;
        let (embedding, _) = loader.embedding("text_encoder.embed_tokens", config.vocabulary, width)?;
        let blocks = (0..config.layers)
            .map(|i| Block::load(loader, &format!("text_encoder.encoder.layers.{i}"), config))
            .collect::<Result<_>>()?;
        let project =
            Series::load(loader, "text_encoder.project", [width, 2 * config.latents], [1, 1], Bias::Required)?;
        Ok(Self { embedding, blocks, project })
    }

    /// Ids must be below the vocabulary's size.
    pub(super) fn forward(&self, ids: &[u32]) -> Encoded {
        let width = self.embedding.cols();
        let mut x = vec![0.0; ids.len() * width];
        for (row, id) in x.chunks_exact_mut(width).zip(ids) {
            self.embedding.row(*id as usize, row);
            row.iter_mut().for_each(|v| *v *= (width as f32).sqrt());
        }
        for block in &self.blocks {
            block.forward(&mut x);
        }
        Encoded { prior: self.project.forward(&x).to_vec(), states: x }
    }
}

impl Block {
    fn load(loader: &mut Loader<'_>, module: &str, config: &VitsConfig) -> Result<Self> {
        let (width, inner, taps) = (config.width, config.inner, [config.ffn_kernel, 1]);
        let convolution = |loader: &mut Loader<'_>, part: &str, channels| {
            Series::load(loader, &format!("{module}.feed_forward.{part}"), channels, taps, Bias::Required)
        };
        Ok(Self {
            attention: Attention::load(loader, &format!("{module}.attention"), config)?,
            norm: loader.layer_norm(&format!("{module}.layer_norm"), width, config.eps)?,
            convolutions: [
                convolution(loader, "conv_1", [width, inner])?,
                convolution(loader, "conv_2", [inner, width])?,
            ],
            activation: config.activation,
            final_norm: loader.layer_norm(&format!("{module}.final_layer_norm"), width, config.eps)?,
        })
    }

    fn forward(&self, x: &mut [f32]) {
        let attended = self.attention.forward(x);
        add(x, &attended);
        self.norm.apply(x);
        let mut inner = self.convolutions[0].forward(x);
        self.activation.apply(&mut inner);
        let outer = self.convolutions[1].forward(&inner);
        add(x, &outer);
        self.final_norm.apply(x);
    }
}

impl Attention {
    fn load(loader: &mut Loader<'_>, module: &str, config: &VitsConfig) -> Result<Self> {
        let bias = if config.bias { Bias::Required } else { Bias::Absent };
        let mut linear = |part: &str| loader.linear(&format!("{module}.{part}"), config.width, config.width, bias);
        let linears = [linear("q_proj")?, linear("k_proj")?, linear("v_proj")?, linear("out_proj")?];
        let relative = match config.window {
            None => None,
            Some(window) => {
                let shape = [1, 2 * window + 1, config.width / config.heads];
                let table = |part: &str| loader.values(&format!("{module}.{part}"), &shape);
                Some([table("emb_rel_k")?, table("emb_rel_v")?])
            }
        };
        Ok(Self { linears, heads: config.heads, relative })
    }

    fn forward(&self, x: &[f32]) -> Room {
        let width = self.linears[0].outputs();
        let (count, dim) = (x.len() / width, width / self.heads);
        let adapters = RowAdapters::same(count, None);
        let project = |linear: &Linear, xs: &[f32]| {
            let mut out = Room::new(xs.len());
            linear.forward(xs, &adapters, &mut out);
            out
        };
        let [q, k, v] = [0, 1, 2].map(|i| project(&self.linears[i], x));
        let rows = Projected { q: &q, k: &k, v: &v, width, dim };
        let mut attended = Room::zeros(x.len());
        pool::chunks(&mut attended, dim, |at, out| self.attend(&rows, at / self.heads, at % self.heads, out));
        project(&self.linears[3], &attended)
    }

    /// One query of one head.
    fn attend(&self, rows: &Projected<'_>, query: usize, head: usize, out: &mut [f32]) {
        let (dim, count) = (rows.dim, rows.k.len() / rows.width);
        let (q, scale) = (rows.part(rows.q, query, head), (dim as f32).powf(-0.5));
        let mut scores: Vec<f32> = (0..count).map(|t| dot(q, rows.part(rows.k, t, head)) * scale).collect();
        // Positions within the window, each with the row of its distance in the tables.
        let window = self.relative.as_ref().map_or(0, |[keys, _]| (keys.len() / dim - 1) / 2);
        let near = (query.saturating_sub(window)..(query + window + 1).min(count))
            .map(|t| (t, (t + window - query) * dim..(t + window - query + 1) * dim));
        if let Some([keys, _]) = &self.relative {
            near.clone().for_each(|(t, row)| scores[t] += dot(q, &keys[row]) * scale);
        }
        softmax(&mut scores);
        for (t, score) in scores.iter().enumerate() {
            out.iter_mut().zip(rows.part(rows.v, t, head)).for_each(|(y, v)| *y += score * v);
        }
        if let Some([_, values]) = &self.relative {
            for (t, row) in near {
                out.iter_mut().zip(&values[row]).for_each(|(y, v)| *y += scores[t] * v);
            }
        }
    }
}

/// Queries, keys and values of a sequence, `[tokens, width]` each.
struct Projected<'a> {
    q: &'a [f32],
    k: &'a [f32],
    v: &'a [f32],
    width: usize,
    dim: usize,
}

impl Projected<'_> {
    fn part<'a>(&self, rows: &'a [f32], t: usize, head: usize) -> &'a [f32] {
        &rows[t * self.width + head * self.dim..t * self.width + (head + 1) * self.dim]
    }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}
