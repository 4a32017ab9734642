//! The form of a rule, as Python hands it over: JSON of the validated YAML.

use crate::decision::Decision;
use serde::Deserialize;
use std::collections::BTreeMap;

/// How a secret is masked.
#[derive(Clone, Copy, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Four characters at each end stay.
    #[default]
    PartialMask,
    /// `***REDACTED***`
    FullMask,
    /// `<REDACTED:type>`
    Tokenized,
    /// The prefix that names the type stays.
    TypePreserving,
}

impl Strategy {
    /// The name in a pack.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PartialMask => "partial_mask",
            Self::FullMask => "full_mask",
            Self::Tokenized => "tokenized",
            Self::TypePreserving => "type_preserving",
        }
    }
}

/// One rule. Unknown fields are errors.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleSource {
    /// Unique.
    pub id: String,
    /// For people.
    #[serde(default)]
    pub name: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// Lower is earlier.
    #[serde(default = "default_priority")]
    pub priority: i64,
    /// What to do.
    pub decision: Decision,
    /// All must hold.
    #[serde(default)]
    pub conditions: Conditions,
    /// Stable reason.
    #[serde(default = "default_code")]
    pub policy_code: String,
    /// Way out for the agent.
    #[serde(default)]
    pub remediation_hint: String,
    /// Safer command or tool.
    #[serde(default)]
    pub safe_alternative: String,
    /// Off without deletion.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// File family.
    #[serde(default)]
    pub pack: String,
    /// Of the pack.
    #[serde(default)]
    pub version: String,
    /// Free labels.
    #[serde(default)]
    pub tags: Vec<String>,
    /// For REDACT.
    #[serde(default)]
    pub masking: Option<Strategy>,
}

const fn default_priority() -> i64 {
    100
}

const fn yes() -> bool {
    true
}

fn default_code() -> String {
    "EGRESS_DENY_POLICY_MATCH".into()
}

/// The conditions of one rule: fields are ANDed, values in a list ORed; empty means no condition.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// Globs over the tool's name.
    pub tool_name_patterns: Vec<String>,
    /// See `category.rs`.
    pub tool_categories: Vec<String>,
    /// Dotted paths or RFC 9535 JSONPath.
    pub arg_path_patterns: Vec<String>,
    /// Globs over hosts, `!` negates.
    pub destination_domains: Vec<String>,
    /// Finding types of text detectors.
    pub secret_types: Vec<String>,
    /// Finding types of any detector.
    pub finding_types: Vec<String>,
    /// Linear-time regexes over each leaf.
    pub content_patterns: Vec<String>,
    /// Exact values.
    pub labels: BTreeMap<String, String>,
    /// Exact names.
    pub environments: Vec<String>,
    /// Highest finding's risk is at least this.
    pub min_risk_score: Option<f32>,
}
