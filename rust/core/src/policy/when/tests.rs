//! What expressions say about a call, and what is refused when a rule is loaded.

use super::*;
use crate::{
    analyzer::destination::Destination,
    detector::Catalog,
    finding::Finding,
    limits::Limits,
    policy::{
        Direction,
        category::{Categories, Category},
        hint::Hints,
    },
    span::Span,
    walk::{Document, ROOT},
};
use std::collections::BTreeMap;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"db_query",
    "arguments":{"sql":"DELETE FROM users","limit":10,"big":18446744073709551615,"ratio":0.5,
        "huge":123456789012345678901234567890,"deep":{"a":[1,2,{"b":"x"}]},"tags":["a","b"],"no":null,
        "same":{"a":[1,2,{"b":"x"}]},"on":true}}}"#;

fn holds_in(frame: &str, text: &str) -> Result<bool, Fault> {
    let when = When::new(text).unwrap_or_else(|message| panic!("{text}: {message}"));
    let document = Document::parse(frame.as_bytes(), &Limits::default()).unwrap();
    let params = document.member(ROOT, "params").unwrap();
    let catalog = Catalog::embedded().unwrap();
    let detector = |kind: &str| catalog.iter().find(|(_, d)| d.finding_type == kind);
    let finding = |kind, risk, pointer: &str| Finding {
        detector: detector(kind).unwrap().0,
        leaf: 0,
        span: Span::new(0, 1),
        text_span: Span::new(0, 1),
        pointer: pointer.into(),
        risk,
        encoded: false,
        preview: "".into(),
        detail: None,
    };
    let findings = [
        finding("rm_rf", 0.95, "/params/arguments/command"),
        finding("aws_access_key", 0.7, "/params/arguments/note"),
    ];
    let destinations = [Destination {
        host: "api.example.com".into(),
        scheme: "https".into(),
        port: None,
        path: "/v1".into(),
        sends: true,
        span: Span::new(0, 0),
    }];
    let labels = BTreeMap::from([("team".to_owned(), "red".to_owned())]);
    let hints = Hints::default();
    let list = r#"{"tools":[{"name":"db_query","annotations":{"readOnlyHint":true,"title":"x"}}]}"#;
    let list = Document::parse(list.as_bytes(), &Limits::default()).unwrap();
    hints.learn(&list, ROOT);
    let mut categories = Categories::default();
    categories.add(Category::Database);
    when.holds(&CallFacts {
        document: &document,
        message: ROOT,
        method: "tools/call",
        tool_name: "db_query",
        categories,
        arguments: document.member(params, "arguments"),
        findings: &findings,
        catalog,
        destinations: &destinations,
        environment: "production",
        labels: &labels,
        direction: Direction::Request,
        server: "warehouse",
        session_id: "s-1",
        hints: hints.of("db_query"),
        now: 0,
    })
}

fn holds(text: &str) -> Result<bool, Fault> {
    holds_in(CALL, text)
}

#[test]
fn an_expression_speaks_of_the_whole_call() {
    for (text, expected) in [
        ("tool == 'db_query' && server == 'warehouse'", true),
        ("method == 'tools/call' && direction == 'request'", true),
        ("'database' in categories && !('shell' in categories)", true),
        ("environment == 'production' && labels.team == 'red'", true),
        ("labels['team'] == 'red' && !has(labels.other)", true),
        ("hints.readOnlyHint && !has(hints.destructiveHint)", true),
        ("session.id == 's-1'", true),
        ("risk == 0.95", true),
        (
            "findings.exists(f, f.type == 'aws_access_key' && f.risk < 0.8)",
            true,
        ),
        (
            "findings.all(f, f.pointer.startsWith('/params/arguments/'))",
            true,
        ),
        ("findings.exists_one(f, f.analyzer == 'shell')", true),
        ("findings.map(f, f.id).size() == 2", true),
        (
            "destinations.exists(d, d.host.endsWith('.example.com') && d.sends)",
            true,
        ),
        ("destinations[0].scheme + '://' == 'https://'", true),
        ("has(destinations[0].port)", false),
        ("arguments.sql.matches('(?i)^delete\\\\s+from')", true),
        ("arguments.sql.lowerAscii().contains('users')", true),
        ("arguments.limit > 5 && arguments.limit <= 10.0", true),
        (
            "arguments.limit + 1 == 11 && arguments.limit % 3 == 1",
            true,
        ),
        ("arguments.big == 18446744073709551615u", true),
        ("arguments.ratio * 2.0 == 1.0", true),
        ("arguments.deep.a[2].b == 'x'", true),
        (
            "arguments.deep == arguments.same && arguments.deep != arguments.tags",
            true,
        ),
        ("'tags' in arguments && 'b' in arguments.tags", true),
        (
            "arguments.tags == ['a', 'b'] && arguments.tags + ['c'] == ['a', 'b', 'c']",
            true,
        ),
        ("arguments.tags.filter(t, t > 'a') == ['b']", true),
        (
            "arguments.exists(k, k == 'sql') && size(arguments.tags) == 2",
            true,
        ),
        ("arguments.no == null && arguments.on", true),
        ("has(arguments.on) ? arguments.on : false", true),
        (
            "{'a': 1}.a == 1 && int('7') == 7 && double('0.5') == 0.5 && string(7) == '7'",
            true,
        ),
        ("size('aé') == 2", true),
        ("-arguments.limit == -10", true),
        // One operand decides, whatever becomes of the other.
        ("arguments.nosuch == 1 || true", true),
        ("true || arguments.nosuch == 1", true),
        ("arguments.nosuch == 1 && false", false),
        (
            "['x', arguments.tags[0]].exists(t, t == 'a' || arguments.nosuch)",
            true,
        ),
    ] {
        assert_eq!(holds(text), Ok(expected), "{text}");
    }
}

