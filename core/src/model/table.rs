//! The linears of a component by name: what adapters are matched against.

use std::collections::HashMap;

use crate::quant::LinearId;
use crate::weights::BlockType;

/// How the module paths of a backbone's blocks begin, before their number.
pub(super) const BACKBONE_BLOCKS: &str = "model.layers.";

/// How the output rows of a stored weight relate to the Hugging Face checkpoint that adapters are trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RowOrder {
    /// The same rows.
    Same,
    /// GGUF's `llama` layout of queries and keys: within each of `heads` heads, row `2 i + j` is the checkpoint's row
    /// `j * head_dim / 2 + i`.
    InterleavedHeads {
        /// Heads in the weight.
        heads: usize,
    },
}

impl RowOrder {
    /// Where row `row` of the stored weight comes from in the checkpoint's order, for a weight of `rows` rows.
    #[must_use]
    pub fn source(self, row: usize, rows: usize) -> usize {
        match self {
            Self::Same => row,
            Self::InterleavedHeads { heads } => {
                let dim = rows / heads;
                let (head, within) = (row / dim, row % dim);
                head * dim + within % 2 * (dim / 2) + within / 2
            }
        }
    }
}

/// Linear layer, convolution or embedding table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LinearRole {
    /// `[out, in]`, applied to activations.
    Linear,
    /// `[out, channels * kernel]`, applied to gathered patches.
    Convolution {
        /// Taps per axis, as many as the stored weight has axes.
        kernel: Vec<usize>,
        /// Groups of channels that do not see each other; 1 for a plain convolution. PEFT's `A` sees all channels, its `B`
        /// has groups too.
        groups: usize,
    },
    /// `[vocabulary, width]`, indexed by token.
    Embedding,
}

/// One layer that an adapter may act on.
#[derive(Clone, Debug)]
pub struct LinearInfo {
    /// Identity in the component.
    pub id: LinearId,
    /// Module path as in the Hugging Face model, e.g. `model.layers.0.self_attn.q_proj`.
    pub name: String,
    /// Another module path of the same layer: in a model around the component, or in another release of the library.
    pub alias: Option<String>,
    /// Output features (embedding: vocabulary).
    pub outputs: usize,
    /// Input features (embedding: width).
    pub inputs: usize,
    /// Order of the output rows.
    pub order: RowOrder,
    /// Linear or embedding.
    pub role: LinearRole,
    /// The stored weight is quantized: more than half precision is lost on what is added to it.
    pub quantized: bool,
}

impl LinearInfo {
    /// Which block of a backbone it belongs to, from 0; `None` for layers outside its blocks, and of other components.
    #[must_use]
    pub fn block(&self) -> Option<usize> {
        self.name.strip_prefix(BACKBONE_BLOCKS)?.split_once('.')?.0.parse().ok()
    }
}

/// All layers of a component that adapters may act on.
#[derive(Clone, Debug, Default)]
pub struct LinearTable {
    infos: Vec<LinearInfo>,
    by_name: HashMap<String, usize>,
    first: u32,
}

impl LinearTable {
    /// An empty table whose identities follow those of `other`, so that one adapter can act on both parts of a model.
    pub(crate) fn after(other: &Self) -> Self {
        Self { first: other.next(), ..Self::default() }
    }

    /// Takes up the layers of a part that was loaded [`LinearTable::after`] this one, under the names that `rename` gives.
    pub(crate) fn absorb(&mut self, part: &Self, rename: impl Fn(&str) -> String) {
        debug_assert_eq!(part.first, self.next());
        for info in &part.infos {
            let name = rename(&info.name);
            self.by_name.insert(name.clone(), self.infos.len());
            self.infos.push(LinearInfo { name, alias: None, ..info.clone() });
        }
    }

    fn next(&self) -> u32 {
        self.first + u32::try_from(self.infos.len()).expect("invariant: configs bound the number of layers")
    }

    /// Adds a layer and returns its identity.
    pub(crate) fn add(
        &mut self,
        name: String,
        role: LinearRole,
        (outputs, inputs): (usize, usize),
        order: RowOrder,
    ) -> LinearId {
        let (index, id) = (self.infos.len(), LinearId(self.next()));
        self.by_name.insert(name.clone(), index);
        self.infos.push(LinearInfo { id, name, alias: None, outputs, inputs, order, role, quantized: false });
        id
    }

    /// Notes how the weight of the layer that was added last is stored.
    pub(crate) fn stored_as(&mut self, kind: BlockType) {
        if let Some(info) = self.infos.last_mut() {
            info.quantized = kind.block_elements() > 1;
        }
    }

    /// Gives each layer the second module path that `rule` makes of its first.
    pub(crate) fn respell(&mut self, rule: impl Fn(&str) -> Option<String>) {
        for (index, info) in self.infos.iter_mut().enumerate() {
            info.alias = rule(&info.name);
            if let Some(alias) = &info.alias {
                self.by_name.entry(alias.clone()).or_insert(index);
            }
        }
    }

    /// The layer of that module path, by either of its names.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&LinearInfo> {
        self.by_name.get(name).map(|&index| &self.infos[index])
    }

    /// All layers, in load order.
    #[must_use]
    pub fn infos(&self) -> &[LinearInfo] {
        &self.infos
    }

    /// Parameters of all layers together, as an adapter sees them: a shared table counts for each layer that uses it.
    #[must_use]
    pub fn parameters(&self) -> usize {
        self.infos.iter().map(|info| info.outputs * info.inputs).sum()
    }
}
