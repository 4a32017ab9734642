//! The whole judgement of one message: walk, decode, analyze, decide, redact in one call.

mod arguments;
pub mod stages;

use crate::{
    analyzer::{Analyzers, Scope, destination::Destination, text::TextContext},
    audit::Trail,
    decision::Decision,
    decode,
    detector::{Catalog, CatalogError, DetectorId, syntax::DetectorKind},
    finding::{Finding, RawFinding},
    frame::Message,
    limits::Limits,
    memo::Memo,
    policy::{
        CallFacts, Direction, Explanation, PolicyEngine,
        allowlist::{AllowSource, Allowlists},
        category::{Categories, Tool},
        content::MakeSearch,
        hint::Hints,
        host::name_internal,
        syntax::{RuleSource, Strategy},
    },
    redact::{self, Redaction},
    route,
    signs::Signs,
    span::Span,
    walk::{Document, Leaf, LeafId, PlaceId, Role, Walked},
};
use std::{
    collections::{BTreeMap, HashSet},
    panic::{AssertUnwindSafe, catch_unwind},
    sync::{
        Arc, OnceLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// The code of a call that is refused because a part of the guard failed or met its bound.
pub const ENGINE_ERROR: &str = "EGRESS_DENY_ENGINE_ERROR";

/// What is to become of a recursive deletion that hits nothing but build output below the working
/// directory (`node_modules`, `dist`, `target` …), by the names `allow`, `escalate` and `deny`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ScopedDeletes {
    /// A finding of low risk without tags, which no built-in rule acts on.
    Allow,
    /// A finding for review.
    Escalate,
    /// Like any other recursive deletion.
    #[default]
    Deny,
}

/// What a guard is built from.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The rules, in load order.
    pub rules: Vec<RuleSource>,
    /// What is known to be harmless, in load order.
    pub allowlists: Vec<AllowSource>,
    /// For calls that no rule matches.
    pub default_decision: Decision,
    /// Records every decision and enforces none.
    pub shadow_mode: bool,
    /// Calls of these categories are denied when an analyzer fails or a bound is met.
    pub fail_closed: Categories,
    /// `environment` of the configuration.
    pub environment: String,
    /// Globs of hosts that belong to the organisation.
    pub internal_domains: Vec<String>,
    /// Globs of hosts that nothing may be sent to.
    pub blocked_domains: Vec<String>,
    /// What tools are for, by globs of their names; overrides what the words of a name say.
    pub tool_categories: Vec<(String, Categories)>,
    /// Code names to look for: plain, or `sha256:` and 64 hex digits of the lower-case term.
    pub org_fingerprints: Vec<String>,
    /// Whether high-entropy strings are reported.
    pub entropy: bool,
    /// What is to become of the deletion of build output.
    pub scoped_deletes: ScopedDeletes,
    /// Whether the audit keeps each call, its secrets taken out.
    pub record_calls: bool,
    /// Whether `tokenized` gives equal secrets of one session equal tokens, and others others.
    pub session_tokens: bool,
    /// The bounds.
    pub limits: Limits,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            allowlists: Vec::new(),
            default_decision: Decision::Allow,
            shadow_mode: false,
            fail_closed: Categories(u16::MAX),
            environment: String::new(),
            internal_domains: Vec::new(),
            blocked_domains: Vec::new(),
            tool_categories: Vec::new(),
            org_fingerprints: Vec::new(),
            entropy: false,
            scoped_deletes: ScopedDeletes::Deny,
            record_calls: false,
            session_tokens: false,
            limits: Limits::default(),
        }
    }
}

/// Why a guard cannot be built.
#[derive(Debug, thiserror::Error)]
pub enum GuardError {
    /// A detector does not load.
    #[error(transparent)]
    Catalog(#[from] CatalogError),
    /// Rules that do not compile, one message each, naming rule and field.
    #[error("{}", .0.join("\n"))]
    Rules(Vec<String>),
}

/// Which judgements keep what their audit line says of the message.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Audited {
    /// None.
    Never,
    /// Those whose decision is not ALLOW.
    Exceptions,
    /// All.
    #[default]
    Always,
}

