"""Rules out of files and the store: nothing wrong is let through, nothing is skipped in silence."""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

import pytest

from mcp_egress_guard import core
from mcp_egress_guard.config import GatewayConfig, load_config
from mcp_egress_guard.core import EgressGuard, frame_of
from mcp_egress_guard.errors import PolicyError, Problem
from mcp_egress_guard.policy.loader import find_files, load_guard, load_path, load_rules, read_files
from mcp_egress_guard.policy.models import PolicyDecision, PolicyRule, ToolCallRequest
from mcp_egress_guard.policy.store import RuleStore

GOOD = "rules:\n  - {id: a, decision: DENY, conditions: {tool_name_patterns: [x]}}\n"


def problems(folder: Path, text: str, name: str = "pack.yaml") -> list[Problem]:
    (folder / name).write_text(text)
    return read_files([folder]).all_problems


def rule(body: str) -> str:
    return f"rules:\n  - id: a\n    decision: DENY\n    {body}\n"


@pytest.mark.parametrize(
    ("text", "line", "field", "hint"),
    [
        (rule("conditions: {content_pattern: [x]}"), 4, "content_pattern", "content_patterns"),
        (rule("enviroments: [x]"), 4, "rules[0].enviroments", ""),
        (rule("conditions: {content_patterns: ['(']}"), 4, "conditions.content_patterns", ""),
        (rule(r"conditions: {content_patterns: ['(a)\1']}"), 4, "content_patterns", ""),
        (rule("conditions: {content_patterns: ['(?=a)']}"), 4, "content_patterns", ""),
        (
            rule("conditions: {secret_types: [aws_acces_key]}"),
            4,
            "secret_types[0]",
            "aws_access_key",
        ),
        (rule("conditions: {finding_types: [rm_fr]}"), 4, "finding_types[0]", "rm_rf"),
        (rule("conditions: {finding_tags: [dany]}"), 4, "finding_tags[0]", "deny"),
        (rule("conditions: {tool_categories: [shel]}"), 4, "tool_categories[0]", "shell"),
        (rule("conditions: {tool_categories: shell}"), 4, "tool_categories", '["shell"]'),
        (rule("conditions: {min_risk_score: 5}"), 4, "min_risk_score", ""),
        (rule("conditions: {min_risk_score: -1}"), 4, "min_risk_score", ""),
        (rule("conditions: {arg_path_patterns: ['a..b']}"), 4, "arg_path_patterns", ""),
        (rule("conditions: {arg_path_patterns: ['$[']}"), 4, "arg_path_patterns", ""),
        (rule("conditions: {tool_name_patterns: ['[a']}"), 4, "tool_name_patterns", ""),
        (rule("conditions: {destination_domains: ['a b']}"), 4, "destination_domains", ""),
        (rule("conditions: {any: [{}]}"), 4, "conditions.any[0]", ""),
        (rule("conditions:"), 4, "rules[0].conditions", ""),
        (rule("priority: high"), 4, "rules[0].priority", ""),
        (
            rule("policy_code: EGRESS_DENY_PUBLIC_UPLAOD"),
            4,
            "policy_code",
            "EGRESS_DENY_PUBLIC_UPLOAD",
        ),
        (rule("masking: partial"), 4, "masking", "partial_mask"),
        (rule("expires: soon"), 4, "expires", ""),
        ("rules:\n  - id: a\n    decision: deny\n", 3, "rules[0].decision", "DENY"),
        ("rules:\n  - id: a\n", 2, "rules[0]", ""),
        ("rules:\n  - id: 7\n    decision: DENY\n", 2, "rules[0].id", "quotes"),
        ("rules:\n  - id: ''\n    decision: DENY\n", 2, "rules[0].id", ""),
        ("rule: []\n", 1, "rule", 'did you mean "rules"?'),
        ("rules: []\n", 1, "rules", ""),
        ("rules: {}\n", 1, "rules", ""),
        ("", None, "", ""),
        ("rules: [\n", 2, "", ""),
        ("pack: x\npack: y\nrules: []\n", 2, "pack", ""),
        (GOOD + "  - {id: a, decision: ALLOW}\n", 3, "rules[1].id", ""),
    ],
)
def test_a_mistake_is_named_with_its_place_and_a_way_out(
    tmp_path: Path, text: str, line: int | None, field: str, hint: str
) -> None:
    problem = problems(tmp_path, text)[0]
    assert problem.file == str(tmp_path / "pack.yaml")
    assert problem.line == line
    assert problem.field.endswith(field)
    assert hint in problem.hint
    with pytest.raises(PolicyError):
        load_path(tmp_path)


