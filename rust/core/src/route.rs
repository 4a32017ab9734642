//! Which leaf is given to which analyzer: what is executed, what is a path, what is only text.

use crate::{
    analyzer::{Language, command::Dialect},
    policy::{CallFacts, category::Categories},
    walk::{Document, NodeId},
};

/// What a string argument is to its tool.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Use {
    /// A command line that a shell reads.
    Command(Dialect),
    /// An array of strings that is executed without a shell; the node is the array.
    Argv,
    /// Program code that is executed.
    Code(Language),
    /// SQL that is executed.
    Sql,
    /// A path that is read or written.
    Path,
    /// A URL or host that data is sent to or fetched from.
    Destination,
    /// Text that nothing executes.
    Data,
}

/// What the value `node` of a call to `tool` is used for.
#[must_use]
pub fn use_of(
    _document: &Document<'_>,
    _node: NodeId,
    _tool: &str,
    _categories: Categories,
) -> Use {
    Use::Data
}

/// Findings over the shape of the whole call (`json_payload` types), if any, are for the guard.
#[must_use]
pub fn is_upload(_facts: &CallFacts<'_>) -> bool {
    false
}