/// What is known of a message beyond its bytes.
#[derive(Clone, Debug)]
pub struct Context {
    /// Which way it travels.
    pub direction: Direction,
    /// Overrides [`Settings::environment`] for this call.
    pub environment: Option<String>,
    /// Labels of the session.
    pub labels: BTreeMap<String, String>,
    /// What is known of the conversation.
    pub around: Arc<Around>,
    /// The session's, for [`Settings::session_tokens`]; without it the guard's own.
    pub salt: Option<redact::Salt>,
    /// Whether the judgement is to be recorded.
    pub audited: Audited,
}

/// A conversation as rules see it: with whom, and when.
#[derive(Debug, Default)]
pub struct Around {
    server: Box<str>,
    session_id: OnceLock<Box<str>>,
    seconds: AtomicU64,
    hints: Arc<Hints>,
}

impl Around {
    /// A conversation with a server, whose conversations share `hints`.
    #[must_use]
    pub fn new(server: &str, hints: Arc<Hints>) -> Self {
        Self {
            server: server.into(),
            hints,
            ..Self::default()
        }
    }

    /// Names the conversation, unless it has a name.
    pub fn name(&self, session_id: &str) {
        if !session_id.is_empty() && self.session_id.get().is_none() {
            let _ = self.session_id.set(session_id.into());
        }
    }

    /// Tells the time, in seconds since 1970-01-01 UTC. What expires is compared with it; 0 means
    /// that nobody knows.
    pub fn set_time(&self, seconds: u64) {
        self.seconds.store(seconds, Ordering::Relaxed);
    }

    /// Seconds since 1970-01-01 UTC; 0 where nobody knows.
    #[must_use]
    pub fn now(&self) -> u64 {
        self.seconds.load(Ordering::Relaxed)
    }

    /// The server's name.
    #[must_use]
    pub fn server(&self) -> &str {
        &self.server
    }

    /// The name of the conversation; empty where it has none.
    #[must_use]
    pub fn session_id(&self) -> &str {
        self.session_id.get().map_or("", |id| id)
    }

    /// What the server says of its tools.
    #[must_use]
    pub fn hints(&self) -> &Hints {
        &self.hints
    }
}

impl Default for Context {
    fn default() -> Self {
        Self {
            direction: Direction::Request,
            environment: None,
            labels: BTreeMap::new(),
            around: Arc::default(),
            salt: None,
            audited: Audited::Always,
        }
    }
}

/// The judgement of one message. It holds no secret.
#[derive(Clone, Debug)]
pub struct Inspection {
    /// Which way the message travels.
    pub direction: Direction,
    /// Its method; empty for an answer.
    pub method: String,
    /// Its id as written.
    pub id: Option<String>,
    /// The tool, for `tools/call`.
    pub tool_name: String,
    /// The tool's categories.
    pub categories: Categories,
    /// What the rules say.
    pub decision: Decision,
    /// What is done: differs in shadow mode.
    pub enforced: Decision,
    /// Index of the rule that decided; `None` for the default and for engine errors.
    pub primary: Option<usize>,
    /// Indexes of all rules whose conditions held, best priority first.
    pub matched: Vec<usize>,
    /// What a SIMULATE rule would have done, and its index.
    pub simulated: Option<(Decision, usize)>,
    /// Stable reason; empty for ALLOW.
    pub policy_code: String,
    /// The reason in words.
    pub reason: String,
    /// Highest risk of the findings that the rules saw.
    pub risk_score: f32,
    /// What was found, in document order.
    pub findings: Vec<Finding>,
    /// Indexes of the findings that the rules did not see, each with the entry of an allowlist.
    pub allowed: Vec<(usize, usize)>,
    /// What is to be masked, if `enforced` is REDACT.
    pub redactions: Vec<Redaction>,
    /// Shadow mode was on.
    pub shadow_mode: bool,
    /// What the audit says about the message; empty if it is not [`Context::audited`].
    pub trail: Trail,
}

/// Analyzers and rules, compiled. Shared between sessions; a reload makes a new one.
#[derive(Debug)]
pub struct Guard {
    /// The compiled detectors.
    pub analyzers: Analyzers,
    /// The compiled rules.
    pub policy: PolicyEngine,
    /// What is known to be harmless.
    pub allowlists: Allowlists,
    /// What it was built from.
    pub settings: Settings,
    /// For messages of no session.
    salt: redact::Salt,
}

