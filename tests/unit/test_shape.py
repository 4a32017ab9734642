"""YAML that is made to be expensive or ambiguous is refused, in words and at once."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from mcp_egress_guard.config import AuditConfig, GatewayConfig
from mcp_egress_guard.policy.models import PolicyPack, ToolCallRequest
from mcp_egress_guard.shape import YamlFile

RULE = "rules:\n  - id: a\n    decision: DENY\n    "


def chain(first: str, later: str, length: int) -> str:
    return "\n".join([first] + [later.format(i, i - 1) for i in range(1, length)])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: " + "[" * 100_000, "nesting"),
        ("rules: " + "[" * 900 + "]" * 900, "nested too deeply"),
        (chain("x0: &x0 [1]", "x{0}: &x{0} [*x{1}]", 3000), "nested too deeply"),
        (chain("x0: &x0 [1]", "x{0}: &x{0} [*x{1}, *x{1}]", 50), "holds too many values"),
        (chain("x0: &x0 {k: 1}", "x{0}: &x{0} {{<<: [*x{1}, *x{1}]}}", 50), "unknown key"),
        (RULE + "conditions: &c {any: [*c]}", "is a part of itself"),
        (RULE + "conditions: {<<: 5}", "takes a mapping"),
        (RULE + "conditions: {[a]: b}", "a key that is not text"),
        (RULE + "tests: [{tool_name: !!binary aGk=, expected_decision: DENY}]", "is binary"),
    ],
)
def test_hostile_yaml_is_refused(text: str, message: str) -> None:
    source = YamlFile(text, "pack.yaml")
    assert source.record(PolicyPack) is None
    assert any(message in problem.message for problem in source.problems)


def test_a_merged_mapping_gives_way_to_what_is_written() -> None:
    text = "rules:\n  - &a {id: a, decision: DENY, priority: 5}\n  - {<<: *a, id: b}\n"
    pack = YamlFile(text, "pack.yaml").record(PolicyPack)
    assert pack is not None
    assert [(rule.id, rule.priority) for rule in pack.rules] == [("a", 5), ("b", 5)]


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        ("priority: true", "priority", "a whole number"),
        ("enabled: 1", "enabled", "true or false"),
        ("tags: {a: b}", "tags", "must be a list, not a mapping"),
        ("expires: 20300101", "expires", "a date"),
        ("expires: 2030-01-01 10:00:00", "expires", "a date"),
        ("masking: 3", "masking", "must be text"),
        ("conditions: {not_: {}}", "conditions.not_", "unknown condition"),
        ("conditions: {min_risk_score: .nan}", "conditions.min_risk_score", "more than"),
        ("conditions: {any: [{labels: {a: 1}}]}", "conditions.any[0].labels.a", "must be text"),
    ],
)
def test_a_value_of_another_kind_is_refused(body: str, field: str, message: str) -> None:
    source = YamlFile(RULE + body, "pack.yaml")
    assert source.record(PolicyPack) is None
    (problem,) = source.problems
    assert (problem.line, problem.field) == (4, f"rules[0].{field}")
    assert message in problem.message


def test_mistakes_of_yaml_and_of_fields_are_named_together() -> None:
    source = YamlFile("pack: a\npack: b\nrules: []\nauthr: x\n", "pack.yaml")
    assert source.record(PolicyPack) is None
    assert [problem.line for problem in source.problems] == [2, 4]


def test_models_that_are_made_in_python_are_checked_and_show_no_secret() -> None:
    with pytest.raises(ValidationError) as caught:
        AuditConfig.model_validate({"hmac_key": ["hunter2hunter2"]})
    assert "hunter2" not in str(caught.value)
    with pytest.raises(ValidationError):
        ToolCallRequest(tool_name=5)
    config = GatewayConfig(audit=AuditConfig(hmac_key="hunter2hunter2"))
    assert "hunter2" not in repr(config)
