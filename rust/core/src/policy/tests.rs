//! Tests of the algebra and of each condition, over findings that are made up.

use super::{
    CallFacts, Direction, Outcome, PolicyEngine,
    category::{Categories, Category},
    syntax::{Pack, PackedRule, RuleSource, Strategy},
};
use crate::{
    analyzer::destination::Destination,
    decision::Decision,
    detector::{
        Catalog,
        syntax::{DetectorKind, DetectorSource},
    },
    finding::Finding,
    frame,
    guard::{Context, Guard, Settings},
    limits::Limits,
    span::Span,
    walk::{Document, ROOT},
};
use serde_json::{Value, json};
use std::collections::BTreeMap;

const CALL: &str = r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"db_query",
    "arguments":{"sql":"DELETE  FROM users","config":{"host":"db.prod"}}}}"#;

fn catalog() -> Catalog {
    let text = |id: &str, kind: &str, finding_type: &str, risk: f64, tags: &[&str]| {
        json!({"id": id, "name": id, "description": "d", "kind": kind, "finding_type": finding_type,
            "risk_score": risk, "tags": tags, "examples": ["a", "b"], "negative_examples": ["c", "d"]})
    };
    let mut catalog = Catalog::default();
    let data = json!([{"file": "t.yaml", "data": {"detectors": [
        text("text.aws.key", "text", "aws_access_key", 0.95, &[]),
        text("text.generic.key", "text", "generic_api_key", 0.7, &[]),
        text("command.rm", "command", "rm_rf", 0.95, &["deny"]),
        text("text.internal", "text", "internal_url", 0.3, &[]),
    ]}}]);
    catalog.extend_json(&data.to_string()).unwrap();
    catalog
}

/// One message, with what the analyzers would have found.
#[derive(Default)]
struct Case {
    frame: &'static str,
    findings: Vec<(u32, f32)>,
    hosts: Vec<&'static str>,
    environment: &'static str,
    labels: Vec<(&'static str, &'static str)>,
    response: bool,
    default: Option<Decision>,
    server: &'static str,
    now: u64,
}

fn rule(id: &str, priority: i64, decision: &str, conditions: &Value) -> Value {
    json!({"id": id, "priority": priority, "decision": decision, "conditions": conditions})
}

impl Case {
    fn decide(&self, rules: &[Value]) -> Outcome {
        let sources: Vec<RuleSource> = rules
            .iter()
            .map(|r| serde_json::from_value(r.clone()).unwrap())
            .collect();
        let catalog = catalog();
        let default = self.default.unwrap_or(Decision::Allow);
        let engine = PolicyEngine::new(sources, default, &catalog).unwrap();
        let frame = if self.frame.is_empty() {
            CALL
        } else {
            self.frame
        };
        let document = Document::parse(frame.as_bytes(), &Limits::default()).unwrap();
        let params = document.member(0, "params");
        let member = |name| params.and_then(|node| document.member(node, name));
        let method = document
            .member(0, "method")
            .and_then(|node| document.str(node));
        let findings: Vec<Finding> = self
            .findings
            .iter()
            .map(|&(detector, risk)| Finding {
                detector,
                leaf: 0,
                span: Span::new(0, 1),
                text_span: Span::new(0, 1),
                pointer: "".into(),
                risk,
                encoded: false,
                preview: "".into(),
                detail: None,
            })
            .collect();
        let destinations: Vec<Destination> = self
            .hosts
            .iter()
            .map(|host| Destination {
                host: (*host).into(),
                scheme: "https".into(),
                port: None,
                path: String::new(),
                sends: true,
                span: Span::new(0, 0),
            })
            .collect();
        let labels: BTreeMap<String, String> = self
            .labels
            .iter()
            .map(|&(k, v)| (k.into(), v.into()))
            .collect();
        let mut categories = Categories::default();
        categories.add(Category::Database);
        engine.decide(&CallFacts {
            document: &document,
            message: ROOT,
            method: method.unwrap_or_default(),
            tool_name: member("name")
                .and_then(|node| document.str(node))
                .unwrap_or_default(),
            categories,
            arguments: member("arguments"),
            findings: &findings,
            catalog: &catalog,
            destinations: &destinations,
            environment: self.environment,
            labels: &labels,
            direction: if self.response {
                Direction::Response
            } else {
                Direction::Request
            },
            server: self.server,
            session_id: "s-1",
            hints: None,
            now: self.now,
        })
    }

    fn matches(&self, conditions: Value) -> bool {
        self.decide(&[rule("r", 1, "DENY", &conditions)])
            .primary
            .is_some()
    }
}