impl Guard {
    /// Compiles a guard.
    ///
    /// # Errors
    /// [`GuardError`], naming the entry that does not compile.
    pub fn new(catalog: Catalog, settings: Settings) -> Result<Self, GuardError> {
        Self::with_search(catalog, settings, &|_| Ok(None))
    }

    /// As [`Guard::new`], where another engine may search for the literals of `content_patterns`.
    ///
    /// # Errors
    /// As there, and what `make` refuses.
    pub fn with_search(
        mut catalog: Catalog,
        settings: Settings,
        make: MakeSearch<'_>,
    ) -> Result<Self, GuardError> {
        match settings.scoped_deletes {
            ScopedDeletes::Allow => catalog.weigh("command.rm.scoped", &[], 0.1),
            ScopedDeletes::Escalate => catalog.weigh("command.rm.scoped", &["review"], 0.6),
            ScopedDeletes::Deny => {}
        }
        let analyzers = Analyzers::new(catalog, &settings)?;
        let mut rules = settings.rules.clone();
        for rule in &mut rules {
            name_internal(rule, &settings.internal_domains);
        }
        let default = settings.default_decision;
        let policy = PolicyEngine::with_search(rules, default, &analyzers.catalog, make)
            .map_err(GuardError::Rules)?;
        let allowlists =
            Allowlists::new(settings.allowlists.clone(), &analyzers.catalog).map_err(|errors| {
                GuardError::Rules(errors.iter().map(ToString::to_string).collect())
            })?;
        Ok(Self {
            analyzers,
            policy,
            allowlists,
            settings,
            salt: redact::Salt::fresh(),
        })
    }

    /// Judges one message of a frame.
    #[must_use]
    pub fn inspect(
        &self,
        document: &Document<'_>,
        message: &Message,
        context: &Context,
    ) -> Inspection {
        self.judge(document, message, context, None)
    }

    /// Judges one message of a frame, and says of every rule what held and what did not.
    #[must_use]
    pub fn explain(
        &self,
        document: &Document<'_>,
        message: &Message,
        context: &Context,
    ) -> (Inspection, Vec<Explanation>) {
        let mut explanations = Vec::new();
        let inspection = self.judge(document, message, context, Some(&mut explanations));
        (inspection, explanations)
    }

