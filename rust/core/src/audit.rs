//! The audit line of one decision. Formats only; who writes it is the caller's business.
//!
//! Everything that a client or a server can choose (tool name, id, member names, hosts, labels) is
//! masked where a text detector sees a secret in it, bounded, and escaped down to what a terminal
//! shows harmlessly.

use crate::{
    analyzer::{Scope, destination::Destination, text::TextContext},
    decision::Decision,
    detector::{Catalog, syntax::DetectorKind},
    finding::Finding,
    frame::Message,
    guard::{Context, Guard, Inspection},
    policy::Direction,
    session::approval::Note,
    span::Span,
    walk::{Document, Edge, Kind, LeafId, NodeId, Role},
};
use sha2::{Digest, Sha256};
use std::fmt::Write as _;

/// Longest name, id or pointer in a line, in bytes.
const TEXT: usize = 256;
/// What is kept of one: a character more, so that the line shows where it was cut.
const KEPT: usize = TEXT + 4;
/// Longest sentence in a line, in bytes.
const SENTENCE: usize = 1_024;
/// Most entries of any list in a line.
const ENTRIES: usize = 64;
/// Longest recorded call, in bytes.
const CALL: usize = 64 << 10;

/// What the line says beyond the judgement.
#[derive(Clone, Debug, Default)]
pub struct Entry<'a> {
    /// Nanoseconds since 1970-01-01 UTC.
    pub time_ns: u64,
    /// Duration of the evaluation in nanoseconds.
    pub evaluation_ns: u64,
    /// Unique within the log.
    pub decision_id: &'a str,
    /// Names the conversation; never a session id that opens the transport to its bearer.
    pub session_id: &'a str,
    /// Name of the MCP server.
    pub server: &'a str,
    /// Hash of the rule set.
    pub policy_hash: &'a str,
    /// W3C trace context that came beside the message; that of `_meta` goes before it.
    pub traceparent: &'a str,
}

/// What the audit keeps of a message once its bytes are gone.
#[derive(Clone, Debug, Default)]
pub struct Trail {
    /// Of tool name and arguments, secrets taken out first, so that none can be guessed from it.
    pub request_hash: String,
    /// The tool's name, masked.
    pub tool_name: String,
    /// The method, masked.
    pub method: String,
    /// The id of a request or answer, masked.
    pub request_id: Option<String>,
    /// Of the call or the configuration.
    pub environment: String,
    /// Labels of the session, masked.
    pub labels: Vec<(String, String)>,
    /// Hosts that data goes to, masked.
    pub hosts: Vec<String>,
    /// W3C trace context out of `_meta`, where it is of its form.
    pub traceparent: Option<String>,
    /// `params` without its secrets, if calls are recorded.
    pub call: Option<String>,
    /// What a person had to say about it, if one was asked.
    pub approval: Option<Note>,
}

impl Trail {
    /// Takes what the audit needs, if the message is `audited`, and masks member names in the
    /// findings' pointers.
    #[must_use]
    pub fn new(
        guard: &Guard,
        document: &Document<'_>,
        message: &Message,
        context: &Context,
        findings: &mut [Finding],
        destinations: &[Destination],
        audited: bool,
    ) -> Self {
        let secrets = Secrets::new(findings, &guard.analyzers.catalog);
        let pointers = masked_pointers(document, findings, &secrets);
        let trail = if audited {
            Self::of(
                guard,
                document,
                message,
                context,
                findings,
                destinations,
                &secrets,
            )
        } else {
            Self::default()
        };
        for (index, pointer) in pointers {
            if let Some(finding) = findings.get_mut(index) {
                finding.pointer = pointer.into();
            }
        }
        trail
    }

