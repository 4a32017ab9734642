//! The JSON in which Python hands over a configuration.

use egress_guard_core::{
    decision::Decision,
    detector::Catalog,
    guard::{self, ScopedDeletes, Settings},
    limits::Limits,
    policy::{
        allowlist::AllowSource,
        category::{Categories, Category},
        content::MakeSearch,
        syntax::RuleSource,
    },
};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// See `_core.pyi`, `Guard`. Unknown fields are errors.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Source {
    rules: Vec<RuleSource>,
    allowlists: Vec<AllowSource>,
    default_decision: Decision,
    shadow_mode: bool,
    fail_closed_categories: Option<Vec<String>>,
    environment: String,
    internal_domains: Vec<String>,
    blocked_domains: Vec<String>,
    org_fingerprints: Vec<String>,
    /// Globs of tool names, each with its categories.
    tool_categories: BTreeMap<String, Vec<String>>,
    entropy: bool,
    scoped_deletes: ScopedDeletes,
    record_calls: bool,
    session_tokens: bool,
    detectors: Value,
    max_message_bytes: Option<usize>,
}

impl Default for Source {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            allowlists: Vec::new(),
            default_decision: Decision::Allow,
            shadow_mode: false,
            fail_closed_categories: None,
            environment: String::new(),
            internal_domains: Vec::new(),
            blocked_domains: Vec::new(),
            org_fingerprints: Vec::new(),
            tool_categories: BTreeMap::new(),
            entropy: false,
            scoped_deletes: ScopedDeletes::Deny,
            record_calls: false,
            session_tokens: false,
            detectors: Value::Null,
            max_message_bytes: None,
        }
    }
}

/// Builds a guard.
///
/// # Errors
/// One message a line, for people.
pub(crate) fn build(json: &str, make: MakeSearch<'_>) -> Result<guard::Guard, String> {
    let source: Source = serde_json::from_str(json).map_err(|e| e.to_string())?;
    let mut catalog = Catalog::embedded().map_err(ToString::to_string)?.clone();
    if !source.detectors.is_null() {
        catalog
            .extend_json(&source.detectors.to_string())
            .map_err(|e| e.to_string())?;
    }
    let mut limits = Limits::default();
    if let Some(bytes) = source.max_message_bytes {
        limits.frame_bytes = bytes;
    }
    let settings = Settings {
        rules: source.rules,
        allowlists: source.allowlists,
        default_decision: source.default_decision,
        shadow_mode: source.shadow_mode,
        fail_closed: match &source.fail_closed_categories {
            None => Settings::default().fail_closed,
            Some(names) => categories(names)?,
        },
        environment: source.environment,
        internal_domains: source.internal_domains,
        blocked_domains: source.blocked_domains,
        org_fingerprints: source.org_fingerprints,
        tool_categories: source
            .tool_categories
            .into_iter()
            .map(|(glob, names)| Ok((glob, categories(&names)?)))
            .collect::<Result<_, String>>()?,
        entropy: source.entropy,
        scoped_deletes: source.scoped_deletes,
        record_calls: source.record_calls,
        session_tokens: source.session_tokens,
        limits,
    };
    guard::Guard::with_search(catalog, settings, make).map_err(|e| e.to_string())
}

fn categories(names: &[String]) -> Result<Categories, String> {
    let mut set = Categories::default();
    for name in names {
        let category = Category::parse(name).ok_or_else(|| format!("unknown category {name:?}"))?;
        set.add(category);
    }
    Ok(set)
}
