//! The conditions of one rule, compiled, and whether they hold for a message.

use super::{
    CallFacts, Direction,
    args::Path,
    category::{Categories, Category},
    content::{self, Contents, PatternId},
    glob::Globs,
    hint,
    host::Targets,
    syntax::{Conditions, Way},
};
use crate::{
    detector::{Catalog, DetectorId, syntax::DetectorKind},
    finding::Finding,
};
use std::cell::OnceCell;

/// Groups in groups beyond this are an error.
const DEEPEST: usize = 8;

/// What of a rule cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BadField {
    /// The field, dotted from the rule: `conditions.content_patterns`.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

/// A set of detectors and the least risk.
#[derive(Clone, Debug)]
pub(super) struct Selector {
    detectors: Vec<bool>,
    min_risk: f32,
}

impl Selector {
    pub(super) fn covers(&self, finding: &Finding) -> bool {
        finding.risk >= self.min_risk
            && self.detectors.get(finding.detector as usize) == Some(&true)
    }

    pub(super) const fn min_risk(&self) -> f32 {
        self.min_risk
    }

    /// The detectors, or `None` for all of them.
    pub(super) fn detectors(&self) -> Option<Vec<DetectorId>> {
        if self.detectors.iter().all(|&has| has) {
            return None;
        }
        let ids = (0..).zip(&self.detectors);
        Some(ids.filter(|(_, has)| **has).map(|(id, _)| id).collect())
    }

    /// What a REDACT rule covers that names no findings: secrets and other text.
    fn text(catalog: &Catalog) -> Self {
        Self {
            detectors: catalog
                .iter()
                .map(|(_, d)| d.kind == DetectorKind::Text)
                .collect(),
            min_risk: 0.0,
        }
    }
}

/// One thing that must hold.
#[derive(Debug)]
pub(super) enum Check {
    Way(Way),
    Methods(Globs),
    Tools(Globs),
    Categories(Categories),
    Environments(Globs),
    Servers(Globs),
    /// Places of [`hint::NAMES`], and what the server must have said there.
    Hints(Vec<(usize, bool)>),
    Labels(Vec<(String, String)>),
    Findings(Selector, String),
    Destinations(Targets),
    Paths(Vec<Path>),
    Content(Vec<PatternId>),
    Any(Vec<Condition>),
    All(Vec<Condition>),
    Not(Box<Condition>),
}

/// What all must hold, the cheapest first.
#[derive(Debug, Default)]
pub struct Condition {
    pub(super) checks: Vec<Check>,
}

/// What compiling needs and collects.
pub(super) struct Compiler<'c> {
    pub(super) catalog: &'c Catalog,
    pub(super) contents: &'c mut content::Builder,
    pub(super) errors: Vec<BadField>,
}