    fn of(
        guard: &Guard,
        document: &Document<'_>,
        message: &Message,
        context: &Context,
        findings: &[Finding],
        destinations: &[Destination],
        secrets: &Secrets,
    ) -> Self {
        let text = |parent: Option<NodeId>, member: &str| {
            let node = parent.and_then(|parent| document.member(parent, member))?;
            match document.node(node)?.kind {
                Kind::String(leaf) => Some(secrets.masked(document, leaf, KEPT)),
                _ => Some(bounded(document.raw(node), KEPT).into()),
            }
        };
        let tool_name = if message.is_tool_call() {
            text(message.body, "name").unwrap_or_default()
        } else {
            String::new()
        };
        let method = text(Some(message.node), "method").unwrap_or_default();
        let request_id = message.id().and_then(|_| text(Some(message.node), "id"));
        let meta = message
            .body
            .and_then(|params| document.member(params, "_meta"));
        let traceparent = text(meta, "traceparent").filter(|text| is_traceparent(text));
        let body = if message.is_tool_call() {
            message.arguments
        } else {
            message.body
        };
        let call = match message.body {
            Some(params) if guard.settings.record_calls && !is_faulty(guard, findings) => {
                recorded(document, params, secrets)
            }
            _ => None,
        };
        Self {
            request_hash: request_hash(document, &method, &tool_name, body, secrets),
            tool_name,
            method,
            request_id,
            environment: context
                .environment
                .clone()
                .unwrap_or_else(|| guard.settings.environment.clone()),
            labels: context
                .labels
                .iter()
                .take(ENTRIES)
                .map(|(key, value)| (scanned(guard, key), scanned(guard, value)))
                .collect(),
            hosts: hosts(guard, destinations),
            traceparent,
            call,
            approval: None,
        }
    }
}

/// Where the text detectors fired, by string.
struct Secrets {
    /// Leaf, place in its text, place in the frame, finding type; sorted.
    places: Vec<(LeafId, Span, Span, String)>,
}

impl Secrets {
    fn new(findings: &[Finding], catalog: &Catalog) -> Self {
        let mut places: Vec<_> = findings
            .iter()
            .filter_map(|f| {
                let detector = catalog.get(f.detector)?;
                (detector.kind == DetectorKind::Text)
                    .then(|| (f.leaf, f.text_span, f.span, detector.finding_type.clone()))
            })
            .collect();
        places.sort();
        Self { places }
    }

    fn of_leaf(&self, leaf: LeafId) -> &[(LeafId, Span, Span, String)] {
        let first = self.places.partition_point(|p| p.0 < leaf);
        let last = self.places.partition_point(|p| p.0 <= leaf);
        self.places.get(first..last).unwrap_or_default()
    }

    /// The text of a string, at most `limit` bytes of it, without its secrets.
    fn masked(&self, document: &Document<'_>, leaf: LeafId, limit: usize) -> String {
        let text = document.text_of(leaf);
        let places = self.of_leaf(leaf);
        if places.is_empty() {
            return bounded(text, limit).into();
        }
        let mut out = String::new();
        replace(
            text,
            places.iter().map(|p| (p.1, p.3.as_str())),
            &mut out,
            |_| None,
        );
        bounded(&out, limit).into()
    }
}

/// Copies `text` with every span replaced by its type; spans are sorted, overlapping ones merge.
fn replace<'t>(
    text: &str,
    spans: impl Iterator<Item = (Span, &'t str)>,
    out: &mut String,
    mut number: impl FnMut(Span) -> Option<usize>,
) {
    let mut at = 0;
    for (span, kind) in spans {
        if span.start >= at {
            out.push_str(Span::new(at, span.start).of_str(text));
            let _ = match number(span) {
                Some(number) => write!(out, "<REDACTED:{kind}#{number}>"),
                None => write!(out, "<REDACTED:{kind}>"),
            };
        }
        at = at.max(span.end);
    }
    out.push_str(Span::new(at, text.len()).of_str(text));
}

/// `text`, cut at a character so that it is not longer than `limit`.
fn bounded(text: &str, limit: usize) -> &str {
    text.get(..text.floor_char_boundary(limit)).unwrap_or(text)
}

/// A text from outside the message, masked.
fn scanned(guard: &Guard, text: &str) -> String {
    let text = bounded(text, KEPT);
    let mut scope = Scope::new(&guard.analyzers, &guard.settings.limits);
    guard
        .analyzers
        .text
        .scan(text, TextContext::default(), &mut scope);
    scope.findings.sort_by_key(|f| (f.span.start, f.span.end));
    let mut out = String::new();
    let types = scope.findings.iter().map(|f| {
        let detector = guard.analyzers.catalog.get(f.detector);
        (f.span, detector.map_or("", |d| d.finding_type.as_str()))
    });
    replace(text, types, &mut out, |_| None);
    out
}

