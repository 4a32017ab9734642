//! A compiled rule set: which rules are worth asking, and which of those that match decides.
//!
//! The better priority (the lower number) decides; within a priority DENY beats ESCALATE beats
//! REDACT beats ALLOW; the order of files never matters. A SIMULATE rule is recorded and takes
//! no part.

use super::{
    CallFacts, Direction, Outcome,
    condition::{BadField, Check, Compiler, Condition, Probe, covered},
    content::{self, Contents, MakeSearch},
    expiry::Expiry,
    index::Index,
    syntax::{RuleSource, Strategy, Way},
    when::{Fault, When},
};
use crate::{decision::Decision, detector::Catalog};
use std::collections::HashSet;

/// A rule that cannot be compiled.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{kind} {rule:?}: {field}: {message}")]
pub struct RuleError {
    /// `rule` or `allowlist`.
    pub kind: &'static str,
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
    when: Option<When>,
    expiry: Option<Expiry>,
}

impl Rule {
    fn concerns(&self, facts: &CallFacts<'_>) -> bool {
        self.way.is(facts.direction)
            && (!self.calls_only || facts.is_tool_call())
            && !self.is_over(facts.now)
    }

    /// Whether its last day is over. Without the time, an ALLOW rule is taken to be.
    fn is_over(&self, now: u64) -> bool {
        let allows = self.decision == Decision::Allow;
        self.expiry
            .is_some_and(|expiry| expiry.is_over(now, allows))
    }

    /// Whether it matches a message that it is about, and how.
    fn matches(&self, probe: &Probe<'_>) -> Option<Match<'_>> {
        if !self.condition.holds(probe) {
            return None;
        }
        let (decision, fault) = match self.when.as_ref().map(|when| when.holds(probe.facts)) {
            None | Some(Ok(true)) => (self.decision, None),
            Some(Ok(false)) => return None,
            // An expression without a value lets nothing through.
            Some(Err(fault)) => match self.decision {
                Decision::Allow | Decision::Simulate => return None,
                Decision::Escalate => (Decision::Escalate, Some(fault)),
                Decision::Deny | Decision::Redact => (Decision::Deny, Some(fault)),
            },
        };
        Some(Match {
            rule: self,
            decision,
            fault,
        })
    }
}

/// A rule that matches.
struct Match<'r> {
    rule: &'r Rule,
    /// The rule's, unless its `when` has no value.
    decision: Decision,
    fault: Option<Fault>,
}

/// A compiled rule set.
#[derive(Debug)]
pub struct PolicyEngine {
    sources: Vec<RuleSource>,
    default_decision: Decision,
    rules: Vec<Rule>,
    contents: Contents,
    index: Index,
    reads_hints: bool,
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

    /// As [`PolicyEngine::new`], where another engine may search for the literals of the patterns.
    ///
    /// # Errors
    /// As there, and what `make` refuses.
    pub fn with_search(
        sources: Vec<RuleSource>,
        default_decision: Decision,
        catalog: &Catalog,
        make: MakeSearch<'_>,
    ) -> Result<Self, Vec<String>> {
        Self::compile_with(sources, default_decision, catalog, Some(make))
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
        Self::compile_with(sources, default_decision, catalog, None)
    }

