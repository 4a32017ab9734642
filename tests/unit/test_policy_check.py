"""What `policy validate` says beyond mistakes of form, and the tests that rules carry."""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from mcp_egress_guard.errors import PolicyError
from mcp_egress_guard.policy.builtins import builtin_pack_files, load_builtin_rules, profile
from mcp_egress_guard.policy.check import run_tests, validate
from mcp_egress_guard.policy.models import MatchCondition, PolicyRule
from mcp_egress_guard.policy.overlap import overlap


def findings(folder: Path, *rules: str) -> list[tuple[str, str]]:
    text = "rules:\n" + "".join(f"  - {{{rule}}}\n" for rule in rules)
    (folder / "pack.yaml").write_text(text)
    found = validate([folder], today=datetime.date(2030, 1, 1)).all_problems
    return [(problem.severity, problem.field) for problem in found]


NARROW = "conditions: {tool_name_patterns: [x]}"


def test_harmless_rules_have_no_findings(tmp_path: Path) -> None:
    assert findings(tmp_path, f"id: a, decision: DENY, {NARROW}") == []


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        (["id: a, decision: ALLOW"], [("warning", "rules[0].conditions")]),
        (["id: a, decision: DENY"], [("warning", "rules[0].conditions")]),
        (
            [f"id: a, decision: ALLOW, priority: 1, {NARROW}", f"id: b, decision: DENY, {NARROW}"],
            [("warning", "rules[1]")],
        ),
        (
            [f"id: a, decision: DENY, {NARROW}", f"id: b, decision: ALLOW, {NARROW}"],
            [("warning", "rules[1]")],
        ),
        (
            [
                "id: a, decision: DENY, priority: 1, conditions: {min_risk_score: 0.5}",
                "id: b, decision: DENY, conditions: {min_risk_score: 0.9, environments: [p]}",
            ],
            [("warning", "rules[1]")],
        ),
        (
            [
                "id: a, decision: DENY, priority: 1, conditions: {min_risk_score: 0.9}",
                "id: b, decision: DENY, conditions: {min_risk_score: 0.5}",
            ],
            [],
        ),
        (
            [
                f"id: a, decision: SIMULATE, priority: 1, {NARROW}",
                f"id: b, decision: DENY, {NARROW}",
            ],
            [],
        ),
        (
            [
                "id: a, decision: DENY, conditions: {direction: response, tool_name_patterns: [x]}",
            ],
            [("warning", "rules[0].conditions")],
        ),
        (
            [
                "id: a, decision: DENY, conditions: "
                "{secret_types: [aws_access_key], finding_types: [rm_rf]}"
            ],
            [("warning", "rules[0].conditions")],
        ),
        (
            [f"id: a, decision: DENY, masking: full_mask, {NARROW}"],
            [("warning", "rules[0].masking")],
        ),
        (
            [f"id: a, decision: ALLOW, expires: 2029-12-31, reason: r, {NARROW}"],
            [("warning", "rules[0].expires")],
        ),
        (
            [f"id: a, decision: ALLOW, expires: 2030-12-31, {NARROW}"],
            [("warning", "rules[0].expires")],
        ),
        (
            [
                f'id: a, decision: ALLOW, priority: 1, when: "risk > 0.5", {NARROW}',
                f"id: b, decision: DENY, {NARROW}",
            ],
            [],
        ),
        (
            [
                "id: a, decision: DENY, conditions: {tool_name_patterns: [shell_*]}",
                "id: b, decision: ALLOW, conditions: {tool_name_patterns: ['*_exec']}",
            ],
            [("warning", "rules[1]")],
        ),
        (
            [
                "id: a, decision: ALLOW, conditions: {tool_categories: [git, shell]}",
                "id: b, decision: DENY, conditions: {tool_categories: [shell]}",
            ],
            [("warning", "rules[0]")],
        ),
        (
            [
                "id: a, decision: ALLOW, priority: 1, conditions: {tool_categories: [git, shell]}",
                "id: b, decision: DENY, priority: 2, "
                "conditions: {tool_categories: [shell, database]}",
            ],
            [],
        ),
        (
            ["id: a, decision: ALLOW, conditions: {tool_hints: {readOnlyHint: true}}"],
            [("warning", "rules[0].conditions")],
        ),
        (
            [f"id: a, decision: ALLOW, when: hints.readOnlyHint, {NARROW}"],
            [("warning", "rules[0].conditions")],
        ),
        (
            [
                f"id: a, decision: DENY, expires: 2029-12-31, reason: r, {NARROW}, "
                "tests: [{tool_name: x, expected_decision: DENY}]"
            ],
            [("warning", "rules[0].expires")],
        ),
        (
            [
                f"id: a, decision: DENY, {NARROW}, "
                "tests: [{tool_name: y, expected_decision: ALLOW}, "
                "{tool_name: x, expected_decision: ALLOW}]"
            ],
            [("error", "rules[0].tests[1]")],
        ),
    ],
)
def test_rules_that_do_not_do_what_they_seem_to(
    tmp_path: Path, rules: list[str], expected: list[tuple[str, str]]
) -> None:
    assert findings(tmp_path, *rules) == expected