/// `00-<32 hex>-<16 hex>-<2 hex>`, or a later version of it without what that adds.
fn is_traceparent(text: &str) -> bool {
    let hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'))
    };
    let mut parts = text.split('-');
    let mut next = |length| parts.next().is_some_and(|part| hex(part, length));
    next(2) && next(32) && next(16) && next(2) && parts.next().is_none()
}

fn hosts(guard: &Guard, destinations: &[Destination]) -> Vec<String> {
    let mut seen: Vec<&str> = Vec::new();
    for destination in destinations {
        if seen.len() < ENTRIES && !seen.contains(&destination.host.as_str()) {
            seen.push(&destination.host);
        }
    }
    seen.into_iter().map(|host| scanned(guard, host)).collect()
}

/// A hash that takes its bytes in long pieces: many short ones cost it more than all bytes do.
#[derive(Default)]
struct Hash {
    hash: Sha256,
    waiting: Vec<u8>,
}

impl Hash {
    const PIECE: usize = 4096;

    fn bytes(&mut self, bytes: &[u8]) {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= Self::PIECE {
            self.hash.update(&self.waiting);
            self.waiting.clear();
        }
    }

    fn text(&mut self, tag: u8, text: &str) {
        self.waiting.push(tag);
        // A length in front keeps two different calls from running into the same bytes.
        let length = u64::try_from(text.len()).unwrap_or(u64::MAX);
        self.waiting.extend_from_slice(&length.to_le_bytes());
        if text.len() < Self::PIECE {
            return self.bytes(text.as_bytes());
        }
        self.hash.update(&self.waiting);
        self.waiting.clear();
        self.hash.update(text);
    }

    fn finish(mut self) -> impl AsRef<[u8]> {
        self.hash.update(&self.waiting);
        self.hash.finalize()
    }
}

/// Hashes what was asked, independent of spacing and escapes.
fn request_hash(
    document: &Document<'_>,
    method: &str,
    tool: &str,
    body: Option<NodeId>,
    secrets: &Secrets,
) -> String {
    let mut hash = Hash::default();
    hash.text(b'm', method);
    hash.text(b'n', tool);
    let first = body.unwrap_or_default();
    let end = body
        .and_then(|id| document.node(id))
        .map_or(first, |n| n.next);
    for id in first..end {
        let Some(node) = document.node(id) else { break };
        let mut string = |tag, leaf| match document.leaf(leaf) {
            Some(l) if secrets.of_leaf(leaf).is_empty() => hash.text(tag, document.text(l)),
            _ => hash.text(tag, &secrets.masked(document, leaf, usize::MAX)),
        };
        if let (Edge::Member(key), true) = (node.edge, id > first) {
            string(b'k', key);
        }
        match node.kind {
            Kind::String(leaf) => string(b's', leaf),
            Kind::Number => hash.text(b'd', document.raw(id)),
            Kind::Bool(true) => hash.bytes(b"t"),
            Kind::Bool(false) => hash.bytes(b"f"),
            Kind::Null => hash.bytes(b"z"),
            Kind::Object | Kind::Array => {
                hash.bytes(if node.kind == Kind::Object {
                    b"{"
                } else {
                    b"["
                });
                hash.bytes(&node.next.saturating_sub(id).to_le_bytes());
            }
        }
    }
    hash.finish()
        .as_ref()
        .iter()
        .take(8)
        .flat_map(|byte| [byte >> 4, byte & 15])
        .filter_map(|digit| char::from_digit(digit.into(), 16))
        .collect()
}

/// Whether the message was not fully read: then it may hold a secret that was not seen.
fn is_faulty(guard: &Guard, findings: &[Finding]) -> bool {
    findings.len() >= guard.settings.limits.findings
        || findings.iter().any(|f| {
            let detector = guard.analyzers.catalog.get(f.detector);
            detector.is_none_or(|d| d.kind == DetectorKind::Engine)
        })
}

/// A value of a message as written, on one line and without its secrets; `None` where it is too
/// long or was not fully read.
pub(crate) fn masked_text(
    guard: &Guard,
    document: &Document<'_>,
    node: NodeId,
    findings: &[Finding],
) -> Option<String> {
    if is_faulty(guard, findings) {
        return None;
    }
    recorded(
        document,
        node,
        &Secrets::new(findings, &guard.analyzers.catalog),
    )
}

