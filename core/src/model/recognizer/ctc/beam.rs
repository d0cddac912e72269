//! Prefix beam search: the most probable texts, each summed over all of its alignments.
//!
//! A. Hannun et al., "First-pass large vocabulary continuous speech recognition using bi-directional recurrent DNNs"
//! (2014), without a language model. A text's probability is kept in two parts, of alignments that end in a blank and of
//! those that do not, in the log domain and in double precision. Texts are paths of a tree, so that a beam of them takes
//! one node per token that differs; what all of them begin with is handed out and forgotten.

use std::collections::HashMap;

use super::token::CtcToken;

/// Widest beam.
pub const MAX_BEAM: usize = 32;
/// Tokens less probable than this (natural logarithm) begin no new text where better ones do: of `e^-20` it is not heard.
const LEAST: f32 = -20.0;
/// Frames after which an open choice is made in favour of the best text: 30 s at 20 ms. Bounds the memory.
const HORIZON: u64 = 1500;
/// The node that stands for all that was handed out.
const ROOT: u32 = 0;

#[derive(Clone, Copy, Debug)]
struct Node {
    parent: u32,
    token: CtcToken,
}

/// One text of the beam.
#[derive(Clone, Copy, Debug)]
struct Hypothesis {
    node: u32,
    /// Logarithm of the probability of its alignments that end in a blank.
    blank: f64,
    /// Of those that end in its last token.
    token: f64,
}

impl Hypothesis {
    fn total(&self) -> f64 {
        log_add(self.blank, self.token)
    }
}

/// `ln(e^a + e^b)`.
fn log_add(a: f64, b: f64) -> f64 {
    let (high, low) = if a > b { (a, b) } else { (b, a) };
    if low == f64::NEG_INFINITY { high } else { high + (low - high).exp().ln_1p() }
}

/// Prefix beam search of one stream. Holds `width` texts of at most 30 s that nothing decided on yet.
#[derive(Clone, Debug)]
pub struct PrefixBeam {
    vocabulary: usize,
    blank: u32,
    width: usize,
    /// All are on the way from the root to a text of the beam.
    nodes: Vec<Node>,
    children: HashMap<(u32, u32), u32>,
    /// Best first.
    beam: Vec<Hypothesis>,
    frames: u64,
}

impl PrefixBeam {
    /// A search at the begin of a stream.
    ///
    /// # Panics
    /// When `blank` is no index of a vocabulary of that size, or `width` is not 1 to [`MAX_BEAM`].
    #[must_use]
    pub fn new(vocabulary: usize, blank: u32, width: usize) -> Self {
        assert!((blank as usize) < vocabulary, "the blank is one of the vocabulary");
        assert!((1..=MAX_BEAM).contains(&width), "beams are bounded");
        let nothing = CtcToken { id: blank, frame: 0, log_probability: 0.0 };
        Self {
            vocabulary,
            blank,
            width,
            nodes: vec![Node { parent: ROOT, token: nothing }],
            children: HashMap::new(),
            beam: vec![Hypothesis { node: ROOT, blank: 0.0, token: f64::NEG_INFINITY }],
            frames: 0,
        }
    }

    /// Reads frames `[frames, vocabulary]` of log-probabilities and returns the tokens that became final: those that all
    /// texts of the beam begin with. Cost per frame: `width * vocabulary` additions.
    ///
    /// # Panics
    /// When `frames` is not a whole number of frames.
    pub fn push(&mut self, frames: &[f32]) -> Vec<CtcToken> {
        assert_eq!(frames.len() % self.vocabulary, 0, "frames are whole");
        let mut tokens = Vec::new();
        for frame in frames.chunks_exact(self.vocabulary) {
            let before: Vec<u32> = self.beam.iter().map(|text| text.node).collect();
            self.step(frame);
            self.frames += 1;
            // Most frames only weigh the same texts anew.
            if self.beam.len() < before.len() || self.beam.iter().any(|text| !before.contains(&text.node)) {
                self.sweep(ROOT);
            }
            self.decide(&mut tokens);
        }
        tokens
    }

    /// Ends the stream in favour of the best text and returns what of it is left.
    pub fn finish(&mut self) -> Vec<CtcToken> {
        self.beam.truncate(1);
        let mut tokens = Vec::new();
        self.commit(&mut tokens);
        tokens
    }

    /// The frame before which nothing will be added.
    #[must_use]
    pub fn settled(&self) -> u64 {
        let open = self.beam.iter().filter_map(|text| self.first(text.node)).map(|node| self.node(node).token.frame);
        open.min().unwrap_or(self.frames)
    }

    /// The texts of the beam, best first, after what was handed out, each with the logarithm of its probability.
    #[must_use]
    pub fn hypotheses(&self) -> Vec<(Vec<u32>, f64)> {
        let ids = |text: &Hypothesis| self.path(text.node).iter().map(|&node| self.node(node).token.id).collect();
        self.beam.iter().map(|text| (ids(text), text.total())).collect()
    }

    fn node(&self, index: u32) -> &Node {
        &self.nodes[index as usize]
    }

    /// Nodes from the first one after the root to `node`.
    fn path(&self, mut node: u32) -> Vec<u32> {
        let mut path = Vec::new();
        while node != ROOT {
            path.push(node);
            node = self.node(node).parent;
        }
        path.reverse();
        path
    }

