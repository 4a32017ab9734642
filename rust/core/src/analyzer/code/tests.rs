//! The catalogue's examples, evasions by class, hostile inputs.

use crate::{
    analyzer::{Analyzers, Language, Scope},
    detector::{Catalog, syntax::DetectorKind},
    guard::Settings,
    limits::Limits,
};
use std::sync::LazyLock;

static ANALYZERS: LazyLock<Analyzers> = LazyLock::new(|| {
    Analyzers::new(Catalog::embedded().unwrap().clone(), &Settings::default()).unwrap()
});

fn found(text: &str, language: Language) -> Vec<&'static str> {
    let limits = Limits::default();
    let mut scope = Scope::new(&ANALYZERS, &limits);
    ANALYZERS.code.analyze(text, language, &mut scope);
    scope
        .findings
        .iter()
        .map(|f| ANALYZERS.catalog.get(f.detector).unwrap().id.as_str())
        .collect()
}

fn stopped_by(ids: &[&str]) -> bool {
    ids.iter().any(|id| {
        let d = ANALYZERS
            .catalog
            .get(ANALYZERS.catalog.find(id).unwrap())
            .unwrap();
        d.tags.iter().any(|t| t == "deny" || t == "review")
            || d.kind == DetectorKind::Engine
            || (!matches!(
                d.kind,
                DetectorKind::Command | DetectorKind::Code | DetectorKind::Sql
            ) && d.risk_score >= 0.5)
    })
}

fn denied(text: &str, language: Language) -> bool {
    found(text, language).iter().any(|id| {
        let d = ANALYZERS
            .catalog
            .get(ANALYZERS.catalog.find(id).unwrap())
            .unwrap();
        d.tags.iter().any(|t| t == "deny")
    })
}

/// The language that an entry's examples are written in.
fn language_of(source: &crate::detector::syntax::DetectorSource) -> Language {
    match source.id.split('.').nth(1) {
        Some("javascript") => Language::JavaScript,
        Some("perl") => Language::Perl,
        Some("ruby") => Language::Ruby,
        Some("php") => Language::Php,
        Some("lua") => Language::Lua,
        Some("awk") => Language::Awk,
        _ => Language::Python,
    }
}

#[test]
fn every_example_gives_its_finding_and_no_negative_does() {
    let mut wrong = Vec::new();
    for (_, source) in ANALYZERS.catalog.iter() {
        if source.kind != DetectorKind::Code {
            continue;
        }
        let language = language_of(source);
        for example in &source.examples {
            let ids = found(example.text(), language);
            if !ids.contains(&source.id.as_str()) {
                wrong.push(format!("{} misses: {} {ids:?}", source.id, example.text()));
            }
        }
        for example in &source.negative_examples {
            if found(example.text(), language).contains(&source.id.as_str()) {
                wrong.push(format!("{} must not see: {}", source.id, example.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Prints how a labelled corpus fares: `EGRESS_PY_CORPUS=… cargo test … python_shares -- --ignored --nocapture`.
#[test]
#[ignore = "needs a labelled corpus"]
fn python_shares() {
    let path = std::env::var("EGRESS_PY_CORPUS").unwrap();
    let mut totals: std::collections::BTreeMap<String, (u32, u32)> = Default::default();
    for line in std::fs::read_to_string(path).unwrap().lines() {
        let case: serde_json::Value = serde_json::from_str(line).unwrap();
        let code = case["command"].as_str().unwrap();
        let allow = case["expected"] == "ALLOW";
        let ids = found(code, Language::Python);
        let good = stopped_by(&ids) != allow;
        let strict = case["expected"] != "DENY" || denied(code, Language::Python);
        let category = case["category"].as_str().unwrap();
        for key in [
            category.to_owned(),
            format!(" ALL {}", case["expected"].as_str().unwrap()),
        ] {
            let slot = totals.entry(key).or_default();
            slot.0 += u32::from(good);
            slot.1 += 1;
        }
        if !good || !strict {
            println!("{} [{category}] {code:?} {ids:?}", case["expected"]);
        }
    }
    for (key, (good, all)) in totals {
        println!("{good:5}/{all:<5} {key}");
    }
}