fn found(findings: &[(u32, f32)]) -> Case {
    Case {
        findings: findings.to_vec(),
        ..Case::default()
    }
}

#[test]
fn the_better_priority_decides_and_then_the_stricter() {
    let any = json!({"tool_name_patterns": ["*"]});
    let decide = |rules: &[(i64, &str)]| {
        let rules: Vec<Value> = (0..)
            .zip(rules)
            .map(|(i, (priority, decision))| rule(&format!("r{i}"), *priority, decision, &any))
            .collect();
        Case::default().decide(&rules).decision
    };
    assert_eq!(
        decide(&[(5, "ALLOW"), (5, "REDACT"), (5, "ESCALATE"), (5, "DENY")]),
        Decision::Deny
    );
    assert_eq!(
        decide(&[(5, "ALLOW"), (5, "REDACT"), (5, "ESCALATE")]),
        Decision::Escalate
    );
    assert_eq!(decide(&[(5, "ALLOW"), (5, "REDACT")]), Decision::Redact);
    assert_eq!(decide(&[(10, "DENY"), (5, "ALLOW")]), Decision::Allow);
    assert_eq!(
        decide(&[(5, "DENY"), (5, "ALLOW")]),
        decide(&[(5, "ALLOW"), (5, "DENY")])
    );
    assert_eq!(decide(&[]), Decision::Allow);
}

#[test]
fn a_simulated_rule_is_recorded_and_switches_nothing_off() {
    let any = json!({"tool_name_patterns": ["*"]});
    let simulate = rule("s", 1, "SIMULATE", &any);
    let outcome = Case::default().decide(&[simulate.clone(), rule("d", 9, "DENY", &any)]);
    assert_eq!(
        (outcome.decision, outcome.primary),
        (Decision::Deny, Some(1))
    );
    assert_eq!(
        (outcome.simulated, outcome.matched),
        (Some((Decision::Deny, 0)), vec![0, 1])
    );

    let alone = Case::default().decide(std::slice::from_ref(&simulate));
    assert_eq!(
        (alone.decision, alone.primary),
        (Decision::Simulate, Some(0))
    );

    let strict = Case {
        default: Some(Decision::Deny),
        ..Case::default()
    };
    let outcome = strict.decide(&[simulate]);
    assert_eq!((outcome.decision, outcome.primary), (Decision::Deny, None));
}

#[test]
fn redaction_covers_every_finding_of_every_redact_rule() {
    let mut tokenized = rule(
        "a",
        50,
        "REDACT",
        &json!({"secret_types": ["generic_api_key"]}),
    );
    tokenized["masking"] = json!("tokenized");
    let internal = rule(
        "b",
        60,
        "REDACT",
        &json!({"any": [{"secret_types": ["internal_url"]},
        {"environments": ["x"], "secret_types": ["aws_access_key"]}]}),
    );
    let case = found(&[(1, 0.7), (0, 0.5), (1, 0.7), (3, 0.3)]);
    let outcome = case.decide(&[internal, tokenized.clone()]);
    assert_eq!(
        outcome.redactions,
        [
            (0, Strategy::Tokenized),
            (2, Strategy::Tokenized),
            (3, Strategy::PartialMask)
        ]
    );
    let denied = case.decide(&[
        tokenized,
        rule("d", 1, "DENY", &json!({"min_risk_score": 0.5})),
    ]);
    assert_eq!(
        (denied.decision, denied.redactions),
        (Decision::Deny, vec![])
    );
    let by_tool = case.decide(&[rule(
        "t",
        1,
        "REDACT",
        &json!({"tool_name_patterns": ["db_*"]}),
    )]);
    assert_eq!(by_tool.redactions.len(), 4);
}

#[test]
fn tool_conditions() {
    let case = Case::default();
    assert!(case.matches(json!({"tool_name_patterns": ["db_*"]})));
    assert!(case.matches(json!({"tool_name_patterns": ["DB_QUERY"]})));
    assert!(!case.matches(json!({"tool_name_patterns": ["db_*", "!db_query"]})));
    assert!(case.matches(json!({"tool_categories": ["shell", "database"]})));
    assert!(!case.matches(json!({"tool_categories": ["shell"]})));
    assert!(case.matches(json!({"arg_path_patterns": ["config.host=*prod"]})));
    assert!(!case.matches(json!({"arg_path_patterns": ["config.port"]})));
    assert!(case.matches(json!({"methods": ["tools/*"]})));
    assert!(!case.matches(json!({"methods": ["prompts/get"]})));
}

