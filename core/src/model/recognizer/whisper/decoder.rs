//! Whisper's decoder: pre-norm blocks with attention to earlier tokens and to the encoder's states.

use super::config::WhisperConfig;
use super::stack::BIASES;
use super::tree::{Hypothesis, TokenTree};
use crate::arena::Room;
use crate::error::{Error, Result};
use crate::model::layer::{Activation, Bias, Heads, LayerNorm, Loader, Mask, Planes, add};
use crate::quant::{Deltas, Linear, LinearId, Matrix, Product, RowAdapters, kernels, multiply};

/// A norm and the queries, keys, values and output behind it.
#[derive(Clone, Debug)]
struct Attention {
    norm: LayerNorm,
    linears: [Linear; 4],
}

#[derive(Clone, Debug)]
struct Block {
    own: Attention,
    cross: Attention,
    norm: LayerNorm,
    mlp: [Linear; 2],
}

/// The decoder's layers.
#[derive(Clone, Debug)]
pub(super) struct Decoder {
    heads: Heads,
    limit: usize,
    tokens: Matrix,
    tokens_id: LinearId,
    /// `[positions, width]`.
    positions: Matrix,
    blocks: Vec<Block>,
    norm: LayerNorm,
    /// From states to logits.
    output: Linear,
    activation: Activation,
}

impl Attention {
    fn load(loader: &mut Loader<'_>, module: &str, width: usize, eps: f64) -> Result<Self> {
        let names = ["q_proj", "k_proj", "v_proj", "out_proj"];
        let mut linear = |i: usize| loader.linear(&format!("{module}.{}", names[i]), width, width, BIASES[i]);
        let linears = [linear(0)?, linear(1)?, linear(2)?, linear(3)?];
        Ok(Self { norm: loader.layer_norm(&format!("{module}_layer_norm"), width, eps)?, linears })
    }
}

impl Block {
    fn load(loader: &mut Loader<'_>, module: &str, config: &WhisperConfig) -> Result<Self> {
        let (width, inner, eps) = (config.width, config.decoder.inner, config.decoder.eps);
        Ok(Self {
            own: Attention::load(loader, &format!("{module}.self_attn"), width, eps)?,
            cross: Attention::load(loader, &format!("{module}.encoder_attn"), width, eps)?,
            norm: loader.layer_norm(&format!("{module}.final_layer_norm"), width, eps)?,
            mlp: [
                loader.linear(&format!("{module}.fc1"), inner, width, Bias::Required)?,
                loader.linear(&format!("{module}.fc2"), width, inner, Bias::Required)?,
            ],
        })
    }
}

