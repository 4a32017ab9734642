"""What the built-in rules do beyond single calls: answers, code names, explanations."""

from __future__ import annotations

import json
from typing import Any

import pytest

from mcp_egress_guard.core import EgressGuard
from mcp_egress_guard.policy.models import ToolCallRequest

KEY = "AKIA" + "Z7Q2M4X6N8P3R5T9"


def test_an_answer_is_masked_and_never_blocked() -> None:
    answer = {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": ""}]}}
    guard = EgressGuard().engine.guard
    for text, expected in (
        (f"the key is {KEY}", "REDACT"),
        ("rm -rf / is how one deletes everything", "ALLOW"),
        ("see https://pastebin.com/x and http://intranet.corp.example.com", "ALLOW"),
    ):
        answer["result"]["content"][0]["text"] = text  # type: ignore[index]
        found = guard.inspect(json.dumps(answer).encode(), response=True)
        assert found.decision == expected, text
        if expected == "REDACT":
            assert found.rewritten is not None
            assert KEY.encode() not in found.rewritten


@pytest.mark.parametrize(
    ("tool", "arguments", "decision"),
    [
        ("http_post", {"url": "https://example.org/", "body": "on projectxenon"}, "ESCALATE"),
        ("http_post", {"url": "https://a.corp.example.com/", "body": "ProjectXenon"}, "ALLOW"),
        ("http_post", {"body": "ProjectXenon"}, "ESCALATE"),
        ("slack_message", {"text": "ProjectXenon is late"}, "ESCALATE"),
        ("write_file", {"path": "notes.md", "content": "ProjectXenon"}, "ALLOW"),
        ("http_post", {"url": "https://example.org/", "body": "ProjectXenonic"}, "ALLOW"),
    ],
)
def test_code_names_stay_inside(tool: str, arguments: dict[str, Any], decision: str) -> None:
    guard = EgressGuard(
        {"internal_domains": ["*.corp.example.com"], "org_fingerprints": ["ProjectXenon"]}
    )
    request = ToolCallRequest(tool_name=tool, arguments=arguments)
    assert guard.evaluate_tool_call(request).decision == decision


def test_every_rule_can_be_explained() -> None:
    engine = EgressGuard().engine
    params = {"name": "shell_exec", "arguments": {"command": "git push --force"}}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    rows = engine.guard.explain(json.dumps(message).encode())
    assert rows is not None
    assert sorted(index for index, *_ in rows) == list(range(len(engine.rules)))
    by_id = {engine.rule_at(index).id: rest for index, *rest in rows}
    assert by_id["destructive-deny-force-push"] == [True, True, [("finding_types", True)]]
    assert by_id["destructive-deny-rm-rf"][1] is False
    assert by_id["secrets-redact-in-answers"][0] is False
    assert engine.guard.explain(b"{") is None