#[test]
fn content_is_searched_in_values_and_keys_of_the_arguments() {
    let case = Case::default();
    assert!(case.matches(json!({"content_patterns": ["nothing", r"DELETE\s+FROM"]})));
    assert!(case.matches(json!({"content_patterns": ["^config$"]})));
    assert!(!case.matches(json!({"content_patterns": ["db_query"]})));
}

#[test]
fn finding_conditions_hold_for_one_and_the_same_finding() {
    let case = found(&[(1, 0.7), (2, 0.95)]);
    assert!(case.matches(json!({"secret_types": ["generic_api_key"]})));
    assert!(!case.matches(json!({"secret_types": ["rm_rf"]})));
    assert!(case.matches(json!({"finding_types": ["rm_rf"]})));
    assert!(case.matches(json!({"finding_tags": ["deny"]})));
    assert!(case.matches(json!({"finding_ids": ["command.*"], "min_risk_score": 0.95})));
    assert!(!case.matches(json!({"finding_ids": ["text.*"], "min_risk_score": 0.8})));
    assert!(!case.matches(json!({"finding_ids": ["text.*"], "finding_tags": ["deny"]})));
    assert!(
        case.matches(json!({"all": [{"finding_ids": ["text.*"]}, {"finding_tags": ["deny"]}]}))
    );
    assert!(case.matches(json!({"min_risk_score": 0.9})));
    assert!(!found(&[(1, 0.7)]).matches(json!({"min_risk_score": 0.9})));
    assert!(!found(&[]).matches(json!({"min_risk_score": 0.0})));
}

#[test]
fn destinations_environments_and_labels() {
    let case = Case {
        hosts: vec!["www.pastebin.com"],
        environment: "Production",
        labels: vec![("team", "security")],
        ..Case::default()
    };
    assert!(case.matches(json!({"destination_domains": ["*pastebin.com"]})));
    assert!(case.matches(json!({"destination_domains": ["!*.internal.company.com"]})));
    assert!(!Case::default().matches(json!({"destination_domains": ["!*.internal.company.com"]})));
    assert!(case.matches(json!({"environments": ["production"]})));
    assert!(!case.matches(json!({"environments": ["!prod*"]})));
    assert!(case.matches(json!({"labels": {"team": "security"}})));
    assert!(!case.matches(json!({"labels": {"team": "security", "x": "y"}})));
    let both = json!({"tool_categories": ["database"], "environments": ["staging"]});
    assert!(!case.matches(both));
}

#[test]
fn groups_and_exceptions() {
    let case = found(&[(0, 0.95)]);
    assert!(
        case.matches(json!({"any": [{"environments": ["x"]}, {"tool_categories": ["database"]}]}))
    );
    assert!(!case.matches(json!({"not": {"tool_categories": ["database"]}})));
    assert!(case.matches(json!({"not": {"not": {"tool_categories": ["database"]}}})));
    let mut rule = rule("r", 1, "DENY", &json!({"min_risk_score": 0.9}));
    rule["unless"] = json!({"tool_name_patterns": ["db_*"]});
    assert_eq!(case.decide(&[rule]).decision, Decision::Allow);
}

#[test]
fn rules_without_content_are_about_tool_calls_alone() {
    let initialize = r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"x":"secret"}}"#;
    let case = Case {
        frame: initialize,
        findings: vec![(0, 0.95)],
        environment: "production",
        default: Some(Decision::Deny),
        ..Case::default()
    };
    assert!(!case.matches(json!({"environments": ["production"]})));
    assert!(!case.matches(json!({})));
    assert!(case.matches(json!({"secret_types": ["aws_access_key"]})));
    assert!(case.matches(json!({"content_patterns": ["secret"]})));
    assert!(case.matches(json!({"environments": ["production"], "methods": ["*"]})));
    assert_eq!(case.decide(&[]).decision, Decision::Allow);
}

#[test]
fn answers_are_for_rules_that_name_them() {
    let case = Case {
        frame: r#"{"jsonrpc":"2.0","id":1,"result":{"text":"x"}}"#,
        findings: vec![(0, 0.95)],
        response: true,
        ..Case::default()
    };
    assert!(!case.matches(json!({"min_risk_score": 0.9})));
    assert!(case.matches(json!({"min_risk_score": 0.9, "direction": "response"})));
    assert!(case.matches(json!({"min_risk_score": 0.9, "direction": "any"})));
    assert!(!found(&[(0, 0.95)]).matches(json!({"min_risk_score": 0.9, "direction": "response"})));
}

