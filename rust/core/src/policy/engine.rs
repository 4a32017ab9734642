//! A compiled rule set: which rules are worth asking, and which of those that match decides.
//!
//! The better priority (the lower number) decides; within a priority DENY beats ESCALATE beats
//! REDACT beats ALLOW; the order of files never matters. A SIMULATE rule is recorded and takes
//! no part.

use super::{
    CallFacts, Direction, Outcome,
    category::Categories,
    condition::{BadField, Check, Compiler, Condition, Probe, covered},
    content::{self, Contents},
    syntax::{RuleSource, Strategy, Way},
};
use crate::{decision::Decision, detector::Catalog};
use std::collections::{HashMap, HashSet};

/// Index of a rule in the order of decision.
type Rank = u32;

/// A rule that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("rule {rule:?}: {field}: {message}")]
pub struct RuleError {
    /// Its id.
    pub rule: String,
    /// The field, dotted from the rule.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}

#[derive(Debug)]
struct Rule {
    /// In load order.
    index: usize,
    decision: Decision,
    simulates: Decision,
    masking: Strategy,
    way: Way,
    /// It says nothing of the content, so it is about tool calls alone.
    calls_only: bool,
    condition: Condition,
}

impl Rule {
    fn concerns(&self, facts: &CallFacts<'_>) -> bool {
        self.way.is(facts.direction) && (!self.calls_only || facts.is_tool_call())
    }
}

/// Rules by what must be there for them to match, so that most are never asked.
#[derive(Debug, Default)]
struct Index {
    by_detector: Vec<Vec<Rank>>,
    any_finding: Vec<Rank>,
    by_tool: HashMap<String, Vec<Rank>>,
    by_first_byte: HashMap<u8, Vec<Rank>>,
    by_category: [Vec<Rank>; 16],
    destinations: Vec<Rank>,
    by_pattern: Vec<Vec<Rank>>,
    always: Vec<Rank>,
}

/// A compiled rule set.
#[derive(Debug)]
pub struct PolicyEngine {
    sources: Vec<RuleSource>,
    default_decision: Decision,
    rules: Vec<Rule>,
    contents: Contents,
    index: Index,
}

/// Why a rule matched or not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explanation {
    /// The rule, in load order.
    pub rule: usize,
    /// Whether it is about messages of this kind at all.
    pub concerned: bool,
    /// Whether all its conditions hold.
    pub matched: bool,
    /// Each condition, and whether it holds.
    pub conditions: Vec<(String, bool)>,
}

impl PolicyEngine {
    /// Compiles rules.
    ///
    /// # Errors
    /// One message for each field that cannot be compiled, naming rule and field.
    pub fn new(
        sources: Vec<RuleSource>,
        default_decision: Decision,
        catalog: &Catalog,
    ) -> Result<Self, Vec<String>> {
        Self::compile(sources, default_decision, catalog)
            .map_err(|errors| errors.iter().map(ToString::to_string).collect())
    }