/// A text with its invisible characters spelt out.
pub(crate) fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) {
            let _ = write!(out, "\\u{{{:x}}}", u32::from(c));
        } else {
            out.push(c);
        }
    }
    out
}

/// Terminals and pagers obey these: controls, line separators, direction marks, zero widths, tags.
fn is_obeyed(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}' | '\u{e0000}'..)
}

/// `params` as written, on one line and without its secrets.
fn recorded(document: &Document<'_>, params: NodeId, secrets: &Secrets) -> Option<String> {
    let node = document.node(params)?;
    if node.span().len() > CALL {
        return None;
    }
    let mut places: Vec<_> = secrets
        .places
        .iter()
        .filter(|(_, _, span, _)| span.start >= node.span().start && span.end <= node.span().end)
        .map(|(leaf, _, span, kind)| {
            let place = Span::new(
                span.start.saturating_sub(node.span().start),
                span.end.saturating_sub(node.span().start),
            );
            let key = document.leaf(*leaf).is_some_and(|l| l.role == Role::Key);
            (place, kind.as_str(), key)
        })
        .collect();
    places.sort();
    let mut keys = 0_usize;
    let mut out = String::with_capacity(node.span().len());
    replace(
        document.raw(params),
        places.iter().map(|p| (p.0, p.1)),
        &mut out,
        // Two masked member names must not become the same name twice.
        |span| {
            let key = places.iter().any(|p| p.0 == span && p.2);
            keys = keys.saturating_add(usize::from(key));
            key.then_some(keys)
        },
    );
    // Between tokens only: a raw line end within a string is not JSON.
    Some(out.replace(['\n', '\r'], " "))
}

/// The pointers of those findings that stand below a member name with a secret in it.
fn masked_pointers(
    document: &Document<'_>,
    findings: &[Finding],
    secrets: &Secrets,
) -> Vec<(usize, String)> {
    let is_key = |leaf| document.leaf(leaf).is_some_and(|l| l.role == Role::Key);
    if !secrets.places.iter().any(|p| is_key(p.0)) {
        return Vec::new();
    }
    let masked = |finding: &Finding| {
        let mut at = document.leaf(finding.leaf)?.node;
        let (mut segments, mut found) = (Vec::new(), false);
        while let Some(node) = document.node(at) {
            match node.edge {
                Edge::Root => break,
                Edge::Element(index) => segments.push(index.to_string()),
                Edge::Member(key) => {
                    found |= !secrets.of_leaf(key).is_empty();
                    let name = secrets.masked(document, key, usize::MAX);
                    segments.push(name.replace('~', "~0").replace('/', "~1"));
                }
            }
            at = node.parent;
        }
        segments.push(String::new());
        segments.reverse();
        found.then(|| segments.join("/"))
    };
    findings
        .iter()
        .enumerate()
        .filter_map(|(index, finding)| Some((index, masked(finding)?)))
        .collect()
}