    fn judge(
        &self,
        document: &Document<'_>,
        message: &Message,
        context: &Context,
        explanations: Option<&mut Vec<Explanation>>,
    ) -> Inspection {
        let tool_name = if message.is_tool_call() {
            message.name.as_str()
        } else {
            ""
        };
        let tool = self.tool(document, message, tool_name);
        let categories = tool.categories;
        let mut survey = Survey::new(self, document, &tool);
        survey.run(message, context.direction);
        let Survey {
            mut findings,
            destinations,
            ..
        } = survey;
        findings.sort_by_key(|f| (f.span.start, f.span.end, f.detector));
        let around = &context.around;
        let mut facts = CallFacts {
            document,
            message: message.node,
            method: &message.method,
            tool_name,
            categories,
            arguments: message.arguments,
            findings: &findings,
            catalog: &self.analyzers.catalog,
            destinations: &destinations,
            environment: context
                .environment
                .as_deref()
                .unwrap_or(&self.settings.environment),
            labels: &context.labels,
            direction: context.direction,
            server: around.server(),
            session_id: around.session_id(),
            hints: if self.policy.reads_hints() {
                around.hints.of(tool_name)
            } else {
                None
            },
            now: around.now(),
        };
        let allowed = if self.allowlists.is_empty() || findings.is_empty() {
            Vec::new()
        } else {
            self.allowlists.covered(&facts)
        };
        // What an allowlist covers is on record, and no rule sees it.
        let mut seen: Vec<usize> = Vec::new();
        let visible: Vec<Finding>;
        if !allowed.is_empty() {
            let covered = |at: &usize| allowed.binary_search_by_key(at, |(at, _)| *at).is_ok();
            seen = (0..findings.len()).filter(|at| !covered(at)).collect();
            visible = seen
                .iter()
                .filter_map(|&at| findings.get(at).cloned())
                .collect();
            facts.findings = &visible;
        }
        let risk_score = facts.findings.iter().map(|f| f.risk).fold(0.0, f32::max);
        let mut outcome = self.policy.decide(&facts);
        if !allowed.is_empty() {
            for (finding, _) in &mut outcome.redactions {
                *finding = seen.get(*finding).copied().unwrap_or(usize::MAX);
            }
        }
        if let Some(explanations) = explanations {
            *explanations = self.policy.explain(&facts);
        }
        let rule = outcome.primary.and_then(|i| self.policy.rules().get(i));
        let mut decision = outcome.decision;
        let mut primary = outcome.primary;
        let mut policy_code = match (rule, decision) {
            (Some(rule), _) => rule.policy_code.clone(),
            (None, Decision::Allow) => String::new(),
            (None, _) => "EGRESS_DENY_POLICY_MATCH".into(),
        };
        let mut reason = rule.map_or_else(
            || match decision {
                Decision::Allow => "No rule matched".to_owned(),
                other => format!("No rule matched: default decision {}", other.as_str()),
            },
            |rule| {
                format!(
                    "Rule '{}' (priority {}): {}",
                    rule.name, rule.priority, rule.description
                )
            },
        );
        if let (Some(rule), Some(fault)) = (rule, &outcome.fault) {
            policy_code = ENGINE_ERROR.into();
            reason = format!(
                "Rule '{}' (priority {}): its expression has no value, {fault}",
                rule.name, rule.priority
            );
        }
        // What was not fully read is not let through, whatever the rules allow.
        if matches!(
            decision,
            Decision::Allow | Decision::Redact | Decision::Simulate
        ) && let Some(fault) = self.engine_fault(&findings)
            && (tool_name.is_empty() || self.settings.fail_closed.0 & categories.0 != 0)
        {
            decision = Decision::Deny;
            primary = None;
            policy_code = ENGINE_ERROR.into();
            reason = format!("Not fully analyzed: {fault}");
        }
        let enforced = if self.settings.shadow_mode || decision == Decision::Simulate {
            Decision::Allow
        } else {
            decision
        };
        let redactions = if enforced == Decision::Redact {
            let salt = self
                .settings
                .session_tokens
                .then(|| context.salt.unwrap_or(self.salt));
            self.redactions(document, &findings, &outcome.redactions, salt)
        } else {
            Vec::new()
        };
        let audited = match context.audited {
            Audited::Never => false,
            Audited::Exceptions => decision != Decision::Allow,
            Audited::Always => true,
        };
        let trail = Trail::new(
            self,
            document,
            message,
            context,
            &mut findings,
            &destinations,
            audited,
        );
        Inspection {
            direction: context.direction,
            method: message.method.clone(),
            id: message.id().map(Into::into),
            tool_name: tool_name.into(),
            categories,
            decision,
            enforced,
            primary,
            matched: outcome.matched,
            simulated: outcome.simulated,
            policy_code,
            reason,
            risk_score,
            findings,
            allowed,
            redactions,
            shadow_mode: self.settings.shadow_mode,
            trail,
        }
    }

    /// What the called tool is for: by configuration or name, else by its arguments.
    fn tool(&self, document: &Document<'_>, message: &Message, name: &str) -> Tool {
        if name.is_empty() {
            return Tool::default();
        }
        let mut tool = Tool::named(name, &self.settings.tool_categories);
        if let Some(arguments) = message.arguments {
            route::learn(document, arguments, &mut tool);
        }
        tool
    }

    /// The rule that decided.
    #[must_use]
    pub fn primary(&self, inspection: &Inspection) -> Option<&RuleSource> {
        self.policy.rules().get(inspection.primary?)
    }

    fn engine_fault(&self, findings: &[Finding]) -> Option<&str> {
        findings.iter().find_map(|finding| {
            let detector = self.analyzers.catalog.get(finding.detector)?;
            (detector.kind == DetectorKind::Engine).then_some(detector.name.as_str())
        })
    }