    /// Compiles rules.
    ///
    /// # Errors
    /// Everything that cannot be compiled.
    pub fn compile(
        sources: Vec<RuleSource>,
        default_decision: Decision,
        catalog: &Catalog,
    ) -> Result<Self, Vec<RuleError>> {
        let mut contents = content::Builder::default();
        let mut errors = Vec::new();
        let mut ids = HashSet::new();
        let mut rules = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            let bad = |field: String, message: String| RuleError {
                rule: source.id.clone(),
                field,
                message,
            };
            if source.id.is_empty() {
                errors.push(bad("id".into(), "is empty".into()));
            } else if !ids.insert(source.id.as_str()) {
                errors.push(bad("id".into(), "another rule has the same id".into()));
            }
            // A rule that is switched off is still checked: it may be switched on tomorrow.
            let mut compiler = Compiler {
                catalog,
                contents: &mut contents,
                errors: Vec::new(),
            };
            let rule = Rule::new(index, source, &mut compiler);
            let found = compiler.errors;
            errors.extend(
                found
                    .into_iter()
                    .map(|BadField { field, message }| bad(field, message)),
            );
            if source.enabled {
                rules.push(rule);
            }
        }
        let contents = match contents.build() {
            Ok(contents) if errors.is_empty() => contents,
            Ok(_) => return Err(errors),
            Err(message) => {
                errors.push(RuleError {
                    rule: String::new(),
                    field: "content_patterns".into(),
                    message,
                });
                return Err(errors);
            }
        };
        rules.sort_by_key(|rule: &Rule| {
            let priority = sources.get(rule.index).map_or(0, |source| source.priority);
            (priority, strictness(rule.decision), rule.index)
        });
        let index = Index::new(&rules, catalog);
        Ok(Self {
            sources,
            default_decision,
            rules,
            contents,
            index,
        })
    }

    /// The rules, in load order.
    #[must_use]
    pub fn rules(&self) -> &[RuleSource] {
        &self.sources
    }

    /// Whether any rule is about what travels this way.
    #[must_use]
    pub fn concerns(&self, direction: Direction) -> bool {
        self.rules.iter().any(|rule| rule.way.is(direction))
    }

    /// Decides one message.
    #[must_use]
    pub fn decide(&self, facts: &CallFacts<'_>) -> Outcome {
        let probe = Probe::new(facts, &self.contents);
        let matching: Vec<&Rule> = self
            .index
            .candidates(&probe)
            .into_iter()
            .filter_map(|rank| self.rules.get(rank as usize))
            .filter(|rule| rule.concerns(facts) && rule.condition.holds(&probe))
            .collect();
        let simulated = matching.iter().find(|r| r.decision == Decision::Simulate);
        let deciding = matching.iter().find(|r| r.decision != Decision::Simulate);
        // The default is for tool calls: without a rule, the rest of the protocol goes its way.
        let default = if facts.is_tool_call() && facts.direction == Direction::Request {
            self.default_decision
        } else {
            Decision::Allow
        };
        let (decision, primary) = match (deciding, simulated) {
            (Some(rule), _) => (rule.decision, Some(rule.index)),
            (None, Some(rule)) if default == Decision::Allow => {
                (Decision::Simulate, Some(rule.index))
            }
            (None, _) => (default, None),
        };
        let mut redactions: Vec<(usize, Strategy)> = Vec::new();
        if decision == Decision::Redact {
            let mut cover = |condition: &Condition, masking: Strategy| {
                for finding in covered(condition, &probe) {
                    if !redactions.iter().any(|&(known, _)| known == finding) {
                        redactions.push((finding, masking));
                    }
                }
            };
            for rule in matching.iter().filter(|r| r.decision == Decision::Redact) {
                cover(&rule.condition, rule.masking);
            }
            if primary.is_none() {
                cover(&Condition::default(), Strategy::default());
            }
        }
        redactions.sort_unstable_by_key(|&(finding, _)| finding);
        Outcome {
            decision,
            primary,
            matched: matching.iter().map(|rule| rule.index).collect(),
            redactions,
            simulated: simulated.map(|rule| (rule.simulates, rule.index)),
        }
    }

    /// Every rule that is switched on, in the order of decision, with what held and what did not.
    #[must_use]
    pub fn explain(&self, facts: &CallFacts<'_>) -> Vec<Explanation> {
        let probe = Probe::new(facts, &self.contents);
        let one = |rule: &Rule| {
            let concerned = rule.concerns(facts);
            let conditions: Vec<(String, bool)> = rule
                .condition
                .checks
                .iter()
                .map(|check| (check.name().to_owned(), check.holds(&probe)))
                .collect();
            Explanation {
                rule: rule.index,
                concerned,
                matched: concerned && conditions.iter().all(|(_, held)| *held),
                conditions,
            }
        };
        self.rules.iter().map(one).collect()
    }
}

/// The order within a priority.
const fn strictness(decision: Decision) -> u8 {
    match decision {
        Decision::Deny => 0,
        Decision::Escalate => 1,
        Decision::Redact => 2,
        Decision::Allow => 3,
        Decision::Simulate => 4,
    }
}

impl Rule {
    fn new(index: usize, source: &RuleSource, compiler: &mut Compiler<'_>) -> Self {
        let mut condition = compiler.compile(&source.conditions, "conditions", 0);
        if let Some(unless) = &source.unless {
            let group = compiler.group(unless, "unless", 0);
            condition.checks.push(Check::Not(Box::new(group)));
        }
        Self {
            index,
            decision: source.decision,
            simulates: source.simulates,
            masking: source.masking.unwrap_or_default(),
            way: source.conditions.direction.unwrap_or(Way::Request),
            calls_only: source.conditions.methods.is_empty() && !condition.reads_content(),
            condition,
        }
    }
}