#[test]
fn what_does_not_compile_is_named() {
    let rules = json!([
        {"id": "a", "decision": "DENY", "conditions": {"content_patterns": ["("], "min_risk_score": 5}},
        {"id": "a", "decision": "DENY", "conditions": {"tool_categories": ["shel"]}},
        {"id": "b", "decision": "DENY", "enabled": false, "conditions": {"any": [{"finding_ids": ["["]}, {}]}},
    ]);
    let sources: Vec<RuleSource> = serde_json::from_value(rules).unwrap();
    let errors = PolicyEngine::compile(sources, Decision::Allow, &catalog()).unwrap_err();
    let fields: Vec<(&str, &str)> = errors
        .iter()
        .map(|e| (e.rule.as_str(), e.field.as_str()))
        .collect();
    assert_eq!(
        fields,
        [
            ("a", "conditions.min_risk_score"),
            ("a", "conditions.content_patterns"),
            ("a", "id"),
            ("a", "conditions.tool_categories"),
            ("b", "conditions.any[0].finding_ids"),
            ("b", "conditions.any[1]"),
        ]
    );
    for bad in [
        json!({"content_pattern": ["x"]}),
        json!({"min_risk_score": "high"}),
    ] {
        assert!(serde_json::from_value::<RuleSource>(rule("r", 1, "DENY", &bad)).is_err());
    }
}

#[test]
fn disabled_rules_do_not_match() {
    let mut off = rule("r", 1, "DENY", &json!({"tool_categories": ["database"]}));
    off["enabled"] = json!(false);
    assert_eq!(Case::default().decide(&[off]).matched, Vec::<usize>::new());
}

#[test]
fn the_built_in_packs_pass_their_own_tests() {
    let files: Vec<Value> = serde_json::from_str(super::EMBEDDED_PACKS).unwrap();
    let packs: Vec<Pack> = files
        .iter()
        .map(|file| serde_json::from_value(file["data"].clone()).unwrap())
        .collect();
    let packed: Vec<&PackedRule> = packs.iter().flat_map(|pack| &pack.rules).collect();
    let rules: Vec<RuleSource> = packed.iter().map(|packed| packed.rule.clone()).collect();
    let catalog = Catalog::embedded().unwrap();
    let guard = Guard::new(
        catalog.clone(),
        Settings {
            rules,
            ..Settings::default()
        },
    )
    .unwrap();
    let mut failed = Vec::new();
    for (packed, test) in packed
        .iter()
        .flat_map(|p| p.tests.iter().map(move |t| (p, t)))
    {
        let params = json!({"name": test.tool_name, "arguments": test.arguments});
        let call = json!({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params});
        let call = call.to_string();
        let document = Document::parse(call.as_bytes(), &Limits::default()).unwrap();
        let message = frame::message(&document, ROOT).unwrap();
        let context = Context {
            environment: test.environment.clone(),
            labels: test.labels.clone(),
            ..Context::default()
        };
        let found = guard.inspect(&document, &message, &context);
        let by = guard.primary(&found).map(|rule| rule.id.as_str());
        let wrong_rule = test.rule.is_some() && test.rule.as_deref() != by;
        if found.decision != test.expected_decision || wrong_rule {
            failed.push(format!(
                "{}: {} by {by:?}",
                packed.rule.id,
                found.decision.as_str()
            ));
        }
    }
    assert_eq!(failed, Vec::<String>::new());
}

#[test]
fn the_built_in_packs_name_only_what_the_catalogue_has() {
    let files: Vec<Value> = serde_json::from_str(super::EMBEDDED_PACKS).unwrap();
    let catalog = Catalog::embedded().unwrap();
    for file in &files {
        let pack: Pack = serde_json::from_value(file["data"].clone()).unwrap();
        for conditions in pack.rules.iter().map(|packed| &packed.rule.conditions) {
            for name in &conditions.secret_types {
                let known =
                    |d: &DetectorSource| d.kind == DetectorKind::Text && d.finding_type == *name;
                assert!(catalog.iter().any(|(_, d)| known(d)), "secret type {name}");
            }
            for name in &conditions.finding_types {
                let known = |d: &DetectorSource| d.finding_type == *name;
                assert!(catalog.iter().any(|(_, d)| known(d)), "finding type {name}");
            }
        }
    }
}

#[test]
fn a_rule_may_be_about_one_server() {
    let of = |server| Case {
        server,
        ..Case::default()
    };
    let conditions = json!({"servers": ["git*", "!github-test"]});
    assert!(of("github").matches(conditions.clone()));
    assert!(!of("github-test").matches(conditions.clone()));
    assert!(!of("").matches(conditions.clone()));
}

