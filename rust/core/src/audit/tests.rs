//! A line is JSON, holds the documented fields, and shows no secret.

use super::*;
use crate::{
    frame, guard::Settings, limits::Limits, policy::syntax::Strategy, redact::Redaction, walk::ROOT,
};
use serde_json::{Value, json};

const SECRET: &str = "zq-secret-0123456789";

fn guard(settings: Settings) -> Guard {
    let entry = json!([{"file": "t.yaml", "data": {"detectors": [{
        "id": "text.test.secret",
        "name": "Test secret",
        "description": "A secret of the tests.",
        "kind": "text",
        "finding_type": "test_secret",
        "risk_score": 0.95,
        "references": ["https://example.com"],
        "match": {"regex": "zq-secret-[0-9]{10}", "placeholders": false},
        "examples": ["a", "b"],
        "negative_examples": ["c", "d"],
    }]}}]);
    let mut catalog = Catalog::default();
    catalog.extend_json(&entry.to_string()).unwrap();
    Guard::new(catalog, settings).unwrap()
}

/// What the text analyzer would report of [`SECRET`].
fn secrets(document: &Document<'_>) -> Vec<Finding> {
    let mut findings = Vec::new();
    for (index, leaf) in document.leaves.iter().enumerate() {
        for (start, _) in document.text(leaf).match_indices(SECRET) {
            let text_span = Span::new(start, start.saturating_add(SECRET.len()));
            findings.push(Finding {
                detector: 0,
                leaf: u32::try_from(index).unwrap(),
                span: leaf.frame_span(document.frame.as_bytes(), text_span),
                text_span,
                pointer: document.pointer(leaf.node).into(),
                risk: 0.95,
                encoded: false,
                preview: "****".into(),
                detail: None,
            });
        }
    }
    findings.sort_by_key(|f| f.span);
    findings
}

fn inspect(guard: &Guard, frame: &str, context: &Context) -> Inspection {
    let document = Document::parse(frame.as_bytes(), &Limits::default()).unwrap();
    let message = frame::message(&document, ROOT).unwrap();
    let mut inspection = guard.inspect(&document, &message, context);
    inspection.findings = secrets(&document);
    inspection.trail = Trail::new(
        guard,
        &document,
        &message,
        context,
        &mut inspection.findings,
        &[],
        true,
    );
    inspection
}

fn call(name: &str, arguments: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"{name}","arguments":{arguments}}}}}"#
    )
}

fn entry() -> Entry<'static> {
    Entry {
        time_ns: 1_773_012_181_123_456_789,
        evaluation_ns: 1_234_567,
        decision_id: "d-1",
        session_id: "s-1",
        server: "files",
        policy_hash: "abcd",
        traceparent: "",
    }
}

fn value(line: &[u8]) -> Value {
    assert_eq!(line.iter().filter(|&&b| b == b'\n').count(), 1);
    assert_eq!(line.last(), Some(&b'\n'));
    serde_json::from_slice(line).unwrap()
}

fn written(frame: &str) -> Value {
    let guard = guard(Settings::default());
    let inspection = inspect(&guard, frame, &Context::default());
    value(&line(&guard, &inspection, &entry()))
}

fn hash(arguments: &str) -> String {
    let line = written(&call("t", arguments));
    line["request_hash"].as_str().unwrap().to_owned()
}

