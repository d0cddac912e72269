//! Matches an adapter's tensors against a component's layers: every tensor is used exactly once, or the adapter is
//! refused.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::dense::{self, DenseHead};
use super::head::{AdapterHead, HeadSpec};
use super::package::AdapterPackage;
use crate::error::{Error, Result};
use crate::model::encoder::Preprocessor;
use crate::model::{LinearInfo, LinearRole, LinearTable, RowOrder};
use crate::quant::{CodePair, Deltas, FloatPair, LowRank, Matrix};
use crate::weights::TensorView;

/// PEFT's prefix of every module path.
const PREFIX: &str = "base_model.model.";
/// Heads that task-specific models add on top of a component.
const HEADS: [&str; 2] = ["score", "classifier"];
/// How speech models name the head over their frames.
const CTC_HEAD: &str = "lm_head";
/// Tensors of a head's module.
const HEAD_PARTS: [&str; 3] = ["weight", "bias", "scale"];
/// Modules around the towers of models that pair pictures with texts.
const TOWERS: [&str; 2] = ["text_model", "vision_model"];

/// Identity and layers of the component that an adapter is bound to.
#[derive(Clone, Copy, Debug)]
pub struct Base<'a> {
    /// Its layers.
    pub linears: &'a LinearTable,
    /// SHA-256 of its weights; `None` where the caller vouches for the match.
    pub fingerprint: Option<&'a str>,
    /// The LM head shares the embedding table.
    pub tied: bool,
}

/// An adapter bound to one component, ready to run.
#[derive(Debug)]
pub struct BoundAdapter {
    /// Changes of the component's layers.
    pub deltas: Deltas,
    /// A head, if it brings one.
    pub head: Option<AdapterHead>,
    /// A head over a picture's states, if it brings one.
    pub dense: Option<DenseHead>,
    /// Its own preprocessing of raw data, if it brings one; set by whoever knows the encoder.
    pub preprocessor: Option<Preprocessor>,
    /// Parameters that the adapter brings.
    pub parameters: usize,
    /// Largest rank of its low-rank deltas.
    pub rank: usize,
}

/// Binds `package` to `base`.
///
/// # Errors
/// [`Error::Adapter`] naming the tensor or field that does not fit.
pub fn bind(package: &AdapterPackage, base: &Base<'_>) -> Result<BoundAdapter> {
    check_fingerprint(package, base)?;
    let mut binder =
        Binder { package, base, pairs: HashMap::new(), bound: BoundAdapter::empty(), head: BTreeMap::new() };
    for name in package.tensors().names() {
        let tensor = package.tensors().tensor(&name)?.ok_or_else(|| Error::MissingTensor(name.clone()))?;
        binder.bound.parameters += tensor.elements();
        binder.take(tensor)?;
    }
    binder.finish()
}

fn check_fingerprint(package: &AdapterPackage, base: &Base<'_>) -> Result<()> {
    let component = &package.task().component;
    match (package.task().base.get(component), base.fingerprint) {
        (Some(wanted), Some(found)) if wanted != found => {
            let reason = format!("made for a {component} with sha256 {wanted}, this one has {found}");
            Err(Error::adapter(package.name(), reason))
        }
        _ => Ok(()),
    }
}

impl BoundAdapter {
    /// Bytes of its matrices.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.deltas.bytes()
            + self.head.as_ref().map_or(0, AdapterHead::bytes)
            + self.dense.as_ref().map_or(0, DenseHead::bytes)
    }

    fn empty() -> Self {
        Self { deltas: Deltas::default(), head: None, dense: None, preprocessor: None, parameters: 0, rank: 0 }
    }
}

#[derive(Default)]
struct Pair {
    /// The layer's name as the adapter has it: what its patterns are written for.
    spelled: String,
    down: Option<TensorView>,
    up: Option<TensorView>,
}

struct Binder<'a> {
    package: &'a AdapterPackage,
    base: &'a Base<'a>,
    pairs: HashMap<String, Pair>,
    bound: BoundAdapter,
    head: BTreeMap<String, TensorView>,
}

