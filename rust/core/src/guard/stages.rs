//! The stages of a judgement, each to be run alone. For measurements, which bring their own clock.

use super::{Context, Guard, Inspection, Survey};
use crate::{
    analyzer::{
        Scope,
        command::Dialect,
        text::{Part, TextContext},
    },
    audit::{self, Entry},
    decode, frame,
    policy::{CallFacts, Direction, PolicyEngine, category::Tool},
    redact,
    walk::{Document, LeafId, ROOT, Role},
};
use std::{collections::HashSet, hint::black_box};

/// A part of the judgement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// The bytes into a message: JSON, then JSON-RPC.
    Walk,
    /// Every string, as it is and decoded, against the text detectors.
    Scan,
    /// The arguments by their use: syntax of commands and code, SQL, hosts, paths.
    Arguments,
    /// The syntax of the argument `command` alone.
    Command,
    /// The findings against the rules.
    Policy,
    /// The secrets out of the frame; only where the decision is REDACT.
    Redact,
    /// The text of the audit line.
    Audit,
    /// All but the audit line: what `inspect` does with bytes.
    Inspect,
}

impl Stage {
    /// The stage of this name, in lower case.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Some(match name {
            "walk" => Self::Walk,
            "scan" => Self::Scan,
            "arguments" => Self::Arguments,
            "command" => Self::Command,
            "policy" => Self::Policy,
            "redact" => Self::Redact,
            "audit" => Self::Audit,
            "inspect" => Self::Inspect,
            _ => return None,
        })
    }
}

/// One message, judged once, whose stages can be run again and again.
#[derive(Debug)]
pub struct Subject<'g, 'd> {
    guard: &'g Guard,
    document: &'d Document<'d>,
    message: frame::Message,
    context: &'d Context,
    tool: Tool,
    tool_name: &'d str,
    inspection: Inspection,
    destinations: Vec<crate::analyzer::destination::Destination>,
}

impl<'g, 'd> Subject<'g, 'd> {
    /// Judges the message that is the whole frame; `None` for what is no single message.
    #[must_use]
    pub fn new(guard: &'g Guard, document: &'d Document<'d>, context: &'d Context) -> Option<Self> {
        let message = frame::message(document, ROOT).ok()?;
        let inspection = guard.inspect(document, &message, context);
        let tool_name = message
            .body
            .filter(|_| message.is_tool_call())
            .and_then(|params| document.member(params, "name"))
            .and_then(|name| document.str(name))
            .unwrap_or_default();
        let tool = guard.tool(document, &message, tool_name);
        let destinations = {
            let mut survey = Survey::new(guard, document, &tool);
            survey.run(&message, context.direction);
            survey.destinations
        };
        Some(Self {
            guard,
            document,
            message,
            context,
            tool,
            tool_name,
            inspection,
            destinations,
        })
    }

