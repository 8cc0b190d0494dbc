//! What is looked for, as an automaton (Aho and Corasick's) that also knows how deep it is: how many of the last bytes
//! may yet become a match. No crate at hand tells that, and it is what decides which bytes can be shown.

use saltpeter_protocol::launch::{CommandSpec, SHORTEST_MASKED};
use std::collections::VecDeque;

/// Lines of a value of several are looked for on their own from this length on; shorter ones ("}", "EOF") are not
/// secret, and are all over any output.
const SHORTEST_LINE: usize = 8;

/// Values of `env` that say nothing.
const PLAIN_WORDS: [&str; 2] = ["true", "false"];

/// A state of the automaton: an index into its nodes.
pub(super) type State = u32;

/// Nothing seen that could begin a pattern.
pub(super) const ROOT: State = 0;
/// No such node. The root is nobody's child.
const NONE: State = ROOT;

#[derive(Debug)]
struct Node {
    /// The byte that leads here from its parent.
    byte: u8,
    child: State,
    sibling: State,
    /// The longest proper end of this node's bytes that is a node as well.
    fallback: State,
    depth: usize,
    /// Length of the longest pattern that this node's bytes end with.
    longest: usize,
}

/// See the module.
pub struct Patterns {
    nodes: Vec<Node>,
    /// The root's children by byte.
    begins: [State; 256],
}

/// Says how large it is, and nothing of what it looks for.
impl std::fmt::Debug for Patterns {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Patterns")
            .field("nodes", &self.nodes.len())
            .finish_non_exhaustive()
    }
}

impl Patterns {
    /// The values of the command's `secrets` and `env`, and the lines of those that have several. `None` when there is
    /// nothing to look for.
    pub fn of(command: &CommandSpec) -> Option<Self> {
        let env = command.env.values();
        let env = env.filter(|value| !PLAIN_WORDS.contains(&value.as_str()));
        let mut patterns: Vec<&[u8]> = Vec::new();
        for value in command.secrets.values().chain(env) {
            // As a shell has it that reads the value from a file or prints it.
            let value = value.trim_end_matches(['\n', '\r']);
            if value.len() >= SHORTEST_MASKED {
                patterns.push(value.as_bytes());
            }
            if value.contains('\n') {
                let lines = value.lines().map(str::trim);
                patterns.extend(
                    lines
                        .filter(|line| line.len() >= SHORTEST_LINE)
                        .map(str::as_bytes),
                );
            }
        }
        (!patterns.is_empty()).then(|| Self::new(patterns))
    }

    /// An automaton for these patterns. Empty ones are left out.
    pub fn new<'p>(patterns: impl IntoIterator<Item = &'p [u8]>) -> Self {
        let root = Node {
            byte: 0,
            child: NONE,
            sibling: NONE,
            fallback: ROOT,
            depth: 0,
            longest: 0,
        };
        let mut built = Self {
            nodes: vec![root],
            begins: [ROOT; 256],
        };
        for pattern in patterns {
            built.insert(pattern);
        }
        built.link();
        built
    }

    fn insert(&mut self, pattern: &[u8]) {
        let mut at = ROOT;
        for &byte in pattern {
            let known = self.child(at, byte);
            at = if known == NONE {
                self.add(at, byte)
            } else {
                known
            };
        }
        let node = &mut self.nodes[at as usize];
        node.longest = node.depth;
    }

    fn add(&mut self, parent: State, byte: u8) -> State {
        // Values come in one message of the protocol, which is far shorter than this.
        let new = State::try_from(self.nodes.len()).unwrap_or(NONE);
        let above = &self.nodes[parent as usize];
        self.nodes.push(Node {
            byte,
            child: NONE,
            sibling: above.child,
            fallback: ROOT,
            depth: above.depth + 1,
            longest: 0,
        });
        self.nodes[parent as usize].child = new;
        if parent == ROOT {
            self.begins[usize::from(byte)] = new;
        }
        new
    }

    /// Finds each node's fallback, the shallow ones first.
    fn link(&mut self) {
        let mut waiting = VecDeque::from([ROOT]);
        while let Some(parent) = waiting.pop_front() {
            let mut at = self.nodes[parent as usize].child;
            while at != NONE {
                waiting.push_back(at);
                let byte = self.nodes[at as usize].byte;
                let fallback = match parent {
                    ROOT => ROOT,
                    _ => self.next(self.nodes[parent as usize].fallback, byte),
                };
                let shorter = self.nodes[fallback as usize].longest;
                let node = &mut self.nodes[at as usize];
                node.fallback = fallback;
                // A pattern's own end is longer than what any fallback ends with.
                node.longest = node.longest.max(shorter);
                at = node.sibling;
            }
        }
    }

    fn child(&self, of: State, byte: u8) -> State {
        if of == ROOT {
            return self.begins[usize::from(byte)];
        }
        let mut at = self.nodes[of as usize].child;
        while at != NONE && self.nodes[at as usize].byte != byte {
            at = self.nodes[at as usize].sibling;
        }
        at
    }

    /// The state after `byte`.
    pub(super) fn next(&self, mut state: State, byte: u8) -> State {
        loop {
            let child = self.child(state, byte);
            if child != NONE || state == ROOT {
                return child;
            }
            state = self.nodes[state as usize].fallback;
        }
    }

    /// How many of the last bytes may yet become a match.
    pub(super) fn depth(&self, state: State) -> usize {
        self.nodes[state as usize].depth
    }

    /// Length of the longest match that ends here, 0 for none.
    pub(super) fn longest_match(&self, state: State) -> usize {
        self.nodes[state as usize].longest
    }

    /// How many of `bytes` come before the first that could begin a match.
    pub(super) fn plain_prefix(&self, bytes: &[u8]) -> usize {
        bytes
            .iter()
            .position(|byte| self.begins[usize::from(*byte)] != ROOT)
            .unwrap_or(bytes.len())
    }
}
