//! Takes a component's tensors out of a checkpoint by module path, and keeps account of what was taken.

use std::cell::RefCell;
use std::collections::HashSet;

use super::conv::{Conv, ConvShape};
use super::grouped::GroupedConv;
use super::norm::{Affine, LayerNorm};
use crate::error::{Error, Result};
use crate::model::table::{LinearRole, LinearTable, RowOrder};
use crate::quant::{Linear, LinearId, Matrix};
use crate::weights::{Checkpoint, TensorView};

/// Whether a layer has a bias.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Bias {
    /// It must.
    Required,
    /// It must not: one in the file is refused as unused.
    Absent,
    /// Where the file has one.
    IfPresent,
}

/// Where the module paths of a component begin in the file: `vision_model.` for a tower of a larger model, empty for a
/// bare one. Tables list layers without it, as adapters trained on the bare component name them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Prefix(String);

impl Prefix {
    /// The first of `candidates` that some tensor of the checkpoint begins with, else the last.
    pub(crate) fn find(checkpoint: &Checkpoint, candidates: &[&str]) -> Self {
        let names = checkpoint.names();
        let found = candidates.iter().find(|prefix| names.iter().any(|name| name.starts_with(**prefix)));
        Self(found.or(candidates.last()).map_or_else(String::new, |prefix| (*prefix).to_owned()))
    }

    /// The prefix as text.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Prefix {
    fn from(prefix: &str) -> Self {
        Self(prefix.to_owned())
    }
}

/// Loads one component.
pub(crate) struct Loader<'a> {
    checkpoint: &'a Checkpoint,
    prefix: Prefix,
    table: LinearTable,
    used: RefCell<HashSet<String>>,
}

impl<'a> Loader<'a> {
    /// A loader of the part of `checkpoint` below `prefix`.
    pub(crate) fn new(checkpoint: &'a Checkpoint, prefix: Prefix) -> Self {
        Self::after(checkpoint, prefix, &LinearTable::default())
    }

    /// As [`Loader::new`] for one part of a model, whose layers get identities that follow those in `parts`.
    pub(crate) fn after(checkpoint: &'a Checkpoint, prefix: Prefix, parts: &LinearTable) -> Self {
        Self { checkpoint, prefix, table: LinearTable::after(parts), used: RefCell::default() }
    }

    /// The same loader without its prefix, for layers beside the ones below it.
    pub(crate) fn whole(self) -> Self {
        Self { prefix: Prefix::default(), ..self }
    }

    /// `name` with the prefix.
    pub(crate) fn full_name(&self, name: &str) -> String {
        format!("{}{name}", self.prefix.0)
    }

    /// Whether the component has the tensor `name`.
    pub(crate) fn has(&self, name: &str) -> bool {
        let full = self.full_name(name);
        self.checkpoint.names().contains(&full)
    }

    /// A tensor that must be there.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] naming it.
    pub(crate) fn tensor(&self, name: &str) -> Result<TensorView> {
        let full = self.full_name(name);
        let tensor = self.checkpoint.require(&full)?;
        self.used.borrow_mut().insert(full);
        Ok(tensor)
    }

    /// A tensor that may be there.
    ///
    /// # Errors
    /// [`Error::Unsupported`] when its type cannot be read.
    pub(crate) fn optional(&self, name: &str) -> Result<Option<TensorView>> {
        let full = self.full_name(name);
        let tensor = self.checkpoint.tensor(&full)?;
        if tensor.is_some() {
            self.used.borrow_mut().insert(full);
        }
        Ok(tensor)
    }

    /// All values of a small tensor of that shape.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::Shape`].
    pub(crate) fn values(&self, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
        let tensor = self.tensor(name)?;
        tensor.expect_shape(shape)?;
        Ok(tensor.to_f32())
    }

    /// A matrix that adapters do not act on, such as a table of positions.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::Shape`].
    pub(crate) fn matrix(&self, name: &str, rows: usize, cols: usize) -> Result<Matrix> {
        Matrix::new(self.tensor(name)?, rows, cols)
    }

    /// An embedding table `[rows, cols]` at `module.weight`, open to adapters.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::Shape`].
    pub(crate) fn embedding(&mut self, module: &str, rows: usize, cols: usize) -> Result<(Matrix, LinearId)> {
        let matrix = self.matrix(&format!("{module}.weight"), rows, cols)?;
        let id = self.table.add(module.to_owned(), LinearRole::Embedding, (rows, cols), RowOrder::Same);
        Ok((matrix, id))
    }

    /// The linear `module`, `[outputs, inputs]`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::Shape`].
    pub(crate) fn linear(&mut self, module: &str, outputs: usize, inputs: usize, bias: Bias) -> Result<Linear> {
        let weight = self.matrix(&format!("{module}.weight"), outputs, inputs)?;
        let bias = self.bias(module, bias)?;
        self.linear_of(module, weight, bias)
    }

    /// A linear of a weight that the caller took out of the file, listed as `module`.
    ///
    /// # Errors
    /// [`Error::Shape`] when the bias does not fit.
    pub(crate) fn linear_of(&mut self, module: &str, weight: Matrix, bias: Option<TensorView>) -> Result<Linear> {
        let size = (weight.rows(), weight.cols());
        let id = self.table.add(module.to_owned(), LinearRole::Linear, size, RowOrder::Same);
        self.table.stored_as(weight.kind());
        Linear::new(id, weight, bias)
    }

