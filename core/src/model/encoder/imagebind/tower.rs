//! A tower of ImageBind: stem, class token, positions, blocks, head, normalisation, scale.

mod lower;

use std::borrow::Cow;

use once_cell::sync::OnceCell;

use super::super::contract::{Encoder, Encoding, Features, Item, TimeAxis};
use super::super::preprocessor::Preprocessor;
use super::super::registry::Source;
use super::super::text::normalise;
use super::config::{Huge, TRUNK_EPS, TowerConfig};
use super::stem::Stem;
use super::trunk::{Keys, blocks};
use crate::error::Result;
use crate::graph::Graph;
use crate::input::{ImuConfig, Input};
use crate::model::layer::{Bias, LayerNorm, Loader, Mask, Pass, Prefix, TransformerBlock};
use crate::model::modality::Modality;
use crate::model::table::LinearTable;
use crate::pool;
use crate::quant::{Deltas, Linear, RowAdapters};

/// Clips per forward pass: bounds the activations of long lists.
const CLIPS_PER_PASS: usize = 8;
/// No scale exceeds this, whatever was learned.
const MAX_SCALE: f32 = 100.0;
/// The text tower's scale: ImageBind multiplies its similarities with texts by it.
const TEXT_SCALE: &str = "modality_postprocessors.text.1.log_logit_scale";
/// Where the state dict keeps a tower's tensors, each group by tower.
const GROUPS: [&str; 4] =
    ["modality_preprocessors.", "modality_trunks.", "modality_heads.", "modality_postprocessors."];

/// What distinguishes a tower from the others.
#[derive(Debug)]
pub(super) struct Plan {
    /// What it reads.
    pub(super) modality: Modality,
    /// Its name in the state dict and in `config.json`.
    pub(super) name: &'static str,
    /// Its sizes in `imagebind_huge`.
    pub(super) huge: Huge,
    /// Learned positions, within its preprocessor.
    pub(super) positions: &'static str,
    /// Norm before the blocks, within its trunk.
    pub(super) first_norm: Option<&'static str>,
    /// Which keys its tokens see.
    pub(super) keys: Keys,
    /// The projection, within its head.
    pub(super) projection: &'static str,
    /// The logarithm of its scale, within its postprocessor.
    pub(super) scale: Option<&'static str>,
    /// How raw data become what the stem reads.
    pub(super) preprocessing: fn(&Stem) -> Result<Preprocessor>,
}

/// A loaded tower.
pub(super) struct Tower {
    plan: &'static Plan,
    table: LinearTable,
    /// How a clip is read.
    stem: Stem,
    /// Made for the first raw input: towers that are given features only do without.
    preprocessor: OnceCell<Preprocessor>,
    class: Vec<f32>,
    /// One per token, the class token's first.
    positions: Vec<f32>,
    first_norm: Option<LayerNorm>,
    blocks: Vec<TransformerBlock>,
    norm: LayerNorm,
    projection: Linear,
    scale: f32,
    text_scale: Option<f32>,
}

impl std::fmt::Debug for Tower {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ImageBind({}, {} layers)", self.plan.name, self.blocks.len())
    }
}

impl Tower {
    /// Loads the tower of `plan`; `stem` takes the tensors of its preprocessor, whose module path it is given.
    ///
    /// # Errors
    /// As [`TowerConfig::parse`]; [`crate::Error::MissingTensor`], [`crate::Error::Shape`], or
    /// [`crate::Error::Unsupported`] for a tensor that would go unused.
    pub(super) fn load(
        source: &Source<'_>,
        plan: &'static Plan,
        stem: impl FnOnce(&mut Loader<'_>, &TowerConfig<'_>, &str) -> Result<Stem>,
    ) -> Result<Self> {
        let name = plan.name;
        let config = TowerConfig::parse(source.config, name, plan.huge)?;
        let width = config.block.width;
        let mut loader = Loader::new(source.checkpoint, Prefix::default());
        let preprocessor = format!("modality_preprocessors.{name}");
        let stem = stem(&mut loader, &config, &preprocessor)?;
        let tokens = config.check_patches(stem.patches())? + 1;
        let class = loader.values(&format!("{preprocessor}.cls_token"), &[1, 1, width])?;
        let positions = loader.values(&format!("{preprocessor}.{}", plan.positions), &[1, tokens, width])?;
        let first_norm = plan
            .first_norm
            .map(|norm| loader.layer_norm(&format!("modality_trunks.{name}.{norm}"), width, TRUNK_EPS))
            .transpose()?;
        let blocks = blocks(&mut loader, name, &config, plan.keys)?;
        let head = |part: &str| format!("modality_heads.{name}.{part}");
        let norm = loader.layer_norm(&head("0"), width, TRUNK_EPS)?;
        let projection = loader.linear(&head(plan.projection), config.projection, width, Bias::Absent)?;
        let scale = match plan.scale {
            None => 1.0,
            Some(part) => bounded(loader.values(&format!("modality_postprocessors.{name}.{part}"), &[])?[0]),
        };
        let text_scale = loader.optional(TEXT_SCALE)?.map(|scale| scale.expect_shape(&[]).map(|()| scale.to_f32()[0]));
        let table = loader.finish("ImageBind tower", |tensor| is_of_another(tensor, name))?;
        Ok(Self {
            plan,
            table,
            stem,
            preprocessor: OnceCell::new(),
            class,
            positions,
            first_norm,
            blocks,
            norm,
            projection,
            scale,
            text_scale: text_scale.transpose()?.map(bounded),
        })
    }

