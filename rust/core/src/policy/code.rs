//! The stable reasons of decisions, with how grave each is.

/// One policy code.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PolicyCode {
    /// On the wire and in the audit log.
    pub code: &'static str,
    /// `critical`, `high`, `medium` or `info`.
    pub severity: &'static str,
    /// What it stands for, in a few words.
    pub category: &'static str,
}

const fn code(code: &'static str, severity: &'static str, category: &'static str) -> PolicyCode {
    PolicyCode {
        code,
        severity,
        category,
    }
}

/// All codes of the built-in packs and of the engine. A pack may use others of its own.
pub const CODES: &[PolicyCode] = &[
    code(
        "EGRESS_DENY_SECRET_LEAK",
        "critical",
        "Secret or credential in the call",
    ),
    code("EGRESS_DENY_API_KEY", "critical", "API key in the call"),
    code(
        "EGRESS_DENY_PRIVATE_KEY",
        "critical",
        "Private key in the call",
    ),
    code("EGRESS_DENY_DB_URL", "high", "Database URL with a password"),
    code("EGRESS_DENY_TOKEN", "critical", "Access token in the call"),
    code(
        "EGRESS_DENY_DESTRUCTIVE_CMD",
        "critical",
        "Destructive command",
    ),
    code("EGRESS_DENY_SHELL_RISK", "high", "Risky shell command"),
    code("EGRESS_DENY_CODE_RISK", "high", "Risky program code"),
    code(
        "EGRESS_DENY_PUBLIC_UPLOAD",
        "high",
        "Upload to a public place",
    ),
    code("EGRESS_DENY_EXFIL_CHAIN", "critical", "Data on its way out"),
    code(
        "EGRESS_DENY_RISKY_DESTINATION",
        "medium",
        "Risky destination",
    ),
    code("EGRESS_REDACT_SECRET", "medium", "Secret masked"),
    code("EGRESS_REDACT_PAYLOAD", "medium", "Content masked"),
    code(
        "EGRESS_ESCALATE_REVIEW",
        "medium",
        "Held for a person's review",
    ),
    code(
        "EGRESS_DENY_APPROVAL_DECLINED",
        "high",
        "Declined by a person",
    ),
    code(
        "EGRESS_DENY_APPROVAL_TIMEOUT",
        "medium",
        "Not approved in time",
    ),
    code("EGRESS_SIMULATE_SHADOW", "info", "Recorded only"),
    code("EGRESS_DENY_POLICY_MATCH", "medium", "A rule of the policy"),
    code(
        "EGRESS_DENY_ENGINE_ERROR",
        "critical",
        "Not fully analyzed, so not let through",
    ),
];

/// What is known of a code; for a pack's own, a medium "rule of the policy".
#[must_use]
pub fn describe(code: &str) -> PolicyCode {
    CODES
        .iter()
        .copied()
        .find(|c| c.code == code)
        .unwrap_or(PolicyCode {
            code: "",
            severity: "medium",
            category: "A rule of the policy",
        })
}