impl Decoder {
    /// Loads the layers below `decoder.`, and `proj_out`, which lies beside whatever `loader` begins at.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::Shape`].
    pub(super) fn load<'a>(mut loader: Loader<'a>, config: &WhisperConfig) -> Result<(Self, Loader<'a>)> {
        let width = config.width;
        let (tokens, tokens_id) = loader.embedding("decoder.embed_tokens", config.vocabulary, width)?;
        let positions = loader.matrix("decoder.embed_positions.weight", config.target_positions, width)?;
        let blocks = (0..config.decoder_layers)
            .map(|i| Block::load(&mut loader, &format!("decoder.layers.{i}"), config))
            .collect::<Result<_>>()?;
        let norm = loader.layer_norm("decoder.layer_norm", width, config.decoder.eps)?;
        let mut loader = loader.whole();
        let output = if config.tied {
            loader.linear_of("proj_out", tokens.clone(), None)?
        } else {
            loader.linear("proj_out", config.vocabulary, width, Bias::Absent)?
        };
        let decoder = Self {
            heads: config.decoder.heads()?,
            limit: config.target_positions,
            tokens,
            tokens_id,
            positions,
            blocks,
            norm,
            output,
            activation: config.decoder.activation,
        };
        Ok((decoder, loader))
    }

    /// Keys and values of the encoder's states, per block.
    pub(super) fn memory(&self, states: &[f32], deltas: Option<&Deltas>) -> Vec<Planes> {
        let adapters = RowAdapters::same(states.len() / self.heads.width(), deltas);
        let (mut k, mut v) = (Room::new(states.len()), Room::new(states.len()));
        let of_block = |block: &Block| {
            let ([_, key, value, _], rows) = (&block.cross.linears, adapters.rows());
            let products = &mut [Product::new(key, &mut k, rows), Product::new(value, &mut v, rows)];
            multiply(products, states, &adapters, &[]);
            Planes::new(self.heads, &k, &v)
        };
        self.blocks.iter().map(of_block).collect()
    }

    pub(super) fn tree(&self) -> TokenTree {
        TokenTree::new(self.heads, self.blocks.len())
    }

    /// Feeds each hypothesis its next tokens and returns the last hidden states of them all, `[tokens, width]`.
    ///
    /// # Errors
    /// [`Error::Argument`] for a token beyond the vocabulary, [`Error::ContextFull`] beyond the last position.
    pub(super) fn forward(
        &self,
        memory: &[Planes],
        tree: &mut TokenTree,
        feeds: &mut [(&mut Hypothesis, &[u32])],
        deltas: Option<&Deltas>,
    ) -> Result<Vec<f32>> {
        for (hypothesis, tokens) in feeds.iter() {
            if let Some(id) = tokens.iter().find(|id| **id as usize >= self.tokens.rows()) {
                return Err(Error::argument("token", format!("{id}, the vocabulary has {}", self.tokens.rows())));
            }
            let needed = hypothesis.len() + tokens.len();
            if needed > self.limit {
                return Err(Error::ContextFull { tokens: needed, limit: self.limit });
            }
        }
        let width = self.heads.width();
        let count = feeds.iter().map(|(_, tokens)| tokens.len()).sum::<usize>();
        let mut x = vec![0.0; count * width];
        let mut rows = x.chunks_exact_mut(width);
        let mut paths = Vec::with_capacity(count);
        let mut slot = u32::try_from(tree.len()).expect("invariant: callers bound the hypotheses of a window");
        for (index, (hypothesis, tokens)) in feeds.iter_mut().enumerate() {
            for &id in *tokens {
                let row = rows.next().expect("invariant: a row per token");
                self.embed(id, hypothesis.len(), deltas, row);
                hypothesis.slots.push(slot);
                slot += 1;
                paths.push((index, hypothesis.len()));
            }
        }
        let paths: Vec<&[u32]> = paths.into_iter().map(|(index, len)| &feeds[index].0.slots[..len]).collect();
        let adapters = RowAdapters::same(count, deltas);
        for (layer, block) in self.blocks.iter().enumerate() {
            self.block(layer, block, &memory[layer], tree, &paths, &adapters, &mut x);
        }
        self.norm.apply(&mut x);
        Ok(x)
    }

    /// Logits `[rows, vocabulary]` of hidden states `[rows, width]`.
    pub(super) fn logits(&self, states: &[f32], deltas: Option<&Deltas>) -> Vec<f32> {
        let rows = states.len() / self.heads.width();
        let mut out = vec![0.0; rows * self.output.outputs()];
        self.output.forward(states, &RowAdapters::same(rows, deltas), &mut out);
        out
    }

    fn embed(&self, id: u32, position: usize, deltas: Option<&Deltas>, out: &mut [f32]) {
        let replaced = deltas.and_then(|d| d.replaced.get(&self.tokens_id));
        replaced.unwrap_or(&self.tokens).row(id as usize, out);
        if let Some(delta) = deltas.and_then(|d| d.embedding.get(&self.tokens_id)) {
            let (mut low, mut up) = (Room::new(delta.a.cols()), Room::new(out.len()));
            delta.a.row(id as usize, &mut low);
            delta.b.multiply(&low, &mut up);
            (kernels().axpy)(delta.scale, &up, out);
        }
        let mut place = Room::new(out.len());
        self.positions.row(position, &mut place);
        add(out, &place);
    }

    #[expect(clippy::too_many_arguments, reason = "one pass over one block has these parts")]
    fn block(
        &self,
        layer: usize,
        block: &Block,
        memory: &Planes,
        tree: &mut TokenTree,
        paths: &[&[u32]],
        adapters: &RowAdapters<'_>,
        x: &mut [f32],
    ) {
        let normed = block.own.norm.of(x);
        let (mut q, mut k, mut v) = (Room::new(x.len()), Room::new(x.len()), Room::new(x.len()));
        let ([query, key, value, output], rows) = (&block.own.linears, adapters.rows());
        let products = &mut [
            Product::new(query, &mut q, rows),
            Product::new(key, &mut k, rows),
            Product::new(value, &mut v, rows),
        ];
        multiply(products, &normed, adapters, &[]);
        tree.add(layer, &k, &v);
        let mut attended = normed;
        tree.attend(layer, paths, &q, &mut attended);
        output.forward(&attended, adapters, &mut q);
        add(x, &q);

        let normed = block.cross.norm.of(x);
        let [query, _, _, output] = &block.cross.linears;
        query.forward(&normed, adapters, &mut q);
        memory.attend(Mask::None, &q, &mut attended);
        output.forward(&attended, adapters, &mut q);
        add(x, &q);

        let normed = block.norm.of(x);
        let [up, down] = &block.mlp;
        let mut inner = Room::new(rows * up.outputs());
        up.forward(&normed, adapters, &mut inner);
        self.activation.apply(&mut inner);
        down.forward(&inner, adapters, &mut q);
        add(x, &q);
    }
}