    fn redactions(
        &self,
        document: &Document<'_>,
        findings: &[Finding],
        wanted: &[(usize, Strategy)],
        salt: Option<redact::Salt>,
    ) -> Vec<Redaction> {
        let one = |&(index, strategy): &(usize, Strategy)| {
            let finding = findings.get(index)?;
            let detector = self.analyzers.catalog.get(finding.detector)?;
            let leaf = document.leaf(finding.leaf)?;
            Some(Redaction {
                span: finding.span,
                // The decoded secret is not kept; its encoded form has no part worth showing.
                secret: if finding.encoded && strategy != Strategy::Tokenized {
                    String::new()
                } else {
                    finding.text_span.of_str(document.text(leaf)).into()
                },
                finding_type: detector.finding_type.clone(),
                strategy: if finding.encoded && strategy != Strategy::Tokenized {
                    Strategy::FullMask
                } else {
                    strategy
                },
                salt,
            })
        };
        wanted.iter().filter_map(one).collect()
    }
}

/// The findings of one message while they are collected.
struct Survey<'g, 'd> {
    guard: &'g Guard,
    document: &'g Document<'d>,
    tool: &'g Tool,
    scope: Scope<'g>,
    decode_budget: usize,
    /// Whether the nearest name of a place says nothing of the texts there.
    plain: Memo<bool>,
    /// Whether the members at a place are named as credentials are.
    credential: Memo<bool>,
    findings: Vec<Finding>,
    /// What the findings are, and where.
    known: HashSet<(DetectorId, LeafId, Span)>,
    /// More was found than is kept, which denies the call.
    full: bool,
    destinations: Vec<Destination>,
}

impl<'g, 'd> Survey<'g, 'd> {
    fn new(guard: &'g Guard, document: &'g Document<'d>, tool: &'g Tool) -> Self {
        Self {
            guard,
            document,
            tool,
            scope: Scope::new(&guard.analyzers, &guard.settings.limits),
            decode_budget: guard.settings.limits.decoded_bytes,
            plain: Memo::new(document.places.len()),
            credential: Memo::new(document.places.len()),
            findings: Vec::new(),
            known: HashSet::new(),
            full: false,
            destinations: Vec::new(),
        }
    }

    fn run(&mut self, message: &Message, direction: Direction) {
        let Some(node) = self.document.node(message.node) else {
            return;
        };
        let (first, last) = (message.node, node.next);
        let document = self.document;
        // Records repeat their member names: one that showed nothing shows nothing again.
        let clean = Memo::new(document.places.len());
        for (id, leaf) in document.leaves_of(first, last) {
            let Some(place) = document.node(leaf.node).map(|n| n.place) else {
                break;
            };
            if leaf.role == Role::Value {
                self.text(id, leaf, place);
            } else if clean.get(place).is_none() {
                let before = (self.findings.len(), self.decode_budget);
                self.text(id, leaf, place);
                if before == (self.findings.len(), self.decode_budget) {
                    clean.set(place, ());
                }
            }
        }
        self.pieces(first, last);
        if let (Direction::Request, true, Some(arguments)) =
            (direction, message.is_tool_call(), message.arguments)
        {
            self.arguments(arguments);
        }
    }

    /// Secrets that are split over strings of one container.
    fn pieces(&mut self, first: crate::walk::NodeId, last: crate::walk::NodeId) {
        let (document, guard) = (self.document, self.guard);
        let mut pieces = Vec::new();
        self.guarded(0, |_| {
            pieces = guard.analyzers.text.pieces(document, first, last);
        });
        for (id, detector) in pieces {
            let text = document.text_of(id);
            self.scope.report(
                detector,
                Span::new(0, text.len()),
                Some("split over strings"),
            );
            self.collect(id, text, None);
        }
    }

