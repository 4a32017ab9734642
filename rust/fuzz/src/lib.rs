//! What must hold for every input. Each function takes arbitrary bytes and panics where the guard
//! breaks its word; the fuzz targets search for such bytes, `rust/core/tests/properties.rs` runs
//! each on the examples of all detectors and on mutations of them.

#![allow(
    missing_docs,
    unreachable_pub,
    clippy::panic,
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::arithmetic_side_effects,
    reason = "a property fails by a panic"
)]

use egress_guard_core::{
    decision::Decision,
    decode,
    detector::Catalog,
    frame,
    guard::{Context, Guard, Inspection, Settings},
    limits::Limits,
    policy::{Direction, syntax::RuleSource},
    redact,
    session::{Command, DenyResponse, Session, Side},
    walk::{Document, Kind, NodeId, ROOT},
};
use serde_json::{Value, json};
use std::sync::{Arc, LazyLock};

/// One property, by the name of its fuzz target.
pub type Property = (&'static str, fn(&[u8]));

/// All of them.
pub const PROPERTIES: &[Property] = &[
    ("frame_as_serde", frame_as_serde),
    ("leaf_spans", leaf_spans),
    ("views_map_back", views_map_back),
    ("inspect_frame", inspect_frame),
    ("redact_text", redact_text),
    ("command", command),
    ("code", code),
    ("statement", statement),
    ("url", url),
    ("rules", rules),
    ("session", session),
];

/// Masks every secret, blocks what destroys.
static GUARD: LazyLock<Arc<Guard>> = LazyLock::new(|| {
    let rules = json!([
        {"id": "mask", "priority": 1, "decision": "REDACT", "policy_code": "EGRESS_REDACT_SECRET",
            "conditions": {"secret_types": ["*"]}},
        {"id": "block", "priority": 2, "decision": "DENY", "policy_code": "EGRESS_DENY_SHELL_RISK",
            "conditions": {"finding_tags": ["destructive"]}},
    ]);
    let settings = Settings {
        rules: serde_json::from_value(rules).unwrap(),
        ..Settings::default()
    };
    Arc::new(Guard::new(Catalog::embedded().unwrap().clone(), settings).unwrap())
});

/// As deep as serde_json goes.
fn shallow() -> Limits {
    Limits {
        depth: 120,
        ..Limits::default()
    }
}

/// What the guard reads, serde_json reads too, and as the same: no second meaning for a server.
pub fn frame_as_serde(data: &[u8]) {
    let Ok(document) = Document::parse(data, &shallow()) else {
        return;
    };
    same(
        &document,
        ROOT,
        &serde_json::from_slice(data).expect("serde refuses"),
    );
}

fn same(document: &Document<'_>, node: NodeId, value: &Value) {
    match (document.node(node).unwrap().kind, value) {
        (Kind::Object, Value::Object(members)) => {
            let children: Vec<_> = document.children(node).collect();
            assert_eq!(children.len(), members.len(), "members");
            for child in children {
                same(document, child, &members[document.name(child).unwrap()]);
            }
        }
        (Kind::Array, Value::Array(items)) => {
            let children: Vec<_> = document.children(node).collect();
            assert_eq!(children.len(), items.len(), "elements");
            for (child, item) in children.into_iter().zip(items) {
                same(document, child, item);
            }
        }
        (Kind::String(_), Value::String(text)) => assert_eq!(document.str(node), Some(&**text)),
        (Kind::Bool(read), Value::Bool(meant)) => assert_eq!(read, *meant),
        (Kind::Number, Value::Number(_)) | (Kind::Null, Value::Null) => {}
        (kind, value) => panic!("{kind:?} is read as {value}"),
    }
}

/// Each leaf's span holds a JSON string that says the leaf's text; parts of it map to parts.
pub fn leaf_spans(data: &[u8]) {
    let Ok(document) = Document::parse(data, &Limits::default()) else {
        return;
    };
    for id in 0.. {
        let Some(leaf) = document.leaf(id) else { break };
        let raw = std::str::from_utf8(leaf.raw().of(data)).expect("a leaf splits a character");
        let meant: String = serde_json::from_str(&format!("\"{raw}\"")).expect("a leaf's bytes");
        let text = document.text(leaf);
        assert_eq!(meant, text);
        let half = (0..=text.len() / 2)
            .rev()
            .find(|&at| text.is_char_boundary(at))
            .unwrap();
        for range in [(0, half), (half, text.len())] {
            let span = egress_guard_core::span::Span::new(range.0, range.1);
            let part = leaf.frame_span(data, span);
            let part = std::str::from_utf8(part.of(data)).expect("a part splits a character");
            let part: String = serde_json::from_str(&format!("\"{part}\"")).expect("part");
            assert_eq!(part, text[range.0..range.1]);
        }
    }
}

/// The bytes as one JSON string, or nothing where they are not UTF-8.
fn text(data: &[u8]) -> Option<&str> {
    std::str::from_utf8(data).ok()
}

fn call(tool: &str, arguments: Value) -> Vec<u8> {
    json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": tool, "arguments": arguments}})
    .to_string()
    .into_bytes()
}

/// Whatever is taken off a text, every part of what is under it has a place in the text.
pub fn views_map_back(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let frame = Value::from(text).to_string();
    let limits = Limits::default();
    let document = Document::parse(frame.as_bytes(), &limits).unwrap();
    let mut budget = limits.decoded_bytes;
    let (views, _) = decode::views(&document, 0, &limits, &mut budget);
    for view in views {
        assert!(!view.layers.is_empty());
        let mut last = 0;
        for (at, _) in view.text.char_indices().step_by(7) {
            let span = egress_guard_core::span::Span::new(last, at);
            let place = view.map.to_leaf(span, text.len());
            assert!(place.end <= text.len(), "outside the leaf");
            assert!(
                text.get(place.start..place.end).is_some(),
                "splits a character"
            );
            last = at;
        }
    }
}

/// Judges each message of a frame and checks what holds of every judgement.
fn judge(frame_bytes: &[u8], direction: Direction) -> Vec<Inspection> {
    let Ok(document) = Document::parse(frame_bytes, &Limits::default()) else {
        return Vec::new();
    };
    let Ok(messages) = frame::messages(&document) else {
        return Vec::new();
    };
    let context = Context {
        direction,
        ..Context::default()
    };
    let mut inspections = Vec::new();
    for message in messages.into_iter().flatten() {
        let inspection = GUARD.inspect(&document, &message, &context);
        for finding in &inspection.findings {
            let leaf = document.leaf(finding.leaf).expect("a finding's leaf");
            assert!(
                document
                    .text(leaf)
                    .get(finding.text_span.start..finding.text_span.end)
                    .is_some()
            );
            assert!(
                finding.span.end <= frame_bytes.len() && finding.span.start <= finding.span.end
            );
            assert!((0.0..=1.0).contains(&finding.risk));
        }
        if inspection.enforced != Decision::Redact {
            assert!(inspection.redactions.is_empty());
        }
        inspections.push(inspection);
    }
    inspections
}

/// A judgement is the same twice, and what is masked stays JSON and holds no more secrets.
fn judged_and_masked(frame_bytes: &[u8]) {
    for inspection in judge(frame_bytes, Direction::Request) {
        if inspection.redactions.is_empty() {
            continue;
        }
        let masked = redact::splice(frame_bytes, &inspection.redactions);
        let before: Value = serde_json::from_slice(frame_bytes).expect("the frame");
        let after: Value = serde_json::from_slice(&masked).expect("masked frame is no JSON");
        assert!(
            same_shape(&before, &after),
            "masking changed more than text"
        );
        for again in judge(&masked, Direction::Request) {
            assert!(
                again.redactions.is_empty(),
                "masked twice: {}",
                again
                    .findings
                    .iter()
                    .map(|f| GUARD
                        .analyzers
                        .catalog
                        .get(f.detector)
                        .map_or("", |d| &d.id))
                    .collect::<Vec<_>>()
                    .join(" ")
            );
        }
    }
}

fn same_shape(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.values().zip(b.values()).all(|(a, b)| same_shape(a, b))
        }
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same_shape(a, b))
        }
        (Value::String(_), Value::String(_)) => true,
        (a, b) => a == b,
    }
}