#[test]
fn an_allowed_call_gives_every_field() {
    let mut line = written(&call("list_files", r#"{"path":"/tmp"}"#));
    let hash = line["request_hash"].take();
    assert_eq!(hash.as_str().map(str::len), Some(16));
    assert_eq!(
        line,
        json!({
            "timestamp": "2026-03-08T23:23:01.123Z",
            "event_type": "policy_decision",
            "decision_id": "d-1",
            "request_hash": null,
            "tool_name": "list_files",
            "decision": "ALLOW",
            "enforced": "ALLOW",
            "matched_rule_ids": [],
            "rule_ids": [],
            "primary_rule_id": null,
            "policy_code": "",
            "reason": "No rule matched",
            "risk_score": 0.0,
            "redaction_actions": [],
            "redactions": 0,
            "destination_metadata": {},
            "session_id": "s-1",
            "environment": "",
            "evaluation_ms": 1.234,
            "shadow_mode": false,
            "labels": {},
            "findings_summary": [],
            "findings": 0,
            "simulated": null,
            "server": "files",
            "request_id": "1",
            "method": "tools/call",
            "direction": "request",
            "policy_hash": "abcd",
            "version": env!("CARGO_PKG_VERSION"),
        })
    );
}

#[test]
fn findings_name_their_detector_and_place() {
    let line = written(&call("t", &format!(r#"{{"a":["x","{SECRET}"]}}"#)));
    assert_eq!(
        line["findings_summary"],
        json!([{
            "analyzer": "text_dlp",
            "type": "test_secret",
            "risk_score": 0.95,
            "detector": "text.test.secret",
            "pointer": "/params/arguments/a/1",
        }])
    );
}

#[test]
fn no_place_of_a_message_puts_a_secret_into_the_line() {
    let guard = guard(Settings {
        record_calls: true,
        ..Settings::default()
    });
    let frames = [
        call(&format!("run_{SECRET}"), "{}"),
        call(
            "t",
            &format!(r#"{{"{SECRET}":{{"deep/{SECRET}~":["{SECRET}"]}}}}"#),
        ),
        call(
            "t",
            &format!(r#"{{"{SECRET}":1,"x":"{SECRET} and {SECRET}"}}"#),
        ),
        call("t", &format!(r#"{{"a":"\u007a{}"}}"#, &SECRET[1..])),
        format!(r#"{{"jsonrpc":"2.0","id":"{SECRET}","method":"ping"}}"#),
        format!(r#"{{"jsonrpc":"2.0","method":"x/{SECRET}","params":{{"q":"{SECRET}"}}}}"#),
        format!(r#"{{"jsonrpc":"2.0","id":"{SECRET}","result":{{"t":"{SECRET}"}}}}"#),
    ];
    for frame in frames {
        let mut inspection = inspect(&guard, &frame, &Context::default());
        assert!(!inspection.findings.is_empty(), "{frame}");
        inspection.redactions = inspection
            .findings
            .iter()
            .map(|f| Redaction {
                span: f.span,
                secret: SECRET.into(),
                finding_type: "test_secret".into(),
                strategy: Strategy::PartialMask,
                salt: None,
            })
            .collect();
        let line = line(&guard, &inspection, &entry());
        let parsed = value(&line);
        assert!(
            !String::from_utf8(line).unwrap().contains("0123456789"),
            "{frame}"
        );
        assert_eq!(parsed["redactions"], json!(inspection.findings.len()));
        assert!(!format!("{:?}", inspection.trail).contains("0123456789"));
    }
}

#[test]
fn masked_member_names_stand_in_pointers() {
    let line = written(&call("t", &format!(r#"{{"k/{SECRET}":["{SECRET}"]}}"#)));
    let pointers: Vec<_> = line["findings_summary"]
        .as_array()
        .unwrap()
        .iter()
        .collect();
    assert_eq!(pointers.len(), 2);
    assert_eq!(
        pointers[1]["pointer"],
        "/params/arguments/k~1<REDACTED:test_secret>/0"
    );
}

#[test]
fn the_hash_is_of_the_call_not_of_its_spelling() {
    assert_eq!(
        hash(r#"{"a":"b","c":[1,true]}"#),
        hash(r#"{ "\u0061" : "b" , "c":[ 1,true ] }"#)
    );
    for other in [
        r#"{"a":"b","c":[1],"d":true}"#,
        r#"{"a":"b","c":[[1],true]}"#,
        r#"{"a":"b","c":["1",true]}"#,
        r#"{"a":"b","c":[1,false]}"#,
        r#"{"a":"bc","":[1,true]}"#,
    ] {
        assert_ne!(hash(r#"{"a":"b","c":[1,true]}"#), hash(other), "{other}");
    }
}

#[test]
fn the_hash_does_not_depend_on_the_secret() {
    let guard = guard(Settings::default());
    let of = |text: &str, secret: &str| {
        let frame = call("t", &format!(r#"{{"a":"x {text} y"}}"#));
        let document = Document::parse(frame.as_bytes(), &Limits::default()).unwrap();
        let message = frame::message(&document, ROOT).unwrap();
        let mut findings = secrets(&document);
        // The same detector would find either of the two.
        if findings.is_empty() {
            let frame = frame.replace(secret, SECRET);
            let document = Document::parse(frame.as_bytes(), &Limits::default()).unwrap();
            findings = secrets(&document);
        }
        let context = Context::default();
        Trail::new(
            &guard,
            &document,
            &message,
            &context,
            &mut findings,
            &[],
            true,
        )
        .request_hash
    };
    let other = "zq-secret-9876543210";
    assert_eq!(of(SECRET, SECRET), of(other, other));
    assert_ne!(of(SECRET, SECRET), of("plain", "plain"));
}

#[test]
fn a_recorded_call_is_json_of_the_same_shape() {
    let guard = guard(Settings {
        record_calls: true,
        ..Settings::default()
    });
    let frame = call(
        "t",
        &format!("{{\"{SECRET}\":1,\n\"x{SECRET}\":\"a {SECRET}\",\r\n\"n\":1e400}}")
            .replace("1e400", "1.50"),
    );
    let inspection = inspect(&guard, &frame, &Context::default());
    let raw = line(&guard, &inspection, &entry());
    assert!(String::from_utf8_lossy(&raw).contains("\"n\":1.50"));
    assert_eq!(
        value(&raw)["call"],
        json!({"name": "t", "arguments": {
            "<REDACTED:test_secret#1>": 1,
            "x<REDACTED:test_secret#2>": "a <REDACTED:test_secret>",
            "n": 1.5,
        }})
    );
}

#[test]
fn a_call_is_recorded_on_request_and_within_bounds_only() {
    let frame = call("t", r#"{"a":1}"#);
    assert_eq!(written(&frame)["call"], Value::Null);
    let guard = guard(Settings {
        record_calls: true,
        ..Settings::default()
    });
    let long = call("t", &format!(r#"{{"a":"{}"}}"#, "x".repeat(CALL)));
    assert_eq!(inspect(&guard, &long, &Context::default()).trail.call, None);
    assert!(
        inspect(&guard, &frame, &Context::default())
            .trail
            .call
            .is_some()
    );
}

#[test]
fn names_are_bounded_and_harmless_on_a_terminal() {
    let name = r"\u001b[2J\u202e\u200b\u009b\r\n".to_owned() + &"n".repeat(5_000);
    let frame = call(&name, "{}");
    let guard = guard(Settings::default());
    let raw = line(
        &guard,
        &inspect(&guard, &frame, &Context::default()),
        &entry(),
    );
    assert!(raw.len() < 2_000);
    let text = String::from_utf8(raw.clone()).unwrap();
    assert!(
        text.trim_end()
            .chars()
            .all(|c| !c.is_control() && c != '\u{202e}' && c != '\u{200b}')
    );
    let parsed = value(&raw);
    let shown = parsed["tool_name"].as_str().unwrap();
    assert!(shown.starts_with("\u{1b}[2J\u{202e}\u{200b}\u{9b}\r\nnnn"));
    assert!(shown.ends_with('…'));
}

#[test]
fn a_trace_context_is_written_in_its_form_only() {
    let traced = |context: &str| {
        let frame = format!(
            r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","_meta":{{"traceparent":{context}}}}}}}"#
        );
        written(&frame)["traceparent"].clone()
    };
    let good = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
    assert_eq!(traced(&format!("\"{good}\"")), good);
    for bad in [
        "7".to_owned(),
        "\"\"".to_owned(),
        format!("\"{good}-\""),
        format!("\"{}\"", good.to_uppercase().replace('B', "G")),
        format!("\"{}\"", good.replace('-', "")),
    ] {
        assert_eq!(traced(&bad), Value::Null, "{bad}");
    }
}

#[test]
fn labels_and_environment_of_the_call_are_written() {
    let guard = guard(Settings::default());
    let context = Context {
        environment: Some("production".into()),
        labels: [
            ("team".into(), "a\"b".into()),
            ("x".into(), format!("y {SECRET}")),
        ]
        .into(),
        ..Context::default()
    };
    let inspection = inspect(&guard, &call("t", "{}"), &context);
    let line = value(&line(&guard, &inspection, &entry()));
    assert_eq!(line["environment"], "production");
    assert_eq!(
        line["labels"],
        json!({"team": "a\"b", "x": "y <REDACTED:test_secret>"})
    );
}

#[test]
fn a_thousand_findings_make_a_short_line_with_the_true_number() {
    let secrets = format!("\"{SECRET}\",").repeat(900);
    let line = written(&call("t", &format!(r#"{{"a":[{secrets}0]}}"#)));
    assert_eq!(line["findings"], 900);
    assert_eq!(
        line["findings_summary"].as_array().map(Vec::len),
        Some(ENTRIES)
    );
}

#[test]
fn timestamps_are_those_of_the_calendar() {
    for (seconds, text) in [
        (0, "1970-01-01T00:00:00.000Z"),
        (951_782_399, "2000-02-28T23:59:59.000Z"),
        (951_782_400, "2000-02-29T00:00:00.000Z"),
        (4_107_542_399, "2100-02-28T23:59:59.000Z"),
        (4_107_542_400, "2100-03-01T00:00:00.000Z"),
        (1_735_689_599, "2024-12-31T23:59:59.000Z"),
    ] {
        let mut out = String::new();
        rfc3339(seconds * 1_000_000_000, &mut out);
        assert_eq!(out, text);
    }
}
