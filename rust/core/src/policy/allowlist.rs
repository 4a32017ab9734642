//! Allowlists: findings that are known to be harmless where one tool or server is concerned, until
//! a day. The rules do not see what an entry covers; the audit does.

use super::{CallFacts, RuleError, expiry::Expiry, glob::Globs};
use crate::{
    detector::{Catalog, syntax::DetectorKind},
    finding::Finding,
};
use serde::Deserialize;
use sha2::{Digest, Sha256};

/// One entry, as a pack has it. Unknown fields are errors.
#[derive(Clone, Debug, Default, Deserialize, PartialEq, Eq)]
#[serde(deny_unknown_fields, default)]
pub struct AllowSource {
    /// Unique.
    pub id: String,
    /// Why; for people.
    pub reason: String,
    /// The last day, in UTC.
    pub expires: String,
    /// Globs over the tool's name.
    pub tools: Vec<String>,
    /// Globs over the server's name.
    pub servers: Vec<String>,
    /// Finding types.
    pub finding_types: Vec<String>,
    /// Globs over detector ids.
    pub finding_ids: Vec<String>,
    /// `sha256:` and 64 hex digits of the text that was found.
    pub fingerprints: Vec<String>,
}

#[derive(Debug)]
struct Entry {
    tools: Globs,
    servers: Globs,
    /// Whether it is about tool calls alone.
    names_tools: bool,
    detectors: Vec<bool>,
    fingerprints: Vec<[u8; 32]>,
    expiry: Expiry,
}

/// The compiled entries, in load order.
#[derive(Debug, Default)]
pub struct Allowlists {
    sources: Vec<AllowSource>,
    entries: Vec<Entry>,
}

impl Allowlists {
    /// Compiles entries.
    ///
    /// # Errors
    /// Everything that does not compile.
    pub fn new(sources: Vec<AllowSource>, catalog: &Catalog) -> Result<Self, Vec<RuleError>> {
        let (mut entries, mut errors) = (Vec::new(), Vec::new());
        for (place, source) in sources.iter().enumerate() {
            let bad = |field: &str, message: String| RuleError {
                kind: "allowlist",
                rule: source.id.clone(),
                field: field.into(),
                message,
            };
            let known = sources
                .iter()
                .take(place)
                .any(|other| other.id == source.id);
            if source.id.is_empty() {
                errors.push(bad("id", "is empty".into()));
            } else if known {
                errors.push(bad("id", "another entry has the same id".into()));
            }
            if source.reason.trim().is_empty() {
                errors.push(bad("reason", "is empty".into()));
            }
            match Entry::new(source, catalog) {
                Ok(entry) => entries.push(entry),
                Err(found) => errors.extend(found.into_iter().map(|(f, m)| bad(f, m))),
            }
        }
        if errors.is_empty() {
            Ok(Self { sources, entries })
        } else {
            Err(errors)
        }
    }

    /// The id of an entry.
    #[must_use]
    pub fn id(&self, entry: usize) -> &str {
        self.sources.get(entry).map_or("", |source| &source.id)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// The findings that some entry covers now, each with the first such entry.
    #[must_use]
    pub fn covered(&self, facts: &CallFacts<'_>) -> Vec<(usize, usize)> {
        // Without the time nothing is excepted.
        let current: Vec<(usize, &Entry)> = self
            .entries
            .iter()
            .enumerate()
            .filter(|(_, e)| !e.expiry.is_over(facts.now, true) && e.concerns(facts))
            .collect();
        if current.is_empty() {
            return Vec::new();
        }
        let found = facts
            .findings
            .iter()
            .enumerate()
            .filter_map(|(at, finding)| {
                let entry = current.iter().find(|(_, e)| e.covers(finding, facts))?;
                Some((at, entry.0))
            });
        found.collect()
    }
}

impl Entry {
    fn new(source: &AllowSource, catalog: &Catalog) -> Result<Self, Vec<(&'static str, String)>> {
        let mut errors = Vec::new();
        let mut globs = |field: &'static str, list: &[String]| {
            Globs::new(list).unwrap_or_else(|message| {
                errors.push((field, message));
                Globs::default()
            })
        };
        let tools = globs("tools", &source.tools);
        let servers = globs("servers", &source.servers);
        let ids = globs("finding_ids", &source.finding_ids);
        if source.tools.is_empty() && source.servers.is_empty() {
            errors.push(("tools", "neither tools nor servers are named".into()));
        }
        let expiry = Expiry::new(&source.expires);
        let named = [
            &source.finding_types,
            &source.finding_ids,
            &source.fingerprints,
        ];
        if named.iter().all(|list| list.is_empty()) {
            let why = "neither finding_types, finding_ids nor fingerprints are named";
            errors.push(("finding_types", why.into()));
        }
        let mut fingerprints = Vec::new();
        for text in &source.fingerprints {
            match digest(text) {
                Some(digest) => fingerprints.push(digest),
                None => errors.push((
                    "fingerprints",
                    format!("{text:?} is not sha256: and 64 hex digits"),
                )),
            }
        }
        let types = &source.finding_types;
        let detectors = catalog.iter().map(|(_, d)| {
            // What could not be analyzed is nobody's to except.
            d.kind != DetectorKind::Engine
                && (types.is_empty() || types.contains(&d.finding_type))
                && (source.finding_ids.is_empty() || ids.hold(&d.id))
        });
        let detectors = detectors.collect();
        match expiry {
            Ok(expiry) if errors.is_empty() => Ok(Self {
                tools,
                servers,
                names_tools: !source.tools.is_empty(),
                detectors,
                fingerprints,
                expiry,
            }),
            Ok(_) => Err(errors),
            Err(message) => {
                errors.push(("expires", message));
                Err(errors)
            }
        }
    }

    fn concerns(&self, facts: &CallFacts<'_>) -> bool {
        (!self.names_tools || !facts.tool_name.is_empty() && self.tools.hold(facts.tool_name))
            && self.servers.hold(facts.server)
    }

    fn covers(&self, finding: &Finding, facts: &CallFacts<'_>) -> bool {
        self.detectors.get(finding.detector as usize) == Some(&true)
            && (self.fingerprints.is_empty() || self.knows(finding, facts))
    }

    fn knows(&self, finding: &Finding, facts: &CallFacts<'_>) -> bool {
        // Of what stood encoded, the text that was found is not kept.
        let Some(leaf) = facts.document.leaf(finding.leaf) else {
            return false;
        };
        if finding.encoded {
            return false;
        }
        let found: [u8; 32] =
            Sha256::digest(finding.text_span.of_str(facts.document.text(leaf))).into();
        self.fingerprints.contains(&found)
    }
}

fn digest(text: &str) -> Option<[u8; 32]> {
    let hex = text.strip_prefix("sha256:")?;
    let mut digest = [0_u8; 32];
    let mut digits = hex.chars().map(|c| c.to_digit(16));
    for byte in &mut digest {
        let (high, low) = (digits.next()??, digits.next()??);
        *byte = u8::try_from(high.wrapping_shl(4) | low).ok()?;
    }
    digits.next().is_none().then_some(digest)
}