/// Any bytes as a frame.
pub fn inspect_frame(data: &[u8]) {
    judge(data, Direction::Response);
    if serde_json::from_slice::<Value>(data).is_ok() {
        judged_and_masked(data);
    }
}

/// Any text in a value and in a name.
pub fn redact_text(data: &[u8]) {
    let Some(text) = text(data) else { return };
    judged_and_masked(&call(
        "post_message",
        json!({"text": text, "more": [{text: 1}]}),
    ));
}

/// Any text as a command line, and as words of one.
pub fn command(data: &[u8]) {
    let Some(text) = text(data) else { return };
    judge(
        &call("run_command", json!({"command": text})),
        Direction::Request,
    );
    let words: Vec<&str> = text.split('\n').collect();
    judge(&call("exec", json!({"argv": words})), Direction::Request);
    judge(
        &call("powershell", json!({"command": text})),
        Direction::Request,
    );
}

/// Any text as Python and as JavaScript.
pub fn code(data: &[u8]) {
    let Some(text) = text(data) else { return };
    judge(
        &call("run_python", json!({"code": text})),
        Direction::Request,
    );
    judge(
        &call("run_javascript", json!({"code": text})),
        Direction::Request,
    );
}

/// Any text as SQL.
pub fn statement(data: &[u8]) {
    let Some(text) = text(data) else { return };
    judge(
        &call("execute_sql", json!({"sql": text})),
        Direction::Request,
    );
}