    /// The first node on the way from the root to `node`.
    fn first(&self, mut node: u32) -> Option<u32> {
        let mut first = None;
        while node != ROOT {
            first = Some(node);
            node = self.node(node).parent;
        }
        first
    }

    fn step(&mut self, frame: &[f32]) {
        let at = |id: u32| f64::from(frame[id as usize]);
        let best = frame.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let heard: Vec<u32> = (0..self.vocabulary)
            .filter(|&id| frame[id] > best + LEAST)
            .map(|id| u32::try_from(id).expect("invariant: vocabularies are bounded"))
            .filter(|&id| id != self.blank)
            .collect();
        let place: HashMap<u32, usize> = self.beam.iter().enumerate().map(|(i, text)| (text.node, i)).collect();
        // Texts that stay as they are.
        let mut stay: Vec<Hypothesis> = self
            .beam
            .iter()
            .map(|text| {
                // Node 0 has a last token too: the last one that was handed out.
                let last = self.node(text.node).token.id;
                let token = if last == self.blank { f64::NEG_INFINITY } else { text.token + at(last) };
                Hypothesis { node: text.node, blank: text.total() + at(self.blank), token }
            })
            .collect();
        // Longer ones: (parent, token, probability) of texts that are not in the beam.
        let mut longer: Vec<(u32, u32, f64)> = Vec::with_capacity(self.beam.len() * heard.len());
        for text in &self.beam {
            let last = self.node(text.node).token.id;
            for &id in &heard {
                // A repeated token is a new one only after a blank.
                let from = if id == last { text.blank } else { text.total() };
                let probability = from + at(id);
                if probability == f64::NEG_INFINITY {
                    continue;
                }
                let known = self.children.get(&(text.node, id)).and_then(|child| place.get(child));
                match known {
                    Some(&place) => stay[place].token = log_add(stay[place].token, probability),
                    None => longer.push((text.node, id, probability)),
                }
            }
        }
        // Nodes are made only for those that come into the beam.
        let stays = stay.len();
        let mut order: Vec<(f64, usize)> = stay.iter().map(Hypothesis::total).zip(0..).collect();
        order.extend(longer.iter().map(|longer| longer.2).zip(stays..));
        order.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        order.truncate(self.width);
        self.beam.clear();
        for (total, index) in order {
            if total == f64::NEG_INFINITY && !self.beam.is_empty() {
                break;
            }
            let text = match index.checked_sub(stays) {
                None => stay[index],
                Some(index) => {
                    let (parent, id, probability) = longer[index];
                    let token = CtcToken { id, frame: self.frames, log_probability: frame[id as usize] };
                    Hypothesis { node: self.child(parent, token), blank: f64::NEG_INFINITY, token: probability }
                }
            };
            self.beam.push(text);
        }
    }

    fn child(&mut self, parent: u32, token: CtcToken) -> u32 {
        let next = u32::try_from(self.nodes.len()).expect("invariant: nodes are swept");
        let child = *self.children.entry((parent, token.id)).or_insert(next);
        // A known one is what a longer text of the beam begins with: it was heard when that one's next token was not yet.
        if child == next {
            self.nodes.push(Node { parent, token });
        }
        child
    }

    /// Hands out what is common, and makes choices that are open for too long.
    fn decide(&mut self, out: &mut Vec<CtcToken>) {
        self.commit(out);
        if self.frames.saturating_sub(self.settled()) > HORIZON {
            let best = self.first(self.beam[0].node);
            let agrees: Vec<bool> = self.beam.iter().map(|text| self.first(text.node) == best).collect();
            let mut agrees = agrees.into_iter();
            self.beam.retain(|_| agrees.next().unwrap_or(false));
            self.commit(out);
        }
    }

    /// Hands out the tokens that all texts of the beam begin with.
    fn commit(&mut self, out: &mut Vec<CtcToken>) {
        let Some(first) = self.first(self.beam[0].node) else { return };
        if self.beam[1..].iter().any(|text| self.first(text.node) != Some(first)) {
            return;
        }
        let paths: Vec<Vec<u32>> = self.beam.iter().map(|text| self.path(text.node)).collect();
        let shortest = paths.iter().map(Vec::len).min().unwrap_or(0);
        let common = (0..shortest).take_while(|&i| paths.iter().all(|path| path[i] == paths[0][i])).count();
        out.extend(paths[0][..common].iter().map(|&node| self.node(node).token));
        self.sweep(paths[0][common - 1]);
    }

    /// Makes `root` the new root and forgets all that no text of the beam uses.
    fn sweep(&mut self, root: u32) {
        let mut nodes = vec![Node { parent: ROOT, token: self.node(root).token }];
        let mut moved = HashMap::from([(root, ROOT)]);
        self.children.clear();
        for at in 0..self.beam.len() {
            let mut path = Vec::new();
            let mut node = self.beam[at].node;
            while !moved.contains_key(&node) {
                path.push(node);
                node = self.node(node).parent;
            }
            let mut parent = moved[&node];
            for &node in path.iter().rev() {
                let next = u32::try_from(nodes.len()).expect("invariant: nodes are swept");
                let token = self.node(node).token;
                nodes.push(Node { parent, token });
                self.children.insert((parent, token.id), next);
                moved.insert(node, next);
                parent = next;
            }
            self.beam[at].node = moved[&self.beam[at].node];
        }
        self.nodes = nodes;
    }
}

#[cfg(test)]
#[path = "beam_tests.rs"]
mod tests;
