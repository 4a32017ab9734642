//! Rules as data, and the decision they give. Stage 5 of 6.

pub mod allowlist;
pub mod args;
pub mod category;
pub mod code;
pub mod condition;
pub mod content;
pub mod engine;
pub mod expiry;
pub mod glob;
pub mod hint;
pub mod host;
mod index;
pub mod jsonpath;
pub mod syntax;
#[cfg(test)]
mod tests;
pub mod when;
pub mod words;

pub use engine::{Explanation, PolicyEngine, RuleError};

use crate::{
    analyzer::destination::Destination,
    decision::Decision,
    detector::Catalog,
    finding::Finding,
    walk::{Document, NodeId},
};
use category::Categories;
use hint::Hint;
use std::collections::BTreeMap;

/// The built-in packs as JSON: `[{"file": …, "text": …, "data": …}]`.
pub const EMBEDDED_PACKS: &str = include_str!(concat!(env!("OUT_DIR"), "/packs.json"));
/// The profiles that `init` writes, in the same form.
pub const EMBEDDED_PROFILES: &str = include_str!(concat!(env!("OUT_DIR"), "/profiles.json"));

/// Which way a frame travels.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Client to server.
    Request,
    /// Server to client.
    Response,
}

/// What a rule may ask about one frame.
#[derive(Debug)]
pub struct CallFacts<'a> {
    /// The frame's values.
    pub document: &'a Document<'a>,
    /// The message, which may be one of a batch.
    pub message: NodeId,
    /// JSON-RPC method; empty for a response.
    pub method: &'a str,
    /// `params.name` of `tools/call`; empty otherwise.
    pub tool_name: &'a str,
    /// The tool's categories.
    pub categories: Categories,
    /// The value whose paths `arg_path_patterns` address: `params.arguments`.
    pub arguments: Option<NodeId>,
    /// What the analyzers found.
    pub findings: &'a [Finding],
    /// What the ids of the findings mean.
    pub catalog: &'a Catalog,
    /// Hosts that data goes to.
    pub destinations: &'a [Destination],
    /// `environment` of the configuration or the call.
    pub environment: &'a str,
    /// Labels of the session.
    pub labels: &'a BTreeMap<String, String>,
    /// Which way it travels.
    pub direction: Direction,
    /// Name of the MCP server; empty where it is not known.
    pub server: &'a str,
    /// Names the conversation; empty where it is not known.
    pub session_id: &'a str,
    /// What the server says of the tool. Untrusted.
    pub hints: Option<Hint>,
    /// Seconds since 1970-01-01 UTC; 0 where nobody knows.
    pub now: u64,
}

/// The decision of a rule set over one frame. Rules are named by their index in load order.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// What is to be done.
    pub decision: Decision,
    /// The rule that decided; `None` for the default decision.
    pub primary: Option<usize>,
    /// All rules whose conditions held, best priority first.
    pub matched: Vec<usize>,
    /// Indexes of the findings to mask, with the masking strategy of the rule that covers them.
    pub redactions: Vec<(usize, syntax::Strategy)>,
    /// Why the deciding rule's `when` has no value; the rule counts as matching then.
    pub fault: Option<String>,
    /// What a SIMULATE rule or shadow mode held back: the decision that would have been.
    pub simulated: Option<(Decision, usize)>,
}

impl CallFacts<'_> {
    /// Whether a tool would run.
    #[must_use]
    pub fn is_tool_call(&self) -> bool {
        self.method == "tools/call"
    }
}