#[test]
fn a_rule_matches_until_its_last_day_is_over() {
    let rules = |decision: &str| {
        let mut rule = rule("r", 1, decision, &json!({}));
        rule["expires"] = json!("2027-01-31");
        [rule]
    };
    let over = 1_801_440_000;
    for (decision, now, matches) in [
        ("ALLOW", over - 1, true),
        ("ALLOW", over, false),
        ("DENY", over - 1, true),
        ("DENY", over, false),
        // Without the time, whatever is stricter.
        ("ALLOW", 0, false),
        ("DENY", 0, true),
    ] {
        let case = Case {
            now,
            default: Some(Decision::Escalate),
            ..Case::default()
        };
        let primary = case.decide(&rules(decision)).primary;
        assert_eq!(primary.is_some(), matches, "{decision} {now}");
    }
}

#[test]
fn an_expression_without_a_value_lets_nothing_through() {
    let rules = |decision: &str, when: &str| {
        let mut rule = rule("r", 1, decision, &json!({}));
        rule["when"] = json!(when);
        [rule]
    };
    let missing = "arguments.nosuch == 1";
    for (decision, expected) in [
        ("ALLOW", Decision::Escalate),
        ("SIMULATE", Decision::Escalate),
        ("DENY", Decision::Deny),
        ("REDACT", Decision::Deny),
        ("ESCALATE", Decision::Escalate),
    ] {
        let case = Case {
            default: Some(Decision::Escalate),
            ..Case::default()
        };
        let outcome = case.decide(&rules(decision, missing));
        assert_eq!(outcome.decision, expected, "{decision}");
        let matched = !matches!(decision, "ALLOW" | "SIMULATE");
        assert_eq!(outcome.fault.is_some(), matched, "{decision}");
        let outcome = case.decide(&rules(decision, "!has(arguments.sql)"));
        assert_eq!((outcome.primary, outcome.fault), (None, None), "{decision}");
    }
}

#[test]
fn rules_of_all_kinds_are_asked_wherever_they_are_filed() {
    let case = Case {
        findings: vec![(2, 0.95)],
        hosts: vec!["a.example"],
        environment: "Production",
        labels: vec![("team", "x"), ("a", "b")],
        server: "store",
        ..Case::default()
    };
    for conditions in [
        json!({"finding_types": ["rm_rf"]}),
        json!({"min_risk_score": 0.95}),
        json!({"labels": {"a": "b", "team": "x"}}),
        json!({"environments": ["production", "test"]}),
        json!({"destination_domains": ["*.example"]}),
        json!({"servers": ["other", "Store"]}),
        json!({"tool_name_patterns": ["DB_query"]}),
        json!({"tool_name_patterns": ["db_*"]}),
        json!({"tool_categories": ["database"]}),
        json!({"content_patterns": ["delete"]}),
        json!({"any": [{"labels": {"no": "no"}}, {"environments": ["production"]}]}),
        json!({"any": [{"labels": {"no": "no"}}, {"not": {"environments": ["x"]}}]}),
        json!({"all": [{"not": {"labels": {"no": "no"}}}, {"tool_name_patterns": ["db_query"]}]}),
        json!({"not": {"tool_name_patterns": ["x"]}}),
    ] {
        let many: Vec<Value> = (0..70)
            .map(|n| {
                rule(
                    &format!("other-{n}"),
                    n,
                    "DENY",
                    &json!({"labels": {"no": "no"}}),
                )
            })
            .chain([rule("r", 99, "DENY", &conditions)])
            .collect();
        assert_eq!(case.decide(&many).primary, Some(70), "{conditions}");
    }
    for (when, matches) in [
        ("tool == 'db_query'", true),
        ("arguments.nosuch == 1 && tool == 'db_query'", true),
        ("arguments.nosuch == 1 && tool == 'other'", false),
        ("'DB_QUERY' == tool", false),
        ("environment == 'Production' && risk > 0.9", true),
        ("environment == 'production'", false),
        ("server == 'store'", true),
        ("tool == 'other' || risk > 0.9", true),
        ("!(tool == 'other')", true),
        ("tool != 'other'", true),
    ] {
        let mut last = rule("r", 99, "DENY", &json!({}));
        last["when"] = json!(when);
        let primary = case.decide(&[last]).primary;
        assert_eq!(primary.is_some(), matches, "{when}");
    }
    assert!(!case.matches(json!({"min_risk_score": 0.96})));
}