def test_the_same_id_in_two_files_names_both(tmp_path: Path) -> None:
    (tmp_path / "one.yaml").write_text(GOOD)
    (problem,) = problems(tmp_path, GOOD, "two.yml")
    assert problem.file.endswith("two.yml")
    assert f"{tmp_path / 'one.yaml'}:2" in problem.message


def test_yaml_and_yml_are_read_also_below_and_hidden_files_are_not(tmp_path: Path) -> None:
    names = ["a.yaml", "b.yml", "sub/c.yaml", ".hidden.yaml", "notes.txt"]
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("")
    found = [str(path.relative_to(tmp_path)) for path in find_files(tmp_path)]
    assert found == ["a.yaml", "b.yml", "sub/c.yaml"]


def test_one_bad_file_loads_nothing(tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text("rules: [")
    with pytest.raises(PolicyError) as caught:
        load_rules(GatewayConfig(policy_paths=[str(tmp_path)]))
    assert str(caught.value.file).endswith("bad.yaml")


def test_a_missing_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError) as caught:
        load_rules(GatewayConfig(policy_paths=[str(tmp_path / "nosuch")]))
    assert caught.value.hint


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_an_unreadable_file_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(GOOD)
    (tmp_path / "a.yaml").chmod(0)
    assert read_files([tmp_path]).errors


def test_bytes_that_are_not_utf8_are_an_error_with_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_bytes(b"rules:\n  - id: \xff\n")
    (problem,) = read_files([tmp_path]).errors
    assert problem.line == 2


def test_lists_and_evaluation_have_the_same_rules(tmp_path: Path) -> None:
    (tmp_path / "policies").mkdir()
    (tmp_path / "gateway.yaml").write_text("environment: production\n")
    config = load_config(tmp_path / "gateway.yaml")
    assert load_rules(config).source == "builtin"

    with RuleStore(config.db_file) as store:
        store.replace([PolicyRule(id="stored", decision=PolicyDecision.ALLOW)])
    assert [r.id for r in load_rules(config).rules] == ["stored"]

    (tmp_path / "policies/a.yaml").write_text(GOOD)
    loaded = load_rules(config)
    assert (loaded.source, [r.id for r in loaded.rules]) == ("files", ["a"])
    guard = EgressGuard(loaded.engine_settings(config))
    guard.engine.load_rules(loaded.rules)
    result = guard.evaluate_tool_call(ToolCallRequest(tool_name="x"))
    assert (result.decision, result.primary_rule.id) == ("DENY", "a")
    assert [r.id for r in load_rules(config, db_path=config.db_file).rules] == ["stored"]


