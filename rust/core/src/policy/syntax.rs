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
    /// The rule does not match where this holds.
    #[serde(default)]
    pub unless: Option<Conditions>,
    /// For SIMULATE: the decision that is tried out.
    #[serde(default = "deny")]
    pub simulates: Decision,
    /// An expression in CEL that must hold as well. See `when/`.
    #[serde(default)]
    pub when: Option<String>,
    /// The last day on which it matches, in UTC.
    #[serde(default)]
    pub expires: Option<String>,
}

const fn default_priority() -> i64 {
    100
}

const fn deny() -> Decision {
    Decision::Deny
}

const fn yes() -> bool {
    true
}

fn default_code() -> String {
    "EGRESS_DENY_POLICY_MATCH".into()
}

/// Which way a message travels that a rule is about.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Client to server.
    Request,
    /// Server to client.
    Response,
    /// Both.
    Any,
}

/// The conditions of one rule: fields are ANDed, values in a list ORed; empty means no condition.
///
/// The five that speak of findings (`secret_types`, `finding_types`, `finding_tags`,
/// `finding_ids`, `min_risk_score`) must hold for one and the same finding.
#[derive(Clone, Debug, Default, Deserialize, PartialEq)]
#[serde(deny_unknown_fields, default)]
pub struct Conditions {
    /// Globs over the tool's name, `!` takes away.
    pub tool_name_patterns: Vec<String>,
    /// See `category.rs`.
    pub tool_categories: Vec<String>,
    /// Dotted paths or RFC 9535 JSONPath.
    pub arg_path_patterns: Vec<String>,
    /// Patterns over hosts, `!` negates. See `host.rs`.
    pub destination_domains: Vec<String>,
    /// Data goes to the destination, or, if false, comes from it.
    pub sends: Option<bool>,
    /// Finding types of text detectors.
    pub secret_types: Vec<String>,
    /// Finding types of any detector.
    pub finding_types: Vec<String>,
    /// Tags of the detectors.
    pub finding_tags: Vec<String>,
    /// Globs over detector ids, `!` takes away.
    pub finding_ids: Vec<String>,
    /// Linear-time regexes over each leaf.
    pub content_patterns: Vec<String>,
    /// Exact values.
    pub labels: BTreeMap<String, String>,
    /// Globs over the environment's name, `!` takes away.
    pub environments: Vec<String>,
    /// Globs over the server's name, `!` takes away.
    pub servers: Vec<String>,
    /// What the server must have said of the tool, by the names of MCP. Nobody may trust it.
    pub tool_hints: BTreeMap<String, bool>,
    /// The finding's risk is at least this.
    pub min_risk_score: Option<f32>,
    /// Globs over the JSON-RPC method.
    pub methods: Vec<String>,
    /// A rule without it is about requests.
    pub direction: Option<Way>,
    /// One of these holds.
    pub any: Vec<Conditions>,
    /// Each of these holds.
    pub all: Vec<Conditions>,
    /// This does not hold.
    pub not: Option<Box<Conditions>>,
}

/// A pack, as the build script embeds it and Python hands it over.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pack {
    /// File family; the default of its rules' `pack`.
    #[serde(default)]
    pub pack: String,
    /// Of the pack.
    #[serde(default)]
    pub version: String,
    /// For people.
    #[serde(default)]
    pub description: String,
    /// The rules.
    pub rules: Vec<PackedRule>,
}

/// A rule in its pack, with what the engine does not need.
#[derive(Clone, Debug, Deserialize)]
pub struct PackedRule {
    /// The rule itself.
    #[serde(flatten)]
    pub rule: RuleSource,
    /// Its own tests.
    #[serde(default)]
    pub tests: Vec<RuleTest>,
}

/// One call and the decision that all built-in rules together must give.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RuleTest {
    /// The tool.
    pub tool_name: String,
    /// Its arguments.
    #[serde(default)]
    pub arguments: serde_json::Value,
    /// What the rules decide.
    pub expected_decision: Decision,
    /// Of the call.
    #[serde(default)]
    pub environment: Option<String>,
    /// Of the session.
    #[serde(default)]
    pub labels: BTreeMap<String, String>,
    /// The rule that decides, if not the one that carries the test.
    #[serde(default)]
    pub rule: Option<String>,
}