/// One JSON line, line end included.
#[must_use]
pub fn line(guard: &Guard, inspection: &Inspection, entry: &Entry<'_>) -> Vec<u8> {
    let trail = &inspection.trail;
    let mut out = Object::with_capacity(1_024);
    out.timestamp("timestamp", entry.time_ns);
    out.text("event_type", "policy_decision");
    out.text("decision_id", entry.decision_id);
    out.text("request_hash", &trail.request_hash);
    out.text("tool_name", &trail.tool_name);
    out.text("decision", inspection.decision.as_str());
    out.text("enforced", inspection.enforced.as_str());
    let rule_id = |index: usize| guard.policy.rules().get(index).map(|r| r.id.as_str());
    let matched = || inspection.matched.iter().copied();
    out.texts("matched_rule_ids", matched().filter_map(rule_id));
    // The deciding rule first: not always the one of the best priority.
    let deciding = inspection.primary;
    let others = matched().filter(|&index| Some(index) != deciding);
    let all = deciding.into_iter().chain(others).filter_map(rule_id);
    out.texts("rule_ids", all);
    out.optional("primary_rule_id", inspection.primary.and_then(rule_id));
    out.text("policy_code", &inspection.policy_code);
    out.sentence("reason", &inspection.reason);
    out.score("risk_score", inspection.risk_score);
    redactions(&mut out, guard, inspection);
    out.key("destination_metadata");
    out.open('{');
    if !trail.hosts.is_empty() {
        out.texts("hosts", trail.hosts.iter().map(String::as_str));
    }
    out.close('}');
    out.text("session_id", entry.session_id);
    out.text("environment", &trail.environment);
    out.milliseconds("evaluation_ms", entry.evaluation_ns);
    out.literal("shadow_mode", bool_text(inspection.shadow_mode));
    out.key("labels");
    out.open('{');
    for (key, value) in &trail.labels {
        out.member(key, value);
    }
    out.close('}');
    findings(&mut out, guard, inspection);
    out.key("simulated");
    match inspection.simulated {
        Some((decision, rule)) => simulated(&mut out, decision, rule_id(rule)),
        None => out.raw("null"),
    }
    out.text("server", entry.server);
    out.optional("request_id", trail.request_id.as_deref());
    out.text("method", &trail.method);
    out.text(
        "direction",
        match inspection.direction {
            Direction::Request => "request",
            Direction::Response => "response",
        },
    );
    let beside = Some(entry.traceparent).filter(|text| is_traceparent(text));
    if let Some(traceparent) = trail.traceparent.as_deref().or(beside) {
        out.text("traceparent", traceparent);
    }
    if let Some(call) = &trail.call {
        out.literal("call", call);
    }
    if let Some(approval) = &trail.approval {
        out.key("approval");
        out.open('{');
        out.text("outcome", approval.outcome);
        out.text("via", approval.via);
        out.text("id", &approval.id);
        out.close('}');
    }
    out.text("policy_hash", entry.policy_hash);
    out.text("version", env!("CARGO_PKG_VERSION"));
    out.finish()
}

fn simulated(out: &mut Object, decision: Decision, rule: Option<&str>) {
    out.open('{');
    out.text("decision", decision.as_str());
    out.optional("rule_id", rule);
    out.close('}');
}

fn redactions(out: &mut Object, guard: &Guard, inspection: &Inspection) {
    out.key("redaction_actions");
    out.open('[');
    for redaction in inspection.redactions.iter().take(ENTRIES) {
        out.element();
        out.open('{');
        let place = inspection.findings.iter().find(|f| {
            let detector = guard.analyzers.catalog.get(f.detector);
            f.span == redaction.span
                && detector.is_some_and(|d| d.finding_type == redaction.finding_type)
        });
        out.text("type", &redaction.finding_type);
        out.text("strategy", redaction.strategy.as_str());
        out.text("pointer", place.map_or("", |f| &f.pointer));
        out.close('}');
    }
    out.close(']');
    out.literal("redactions", &inspection.redactions.len().to_string());
}

fn findings(out: &mut Object, guard: &Guard, inspection: &Inspection) {
    out.key("findings_summary");
    out.open('[');
    for (place, finding) in inspection.findings.iter().take(ENTRIES).enumerate() {
        let Some(detector) = guard.analyzers.catalog.get(finding.detector) else {
            continue;
        };
        out.element();
        out.open('{');
        out.text("analyzer", detector.kind.analyzer());
        out.text("type", &detector.finding_type);
        out.score("risk_score", finding.risk);
        out.text("detector", &detector.id);
        out.text("pointer", &finding.pointer);
        if let Some(detail) = &finding.detail {
            out.text("detail", detail);
        }
        if let Some((_, entry)) = inspection.allowed.iter().find(|(at, _)| *at == place) {
            out.text("allowlist", guard.allowlists.id(*entry));
        }
        out.close('}');
    }
    out.close(']');
    // The list is bounded; the number is not.
    out.literal("findings", &inspection.findings.len().to_string());
}

const fn bool_text(value: bool) -> &'static str {
    if value { "true" } else { "false" }
}

/// A JSON object under construction.
struct Object {
    out: String,
}

impl Object {
    fn with_capacity(bytes: usize) -> Self {
        let mut out = String::with_capacity(bytes);
        out.push('{');
        Self { out }
    }

    fn finish(mut self) -> Vec<u8> {
        self.out.push_str("}\n");
        self.out.into_bytes()
    }