#[test]
fn what_has_no_value_is_a_fault() {
    for (text, why) in [
        ("arguments.nosuch == 1", "not there"),
        ("arguments['nosuch'] == 1", "not there"),
        ("arguments.tags[2] == 'c'", "outside"),
        ("arguments.tags[-1] == 'c'", "outside"),
        ("arguments.sql > 1", "no order"),
        ("arguments.limit / 0 == 1", "by zero"),
        ("arguments.limit % 0 == 1", "by zero"),
        ("9223372036854775807 + arguments.limit > 0", "too large"),
        ("arguments.huge > 1", "too large"),
        ("arguments.sql", "neither true nor false"),
        ("arguments.sql.nosuch == 1", "no fields"),
        ("int(arguments.sql) == 1", "no number"),
        (
            "arguments.limit.exists(x, true)",
            "neither a list nor a map",
        ),
        ("arguments.tags.map(t, arguments.nosuch) == []", "not there"),
        ("{'a': 1, arguments.tags[0]: 2} == {}", "twice"),
    ] {
        let fault = holds(text).unwrap_err().to_string();
        assert!(fault.contains(why), "{text}: {fault}");
    }
}

#[test]
fn a_mistake_is_named_with_its_place_when_the_rule_is_loaded() {
    for (text, place, why) in [
        ("tool = 'x'", "line 1, column 6", ""),
        (
            "tool == 'x' &&\n toool == 'y'",
            "line 2, column 2",
            "unknown name \"toool\"",
        ),
        (
            "findings.exists(f, f.tpye == 'x')",
            "line 1, column",
            "no field \"tpye\"",
        ),
        ("destinations[0].hots == 'x'", "line 1, column", "no field"),
        ("session.nosuch == ''", "line 1, column", "no field"),
        ("tool", "line 1, column 1", "a string, not true or false"),
        ("tool + 1 == 'x'", "line 1, column", "does not take"),
        ("tool > risk", "line 1, column", "does not take"),
        ("risk && true", "line 1, column", "does not take"),
        ("tool.nosuch() == 1", "line 1, column", "unknown function"),
        ("tool.startsWith(1)", "line 1, column", "does not take"),
        ("tool.matches(server)", "line 1, column", "written out"),
        ("tool.matches('(')", "line 1, column", "regular expression"),
        (
            "tool.matches('(a)\\\\1')",
            "line 1, column",
            "regular expression",
        ),
        (
            "tool.matches('((a{100}){100}){100}')",
            "line 1, column",
            "too large",
        ),
        ("tool.exists(c, true)", "line 1, column", "no elements"),
        ("b'x' == b'x'", "line 1, column", "bytes"),
        ("a{b: 1} == 1", "line 1, column", "messages"),
        ("", "", "empty"),
        (" ", "", "empty"),
    ] {
        let message = When::new(text).unwrap_err();
        assert!(
            message.contains(place) && message.contains(why),
            "{text}: {message}"
        );
        assert!(!message.contains('\n'), "{message}");
    }
}

#[test]
fn expressions_are_bounded_when_they_are_loaded() {
    let long = format!("tool == '{}'", "a".repeat(LONGEST));
    assert!(When::new(&long).unwrap_err().contains("longer"));
    for deep in [
        format!("{}true{}", "(".repeat(500), ")".repeat(500)),
        format!("{}true{}", "[".repeat(500), "]".repeat(500)),
        format!("tool{}", ".a".repeat(500)),
        format!("true{}", " ? true : true".repeat(100)),
        format!("{}1", "1 + ".repeat(400)),
        "arguments[".repeat(100),
        format!("{}true{}", "[1].exists(x, ".repeat(100), ")".repeat(100)),
    ] {
        assert!(When::new(&deep).is_err(), "{deep}");
    }
    // A long chain is no deep one.
    assert!(When::new(&format!("{}true", "tool == 'a' || ".repeat(100))).is_ok());
}

#[test]
fn work_is_bounded_when_a_call_is_judged() {
    let elements = vec!["1"; 10_000].join(",");
    let frame = format!(
        r#"{{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{{"name":"t","arguments":{{"a":[{elements}],"s":"{}"}}}}}}"#,
        "x".repeat(100_000)
    );
    assert_eq!(holds_in(&frame, "arguments.a.all(x, x == 1)"), Ok(true));
    assert_eq!(
        holds_in(&frame, "arguments.a.map(x, x + 1).size() == 10000"),
        Ok(true)
    );
    for endless in [
        "arguments.a.all(x, arguments.a.all(y, x == y))",
        // Not even an operand that would decide.
        "arguments.a.all(x, arguments.a.all(y, x == y)) || true",
        "['x'].map(x, arguments.s + arguments.s).map(x, x + x).map(x, x + x).map(x, x + x)\
         .map(x, x + x).map(x, x + x).map(x, x + x).map(x, x + x).map(x, x + x).size() == 1",
        "arguments.a.exists(x, arguments.s.contains('y'))",
        "[arguments.a].map(x, x + x).map(x, x + x).map(x, x + x).map(x, x + x).map(x, x + x)\
         .size() == 1",
    ] {
        let fault = holds_in(&frame, endless).unwrap_err().to_string();
        assert!(fault.contains("steps"), "{endless}: {fault}");
    }
}
