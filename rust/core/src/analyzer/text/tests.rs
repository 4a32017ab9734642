//! The catalogue's examples through the analyzer, and a runner for corpora.

use super::*;
use crate::{analyzer::Analyzers, limits::Limits};

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

#[test]
fn examples_of_every_entry() {
    let analyzers = analyzers();
    let mut wrong = Vec::new();
    for (_, entry) in Catalog::documented().unwrap().iter() {
        if entry.kind != DetectorKind::Text
            || matches!(
                entry.id.as_str(),
                "text.entropy.high" | "text.organisation.fingerprint"
            )
        {
            continue;
        }
        for example in &entry.examples {
            let seen = found(
                &analyzers,
                example.text(),
                TextContext {
                    name: example.argument(),
                    is_key: false,
                },
            );
            let ok = seen
                .iter()
                .any(|(id, _, s)| *id == entry.id && example.secret().is_none_or(|e| e == s));
            if !ok {
                wrong.push(format!(
                    "{}: not seen in {:?}: {seen:?}",
                    entry.id,
                    example.text()
                ));
            }
        }
        for example in &entry.negative_examples {
            let seen = found(
                &analyzers,
                example.text(),
                TextContext {
                    name: example.argument(),
                    is_key: false,
                },
            );
            if seen.iter().any(|(id, _, _)| *id == entry.id) {
                wrong.push(format!(
                    "{}: wrongly seen in {:?}: {seen:?}",
                    entry.id,
                    example.text()
                ));
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

/// Prints how labelled corpora fare, worst families first:
/// `EGRESS_CORPUS_POS=… EGRESS_CORPUS_NEG=… cargo test … corpus_recall -- --ignored --nocapture`.
#[test]
#[ignore = "needs labelled corpora"]
fn corpus_recall() {
    use std::collections::BTreeMap;
    let guard = crate::guard::Guard::new(Catalog::embedded().unwrap().clone(), Settings::default())
        .unwrap();
    let findings = |text: &str| -> Vec<(String, String, String, bool)> {
        let frame = serde_json::json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "tool", "arguments": {"text": text}}}).to_string();
        let limits = Limits::default();
        let document = crate::walk::Document::parse(frame.as_bytes(), &limits).unwrap();
        let message = crate::frame::message(&document, crate::walk::ROOT).unwrap();
        let inspection = guard.inspect(&document, &message, &crate::guard::Context::default());
        inspection
            .findings
            .iter()
            .filter_map(|f| {
                let d = guard.analyzers.catalog.get(f.detector)?;
                (d.kind == DetectorKind::Text).then(|| {
                    (
                        d.id.clone(),
                        d.finding_type.clone(),
                        f.text_span
                            .of_str(&document.leaf(f.leaf).unwrap().text)
                            .to_owned(),
                        f.encoded,
                    )
                })
            })
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