    /// A comma, unless something was just opened.
    fn element(&mut self) {
        if !matches!(self.out.as_bytes().last(), Some(b'{' | b'[' | b':')) {
            self.out.push(',');
        }
    }

    /// A member whose name needs no escapes.
    fn key(&mut self, key: &'static str) {
        self.element();
        self.out.push('"');
        self.out.push_str(key);
        self.out.push_str("\":");
    }

    /// A member whose name somebody chose.
    fn member(&mut self, key: &str, value: &str) {
        self.element();
        self.string(key, TEXT);
        self.out.push(':');
        self.string(value, TEXT);
    }

    fn open(&mut self, bracket: char) {
        self.out.push(bracket);
    }

    fn close(&mut self, bracket: char) {
        self.out.push(bracket);
    }

    fn raw(&mut self, json: &str) {
        self.out.push_str(json);
    }

    fn literal(&mut self, key: &'static str, json: &str) {
        self.key(key);
        self.out.push_str(json);
    }

    fn text(&mut self, key: &'static str, value: &str) {
        self.key(key);
        self.string(value, TEXT);
    }

    fn sentence(&mut self, key: &'static str, value: &str) {
        self.key(key);
        self.string(value, SENTENCE);
    }

    fn optional(&mut self, key: &'static str, value: Option<&str>) {
        match value {
            Some(value) => self.text(key, value),
            None => self.literal(key, "null"),
        }
    }

    fn texts<'t>(&mut self, key: &'static str, values: impl Iterator<Item = &'t str>) {
        self.key(key);
        self.open('[');
        for value in values.take(ENTRIES) {
            self.element();
            self.string(value, TEXT);
        }
        self.close(']');
    }

    fn score(&mut self, key: &'static str, value: f32) {
        self.key(key);
        let value = if value.is_finite() { value } else { 1.0 };
        let _ = write!(self.out, "{value:?}");
    }

    fn milliseconds(&mut self, key: &'static str, nanoseconds: u64) {
        self.key(key);
        let micros = nanoseconds / 1_000;
        let _ = write!(self.out, "{}.{:03}", micros / 1_000, micros % 1_000);
    }

    fn timestamp(&mut self, key: &'static str, nanoseconds: u64) {
        self.key(key);
        self.out.push('"');
        rfc3339(nanoseconds, &mut self.out);
        self.out.push('"');
    }

    fn string(&mut self, text: &str, limit: usize) {
        let cut = bounded(text, limit);
        self.out.push('"');
        let plain = |b: u8| matches!(b, 0x20..0x7f) && b != b'"' && b != b'\\';
        if cut.bytes().all(plain) {
            self.out.push_str(cut);
        } else {
            for c in cut.chars() {
                self.character(c);
            }
        }
        if cut.len() < text.len() {
            self.out.push('…');
        }
        self.out.push('"');
    }

    fn character(&mut self, c: char) {
        match c {
            '"' => self.out.push_str("\\\""),
            '\\' => self.out.push_str("\\\\"),
            '\n' => self.out.push_str("\\n"),
            '\t' => self.out.push_str("\\t"),
            c if is_obeyed(c) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(self.out, "\\u{unit:04x}");
                }
            }
            c => self.out.push(c),
        }
    }
}

/// `2026-03-08T23:23:01.123Z`
fn rfc3339(nanoseconds: u64, out: &mut String) {
    let milliseconds = nanoseconds / 1_000_000;
    let seconds = milliseconds / 1_000;
    let (mut days, second) = (seconds / 86_400, seconds % 86_400);
    let leap = |year: u64| {
        (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
    };
    // 64 bits of nanoseconds end in 2554: the loop is short.
    let mut year = 1970_u64;
    loop {
        let length = if leap(year) { 366 } else { 365 };
        if days < length {
            break;
        }
        days = days.saturating_sub(length);
        year = year.saturating_add(1);
    }
    let mut month = 1_u64;
    for length in [
        31,
        if leap(year) { 29 } else { 28 },
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
    ] {
        if days < length {
            break;
        }
        days = days.saturating_sub(length);
        month = month.saturating_add(1);
    }
    let _ = write!(
        out,
        "{year:04}-{month:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z",
        days.saturating_add(1),
        second / 3_600,
        second / 60 % 60,
        second % 60,
        milliseconds % 1_000,
    );
}

#[cfg(test)]
mod tests;