    /// What the rules are asked about.
    #[must_use]
    pub fn facts(&self) -> CallFacts<'_> {
        CallFacts {
            document: self.document,
            message: self.message.node,
            method: &self.message.method,
            tool_name: self.tool_name,
            categories: self.inspection.categories,
            arguments: self.message.arguments,
            findings: &self.inspection.findings,
            catalog: &self.guard.analyzers.catalog,
            destinations: &self.destinations,
            environment: self
                .context
                .environment
                .as_deref()
                .unwrap_or(&self.guard.settings.environment),
            labels: &self.context.labels,
            direction: self.context.direction,
            server: self.context.around.server(),
            session_id: self.context.around.session_id(),
            hints: self.context.around.hints().of(self.tool_name),
            now: self.context.around.now(),
        }
    }

    /// Runs the stage once; `false` where the message has nothing for it.
    #[must_use]
    pub fn run(&self, stage: Stage) -> bool {
        let guard = self.guard;
        match stage {
            Stage::Walk => {
                let parsed =
                    Document::parse(self.document.frame.as_bytes(), &guard.settings.limits);
                if let Ok(document) = parsed {
                    let _ = black_box(frame::message(&document, ROOT));
                }
            }
            Stage::Scan => {
                // What a server sends is scanned, and its arguments are not asked for.
                let mut survey = Survey::new(guard, self.document, &self.tool);
                survey.run(&self.message, Direction::Response);
                black_box(survey.findings);
            }
            Stage::Arguments => {
                let Some(arguments) = self.message.arguments.filter(|_| {
                    self.message.is_tool_call() && self.context.direction == Direction::Request
                }) else {
                    return false;
                };
                let tool = guard.tool(self.document, &self.message, self.tool_name);
                let mut survey = Survey::new(guard, self.document, &tool);
                survey.arguments(arguments);
                black_box(survey.findings);
            }
            Stage::Command => {
                let command = self
                    .message
                    .arguments
                    .and_then(|arguments| self.document.member(arguments, "command"))
                    .and_then(|command| self.document.str(command));
                let Some(command) = command else {
                    return false;
                };
                let mut scope = Scope::new(&guard.analyzers, &guard.settings.limits);
                let analyzer = &guard.analyzers.command;
                analyzer.analyze(command, Dialect::Any, &mut scope);
                black_box(scope.findings);
            }
            Stage::Policy => {
                black_box(guard.policy.decide(&self.facts()));
            }
            Stage::Redact => {
                let wanted = &self.inspection.redactions;
                if wanted.is_empty() {
                    return false;
                }
                black_box(redact::splice(self.document.frame.as_bytes(), wanted));
            }
            Stage::Audit => {
                let entry = Entry {
                    time_ns: 1,
                    decision_id: "0123456789abcdef-1",
                    session_id: "0123456789abcdef",
                    server: "server",
                    policy_hash: "0123456789abcdef",
                    ..Entry::default()
                };
                black_box(audit::line(guard, &self.inspection, &entry));
            }
            Stage::Inspect => {
                let parsed =
                    Document::parse(self.document.frame.as_bytes(), &guard.settings.limits);
                if let Ok(document) = parsed
                    && let Ok(message) = frame::message(&document, ROOT)
                {
                    let inspection = guard.inspect(&document, &message, self.context);
                    if !inspection.redactions.is_empty() {
                        let frame = document.frame.as_bytes();
                        black_box(redact::splice(frame, &inspection.redactions));
                    }
                    black_box(inspection);
                }
            }
        }
        true
    }

    /// Engines of no rule and of each rule alone, by its index in load order: what deciding takes
    /// with the one beyond what it takes with none is the rule's price. Rules that are switched off
    /// have none.
    #[must_use]
    pub fn rules_alone(&self) -> (Option<PolicyEngine>, Vec<(usize, PolicyEngine)>) {
        let build = |rules| {
            let catalog = &self.guard.analyzers.catalog;
            PolicyEngine::new(rules, self.guard.settings.default_decision, catalog).ok()
        };
        let alone = self
            .guard
            .policy
            .rules()
            .iter()
            .enumerate()
            .filter(|(_, rule)| rule.enabled)
            .filter_map(|(index, rule)| Some((index, build(vec![rule.clone()])?)))
            .collect();
        (build(Vec::new()), alone)
    }

    /// Scans every string once more and tells what each text detector took.
    pub fn detectors(&self, clock: &mut dyn FnMut() -> u64, spent: &mut dyn FnMut(Part, u64)) {
        let (guard, document) = (self.guard, self.document);
        let limits = &guard.settings.limits;
        let mut budget = limits.decoded_bytes;
        let mut names = HashSet::new();
        for index in 0..document.leaves.len() {
            let Ok(id) = LeafId::try_from(index) else {
                break;
            };
            let Some(leaf) = document.leaf(id) else {
                break;
            };
            let is_key = leaf.role == Role::Key;
            let string = document.text(leaf);
            // As in the judgement: records repeat their member names.
            if is_key && !names.insert(string) {
                continue;
            }
            let context = TextContext {
                name: (!is_key)
                    .then(|| document.nearest_name(leaf.node))
                    .flatten(),
                is_key,
            };
            let text = &guard.analyzers.text;
            text.profile(string, context, limits.findings, clock, spent);
            let (views, _) = decode::views(document, id, limits, &mut budget);
            for view in &views {
                let context = view.context(context);
                text.profile(&view.text, context, limits.findings, clock, spent);
            }
        }
    }
}
