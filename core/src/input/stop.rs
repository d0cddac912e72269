//! Stop strings matched in streamed text, across chunk boundaries.
//!
//! Text that could still grow into a stop string is held back; everything else passes at once. The matcher is an
//! Aho-Corasick automaton, so a byte costs amortised constant time however many strings there are, and the result does
//! not depend on how the text was cut into chunks.

use std::collections::{BTreeMap, VecDeque};

use crate::error::{Error, Result};

/// More stop strings than any API accepts; each adds nodes to the automaton.
const MAX_STRINGS: usize = 64;
/// Bytes of one stop string; text of that length may be held back.
const MAX_STRING_BYTES: usize = 4096;

/// What may be shown after a chunk.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Step {
    /// Text that is certainly not part of a stop string.
    pub text: String,
    /// Whether a stop string was completed; all later text is swallowed.
    pub stopped: bool,
}

#[derive(Clone, Debug, Default)]
struct Node {
    children: BTreeMap<u8, usize>,
    /// The node of the longest proper suffix that is also a prefix of a stop string.
    fail: usize,
    /// Bytes from the root, which is what must be held back in this state.
    depth: usize,
    /// Length of the longest stop string that ends here, or 0.
    matched: usize,
}

/// A matcher for one generation.
///
/// The match that *ends* first wins, and among those the longest, so the outcome equals that of looking at the text
/// after every byte. The stop string and what follows it are never emitted.
#[derive(Clone, Debug)]
pub struct StopStrings {
    nodes: Vec<Node>,
    state: usize,
    held: String,
    stopped: bool,
}

impl StopStrings {
    /// A matcher for `strings`; with none, all text passes through.
    ///
    /// # Errors
    /// [`Error::Argument`] for an empty string, one over 4096 bytes, or more than 64 strings.
    pub fn new<S: AsRef<str>>(strings: &[S]) -> Result<Self> {
        if strings.len() > MAX_STRINGS {
            return Err(Error::argument("stop strings", format!("{} given, at most {MAX_STRINGS}", strings.len())));
        }
        let mut nodes = vec![Node::default()];
        for string in strings {
            let bytes = string.as_ref().as_bytes();
            if bytes.is_empty() || bytes.len() > MAX_STRING_BYTES {
                let reason = format!("one has {} bytes, 1 to {MAX_STRING_BYTES} are accepted", bytes.len());
                return Err(Error::argument("stop strings", reason));
            }
            insert(&mut nodes, bytes);
        }
        link(&mut nodes);
        Ok(Self { nodes, state: 0, held: String::new(), stopped: false })
    }

    /// Takes the next chunk and returns what may be shown.
    pub fn push(&mut self, chunk: &str) -> Step {
        if self.stopped {
            return Step { text: String::new(), stopped: true };
        }
        // The held text is the current state's prefix, so matching goes on behind it.
        let seen = self.held.len();
        self.held.push_str(chunk);
        for end in seen..self.held.len() {
            self.state = self.next(self.state, self.held.as_bytes()[end]);
            let matched = self.nodes[self.state].matched;
            if matched > 0 {
                self.stopped = true;
                self.held.truncate(end + 1 - matched);
                return Step { text: std::mem::take(&mut self.held), stopped: true };
            }
        }
        let keep = self.nodes[self.state].depth;
        // A stop string starts with a lead byte, so what is held back starts at a character.
        let rest = self.held.split_off(self.held.len() - keep);
        Step { text: std::mem::replace(&mut self.held, rest), stopped: false }
    }

    /// What was still held back when the text ended without a stop string.
    pub fn finish(&mut self) -> String {
        self.state = 0;
        std::mem::take(&mut self.held)
    }

    fn next(&self, mut state: usize, byte: u8) -> usize {
        loop {
            if let Some(&child) = self.nodes[state].children.get(&byte) {
                return child;
            }
            if state == 0 {
                return 0;
            }
            state = self.nodes[state].fail;
        }
    }
}

fn insert(nodes: &mut Vec<Node>, bytes: &[u8]) {
    let mut at = 0;
    for (depth, &byte) in bytes.iter().enumerate() {
        at = match nodes[at].children.get(&byte) {
            Some(&child) => child,
            None => {
                nodes.push(Node { depth: depth + 1, ..Node::default() });
                let child = nodes.len() - 1;
                nodes[at].children.insert(byte, child);
                child
            }
        };
    }
    nodes[at].matched = bytes.len();
}

/// Sets the failure links, shallow nodes first, and inherits the matches of suffixes.
fn link(nodes: &mut [Node]) {
    let mut queue = VecDeque::from([0]);
    while let Some(at) = queue.pop_front() {
        let children: Vec<(u8, usize)> = nodes[at].children.iter().map(|(&b, &c)| (b, c)).collect();
        for (byte, child) in children {
            if at != 0 {
                let mut fail = nodes[at].fail;
                nodes[child].fail = loop {
                    if let Some(&target) = nodes[fail].children.get(&byte) {
                        break target;
                    }
                    if fail == 0 {
                        break 0;
                    }
                    fail = nodes[fail].fail;
                };
            }
            if nodes[child].matched == 0 {
                nodes[child].matched = nodes[nodes[child].fail].matched;
            }
            queue.push_back(child);
        }
    }
}
