//! The catalogue's examples through the analyzer, and a runner for corpora.

use super::*;
use crate::{
    analyzer::Analyzers,
    guard::{Context, Guard},
    limits::Limits,
    policy::syntax::Strategy,
    redact::Redaction,
    walk::Document,
};

fn analyzers() -> Analyzers {
    Analyzers::new(Catalog::embedded().unwrap().clone(), &Settings::default()).unwrap()
}

fn found(
    analyzers: &Analyzers,
    text: &str,
    context: TextContext<'_>,
) -> Vec<(String, String, String)> {
    let limits = Limits::default();
    let mut scope = Scope::new(analyzers, &limits);
    analyzers.text.scan(text, context, &mut scope);
    scope
        .findings
        .iter()
        .map(|f| {
            let d = analyzers.catalog.get(f.detector).unwrap();
            (
                d.id.clone(),
                d.finding_type.clone(),
                f.span.of_str(text).to_owned(),
            )
        })
        .collect()
}

#[test]
fn documented_examples_are_seen() {
    let analyzers = analyzers();
    for (text, kind, secret) in [
        ("postgres://user:pass@host:5432/db", "db_url", "pass"),
        (
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow...",
            "private_key",
            "-----BEGIN RSA PRIVATE KEY-----\nMIIEow",
        ),
        (
            "Authorization: Bearer eyJhbGciOiJIUzI1NiJ9...",
            "bearer_token",
            "eyJhbGciOiJIUzI1NiJ9",
        ),
        (
            "api_key = AbCdEf1234567890xYz9",
            "generic_api_key",
            "AbCdEf1234567890xYz9",
        ),
        ("DB_PASSWORD=Tr0ub4dor#3", "generic_password", "Tr0ub4dor#3"),
    ] {
        let seen = found(&analyzers, text, TextContext::default());
        assert!(
            seen.iter().any(|(_, k, s)| k == kind && s == secret),
            "{text}: {seen:?}"
        );
    }
}

/// One finding at the level of the guard.
#[derive(Debug)]
struct Seen {
    id: String,
    kind: String,
    text: String,
    encoded: bool,
    by_name: bool,
}

/// Everything of kind `text` that a guard finds in one argument of a call.
fn inspect(guard: &Guard, argument: &str, text: &str) -> Vec<Seen> {
    let mut arguments = serde_json::Map::new();
    arguments.insert(argument.into(), text.into());
    let frame = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
        "params": {"name": "tool", "arguments": arguments}})
    .to_string();
    let document = Document::parse(frame.as_bytes(), &Limits::default()).unwrap();
    let message = crate::frame::message(&document, crate::walk::ROOT).unwrap();
    let inspection = guard.inspect(&document, &message, &Context::default());
    let seen = |f: &crate::finding::Finding| {
        let d = guard.analyzers.catalog.get(f.detector)?;
        let leaf = document.leaf(f.leaf)?;
        (d.kind == DetectorKind::Text).then(|| Seen {
            id: d.id.clone(),
            kind: d.finding_type.clone(),
            text: f.text_span.of_str(document.text(leaf)).to_owned(),
            encoded: f.encoded,
            by_name: f.detail.as_deref() == Some(scan::BY_NAME),
        })
    };
    inspection.findings.iter().filter_map(seen).collect()
}

fn guard() -> Guard {
    let settings = Settings {
        org_fingerprints: vec!["Bluebird".into()],
        entropy: true,
        ..Settings::default()
    };
    Guard::new(Catalog::embedded().unwrap().clone(), settings).unwrap()
}

#[test]
fn a_glance_hides_nothing_that_a_scan_reports() {
    let analyzers = analyzers();
    let text = &analyzers.text;
    let names = ["password", "api_key", "cookie", "title", "card", "mnemonic"];
    let (mut quiet, mut all) = (0, 0);
    for (_, entry) in Catalog::documented().unwrap().iter() {
        for example in &entry.examples {
            let whole = example.text();
            let words = whole.split(|c: char| c.is_whitespace() || matches!(c, '"' | '=' | ':'));
            for part in words.chain([whole]) {
                for name in names
                    .into_iter()
                    .map(Some)
                    .chain([None, example.argument()])
                {
                    let context = TextContext {
                        name,
                        ..TextContext::default()
                    };
                    let plain = name.is_none_or(|name| text.is_plain_name(name));
                    let signs = Signs::of(part.as_bytes());
                    all += 1;
                    if text.is_quiet(part, signs, plain, || context) {
                        quiet += 1;
                        assert_eq!(text.find(part, context, 16).0, [], "{name:?}: {part:?}");
                    }
                }
            }
        }
    }
    assert!(quiet > 1_000 && quiet < all, "{quiet} of {all}");
}

