//! What is done with a call.

use serde::{Deserialize, Serialize};

/// The five decisions of the policy language.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Decision {
    /// Forward as it is.
    Allow,
    /// Block.
    Deny,
    /// Mask, then forward.
    Redact,
    /// Block until a person approves.
    Escalate,
    /// Record what would have been, and forward.
    Simulate,
}

impl Decision {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Allow => "ALLOW",
            Self::Deny => "DENY",
            Self::Redact => "REDACT",
            Self::Escalate => "ESCALATE",
            Self::Simulate => "SIMULATE",
        }
    }
}
