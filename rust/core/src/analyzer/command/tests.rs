//! The catalogue's examples, evasions by class, hostile inputs.

use super::*;
use crate::{
    analyzer::Analyzers,
    detector::{Catalog, syntax::DetectorKind},
    guard::Settings,
    limits::Limits,
};
use std::sync::LazyLock;

static ANALYZERS: LazyLock<Analyzers> = LazyLock::new(|| {
    Analyzers::new(Catalog::embedded().unwrap().clone(), &Settings::default()).unwrap()
});

/// Ids of what is found in a command.
fn ids(text: &str) -> Vec<&'static str> {
    let limits = Limits::default();
    let mut scope = Scope::new(&ANALYZERS, &limits);
    ANALYZERS.command.analyze(text, Dialect::Any, &mut scope);
    scope
        .findings
        .iter()
        .map(|f| ANALYZERS.catalog.get(f.detector).unwrap().id.as_str())
        .collect()
}

fn stopped(text: &str) -> bool {
    let limits = Limits::default();
    let mut scope = Scope::new(&ANALYZERS, &limits);
    ANALYZERS.command.analyze(text, Dialect::Any, &mut scope);
    scope.findings.iter().any(|f| {
        let d = ANALYZERS.catalog.get(f.detector).unwrap();
        d.tags.iter().any(|t| t == "deny" || t == "review")
            || d.kind == DetectorKind::Engine
            || (d.kind != DetectorKind::Command && d.risk_score >= 0.5)
    })
}

#[test]
fn every_example_gives_its_finding_and_no_negative_does() {
    let mut wrong = Vec::new();
    for (_, source) in Catalog::documented().unwrap().iter() {
        if source.kind != DetectorKind::Command {
            continue;
        }
        for example in &source.examples {
            if !ids(example.text()).contains(&source.id.as_str()) {
                wrong.push(format!("{} misses: {}", source.id, example.text()));
            }
        }
        for example in &source.negative_examples {
            if ids(example.text()).contains(&source.id.as_str()) {
                wrong.push(format!("{} must not see: {}", source.id, example.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Prints how a labelled corpus fares: `EGRESS_CORPUS=… cargo test … corpus -- --ignored --nocapture`.
#[test]
#[ignore = "needs a labelled corpus"]
fn corpus_shares() {
    let path = std::env::var("EGRESS_CORPUS").unwrap();
    let mut totals: std::collections::BTreeMap<String, (u32, u32)> = Default::default();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let command = case["command"].as_str().unwrap();
        let allow = case["expected"] == "ALLOW";
        let good = stopped(command) != allow;
        for key in [
            format!(
                "{}{}",
                if allow { "harmless " } else { "" },
                case["category"].as_str().unwrap()
            ),
            if allow {
                " ALL harmless".into()
            } else {
                " ALL attacks".into()
            },
        ] {
            let slot = totals.entry(key).or_default();
            slot.0 += u32::from(good);
            slot.1 += 1;
        }
        if !good {
            println!(
                "{} [{}] {command:?} {:?}",
                case["expected"],
                case["category"].as_str().unwrap(),
                ids(command)
            );
        }
    }
    for (key, (good, all)) in totals {
        println!("{good:5}/{all:<5} {key}");
    }
}
