//! The audit line of one decision. Formats only; who writes it is the caller's business.

use crate::guard::{Guard, Inspection};

/// What the line says beyond the judgement.
#[derive(Clone, Debug, Default)]
pub struct Entry<'a> {
    /// Nanoseconds since 1970-01-01 UTC.
    pub time_ns: u64,
    /// Duration of the evaluation in nanoseconds.
    pub evaluation_ns: u64,
    /// Unique within the log.
    pub decision_id: &'a str,
    /// Session of the client, where there is one.
    pub session_id: &'a str,
    /// Name of the MCP server.
    pub server: &'a str,
    /// Hash of the rule set.
    pub policy_hash: &'a str,
}

/// One JSON line, line end included.
#[must_use]
pub fn line(_guard: &Guard, _inspection: &Inspection, _entry: &Entry<'_>) -> Vec<u8> {
    Vec::new()
}