    /// The convolution `module`; its weight is `[outputs, inputs, kernel]` or `[outputs, inputs, height, width]`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::Shape`].
    pub(crate) fn conv(&mut self, module: &str, shape: ConvShape, bias: Bias) -> Result<Conv> {
        let weight = self.tensor(&format!("{module}.weight"))?;
        let [height, width] = shape.kernel;
        if weight.shape != [shape.outputs, shape.inputs, width] || height != 1 {
            weight.expect_shape(&[shape.outputs, shape.inputs, height, width])?;
        }
        let bias = self.bias(module, bias)?;
        self.conv_of(module, shape, weight, bias)
    }

    /// A convolution without bias that spans all `frames` pictures of a clip; its weight is `[outputs, channels, frames,
    /// height, width]`. Over the pictures stacked as `channels * frames` planes, which `shape.inputs` counts, it is one over
    /// two axes.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::Shape`].
    pub(crate) fn clip_conv(&mut self, module: &str, shape: ConvShape, frames: usize) -> Result<Conv> {
        let weight = self.tensor(&format!("{module}.weight"))?;
        let [height, width] = shape.kernel;
        weight.expect_shape(&[shape.outputs, shape.inputs / frames, frames, height, width])?;
        self.conv_of(module, shape, weight, None)
    }

    /// A convolution of a weight of the right shape, listed as `module`.
    fn conv_of(
        &mut self,
        module: &str,
        shape: ConvShape,
        mut weight: TensorView,
        bias: Option<TensorView>,
    ) -> Result<Conv> {
        let kernel = weight.shape[2..].to_vec();
        weight.shape = vec![shape.outputs, shape.patch()];
        let weight = Matrix::new(weight, shape.outputs, shape.patch())?;
        let size = (weight.rows(), weight.cols());
        let role = LinearRole::Convolution { kernel, groups: 1 };
        let id = self.table.add(module.to_owned(), role, size, RowOrder::Same);
        Ok(Conv::new(shape, Linear::new(id, weight, bias)?))
    }

    /// A convolution over one axis whose channels fall into `groups`, listed as `module`. The caller has computed its
    /// weight, `[outputs, inputs / groups, kernel]`; the bias is the file's.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::Shape`] about the bias.
    pub(crate) fn grouped_conv(
        &mut self,
        module: &str,
        shape: ConvShape,
        groups: usize,
        weight: &[f32],
    ) -> Result<GroupedConv> {
        let bias = self.values(&format!("{module}.bias"), &[shape.outputs])?;
        let role = LinearRole::Convolution { kernel: vec![shape.kernel[1]], groups };
        let id = self.table.add(module.to_owned(), role, (shape.outputs, shape.patch()), RowOrder::Same);
        Ok(GroupedConv::new(id, shape, groups, weight, bias))
    }

    /// The layer norm `module`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::Shape`].
    pub(crate) fn layer_norm(&self, module: &str, width: usize, eps: f64) -> Result<LayerNorm> {
        Ok(LayerNorm {
            weight: self.values(&format!("{module}.weight"), &[width])?,
            bias: self.values(&format!("{module}.bias"), &[width])?,
            eps: eps as f32,
        })
    }

    /// The batch norm `module` as it acts at inference: `(x - running_mean) / sqrt(running_var + eps) * weight + bias`.
    ///
    /// # Errors
    /// [`Error::MissingTensor`] or [`Error::Shape`].
    pub(crate) fn batch_norm(&self, module: &str, channels: usize, eps: f64) -> Result<Affine> {
        let values = |part: &str| self.values(&format!("{module}.{part}"), &[channels]);
        let (weight, bias) = (values("weight")?, values("bias")?);
        let (mean, variance) = (values("running_mean")?, values("running_var")?);
        // A counter of training steps; of no use here.
        self.optional_count(module);
        let scale: Vec<f32> =
            weight.iter().zip(&variance).map(|(w, v)| (f64::from(*w) / (f64::from(*v) + eps).sqrt()) as f32).collect();
        let shift = bias.iter().zip(&mean).zip(&scale).map(|((b, m), s)| b - m * s).collect();
        Ok(Affine { scale, shift })
    }

    fn optional_count(&self, module: &str) {
        self.used.borrow_mut().insert(format!("{}{module}.num_batches_tracked", self.prefix.0));
    }

    fn bias(&self, module: &str, bias: Bias) -> Result<Option<TensorView>> {
        let name = format!("{module}.bias");
        match bias {
            Bias::Required => self.tensor(&name).map(Some),
            Bias::IfPresent => self.optional(&name),
            Bias::Absent => Ok(None),
        }
    }

    /// Refuses tensors below the prefix that no layer took, but for those that `ignored` knows by their path after the
    /// prefix: a weight that is in the file but not in the model means that the model would compute something else.
    ///
    /// # Errors
    /// [`Error::Unsupported`] naming the first one.
    pub(crate) fn finish(self, what: &str, ignored: impl Fn(&str) -> bool) -> Result<LinearTable> {
        let used = self.used.into_inner();
        for name in self.checkpoint.names() {
            let Some(own) = name.strip_prefix(&self.prefix.0) else { continue };
            if !used.contains(&name) && !ignored(own) {
                return Err(Error::unsupported(format!("tensor '{name}'"), format!("a {what} has no such weight")));
            }
        }
        Ok(self.table)
    }
}