def test_an_allowlist_that_is_over_or_too_wide_is_reported(tmp_path: Path) -> None:
    entries = [
        "id: over, expires: 2029-12-31, finding_types: [rm_rf]",
        "id: long, expires: 2040-01-01, finding_types: [rm_rf]",
        "id: wide, expires: 2030-06-01, finding_ids: ['*']",
        "id: fine, expires: 2030-06-01, finding_types: [rm_rf]",
    ]
    text = "allowlists:\n" + "".join(f"  - {{{e}, reason: r, tools: [x]}}\n" for e in entries)
    (tmp_path / "pack.yaml").write_text(text)
    found = validate([tmp_path], today=datetime.date(2030, 1, 1)).all_problems
    assert [(p.severity, p.line, p.field) for p in found] == [
        ("warning", 2, "allowlists[0].expires"),
        ("warning", 3, "allowlists[1].expires"),
        ("warning", 4, "allowlists[2].finding_ids"),
    ]


def test_the_tests_of_the_built_in_rules_pass() -> None:
    results = list(run_tests(load_builtin_rules()))
    failed = [f"{r.rule.id}[{r.index}]: {r}" for r in results if not r.passed]
    assert failed == []
    assert len(results) >= 40


@pytest.mark.parametrize("name", ["default", "enterprise"])
def test_the_packs_that_init_writes_have_no_findings(tmp_path: Path, name: str) -> None:
    for file, text in profile(name).packs.items():
        (tmp_path / file).write_text(text)
    assert [str(p) for p in validate([tmp_path]).all_problems] == []


@pytest.mark.parametrize("name", sorted(builtin_pack_files()))
def test_each_pack_holds_by_itself(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text(builtin_pack_files()[name])
    assert [str(p) for p in validate([tmp_path]).all_problems] == []


def test_records_take_what_pydantic_models_took() -> None:
    rule = PolicyRule.model_validate(
        {"id": "a", "decision": "DENY", "conditions": {"tool_categories": ["shell"], "not": {}}}
    )
    assert rule.conditions.not_ == MatchCondition()
    assert PolicyRule.model_validate(rule.model_dump(mode="json")) == rule
    assert rule.model_copy(update={"priority": 1}).priority == 1
    for bad in (
        {"id": "a", "decision": "deny"},
        {"id": "a", "decision": "DENY", "prio": 1},
        {"id": "a"},
        {"id": "a", "decision": "DENY", "conditions": {"tool_categories": ["x"]}},
    ):
        with pytest.raises(PolicyError):
            PolicyRule.model_validate(bad)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        ({"secret_types": ["a", "b"]}, {"secret_types": ["b", "c"]}, True),
        ({"secret_types": ["a"]}, {"secret_types": ["b"]}, False),
        ({"tool_name_patterns": ["read_*"]}, {"tool_name_patterns": ["write_*"]}, False),
        ({"tool_name_patterns": ["READ_*"]}, {"tool_name_patterns": ["?ead_x*"]}, True),
        ({"tool_name_patterns": ["*", "!a"]}, {"tool_name_patterns": ["b"]}, False),
        ({"destination_domains": ["*.a.com"]}, {"destination_domains": ["x.*"]}, True),
        # About different things: who writes both knows that a call may be of both.
        ({"tool_name_patterns": ["x"]}, {"secret_types": ["a"]}, False),
        ({"environments": ["p"]}, {"environments": ["p"]}, False),
        (
            {"tool_categories": ["shell"], "environments": ["production"]},
            {"tool_categories": ["shell"], "environments": ["staging"]},
            False,
        ),
        (
            {"tool_categories": ["shell"], "environments": ["prod*"]},
            {"tool_categories": ["shell"], "tool_name_patterns": ["x"]},
            True,
        ),
        (
            {"tool_categories": ["shell"], "labels": {"team": "a"}},
            {"tool_categories": ["shell"], "labels": {"team": "b"}},
            False,
        ),
        (
            {"secret_types": ["a"], "direction": "response"},
            {"secret_types": ["a"]},
            False,
        ),
        (
            {"tool_categories": ["shell"], "not": {"labels": {"team": "a"}}},
            {"tool_categories": ["shell"]},
            False,
        ),
    ],
)
def test_what_two_rules_share(
    one: dict[str, object], other: dict[str, object], expected: bool
) -> None:
    sides = MatchCondition.model_validate(one), MatchCondition.model_validate(other)
    assert overlap(*sides) == overlap(*reversed(sides)) == expected