    fn width(&self) -> usize {
        self.class.len()
    }

    fn preprocessor(&self) -> Result<&Preprocessor> {
        self.preprocessor.get_or_try_init(|| (self.plan.preprocessing)(&self.stem))
    }

    /// Tokens of each clip after the last block.
    fn states(&self, clips: &[(&[f32], Option<&Deltas>)]) -> Vec<f32> {
        let mut x = Vec::with_capacity(clips.len() * self.positions.len());
        for (clip, deltas) in clips {
            let start = x.len();
            x.extend_from_slice(&self.class);
            x.extend_from_slice(&self.stem.rows(clip, *deltas));
            x[start..].iter_mut().zip(&self.positions).for_each(|(x, p)| *x += p);
        }
        if let Some(norm) = &self.first_norm {
            norm.apply(&mut x);
        }
        let of_clips: Vec<Option<&Deltas>> = clips.iter().map(|(_, deltas)| *deltas).collect();
        let lengths = vec![self.positions.len() / self.width(); clips.len()];
        let adapters = Pass::rows(&lengths, &of_clips);
        let pass = Pass { lengths: &lengths, adapters: &adapters, mask: Mask::None };
        for block in &self.blocks {
            block.forward(&pass, &mut x);
        }
        x
    }

    /// A clip's unit vector times the scale, from the state of its class token.
    fn head(&self, class: &[f32], deltas: Option<&Deltas>) -> Vec<f32> {
        let mut out = vec![0.0; self.projection.outputs()];
        self.projection.forward(&self.norm.of(class), &RowAdapters::same(1, deltas), &mut out);
        normalise(&mut out);
        out.iter_mut().for_each(|v| *v *= self.scale);
        out
    }
}

fn bounded(log_scale: f32) -> f32 {
    log_scale.exp().min(MAX_SCALE)
}

/// Whether a tensor belongs to another tower than `own`: one that this engine runs, or one that it does not know.
pub(super) fn is_of_another(tensor: &str, own: &str) -> bool {
    let rest = GROUPS.iter().find_map(|group| tensor.strip_prefix(group));
    rest.and_then(|rest| rest.split_once('.')).is_some_and(|(tower, _)| tower != own)
}

impl Encoder for Tower {
    fn modality(&self) -> Modality {
        self.plan.modality
    }

    fn dim(&self) -> usize {
        self.projection.outputs()
    }

    fn state_width(&self) -> usize {
        self.width()
    }

    fn reads(&self) -> Option<Vec<usize>> {
        Some(self.stem.shape.clone())
    }

    fn linears(&self) -> &LinearTable {
        &self.table
    }

    /// The tower's scale times the text tower's, as in ImageBind's similarities of this modality with texts.
    fn logit_scale(&self) -> Option<f32> {
        self.text_scale.map(|text| text * self.scale)
    }

    /// Of motion: a class token and one state per slice of time. Sound is cut into clips that overlap.
    fn time_axis(&self) -> TimeAxis {
        if self.plan.modality == Modality::IMU { TimeAxis::Rows { skip: 1, rows: 1 } } else { TimeAxis::Absent }
    }

    fn motion(&self) -> Option<ImuConfig> {
        self.preprocessor().ok()?.motion().cloned()
    }

    fn prepare(&self, input: &Input) -> Result<Features> {
        self.preprocessor()?.prepare(input)
    }

    fn lower(&self, rank: usize) -> Option<Graph> {
        Some(Self::lower(self, rank))
    }

    fn encode(&self, items: &[Item<'_>]) -> Result<Vec<Encoding>> {
        let clips: Vec<Vec<Cow<'_, [f32]>>> =
            items.iter().map(|item| self.stem.clips(item.features)).collect::<Result<_>>()?;
        let flat: Vec<(&[f32], Option<&Deltas>)> = items
            .iter()
            .zip(&clips)
            .flat_map(|(item, clips)| clips.iter().map(|clip| (clip.as_ref(), item.deltas)))
            .collect();
        let per_clip = self.positions.len();
        let mut encoded = flat.chunks(CLIPS_PER_PASS).flat_map(|clips| {
            // The threads stay for a pass.
            pool::pass(|| {
                let states = self.states(clips);
                let of_clips = states.chunks_exact(per_clip).zip(clips);
                of_clips
                    .map(|(states, (_, deltas))| (self.head(&states[..self.width()], *deltas), states.to_vec()))
                    .collect::<Vec<_>>()
            })
        });
        Ok(clips.iter().map(|clips| mean(encoded.by_ref().take(clips.len()), clips.len(), self.dim())).collect())
    }
}

/// The mean of the clips' vectors, and their states one after another.
fn mean(clips: impl Iterator<Item = (Vec<f32>, Vec<f32>)>, count: usize, dim: usize) -> Encoding {
    let mut encoding = Encoding { embedding: vec![0.0; dim], states: Vec::new() };
    for (vector, states) in clips {
        encoding.embedding.iter_mut().zip(&vector).for_each(|(sum, v)| *sum += v);
        encoding.states.extend(states);
    }
    encoding.embedding.iter_mut().for_each(|v| *v /= count as f32);
    encoding
}
