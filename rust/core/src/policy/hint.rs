//! What a server says of its own tools in `tools/list`. Nobody may trust it: a rule may ask for a
//! hint, and no decision of the engine looks at one.

use crate::walk::{Document, Kind, NodeId};
use std::{
    collections::HashMap,
    sync::{PoisonError, RwLock},
};

/// Most tools whose hints are kept of one server; of the others nothing is known.
const MOST: usize = 4_096;
/// Longest name of a tool that is kept, in bytes.
const LONGEST: usize = 256;

/// The names of the hints, as MCP has them.
pub const NAMES: [&str; 4] = [
    "readOnlyHint",
    "destructiveHint",
    "idempotentHint",
    "openWorldHint",
];

/// The annotations of one tool, in the order of [`NAMES`]; `None` where the server says nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hint([Option<bool>; 4]);

impl Hint {
    /// What was said, by the names of MCP.
    pub fn named(self) -> impl Iterator<Item = (&'static str, bool)> {
        let pairs = NAMES.into_iter().zip(self.0);
        pairs.filter_map(|(name, value)| Some((name, value?)))
    }

    /// What was said under this place of [`NAMES`].
    #[must_use]
    pub fn at(self, place: usize) -> Option<bool> {
        self.0.get(place).copied().flatten()
    }

    fn read(document: &Document<'_>, tool: NodeId) -> Self {
        let annotations = document.member(tool, "annotations");
        Self(NAMES.map(|name| {
            let node = document.member(annotations?, name)?;
            match document.node(node)?.kind {
                Kind::Bool(value) => Some(value),
                _ => None,
            }
        }))
    }
}

/// The hints of one server. All its conversations share them.
#[derive(Debug, Default)]
pub struct Hints(RwLock<HashMap<Box<str>, Hint>>);

impl Hints {
    /// Takes the result of a `tools/list`, which may be one page of several. The newest word on a
    /// tool counts.
    pub fn learn(&self, document: &Document<'_>, result: NodeId) {
        let Some(tools) = document.member(result, "tools") else {
            return;
        };
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        for tool in document.children(tools).take(MOST) {
            let name = document.member(tool, "name").and_then(|n| document.str(n));
            let Some(name) = name.filter(|name| name.len() <= LONGEST) else {
                continue;
            };
            let hint = Hint::read(document, tool);
            if let Some(slot) = known.get_mut(name) {
                *slot = hint;
            } else if hint != Hint::default() && known.len() < MOST {
                known.insert(name.into(), hint);
            }
        }
    }

    /// What is known of a tool.
    #[must_use]
    pub fn of(&self, tool: &str) -> Option<Hint> {
        let known = self.0.read().unwrap_or_else(PoisonError::into_inner);
        known.get(tool).copied()
    }
}
