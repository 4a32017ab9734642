"""The Python API that users import: paths, names, fields, and what they print."""

from __future__ import annotations

import dataclasses
import importlib
from typing import Any

import pytest

from mcp_egress_guard.core import EgressGuard
from mcp_egress_guard.policy.builtins import load_builtin_rules
from mcp_egress_guard.policy.models import PolicyDecision, ToolCallRequest

NAMES = {
    "mcp_egress_guard": ["__version__"],
    "mcp_egress_guard.core": ["EgressGuard"],
    "mcp_egress_guard.policy.builtins": ["load_builtin_rules"],
    "mcp_egress_guard.policy.models": [
        "AnalyzerFinding",
        "EvaluationResult",
        "MatchCondition",
        "PolicyDecision",
        "PolicyRule",
        "ToolCallRequest",
    ],
    "mcp_egress_guard.analyzers.text_dlp": ["analyze_text_for_secrets"],
    "mcp_egress_guard.analyzers.shell": ["analyze_shell_command"],
    "mcp_egress_guard.analyzers.ast_python": ["analyze_python_code"],
}

FIELDS = {
    "ToolCallRequest": {
        "method",
        "tool_name",
        "arguments",
        "session_id",
        "labels",
        "environment",
        "raw_request",
        "request_hash",
    },
    "AnalyzerFinding": {
        "analyzer",
        "finding_type",
        "description",
        "risk_score",
        "location",
        "evidence",
        "metadata",
    },
    "MatchCondition": {
        "tool_name_patterns",
        "tool_categories",
        "arg_path_patterns",
        "destination_domains",
        "secret_types",
        "content_patterns",
        "labels",
        "environments",
        "min_risk_score",
    },
    "PolicyRule": {
        "id",
        "name",
        "description",
        "priority",
        "decision",
        "conditions",
        "policy_code",
        "remediation_hint",
        "safe_alternative",
        "enabled",
        "pack",
        "version",
        "tags",
    },
    "EvaluationResult": {
        "decision",
        "matched_rules",
        "primary_rule",
        "reason",
        "findings",
        "risk_score",
        "request_hash",
        "timestamp",
        "evaluation_ms",
        "shadow_mode",
    },
}


def public_names(cls: Any) -> set[str]:
    """Field and property names, whether the class is a pydantic model, a dataclass or plain."""
    names = {name for name in dir(cls) if not name.startswith("_")}
    names |= set(getattr(cls, "model_fields", {}))
    if dataclasses.is_dataclass(cls):
        names |= {field.name for field in dataclasses.fields(cls)}
    return names


@pytest.mark.parametrize(("module", "names"), NAMES.items())
def test_every_public_name_is_at_its_path(module: str, names: list[str]) -> None:
    found = importlib.import_module(module)
    assert [name for name in names if not hasattr(found, name)] == []


@pytest.mark.parametrize(("model", "fields"), FIELDS.items())
def test_every_model_has_its_fields(model: str, fields: set[str]) -> None:
    cls = getattr(importlib.import_module("mcp_egress_guard.policy.models"), model)
    assert fields - public_names(cls) == set()


def test_a_guard_alone_knows_the_built_in_rules() -> None:
    request = ToolCallRequest(tool_name="shell_exec", arguments={"command": "rm -rf /tmp/data"})
    bare = EgressGuard().evaluate_tool_call(request)
    guard = EgressGuard()
    guard.engine.load_rules(load_builtin_rules())
    loaded = guard.evaluate_tool_call(request)
    assert bare.decision == loaded.decision == PolicyDecision.DENY
    assert bare.primary_rule.id == loaded.primary_rule.id == "destructive-deny-rm-rf"
    assert bare.primary_rule.remediation_hint
    assert bare.risk_score == loaded.risk_score == pytest.approx(0.95)
    assert {finding.finding_type for finding in bare.findings} >= {"rm_rf"}


def test_decisions_print_as_their_name() -> None:
    assert f"{PolicyDecision.DENY}" == "DENY"
    assert [decision.value for decision in PolicyDecision] == [
        "ALLOW",
        "DENY",
        "REDACT",
        "ESCALATE",
        "SIMULATE",
    ]


def test_a_message_is_forwarded_as_it_came_or_answered() -> None:
    guard = EgressGuard()
    message = {
        "jsonrpc": "2.0",
        "method": "tools/call",
        "id": 1,
        "params": {"name": "list_files", "arguments": {"path": "/tmp"}},  # noqa: S108  (data)
    }
    forwarded, result = guard.evaluate_mcp_message(message)
    assert forwarded == message
    assert result.decision == PolicyDecision.ALLOW

    message["params"] = {
        "name": "http_post",
        "arguments": {"url": "https://pastebin.com", "body": "secret"},
    }
    forwarded, result = guard.evaluate_mcp_message(message)
    assert forwarded is None
    response = guard.build_block_response(result, request_id=1)
    assert (response["jsonrpc"], response["id"]) == ("2.0", 1)
    assert response["error"]["code"] == -32001
    assert response["error"]["message"] == "Policy violation: EGRESS_DENY_PUBLIC_UPLOAD"
    assert set(response["error"]["data"]) >= {
        "policy_code",
        "severity",
        "category",
        "rule_id",
        "reason",
        "remediation_hint",
        "safe_alternative",
        "matched_patterns",
    }


@pytest.mark.parametrize(
    ("module", "function", "text", "finding_type"),
    [
        ("text_dlp", "analyze_text_for_secrets", "key=AKIAIOSFODNN7EXAMPLE", "aws_access_key"),
        ("shell", "analyze_shell_command", "git push origin main --force", "force_push"),
        ("ast_python", "analyze_python_code", "import os; os.system('whoami')", "os_system"),
    ],
)
def test_each_analyzer_can_be_asked_alone(
    module: str, function: str, text: str, finding_type: str
) -> None:
    analyze = getattr(importlib.import_module(f"mcp_egress_guard.analyzers.{module}"), function)
    found = {finding.finding_type: finding for finding in analyze(text)}
    assert finding_type in found
    assert found[finding_type].description
    assert 0 < found[finding_type].risk_score <= 1
    assert all("AKIAIOSFODNN7EXAMPLE" not in repr(finding) for finding in found.values())