    /// Secrets in one string, as it is and decoded.
    fn text(&mut self, id: LeafId, leaf: &Leaf, place: PlaceId) {
        if self.full {
            return;
        }
        let (document, guard) = (self.document, self.guard);
        let text = document.text(leaf);
        let context = || TextContext {
            name: match leaf.role {
                Role::Key => None,
                Role::Value => document.nearest_name(leaf.node),
            },
            is_key: leaf.role == Role::Key,
        };
        let (mut quiet, mut plain) = (false, false);
        self.guarded(id, |survey| {
            let analyzer = &guard.analyzers.text;
            let says_nothing = || {
                context()
                    .name
                    .is_none_or(|name| analyzer.is_plain_name(name))
            };
            let plain_name = leaf.role == Role::Key || survey.plain.of(place, says_nothing);
            // What the walk did not look at may be short enough to be looked at now.
            let signs = match leaf.signs {
                Signs::ALL if text.len() <= Signs::SHORT => Signs::of(text.as_bytes()),
                signs => signs,
            };
            quiet = analyzer.is_quiet(text, signs, plain_name, context);
            plain = decode::is_plain(text, signs);
        });
        if !quiet {
            self.guarded(id, |survey| {
                let analyzer = &guard.analyzers.text;
                analyzer.scan(text, context(), &mut survey.scope);
            });
            self.collect(id, text, None);
        }
        if plain {
            return;
        }
        let mut budget = self.decode_budget;
        let mut views = Vec::new();
        let mut bound = false;
        self.guarded(id, |survey| {
            (views, bound) =
                decode::views(document, id, &survey.guard.settings.limits, &mut budget);
        });
        self.decode_budget = budget;
        if bound {
            self.scope
                .report_id("engine.decode-bound", Span::new(0, text.len()), None);
            self.collect(id, text, None);
        }
        for view in &views {
            self.guarded(id, |survey| {
                guard
                    .analyzers
                    .text
                    .scan(&view.text, view.context(context()), &mut survey.scope);
            });
            self.collect(id, &view.text, Some(view));
        }
    }

    /// Runs one analyzer; a panic of it becomes a finding and drops no other's findings.
    fn guarded(&mut self, id: LeafId, analysis: impl FnOnce(&mut Self)) {
        if catch_unwind(AssertUnwindSafe(|| analysis(self))).is_err() {
            let length = self.document.text_of(id).len();
            self.scope
                .report_id("engine.analyzer-failed", Span::new(0, length), None);
        }
    }

    /// Gives what the scope holds an address in the frame.
    fn collect(&mut self, id: LeafId, text: &str, view: Option<&decode::View<'_>>) {
        if self.scope.findings.is_empty() && !self.scope.cut {
            return;
        }
        let document = self.document;
        let Some(leaf) = document.leaf(id) else {
            return;
        };
        let whole = document.text(leaf).len();
        let pointer: Box<str> = document.pointer(leaf.node).into();
        let frame = document.frame.as_bytes();
        let catalog = &self.guard.analyzers.catalog;
        let most = self.guard.settings.limits.findings;
        let mut walked = Walked::default();
        let mut cut = std::mem::take(&mut self.scope.cut);
        for raw in std::mem::take(&mut self.scope.findings) {
            let RawFinding {
                detector,
                span,
                risk,
                detail,
            } = raw;
            let text_span = match view {
                Some(view) => view.map.to_leaf(span, whole),
                None => span,
            };
            if !self.known.insert((detector, id, text_span)) {
                continue;
            }
            if self.findings.len() >= most {
                cut = true;
                break;
            }
            let preview = catalog
                .get(detector)
                .map(|d| redact::mask(span.of_str(text), &d.finding_type, Strategy::PartialMask))
                .unwrap_or_default();
            self.findings.push(Finding {
                detector,
                leaf: id,
                span: leaf.frame_span_on(frame, text_span, &mut walked),
                text_span,
                pointer: pointer.clone(),
                risk,
                preview: preview.into(),
                encoded: view.is_some_and(decode::View::is_encoded),
                detail,
            });
        }
        if cut && !self.full {
            self.full = true;
            if let Some(detector) = catalog.find("engine.findings-bound") {
                let text_span = Span::new(0, whole);
                self.findings.push(Finding {
                    detector,
                    leaf: id,
                    span: leaf.frame_span(frame, text_span),
                    text_span,
                    pointer,
                    risk: catalog.get(detector).map_or(0.0, |d| d.risk_score),
                    preview: Box::default(),
                    encoded: false,
                    detail: None,
                });
            }
        }
    }
}

#[cfg(test)]
mod tests;