impl Index {
    fn new(rules: &[Rule], catalog: &Catalog) -> Self {
        let mut index = Self {
            by_detector: vec![Vec::new(); catalog.iter().count()],
            ..Self::default()
        };
        for (rank, rule) in (0..).zip(rules) {
            index.add(rank, &rule.condition.checks);
        }
        index
    }

    /// Files a rule under the condition that holds most rarely.
    fn add(&mut self, rank: Rank, checks: &[Check]) {
        let selector = checks.iter().find_map(|check| match check {
            Check::Findings(selector, _) => Some(selector),
            _ => None,
        });
        if let Some(selector) = selector {
            match selector.detectors() {
                None => self.any_finding.push(rank),
                Some(detectors) => {
                    for detector in detectors {
                        if let Some(list) = self.by_detector.get_mut(detector as usize) {
                            list.push(rank);
                        }
                    }
                }
            }
            return;
        }
        if checks
            .iter()
            .any(|check| matches!(check, Check::Destinations(_)))
        {
            return self.destinations.push(rank);
        }
        let tools = checks.iter().find_map(|check| match check {
            Check::Tools(globs) => globs.literals(),
            _ => None,
        });
        if let Some(tools) = tools {
            for tool in tools {
                self.by_tool.entry(tool).or_default().push(rank);
            }
            return;
        }
        let bytes = checks.iter().find_map(|check| match check {
            Check::Tools(globs) => globs.first_bytes(),
            _ => None,
        });
        if let Some(mut bytes) = bytes {
            bytes.sort_unstable();
            bytes.dedup();
            for byte in bytes {
                self.by_first_byte.entry(byte).or_default().push(rank);
            }
            return;
        }
        let categories = checks.iter().find_map(|check| match check {
            Check::Categories(set) => Some(*set),
            _ => None,
        });
        if let Some(set) = categories {
            for (bit, list) in (0_u32..).zip(&mut self.by_category) {
                if set.0.wrapping_shr(bit) & 1 == 1 {
                    list.push(rank);
                }
            }
            return;
        }
        let patterns = checks.iter().find_map(|check| match check {
            Check::Content(patterns) => Some(patterns),
            _ => None,
        });
        if let Some(patterns) = patterns {
            for &pattern in patterns {
                if self.by_pattern.len() <= pattern {
                    self.by_pattern
                        .resize_with(pattern.saturating_add(1), Vec::new);
                }
                if let Some(list) = self.by_pattern.get_mut(pattern) {
                    list.push(rank);
                }
            }
            return;
        }
        self.always.push(rank);
    }

    /// The rules that may match, in the order of decision.
    fn candidates(&self, probe: &Probe<'_>) -> Vec<Rank> {
        let facts = probe.facts;
        let mut ranks = self.always.clone();
        if !facts.findings.is_empty() {
            ranks.extend(&self.any_finding);
        }
        for finding in facts.findings {
            ranks.extend(
                self.by_detector
                    .get(finding.detector as usize)
                    .into_iter()
                    .flatten(),
            );
        }
        if !facts.destinations.is_empty() {
            ranks.extend(&self.destinations);
        }
        if let Some(first) = facts
            .tool_name
            .bytes()
            .next()
            .map(|b| b.to_ascii_lowercase())
        {
            ranks.extend(self.by_first_byte.get(&first).into_iter().flatten());
        }
        if !facts.tool_name.is_empty() && !self.by_tool.is_empty() {
            let name = facts.tool_name.to_ascii_lowercase();
            ranks.extend(self.by_tool.get(&name).into_iter().flatten());
        }
        let Categories(set) = facts.categories;
        for (bit, list) in (0_u32..).zip(&self.by_category) {
            if set.wrapping_shr(bit) & 1 == 1 {
                ranks.extend(list);
            }
        }
        if !self.by_pattern.is_empty() {
            for (list, found) in self.by_pattern.iter().zip(probe.found()) {
                if *found {
                    ranks.extend(list);
                }
            }
        }
        ranks.sort_unstable();
        ranks.dedup();
        ranks
    }
}
