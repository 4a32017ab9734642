//! The catalogue's examples, look-alikes, hostile inputs.
#![allow(clippy::arithmetic_side_effects, reason = "small numbers of tests")]

use crate::{
    analyzer::{Analyzers, Scope},
    detector::{Catalog, syntax::DetectorKind},
    guard::Settings,
    limits::Limits,
};
use std::sync::LazyLock;

static ANALYZERS: LazyLock<Analyzers> = LazyLock::new(|| {
    Analyzers::new(Catalog::embedded().unwrap().clone(), &Settings::default()).unwrap()
});

fn found(text: &str) -> Vec<&'static str> {
    let limits = Limits::default();
    let mut scope = Scope::new(&ANALYZERS, &limits);
    ANALYZERS.sql.analyze(text, &mut scope);
    scope
        .findings
        .iter()
        .map(|f| ANALYZERS.catalog.get(f.detector).unwrap().id.as_str())
        .collect()
}

#[test]
fn every_example_gives_its_finding_and_no_negative_does() {
    let mut wrong = Vec::new();
    for (_, source) in ANALYZERS.catalog.iter() {
        if source.kind != DetectorKind::Sql {
            continue;
        }
        for example in &source.examples {
            let ids = found(example.text());
            if !ids.contains(&source.id.as_str()) {
                wrong.push(format!("{} misses: {} {ids:?}", source.id, example.text()));
            }
        }
        for example in &source.negative_examples {
            if found(example.text()).contains(&source.id.as_str()) {
                wrong.push(format!("{} must not see: {}", source.id, example.text()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn ordinary_statements_are_silent() {
    for text in [
        "SELECT * FROM audit WHERE query LIKE '%DROP TABLE%'",
        "INSERT INTO t VALUES ('DROP TABLE users')",
        "INSERT INTO t(a) VALUES (1) ON CONFLICT (a) DO UPDATE SET a = 2",
        "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1",
        "CREATE TABLE t (id int REFERENCES u ON DELETE CASCADE ON UPDATE CASCADE)",
        "SELECT * FROM t WHERE id = 1 FOR UPDATE",
        "SELECT truncate(1.234, 2), replace(a, 'b', 'c') FROM t",
        "-- DROP TABLE users\nSELECT 1",
        "/* TRUNCATE t; */ SELECT 1",
        "EXPLAIN DELETE FROM t",
        "CREATE TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM u; END; SELECT 1",
        "DELETE FROM t WHERE id = 5",
        "UPDATE t SET a = 1 WHERE id = 5 AND b = 'x'",
        "UPDATE t SET a = u.a FROM t JOIN u ON t.id = u.id",
        "MERGE INTO t USING s ON t.id = s.id WHEN MATCHED THEN DELETE",
        "ALTER TABLE t ADD COLUMN dropped int",
        "GRANT SELECT ON t TO reader",
        "show tables",
        "SELECT updated, deleted FROM t",
        "SELECT 'it''s; DROP TABLE x'",
    ] {
        assert_eq!(found(text), Vec::<&str>::new(), "{text}");
    }
}

#[test]
fn hostile_texts_end() {
    for piece in [
        "(",
        "'",
        "$a$",
        "$$",
        "/*",
        "--",
        "[a",
        "\"",
        "delete from ",
        "(delete ",
        "or 1=1 ",
        "where ",
        "a=",
        ";",
        "drop ",
        "$a",
        "\\'",
        "begin ",
    ] {
        found(&piece.repeat(250_000 / piece.len()));
    }
}