#[test]
fn every_example_is_seen_plain_escaped_and_nested_and_no_negative_is() {
    let guard = guard();
    let mut wrong = Vec::new();
    let entries = Catalog::documented().unwrap().iter().map(|(_, d)| d);
    for entry in entries.filter(|d| d.kind == DetectorKind::Text) {
        for example in &entry.examples {
            let (argument, text) = (example.argument().unwrap_or("text"), example.text());
            let seen = inspect(&guard, argument, text);
            let right = |s: &Seen| {
                s.id == entry.id && example.secret().is_none_or(|secret| secret == s.text)
            };
            if !seen.iter().any(right) {
                wrong.push(format!("{}: not seen in {text:?}: {seen:?}", entry.id));
            }
            // A header without its key is reported only where it is all there is.
            if text.starts_with("-----BEGIN ") && text.lines().count() == 1 {
                continue;
            }
            let nested = serde_json::json!({argument: text}).to_string();
            let twice = serde_json::json!({"content": nested}).to_string();
            for (how, text) in [("escaped", &nested), ("nested", &twice)] {
                let seen = inspect(&guard, "payload", text);
                if seen.iter().all(|s| {
                    matches!(s.kind.as_str(), "high_entropy" | "internal_url")
                        && s.kind != entry.finding_type
                }) {
                    wrong.push(format!(
                        "{}: not seen {how} in {text:?}: {seen:?}",
                        entry.id
                    ));
                }
            }
        }
        for example in &entry.negative_examples {
            let text = example.text();
            let seen = inspect(&guard, example.argument().unwrap_or("text"), text);
            // What has a provider's name is told as its own, if it is a secret by any form.
            if seen.iter().any(|s| s.id == entry.id && !s.by_name) {
                wrong.push(format!("{}: wrongly seen in {text:?}: {seen:?}", entry.id));
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

/// What is masked is not found again, the rest stays, and the frame keeps its shape.
#[test]
fn masked_examples_are_clean() {
    let guard = guard();
    let mut wrong = Vec::new();
    let strategies = [
        Strategy::PartialMask,
        Strategy::FullMask,
        Strategy::Tokenized,
        Strategy::TypePreserving,
    ];
    let entries = Catalog::documented().unwrap().iter().map(|(_, d)| d);
    for entry in entries.filter(|d| {
        d.kind == DetectorKind::Text
            && !matches!(d.finding_type.as_str(), "internal_url" | "org_fingerprint")
    }) {
        for (example, strategy) in entry.examples.iter().zip(strategies.iter().cycle()) {
            let frame = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call",
                "params": {"name": "tool", "arguments": {"text": example.text(), example.text(): [example.text(), "other"]}}}).to_string();
            for strategy in [*strategy, Strategy::PartialMask] {
                let judge = |frame: &[u8]| {
                    let document = Document::parse(frame, &Limits::default()).unwrap();
                    let message = crate::frame::message(&document, crate::walk::ROOT).unwrap();
                    let inspection = guard.inspect(&document, &message, &Context::default());
                    inspection
                        .findings
                        .iter()
                        .filter_map(|f| {
                            let d = guard.analyzers.catalog.get(f.detector)?;
                            let decisive = d.kind == DetectorKind::Text
                                && !matches!(
                                    d.finding_type.as_str(),
                                    "internal_url" | "high_entropy" | "org_fingerprint"
                                );
                            decisive.then(|| Redaction {
                                span: f.span,
                                secret: f.text_span.of_str(document.text_of(f.leaf)).into(),
                                finding_type: d.finding_type.clone(),
                                strategy,
                                salt: None,
                            })
                        })
                        .collect::<Vec<_>>()
                };
                let masked = crate::redact::splice(frame.as_bytes(), &judge(frame.as_bytes()));
                let shown = String::from_utf8(masked.clone()).unwrap();
                let left = judge(&masked);
                let value: serde_json::Value = serde_json::from_slice(&masked).unwrap();
                let shape = value["params"]["arguments"]
                    .as_object()
                    .is_some_and(|o| o.len() == 2);
                if !left.is_empty() || !shape {
                    wrong.push(format!(
                        "{} {strategy:?}: {shown} still has {left:?}",
                        entry.id
                    ));
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{}",
        wrong.len(),
        wrong.join("\n")
    );
}

#[test]
fn pieces_of_one_container_are_put_together() {
    let guard = guard();
    let seen = |arguments: serde_json::Value| -> Vec<String> {
        let frame = arguments.to_string();
        let document = Document::parse(frame.as_bytes(), &Limits::default()).unwrap();
        let end = document.node(crate::walk::ROOT).unwrap().next;
        let pieces = guard.analyzers.text.pieces(&document, 0, end);
        pieces
            .iter()
            .map(|&(leaf, _)| document.text_of(leaf).to_string())
            .collect()
    };
    assert_eq!(
        seen(serde_json::json!({"part1": "AKIAIOSF", "part2": "ODNN7QWERTYU"})),
        ["AKIAIOSF", "ODNN7QWERTYU"]
    );
    assert_eq!(
        seen(serde_json::json!([
            "x", "ok", "AKIA", "IOSFODNN", "7QWERTYU"
        ])),
        ["AKIA", "IOSFODNN", "7QWERTYU"]
    );
    for call in [
        serde_json::json!({"a": "AKIAIOSF", "b": {"c": "ODNN7QWERTYU"}}),
        serde_json::json!({"a": "AKIAIOSF", "note": "and then", "b": "ODNN7QWERTYU"}),
        serde_json::json!([{"v": "AKIAIOSF"}, {"v": "ODNN7QWERTYU"}]),
    ] {
        assert_eq!(seen(call), ["AKIAIOSF", "ODNN7QWERTYU"]);
    }
    assert_eq!(
        seen(serde_json::json!({"part2": "ODNN7QWERTYU", "part1": "AKIAIOSF"})).len(),
        2
    );
    assert_eq!(
        seen(serde_json::json!(["sk_live_q7R", "k2ZpLx93VbTnE04aBw8"])).len(),
        2
    );
    assert!(seen(serde_json::json!(["read_file", "write_file", "sk", "live"])).is_empty());
    assert!(seen(serde_json::json!(["sk_live_q7Rk2", "customers", "tool"])).is_empty());
    assert!(seen(serde_json::json!(["tool", "acme_pat_q7Rk2ZpLx93VbTnE0"])).is_empty());
}

/// Prints how labelled corpora fare, worst families first:
/// `EGRESS_CORPUS_POS=… EGRESS_CORPUS_NEG=… cargo test … corpus_recall -- --ignored --nocapture`.
#[test]
#[ignore = "needs labelled corpora"]
fn corpus_recall() {
    use std::collections::BTreeMap;
    let guard = Guard::new(Catalog::embedded().unwrap().clone(), Settings::default()).unwrap();
    let findings = |text: &str| -> Vec<(String, String, String, bool)> {
        inspect(&guard, "text", text)
            .into_iter()
            .map(|s| (s.id, s.kind, s.text, s.encoded))
            .collect()
    };
    let lines = |name: &str| -> Vec<serde_json::Value> {
        std::env::var(name)
            .map(|path| {
                std::fs::read_to_string(path)
                    .unwrap()
                    .lines()
                    .map(|l| serde_json::from_str(l).unwrap())
                    .collect()
            })
            .unwrap_or_default()
    };
    let decisive = |kind: &str| !matches!(kind, "high_entropy" | "internal_url");
    let (mut total, mut exact, mut overlapping) = (0, 0, 0);
    let mut families: BTreeMap<String, (usize, usize, Vec<String>)> = BTreeMap::new();
    for case in lines("EGRESS_CORPUS_POS") {
        let (text, secret) = (
            case["text"].as_str().unwrap(),
            case["secret"].as_str().unwrap(),
        );
        let seen = findings(text);
        let trim = |s: &str| {
            s.trim_matches(|c: char| c.is_whitespace() || "\"'`".contains(c))
                .to_owned()
        };
        let right = seen
            .iter()
            .any(|(_, k, s, _)| decisive(k) && trim(s) == trim(secret));
        let near = right
            || seen.iter().any(|(_, k, s, encoded)| {
                decisive(k)
                    && (s.contains(secret)
                        || secret.contains(s.as_str()) && s.len() * 3 >= secret.len()
                        || *encoded)
            });
        total += 1;
        exact += usize::from(right);
        overlapping += usize::from(near);
        let key = format!(
            "{}/{}",
            case["family"].as_str().unwrap_or(""),
            case["type"].as_str().unwrap_or("")
        );
        let entry = families.entry(key).or_default();
        entry.0 += 1;
        entry.1 += usize::from(right);
        if !right {
            let mark = if near { "~" } else { "-" };
            entry.2.push(format!(
                "    {mark} [{}] {} || {} || {:?}",
                case["context"].as_str().unwrap_or(""),
                text.chars().take(160).collect::<String>().escape_debug(),
                secret.chars().take(60).collect::<String>().escape_debug(),
                seen.iter()
                    .map(|(i, _, s, _)| (i, s.chars().take(50).collect::<String>()))
                    .collect::<Vec<_>>()
            ));
        }
    }
    let mut list: Vec<_> = families.into_iter().filter(|(_, f)| f.1 < f.0).collect();
    list.sort_by_key(|(_, f)| f.1 * 100 / f.0);
    for (name, (all, hit, misses)) in &list {
        println!("{name}: {hit} of {all}");
        for miss in misses {
            println!("{miss}");
        }
    }
    println!(
        "positives {total}: exact {exact} ({:.1} %), overlapping {overlapping} ({:.1} %)",
        exact as f64 * 100.0 / f64::from(total.max(1)),
        overlapping as f64 * 100.0 / f64::from(total.max(1))
    );
    let (mut negatives, mut flagged) = (0, 0);
    for case in lines("EGRESS_CORPUS_NEG") {
        let text = case["text"].as_str().unwrap();
        let seen: Vec<_> = findings(text)
            .into_iter()
            .filter(|(_, k, _, _)| decisive(k))
            .collect();
        negatives += 1;
        if !seen.is_empty() {
            flagged += 1;
            println!(
                "FLAGGED [{}] {} => {seen:?}",
                case["category"].as_str().unwrap_or(""),
                text.chars().take(200).collect::<String>().escape_debug()
            );
        }
    }
    println!(
        "negatives {negatives}: flagged {flagged} ({:.2} %)",
        f64::from(flagged) * 100.0 / f64::from(negatives.max(1))
    );
}

#[test]
fn a_token_longer_than_any_is_taken_as_far_as_it_was_read() {
    let text = format!("x ya29.{}", "aB3d".repeat(1_000));
    let seen = found(&analyzers(), &text, TextContext::default());
    assert_eq!(
        seen.iter().map(|s| s.0.as_str()).collect::<Vec<_>>(),
        ["text.google.oauth-access-token"]
    );
}

#[test]
fn text_that_wastes_time_is_told_and_ordinary_keys_are_not() {
    let analyzers = analyzers();
    let ids = |text: &str| -> Vec<String> {
        let seen = found(&analyzers, text, TextContext::default());
        seen.into_iter().map(|s| s.0).collect()
    };
    assert_eq!(
        ids(&"\"kty\":\"RSA\",".repeat(20_000)),
        ["engine.text-budget"]
    );
    let public =
        r#"{"kty":"RSA","use":"sig","kid":"a1","e":"AQAB","n":"w3Yk9TqLx5RbVm2HsZf8JcNd"},"#;
    assert!(ids(&public.repeat(2_000)).is_empty());
    let log = "GET https://orders.azurewebsites.net/api/run?page=2 200 12ms\n";
    assert!(ids(&log.repeat(2_000)).is_empty());
    assert!(ids(&"proxy_auth=on ".repeat(2_000)).is_empty());
}
