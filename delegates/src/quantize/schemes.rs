//! Which codes each tensor of a graph has.
//!
//! Activations have sixteen bits, and data movement keeps the codes of what it moves. What enters a product as its second operand
//! lies around zero: Qualcomm's NPU multiplies sixteen bits by sixteen only so. The result of a product with an adapter keeps the
//! codes of the product without one, which is therefore unchanged by an adapter of zeros.

use std::collections::BTreeMap;

use loam::dispatch::Reason;
use loam::graph::{Graph, MASKED, Node, Op, Role, Source, Value};

use super::range::{Range, Ranges};
use super::scheme::{Code, Scheme};

/// The largest magnitude of a value of `B`, where columns of `A` have a norm of one: five public adapters had 1.26 at most.
const UP_LIMIT: f32 = 2.0;
/// Activations beyond those of the calibration: steps of sixteen bits are so fine that half a range more costs nothing, and what is
/// cut off costs much.
const MARGIN: f32 = 1.5;
/// Keys and values of texts beyond those of the calibration.
const CACHE_MARGIN: f32 = 1.1;
/// Shares of a softmax: the last code is all but one step of one, and a step is a power of two.
const SHARES: Range = Range { low: 0.0, high: 65_535.0 / 65_536.0 };

/// The codes of each tensor that is no constant.
pub(super) struct Schemes<'g> {
    graph: &'g Graph,
    ranges: &'g Ranges,
    /// Products of adapters, which end in `B`, and what each is added to.
    deltas: BTreeMap<Value, Option<Value>>,
    own: BTreeMap<Value, Scheme>,
    /// What keys and values of a chunk are converted to before they join earlier ones.
    joining: BTreeMap<Value, Scheme>,
}

impl<'g> Schemes<'g> {
    pub(super) fn of(graph: &'g Graph, ranges: &'g Ranges) -> Result<Self, Reason> {
        let deltas = deltas(graph);
        let mut schemes = Self { graph, ranges, deltas, own: BTreeMap::new(), joining: BTreeMap::new() };
        for (value, _, role) in graph.inputs() {
            if let Some(scheme) = schemes.input(value, role)? {
                schemes.own.insert(value, scheme);
            }
        }
        for node in graph.nodes() {
            let scheme = schemes.node(node)?;
            schemes.own.insert(node.output, scheme);
        }
        Ok(schemes)
    }

    /// Codes that a tensor has by itself.
    pub(super) fn own(&self, value: Value) -> Scheme {
        self.own[&value]
    }

    /// Codes that an output is given in.
    pub(super) fn given(&self, value: Value) -> Scheme {
        self.joining.get(&value).copied().unwrap_or_else(|| self.own(value))
    }

    /// Codes of a tensor as the second operand of a product.
    pub(super) fn second(&self, value: Value) -> Scheme {
        let own = self.own(value);
        match own.code {
            Code::S8 | Code::S16 => own,
            Code::U8 | Code::U16 => Scheme::covering(Range::around_zero(own.range().most()), Code::S16),
        }
    }

    fn range(&self, value: Value) -> Result<Range, Reason> {
        let name = &self.graph.tensor(value).name;
        let range = self.ranges.tensors.get(name).ok_or_else(|| Reason::NoRange { tensor: name.clone() })?;
        Ok(range.widened(MARGIN))
    }

    fn is_role(&self, value: Value, test: impl Fn(&Role) -> bool) -> bool {
        matches!(&self.graph.tensor(value).source, Source::Input(role) if test(role))
    }

    /// `None` for caches, whose codes are known where they are joined.
    fn input(&self, value: Value, role: &Role) -> Result<Option<Scheme>, Reason> {
        Ok(Some(match role {
            Role::Data => Scheme::covering(self.range(value)?, Code::U16),
            Role::Mask => Scheme::covering(Range { low: MASKED, high: 0.0 }, Code::U16),
            Role::Pooling | Role::Presence => Scheme::covering(Range { low: 0.0, high: 1.0 }, Code::U16),
            Role::Cosines | Role::Sines => Scheme::covering(Range::around_zero(1.0), Code::U16),
            Role::Down(_) => Scheme::covering(Range::around_zero(1.0), Code::S16),
            Role::Up(_, scale) => Scheme::covering(Range::around_zero(UP_LIMIT * scale), Code::S16),
            Role::Keys(_) | Role::Values(_) => return Ok(None),
        }))
    }

    fn node(&mut self, node: &Node) -> Result<Scheme, Reason> {
        let covering = |range: Range| Scheme::covering(range, Code::U16);
        let second = node.inputs.get(1).copied();
        if node.op.moves() {
            return Ok(self.own(node.inputs[0]));
        }
        match (&node.op, second) {
            (Op::Softmax, _) => Ok(covering(SHARES)),
            (Op::Concat { .. }, Some(made)) if self.is_role(node.inputs[0], is_cache) => self.cache(node, made),
            (Op::MatMul, Some(down)) if self.is_role(down, |role| matches!(role, Role::Down(_))) => {
                // Columns of `A` have a norm of one at most, so no row's product with one exceeds the row's norm.
                let name = &self.graph.tensor(node.inputs[0]).name;
                let norm = self.ranges.norms.get(name).copied();
                Ok(covering(Range::around_zero(norm.ok_or_else(|| Reason::NoRange { tensor: name.clone() })?)))
            }
            (Op::MatMul, _) if self.deltas.contains_key(&node.output) => {
                let range = match self.deltas[&node.output] {
                    Some(base) => self.own(base).range(),
                    None => self.range(node.output)?,
                };
                Ok(covering(Range::around_zero(range.most())))
            }
            (Op::Add, Some(delta)) if self.deltas.contains_key(&delta) => Ok(self.own(node.inputs[0])),
            (Op::Mul, Some(presence)) if self.is_role(presence, |role| matches!(role, Role::Presence)) => {
                Ok(self.own(node.inputs[0]))
            }
            (Op::Add, Some(mask)) if self.is_role(mask, |role| matches!(role, Role::Mask)) => {
                let scores = self.own(node.inputs[0]).range();
                Ok(covering(Range { low: scores.low + MASKED, high: scores.high }))
            }
            _ => Ok(covering(self.range(node.output)?)),
        }
    }

    /// Earlier positions, those of the chunk, and both together have the same codes.
    fn cache(&mut self, node: &Node, made: Value) -> Result<Scheme, Reason> {
        let most = self.range(node.output)?.with(self.own(made).range()).most();
        let scheme = Scheme::covering(Range::around_zero(most * CACHE_MARGIN), Code::S16);
        self.own.insert(node.inputs[0], scheme);
        self.joining.insert(made, scheme);
        Ok(scheme)
    }
}

fn deltas(graph: &Graph) -> BTreeMap<Value, Option<Value>> {
    let is_up = |value: &Value| matches!(graph.tensor(*value).source, Source::Input(Role::Up(..)));
    let products = graph.nodes().iter().filter(|node| node.op == Op::MatMul && is_up(&node.inputs[1]));
    let mut deltas: BTreeMap<Value, Option<Value>> = products.map(|node| (node.output, None)).collect();
    for node in graph.nodes().iter().filter(|node| node.op == Op::Add) {
        if let Some(base) = deltas.get_mut(&node.inputs[1]) {
            base.get_or_insert(node.inputs[0]);
        }
    }
    deltas
}

fn is_cache(role: &Role) -> bool {
    matches!(role, Role::Keys(_) | Role::Values(_))
}