def test_rules_expire_while_the_guard_runs(tmp_path: Path) -> None:
    text = "rules:\n  - {id: a, decision: DENY, expires: 2030-01-31, reason: migration}\n"
    (tmp_path / "a.yaml").write_text(text)
    config = GatewayConfig(policy_paths=[str(tmp_path)])
    last_day = load_rules(config, today=datetime.date(2030, 1, 31))
    assert last_day.next_expiry == datetime.date(2030, 1, 31)
    assert last_day.warnings == []
    after = load_rules(config, today=datetime.date(2030, 2, 1))
    assert [warning.severity for warning in after.warnings] == ["warning"]

    guard, _ = load_guard(config)
    midnight = int(datetime.datetime(2030, 2, 1, tzinfo=datetime.UTC).timestamp())
    frame = frame_of({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x"}})
    decisions = [
        guard.engine.guard.inspect(frame, time=time).decision for time in (midnight - 1, midnight)
    ]
    assert decisions == ["DENY", "ALLOW"]


ALLOWLIST = (
    "allowlists:\n  - {id: docs, reason: the manual's key, expires: 2030-01-31, "
    "tools: [docs_*], finding_types: [aws_access_key]}\n"
)


def test_an_allowlist_is_loaded_beside_the_built_in_rules(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(ALLOWLIST.replace("2030-01-31", "9999-12-31"))
    config = GatewayConfig(policy_paths=[str(tmp_path)])
    guard, loaded = load_guard(config)
    assert (loaded.source, [entry.id for entry in loaded.allowlists]) == ("builtin", ["docs"])
    arguments = {"note": "AKIAQ3EGRTPYYW5XV7ZN"}
    assert guard.evaluate("docs_write", arguments).decision == "ALLOW"
    assert guard.evaluate("write", arguments).decision == "DENY"
    first = loaded.policy_hash
    (tmp_path / "a.yaml").write_text(ALLOWLIST.replace("2030-01-31", "9999-12-30"))
    assert load_rules(config).policy_hash != first


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("reason: the manual's key, ", "", "allowlists[0]"),
        ("expires: 2030-01-31, ", "", "allowlists[0]"),
        ("tools: [docs_*], ", "", "allowlists[0].tools"),
        ("[docs_*]", "['[']", "allowlists[0].tools"),
        (", finding_types: [aws_access_key]", "", "allowlists[0].finding_types"),
        ("aws_access_key", "aws_acces_key", "allowlists[0].finding_types[0]"),
        ("finding_types", "finding_type", "allowlists[0].finding_type"),
        ("finding_types: [aws_access_key]", "fingerprints: [x]", "allowlists[0].fingerprints"),
    ],
)
def test_a_mistake_in_an_allowlist_is_named(tmp_path: Path, old: str, new: str, field: str) -> None:
    assert problems(tmp_path, ALLOWLIST) == []
    problem = problems(tmp_path, ALLOWLIST.replace(old, new))[0]
    assert (problem.line, problem.field) == (2, field)


def test_a_mistake_in_an_expression_is_named_with_its_place(tmp_path: Path) -> None:
    for when, message in (
        ("toool == 'x'", "line 1, column 1: unknown name"),
        ("tool == ", "line 1, column"),
        ("findings.exists(f, f.tpye == 'x')", "no field"),
        ("tool", "not true or false"),
    ):
        (problem,) = problems(tmp_path, rule(f'when: "{when}"'))
        assert (problem.line, problem.field) == (4, "rules[0].when")
        assert message in problem.message
    (hinted,) = problems(tmp_path, rule("conditions: {tool_hints: {readOnly: true}}"))
    assert "readOnlyHint" in hinted.hint
    (empty,) = problems(tmp_path, rule("conditions: {tool_hints: {}}"))
    assert empty.field == "rules[0].conditions.tool_hints"


def test_the_rules_of_a_configuration_are_compiled_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compiled = []
    real = core.compile_guard

    def counting(*parts: Any) -> core.Guard:
        compiled.append(parts)
        return real(*parts)

    monkeypatch.setattr(core, "compile_guard", counting)
    (tmp_path / "a.yaml").write_text(GOOD)
    config = GatewayConfig(policy_paths=[str(tmp_path)], environment="production")
    guard, _ = load_guard(config)
    assert guard.evaluate("x", {}).decision == "DENY"
    assert len(compiled) == 1
    assert compiled[0][1]["environment"] == "production"


def test_the_hash_follows_what_decides(tmp_path: Path) -> None:
    config = GatewayConfig(policy_paths=[str(tmp_path)])
    (tmp_path / "a.yaml").write_text(GOOD)
    first = load_rules(config).policy_hash
    (tmp_path / "a.yaml").write_text("# a comment\n" + GOOD)
    assert load_rules(config).policy_hash == first
    (tmp_path / "a.yaml").write_text(GOOD.replace("[x]", "[y]"))
    second = load_rules(config).policy_hash
    assert second != first
    config.environment = "production"
    third = load_rules(config).policy_hash
    assert third != second
    config.org_fingerprints = ["Project Bluebird"]
    assert load_rules(config).policy_hash == third


def test_own_detectors_are_loaded_and_checked(tmp_path: Path) -> None:
    bad = "detectors:\n  - id: text.own.key\n    name: x\n"
    found = problems(tmp_path, bad, "own.yaml")
    assert found
    assert found[0].file.endswith("own.yaml")
    assert problems(tmp_path, "detectors: x\n", "own.yaml")[0].field == "detectors"