impl Compiler<'_> {
    /// Compiles one group; what does not compile is collected in `errors`.
    pub(super) fn compile(&mut self, source: &Conditions, at: &str, depth: usize) -> Condition {
        let mut checks = Vec::new();
        if depth > DEEPEST {
            self.bad(at, "", format!("groups are nested deeper than {DEEPEST}"));
            return Condition::default();
        }
        checks.extend(source.direction.map(Check::Way));
        let globs = |list: &[String]| (!list.is_empty()).then(|| Globs::new(list));
        for (field, list, check) in [
            (
                "methods",
                &source.methods,
                Check::Methods as fn(Globs) -> Check,
            ),
            (
                "tool_name_patterns",
                &source.tool_name_patterns,
                Check::Tools,
            ),
            ("environments", &source.environments, Check::Environments),
            ("servers", &source.servers, Check::Servers),
        ] {
            match globs(list) {
                Some(Ok(globs)) => checks.push(check(globs)),
                Some(Err(message)) => self.bad(at, field, message),
                None => {}
            }
        }
        if !source.tool_categories.is_empty() {
            let mut set = Categories::default();
            for name in &source.tool_categories {
                match Category::parse(name) {
                    Some(category) => set.add(category),
                    None => self.bad(at, "tool_categories", format!("unknown category {name:?}")),
                }
            }
            checks.push(Check::Categories(set));
        }
        if !source.tool_hints.is_empty() {
            let mut wanted = Vec::new();
            for (name, value) in &source.tool_hints {
                match hint::NAMES.iter().position(|known| known == name) {
                    Some(place) => wanted.push((place, *value)),
                    None => {
                        let known = hint::NAMES.join(", ");
                        let message = format!("unknown hint {name:?}; known are {known}");
                        self.bad(at, "tool_hints", message);
                    }
                }
            }
            checks.push(Check::Hints(wanted));
        }
        if !source.labels.is_empty() {
            let labels = source.labels.iter().map(|(k, v)| (k.clone(), v.clone()));
            checks.push(Check::Labels(labels.collect()));
        }
        checks.extend(self.findings(source, at));
        if !source.destination_domains.is_empty() || source.sends.is_some() {
            match Targets::new(&source.destination_domains, source.sends) {
                Ok(targets) => checks.push(Check::Destinations(targets)),
                Err(message) => self.bad(at, "destination_domains", message),
            }
        }
        if !source.arg_path_patterns.is_empty() {
            let mut paths = Vec::new();
            for pattern in &source.arg_path_patterns {
                match Path::new(pattern) {
                    Ok(path) => paths.push(path),
                    Err(message) => self.bad(at, "arg_path_patterns", message),
                }
            }
            checks.push(Check::Paths(paths));
        }
        if !source.content_patterns.is_empty() {
            let mut ids = Vec::new();
            for pattern in &source.content_patterns {
                match self.contents.add(pattern) {
                    Ok(id) => ids.push(id),
                    Err(message) => self.bad(at, "content_patterns", message),
                }
            }
            checks.push(Check::Content(ids));
        }
        for (name, list) in [("all", &source.all), ("any", &source.any)] {
            let groups: Vec<Condition> = (0..)
                .zip(list)
                .map(|(i, group)| self.group(group, &format!("{at}.{name}[{i}]"), depth))
                .collect();
            if !groups.is_empty() {
                checks.push(if name == "all" {
                    Check::All(groups)
                } else {
                    Check::Any(groups)
                });
            }
        }
        if let Some(group) = &source.not {
            let group = self.group(group, &format!("{at}.not"), depth);
            checks.push(Check::Not(Box::new(group)));
        }
        Condition { checks }
    }

    pub(super) fn group(&mut self, source: &Conditions, at: &str, depth: usize) -> Condition {
        if *source == Conditions::default() {
            self.bad(at, "", "is empty: it names no condition".into());
        }
        self.compile(source, at, depth.saturating_add(1))
    }

    fn bad(&mut self, at: &str, field: &str, message: String) {
        let dot = if field.is_empty() { "" } else { "." };
        self.errors.push(BadField {
            field: format!("{at}{dot}{field}"),
            message,
        });
    }

    fn findings(&mut self, source: &Conditions, at: &str) -> Option<Check> {
        let lists = [
            ("secret_types", &source.secret_types),
            ("finding_types", &source.finding_types),
            ("finding_tags", &source.finding_tags),
            ("finding_ids", &source.finding_ids),
        ];
        let mut used: Vec<&str> = lists
            .iter()
            .filter(|(_, list)| !list.is_empty())
            .map(|(name, _)| *name)
            .collect();
        let min_risk = source.min_risk_score.unwrap_or(0.0);
        if source.min_risk_score.is_some() {
            used.push("min_risk_score");
            if !(0.0..=1.0).contains(&min_risk) {
                self.bad(
                    at,
                    "min_risk_score",
                    format!("{min_risk} is not between 0 and 1"),
                );
            }
        }
        if used.is_empty() {
            return None;
        }
        let ids = match Globs::new(&source.finding_ids) {
            Ok(globs) => globs,
            Err(message) => {
                self.bad(at, "finding_ids", message);
                return None;
            }
        };
        let named = |list: &[String], text: &str| list.is_empty() || list.iter().any(|t| t == text);
        let detectors = self.catalog.iter().map(|(_, d)| {
            let secret = source.secret_types.is_empty() || d.kind == DetectorKind::Text;
            let tagged = |tag: &String| d.tags.contains(tag);
            secret
                && named(&source.secret_types, &d.finding_type)
                && named(&source.finding_types, &d.finding_type)
                && (source.finding_tags.is_empty() || source.finding_tags.iter().any(tagged))
                && ids.hold(&d.id)
        });
        let selector = Selector {
            detectors: detectors.collect(),
            min_risk,
        };
        Some(Check::Findings(selector, used.join(", ")))
    }
}

/// One message under judgement, with what is only worked out when a condition asks for it.
pub(super) struct Probe<'p> {
    pub(super) facts: &'p CallFacts<'p>,
    contents: &'p Contents,
    found: OnceCell<Vec<bool>>,
}

impl<'p> Probe<'p> {
    pub(super) fn new(facts: &'p CallFacts<'p>, contents: &'p Contents) -> Self {
        Self {
            facts,
            contents,
            found: OnceCell::new(),
        }
    }

    /// Which content patterns match.
    pub(super) fn found(&self) -> &[bool] {
        self.found.get_or_init(|| {
            let document = self.facts.document;
            // Of the message, not of the frame: a batch holds others.
            let member = |name| document.member(self.facts.message, name);
            let whole = || {
                let body = member("params").or_else(|| member("result"));
                vec![
                    body.or_else(|| member("error"))
                        .unwrap_or(self.facts.message),
                ]
            };
            let nodes = match (self.facts.arguments, member("params")) {
                // Answers to the server's questions leave with a repeated call.
                (Some(arguments), Some(params)) => std::iter::once(arguments)
                    .chain(document.member(params, "inputResponses"))
                    .chain(document.member(params, "requestState"))
                    .collect(),
                _ => whole(),
            };
            self.contents.search(document, &nodes)
        })
    }
}