/// Any text as a URL, a host and a path.
pub fn url(data: &[u8]) {
    let Some(text) = text(data) else { return };
    let arguments = json!({"url": text, "method": "POST", "body": "x", "path": text});
    judge(&call("http_request", arguments), Direction::Request);
    let arguments = json!({"path": text, "destination": text});
    judge(&call("upload_file", arguments), Direction::Request);
}

/// Any JSON as rules: compiled or refused, and then one call is judged by them.
pub fn rules(data: &[u8]) {
    let Ok(rules) = serde_json::from_slice::<Vec<RuleSource>>(data) else {
        return;
    };
    let settings = Settings {
        rules,
        ..Settings::default()
    };
    // Without detectors, so that the rules are what is tried.
    let Ok(guard) = Guard::new(Catalog::default(), settings) else {
        return;
    };
    let frame_bytes = call(
        "write_file",
        json!({"path": "a/b", "content": "hello", "n": [1, 2]}),
    );
    let document = Document::parse(&frame_bytes, &Limits::default()).unwrap();
    let message = frame::message(&document, ROOT).unwrap();
    let _ = guard.inspect(&document, &message, &Context::default());
}

/// Lines of both sides in turn: a request has one answer at most, and only JSON leaves.
pub fn session(data: &[u8]) {
    let session = Session::new(Arc::clone(&GUARD), DenyResponse::ToolResult, "fuzz");
    for (n, line) in data.split(|&b| b == b'\n').take(64).enumerate() {
        let from = if n % 2 == 0 {
            Side::Client
        } else {
            Side::Server
        };
        for command in session.receive(from, line) {
            match command {
                Command::Forward(Some(bytes)) | Command::Reply(bytes) => {
                    Document::parse(&bytes, &Limits::default()).expect("what leaves is JSON");
                }
                Command::Forward(None) => {
                    Document::parse(line, &Limits::default()).expect("what leaves is JSON");
                }
                Command::Ask(question) => {
                    Document::parse(&question.frame, &Limits::default())
                        .expect("what leaves is JSON");
                }
                Command::Audit(_) | Command::Log(_) | Command::Answered(..) => {}
            }
        }
    }
}