    fn compile_with(
        sources: Vec<RuleSource>,
        default_decision: Decision,
        catalog: &Catalog,
        make: Option<MakeSearch<'_>>,
    ) -> Result<Self, Vec<RuleError>> {
        let mut contents = content::Builder::default();
        let mut errors = Vec::new();
        let mut ids = HashSet::new();
        let mut rules = Vec::new();
        for (index, source) in sources.iter().enumerate() {
            let bad = |field: String, message: String| RuleError {
                kind: "rule",
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
        // Nothing is built for rules that are refused anyway.
        let make = make.filter(|_| errors.is_empty());
        let contents = match contents.build(make) {
            Ok(contents) if errors.is_empty() => contents,
            Ok(_) => return Err(errors),
            Err(message) => {
                errors.push(RuleError {
                    kind: "rule",
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
        let filed = rules
            .iter()
            .map(|rule| (&rule.condition, rule.when.as_ref()));
        let index = Index::new(filed, catalog.iter().count());
        let reads_hints = rules.iter().any(Rule::reads_hints);
        Ok(Self {
            sources,
            default_decision,
            rules,
            contents,
            index,
            reads_hints,
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

    /// Whether any rule asks for the server's hints on its tools.
    #[must_use]
    pub const fn reads_hints(&self) -> bool {
        self.reads_hints
    }

    /// Decides one message.
    #[must_use]
    pub fn decide(&self, facts: &CallFacts<'_>) -> Outcome {
        let probe = Probe::new(facts, &self.contents);
        let matching: Vec<Match<'_>> = self
            .index
            .candidates(&probe)
            .filter_map(|rank| self.rules.get(rank))
            .filter(|rule| rule.concerns(facts))
            .filter_map(|rule| rule.matches(&probe))
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
            (Some(found), _) => (found.decision, Some(found.rule.index)),
            (None, Some(found)) if default == Decision::Allow => {
                (Decision::Simulate, Some(found.rule.index))
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
            for found in matching.iter().filter(|r| r.decision == Decision::Redact) {
                cover(&found.rule.condition, found.rule.masking);
            }
            if primary.is_none() {
                cover(&Condition::default(), Strategy::default());
            }
        }
        redactions.sort_unstable_by_key(|&(finding, _)| finding);
        Outcome {
            decision,
            primary,
            fault: deciding.and_then(|found| found.fault.as_ref().map(ToString::to_string)),
            matched: matching.iter().map(|found| found.rule.index).collect(),
            redactions,
            simulated: simulated.map(|found| (found.rule.simulates, found.rule.index)),
        }
    }

    /// Every rule that is switched on, in the order of decision, with what held and what did not.
    #[must_use]
    pub fn explain(&self, facts: &CallFacts<'_>) -> Vec<Explanation> {
        let probe = Probe::new(facts, &self.contents);
        let one = |rule: &Rule| {
            let concerned = rule.concerns(facts);
            let mut conditions: Vec<(String, bool)> = rule
                .condition
                .checks
                .iter()
                .map(|check| (check.name().to_owned(), check.holds(&probe)))
                .collect();
            conditions.extend(rule.when.as_ref().map(|when| match when.holds(facts) {
                Ok(held) => ("when".to_owned(), held),
                Err(fault) => (format!("when ({fault})"), rule.matches(&probe).is_some()),
            }));
            if rule.is_over(facts.now) {
                conditions.push(("expires".to_owned(), false));
            }
            Explanation {
                rule: rule.index,
                concerned,
                matched: concerned && rule.matches(&probe).is_some(),
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
        let mut compiled = |field: &str, message: String| {
            let field = field.to_owned();
            compiler.errors.push(BadField { field, message });
        };
        let when = source.when.as_deref().and_then(|text| {
            let when = When::new(text);
            when.map_err(|message| compiled("when", message)).ok()
        });
        let expiry = source.expires.as_deref().and_then(|day| {
            let expiry = Expiry::new(day);
            expiry.map_err(|message| compiled("expires", message)).ok()
        });
        let reads_content =
            condition.reads_content() || when.as_ref().is_some_and(When::reads_content);
        Self {
            index,
            decision: source.decision,
            simulates: source.simulates,
            masking: source.masking.unwrap_or_default(),
            way: source.conditions.direction.unwrap_or(Way::Request),
            calls_only: source.conditions.methods.is_empty() && !reads_content,
            condition,
            when,
            expiry,
        }
    }

    fn reads_hints(&self) -> bool {
        self.condition.reads_hints() || self.when.as_ref().is_some_and(When::reads_hints)
    }
}