impl Binder<'_> {
    fn refuse(&self, reason: impl ToString) -> Error {
        Error::adapter(self.package.name(), reason)
    }

    /// The layer of a module path as PEFT writes it, whatever wrapper class stood around the model, and the one of its
    /// names that the path ends in.
    fn layer(&self, path: &str) -> Option<(LinearInfo, String)> {
        let table = self.base.linears;
        let candidates = [
            path.to_owned(),
            path.replacen("model.language_model.", "model.", 1),
            path.replacen("language_model.", "", 1),
            // The towers of a pair name their layers alike: one's must not be taken for the other's.
            path.split_once('.')
                .filter(|(wrapper, _)| !TOWERS.contains(wrapper))
                .map_or_else(String::new, |(_, rest)| rest.to_owned()),
        ];
        candidates.into_iter().find_map(|name| Some((table.get(&name)?.clone(), name)))
    }

    fn take(&mut self, tensor: TensorView) -> Result<()> {
        let name = tensor.name.clone();
        // Else the base would be blamed for what comes out.
        let values = tensor.to_f32();
        if let Some(at) = values.iter().position(|value| !value.is_finite()) {
            return Err(self.refuse(format!("tensor '{name}': value {at} is {}", values[at])));
        }
        let Some(path) = name.strip_prefix(PREFIX) else {
            return Err(self.refuse(format!("tensor '{name}' does not begin with '{PREFIX}'")));
        };
        for (ending, is_down) in [
            (".lora_A.weight", true),
            (".lora_B.weight", false),
            (".lora_embedding_A", true),
            (".lora_embedding_B", false),
        ] {
            let Some(module) = path.strip_suffix(ending) else { continue };
            let (layer, spelled) = self
                .layer(module)
                .ok_or_else(|| self.refuse(format!("tensor '{name}': the base has no module '{module}'")))?;
            self.check_depth(&name, &layer)?;
            let embedding = ending.contains("embedding");
            if embedding != (layer.role == LinearRole::Embedding) {
                return Err(self.refuse(format!("tensor '{name}': '{module}' is a {:?}", layer.role)));
            }
            let pair = self.pairs.entry(layer.name).or_default();
            pair.spelled = spelled;
            let slot = if is_down { &mut pair.down } else { &mut pair.up };
            if slot.replace(tensor).is_some() {
                return Err(self.refuse(format!("tensor '{name}': a second one for its module")));
            }
            return Ok(());
        }
        self.take_whole(path, tensor)
    }

    /// Blocks that are run, where a head stops before the last one.
    fn depth(&self) -> Option<usize> {
        self.package.task().head.as_ref().and_then(HeadSpec::layers)
    }

    /// A change of a block that is not run would be lost without a word.
    fn check_depth(&self, tensor: &str, layer: &LinearInfo) -> Result<()> {
        match (layer.block(), self.depth()) {
            (Some(block), Some(depth)) if block >= depth => {
                let (module, number) = (&layer.name, block + 1);
                let reason =
                    format!("tensor '{tensor}': '{module}' is in block {number}, its head reads after {depth}");
                Err(self.refuse(reason))
            }
            _ => Ok(()),
        }
    }

    /// Modules stored whole: heads, and layers that the adapter replaces.
    fn take_whole(&mut self, path: &str, tensor: TensorView) -> Result<()> {
        let name = tensor.name.clone();
        let (module, part) = path.rsplit_once('.').unwrap_or((path, ""));
        let config = self.package.config();
        // PEFT saves these two heads for sequence classification without being asked to.
        let listed = |module: &str| {
            let last = module.rsplit('.').next().unwrap_or(module);
            config.modules_to_save.iter().any(|m| m == module || m == last)
                || config.task_type.as_deref() == Some("SEQ_CLS") && HEADS.contains(&last)
        };
        let declared = self.package.task().head.as_ref();
        if matches!(declared, Some(HeadSpec::Dense(_))) && name.starts_with(dense::PREFIX) {
            // Taken as a whole at the end.
            return Ok(());
        }
        let is_head = HEADS.contains(&module) || module == CTC_HEAD && matches!(declared, Some(HeadSpec::Ctc { .. }));
        if is_head && (declared.is_some() || listed(module)) && HEAD_PARTS.contains(&part) {
            if let Some(first) = self.head.insert(part.to_owned(), tensor) {
                return Err(self.refuse(format!("tensor '{name}': a head has '{}' already", first.name)));
            }
            return Ok(());
        }
        if let Some((layer, _)) = self.layer(module).filter(|_| part == "weight" && listed(module)) {
            return self.replace(&layer, tensor);
        }
        // PEFT stores the whole weight beside the deltas of the embedding table and of the LM head.
        let whole = |layer: &LinearInfo| layer.role == LinearRole::Embedding || layer.name == "lm_head";
        let table =
            module.strip_suffix(".base_layer").filter(|_| part == "weight").and_then(|module| self.layer(module));
        if let Some((layer, _)) = table.filter(|(layer, _)| whole(layer)) {
            if self.base.tied {
                let reason = "replaces a weight that the base's embedding table and LM head share";
                return Err(self.refuse(format!("tensor '{name}' {reason}")));
            }
            return self.replace(&layer, tensor);
        }
        Err(self.refuse(format!("tensor '{name}' is not used by any module of the base")))
    }

    fn replace(&mut self, layer: &LinearInfo, tensor: TensorView) -> Result<()> {
        self.check_depth(&tensor.name, layer)?;
        if layer.order != RowOrder::Same {
            return Err(self.refuse(format!("tensor '{}': replacing this module whole is not supported", tensor.name)));
        }
        let matrix = self.matrix(tensor, layer.outputs, layer.inputs)?;
        self.bound.deltas.replaced.insert(layer.id, matrix);
        Ok(())
    }

    fn matrix(&self, tensor: TensorView, rows: usize, cols: usize) -> Result<Matrix> {
        let name = tensor.name.clone();
        Matrix::new(tensor, rows, cols).map_err(|e| match e {
            Error::Shape { found, expected, .. } => {
                self.refuse(format!("tensor '{name}' has shape {found:?}, expected {expected:?}"))
            }
            other => other,
        })
    }

    fn finish(mut self) -> Result<BoundAdapter> {
        let pairs: BTreeMap<String, Pair> = std::mem::take(&mut self.pairs).into_iter().collect();
        let given: BTreeMap<String, String> =
            pairs.iter().map(|(module, pair)| (module.clone(), pair.spelled.clone())).collect();
        for (module, pair) in pairs {
            let layer = self.base.linears.get(&module).cloned().expect("invariant: pairs are keyed by the table");
            let (down, up) = match (pair.down, pair.up) {
                (Some(down), Some(up)) => (down, up),
                (Some(down), None) => return Err(self.refuse(format!("tensor '{}' has no matching lora_B", down.name))),
                (None, Some(up)) => return Err(self.refuse(format!("tensor '{}' has no matching lora_A", up.name))),
                (None, None) => continue,
            };
            self.low_rank(&layer, &pair.spelled, down, up)?;
        }
        // Last: a tensor of a wrong shape tells more about a wrong base than a module that is missing.
        self.check_complete(&given)?;
        self.bound.deltas.settle();
        match &self.package.task().head {
            Some(HeadSpec::Dense(spec)) => self.bound.dense = Some(DenseHead::load(spec, self.package)?),
            _ => {
                let tensors = std::mem::take(&mut self.head);
                self.bound.head = AdapterHead::take(self.package.name(), tensors, self.package.task())?;
            }
        }
        Ok(self.bound)
    }

    fn low_rank(&mut self, layer: &LinearInfo, spelled: &str, down: TensorView, up: TensorView) -> Result<()> {
        let config = self.package.config();
        let (rank, scale) = (config.rank_of(spelled), config.scale_of(spelled));
        if down.shape.first() != Some(&rank) {
            let found = down.shape.first().copied().unwrap_or(0);
            let reason = format!("tensor '{}' has rank {found}, the configuration says {rank}", down.name);
            return Err(self.refuse(reason));
        }
        self.bound.rank = self.bound.rank.max(rank);
        match &layer.role {
            LinearRole::Convolution { kernel, groups } => {
                let channels = layer.inputs / kernel.iter().product::<usize>();
                // PEFT's A is a convolution with the base's kernel, its B one with a kernel of 1.
                let down = self.flat(down, &[&[rank, channels][..], kernel].concat(), [rank, layer.inputs])?;
                let ones = vec![1; kernel.len()];
                if !rank.is_multiple_of(*groups) {
                    let reason = format!("tensor '{}': rank {rank} does not divide into {groups} groups", up.name);
                    return Err(self.refuse(reason));
                }
                let own = rank / groups;
                let up = self.flat(up, &[&[layer.outputs, own][..], &ones].concat(), [layer.outputs, own])?;
                let a = self.matrix(down, rank, layer.inputs)?;
                let b = if *groups == 1 {
                    self.matrix(up, layer.outputs, rank)?
                } else {
                    ungrouped(&up.to_f32(), layer.outputs, rank, *groups)
                };
                let pair = self.pair(layer, &a, &b, scale)?;
                self.bound.deltas.low_rank.insert(layer.id, pair);
            }
            LinearRole::Linear => {
                let a = self.matrix(down, rank, layer.inputs)?;
                let b = match layer.order {
                    RowOrder::Same => self.matrix(up, layer.outputs, rank)?,
                    order => self.reordered(&up, layer.outputs, rank, order)?,
                };
                let pair = self.pair(layer, &a, &b, scale)?;
                self.bound.deltas.low_rank.insert(layer.id, pair);
            }
            LinearRole::Embedding => {
                let (vocab, width) = (layer.outputs, layer.inputs);
                self.matrix(down.clone(), rank, vocab)?;
                let values = down.to_f32();
                let mut transposed = vec![0.0; values.len()];
                for (r, row) in values.chunks_exact(vocab).enumerate() {
                    row.iter().enumerate().for_each(|(id, &v)| transposed[id * rank + r] = v);
                }
                let a = Matrix::from_f32(&transposed, vocab, rank);
                let b = self.matrix(up, width, rank)?;
                let pair = self.floats(&a, &b, scale)?;
                self.bound.deltas.embedding.insert(layer.id, pair);
            }
        }
        Ok(())
    }

    /// Both factors in the order of their kernels, as bytes beside quantized weights: a quarter of what
    /// there is to read for each row.
    fn pair(&self, layer: &LinearInfo, a: &Matrix, b: &Matrix, scale: f32) -> Result<LowRank> {
        match layer.quantized.then(|| CodePair::new(a, b, scale)).flatten() {
            Some(pair) => Ok(LowRank::Codes(pair)),
            None => self.floats(a, b, scale).map(LowRank::Floats),
        }
    }

    /// Both factors in the order of their kernels.
    fn floats(&self, a: &Matrix, b: &Matrix, scale: f32) -> Result<FloatPair> {
        let refuse = || self.refuse(format!("factors are stored as {} and {}, expected floats", a.kind(), b.kind()));
        FloatPair::new(a, b, scale).ok_or_else(refuse)
    }

    /// A tensor of shape `expected`, seen as a matrix.
    fn flat(&self, mut tensor: TensorView, expected: &[usize], matrix: [usize; 2]) -> Result<TensorView> {
        if tensor.shape != expected {
            let reason = format!("tensor '{}' has shape {:?}, expected {expected:?}", tensor.name, tensor.shape);
            return Err(self.refuse(reason));
        }
        tensor.shape = matrix.to_vec();
        Ok(tensor)
    }

    /// `B` with its rows in the order of the stored base weight.
    fn reordered(&self, up: &TensorView, rows: usize, rank: usize, order: RowOrder) -> Result<Matrix> {
        self.matrix(up.clone(), rows, rank)?;
        let values = up.to_f32();
        let moved: Vec<f32> = (0..rows)
            .flat_map(|row| {
                let source = order.source(row, rows);
                values[source * rank..(source + 1) * rank].iter().copied()
            })
            .collect();
        Ok(Matrix::from_f32(&moved, rows, rank))
    }

    /// Each module that the configuration says was trained must be there, whole. `given` has the adapter's spelling of
    /// each layer that it changes.
    fn check_complete(&self, given: &BTreeMap<String, String>) -> Result<()> {
        let config = self.package.config();
        // A dense head says by itself what it lacks.
        let has_head = !self.head.is_empty() || matches!(self.package.task().head, Some(HeadSpec::Dense(_)));
        if given.is_empty() && self.bound.deltas.replaced.is_empty() && !has_head {
            return Err(self.refuse("it holds no tensor"));
        }
        let Some(targets) = config.targets.as_ref().filter(|_| !config.partial_layers) else { return Ok(()) };
        // One model spelled all of the adapter's modules, so targets are read in that spelling.
        let respelled = given.iter().any(|(name, spelled)| name != spelled);
        let name_of = |info: &'_ LinearInfo| match &info.alias {
            Some(alias) if respelled => alias.clone(),
            _ => info.name.clone(),
        };
        let trained = |name: &str| {
            targets.iter().any(|t| name == *t || name.strip_suffix(t.as_str()).is_some_and(|p| p.ends_with('.')))
        };
        let runs = |info: &LinearInfo| info.block().zip(self.depth()).is_none_or(|(block, depth)| block < depth);
        let absent = self.base.linears.infos().iter().filter(|info| runs(info) && !given.contains_key(&info.name));
        let missing: BTreeSet<String> = absent.map(name_of).filter(|name| trained(name)).collect();
        match missing.first() {
            None => Ok(()),
            Some(name) => Err(self.refuse(format!("'target_modules' names '{name}', for which it holds no tensor"))),
        }
    }
}

/// `B` of a grouped convolution, `[rows, rank / groups]`, as a matrix over all ranks: a row reads those of its group.
fn ungrouped(values: &[f32], rows: usize, rank: usize, groups: usize) -> Matrix {
    let own = rank / groups;
    let mut whole = vec![0.0; rows * rank];
    for (row, values) in values.chunks_exact(own).enumerate() {
        let first = row * rank + row / (rows / groups) * own;
        whole[first..first + own].copy_from_slice(values);
    }
    Matrix::from_f32(&whole, rows, rank)
}