impl Condition {
    /// Whether everything holds.
    pub(super) fn holds(&self, probe: &Probe<'_>) -> bool {
        self.checks.iter().all(|check| check.holds(probe))
    }

    /// Whether some check looks at what the message says, not only at who says it.
    pub(super) fn reads_content(&self) -> bool {
        self.checks.iter().any(|check| match check {
            Check::Findings(..) | Check::Content(_) => true,
            Check::Any(groups) => groups.iter().all(Self::reads_content),
            Check::All(groups) => groups.iter().any(Self::reads_content),
            _ => false,
        })
    }

    /// Whether some check asks for the server's hints.
    pub(super) fn reads_hints(&self) -> bool {
        self.checks.iter().any(|check| match check {
            Check::Hints(_) => true,
            Check::Any(groups) | Check::All(groups) => groups.iter().any(Self::reads_hints),
            Check::Not(group) => group.reads_hints(),
            _ => false,
        })
    }

    /// The selectors that took part in a match.
    pub(super) fn selectors<'c>(&'c self, probe: &Probe<'_>, out: &mut Vec<&'c Selector>) {
        for check in &self.checks {
            match check {
                Check::Findings(selector, _) => out.push(selector),
                Check::Any(groups) | Check::All(groups) => {
                    for group in groups.iter().filter(|group| group.holds(probe)) {
                        group.selectors(probe, out);
                    }
                }
                _ => {}
            }
        }
    }
}

impl Check {
    /// The field, or the fields, that it came from.
    pub(super) fn name(&self) -> &str {
        match self {
            Self::Way(_) => "direction",
            Self::Methods(_) => "methods",
            Self::Tools(_) => "tool_name_patterns",
            Self::Categories(_) => "tool_categories",
            Self::Environments(_) => "environments",
            Self::Servers(_) => "servers",
            Self::Hints(_) => "tool_hints",
            Self::Labels(_) => "labels",
            Self::Findings(_, names) => names,
            Self::Destinations(_) => "destination_domains",
            Self::Paths(_) => "arg_path_patterns",
            Self::Content(_) => "content_patterns",
            Self::Any(_) => "any",
            Self::All(_) => "all",
            Self::Not(_) => "not",
        }
    }

    pub(super) fn holds(&self, probe: &Probe<'_>) -> bool {
        let facts = probe.facts;
        match self {
            Self::Way(way) => way.is(facts.direction),
            Self::Methods(globs) => globs.hold(facts.method),
            Self::Tools(globs) => !facts.tool_name.is_empty() && globs.hold(facts.tool_name),
            Self::Categories(set) => set.0 & facts.categories.0 != 0,
            Self::Environments(globs) => globs.hold(facts.environment),
            Self::Servers(globs) => globs.hold(facts.server),
            Self::Hints(wanted) => facts.hints.is_some_and(|hint| {
                wanted
                    .iter()
                    .all(|&(place, value)| hint.at(place) == Some(value))
            }),
            Self::Labels(labels) => labels
                .iter()
                .all(|(name, value)| facts.labels.get(name) == Some(value)),
            Self::Findings(selector, _) => facts.findings.iter().any(|f| selector.covers(f)),
            Self::Destinations(targets) => targets.hold(facts.destinations),
            Self::Paths(paths) => facts
                .arguments
                .is_some_and(|node| paths.iter().any(|path| path.holds(facts.document, node))),
            Self::Content(ids) => {
                let found = probe.found();
                ids.iter().any(|&id| found.get(id) == Some(&true))
            }
            Self::Any(groups) => groups.iter().any(|group| group.holds(probe)),
            Self::All(groups) => groups.iter().all(|group| group.holds(probe)),
            Self::Not(group) => !group.holds(probe),
        }
    }
}

impl Way {
    /// Whether a message that travels so is meant.
    #[must_use]
    pub fn is(self, direction: Direction) -> bool {
        match self {
            Self::Any => true,
            Self::Request => direction == Direction::Request,
            Self::Response => direction == Direction::Response,
        }
    }
}

/// The findings that a REDACT rule masks when it matches.
pub(super) fn covered(condition: &Condition, probe: &Probe<'_>) -> Vec<usize> {
    let mut selectors = Vec::new();
    condition.selectors(probe, &mut selectors);
    let all_text;
    if selectors.is_empty() {
        all_text = Selector::text(probe.facts.catalog);
        selectors.push(&all_text);
    }
    let findings = (0..).zip(probe.facts.findings);
    findings
        .filter(|(_, finding)| selectors.iter().any(|s| s.covers(finding)))
        .map(|(index, _)| index)
        .collect()
}
