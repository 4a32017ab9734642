"""Makes audit events and logs for the tests of the audit trail."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from mcp_egress_guard.audit.log import Event, open_file

KEY = b"a key of the tests"


def event(number: int = 0, **changes: Any) -> Event:
    """An event as the guard writes it; each number is a second later."""
    base: Event = {
        "timestamp": f"2026-03-08T23:{number // 60 % 60:02}:{number % 60:02}.123Z",
        "event_type": "policy_decision",
        "decision_id": f"d{number}",
        "request_hash": f"{number:016x}",
        "tool_name": "list_files",
        "decision": "ALLOW",
        "enforced": "ALLOW",
        "matched_rule_ids": [],
        "primary_rule_id": None,
        "policy_code": "",
        "reason": "No rule matched",
        "risk_score": 0.0,
        "session_id": "s1",
        "environment": "production",
        "evaluation_ms": 0.25,
        "shadow_mode": False,
        "labels": {},
        "findings_summary": [],
        "server": "files",
        "method": "tools/call",
        "version": "0.1.0",
    }
    return base | changes


def denial(number: int = 0, **changes: Any) -> Event:
    """A denied call."""
    return event(
        number,
        **{
            "tool_name": "shell_exec",
            "decision": "DENY",
            "enforced": "DENY",
            "matched_rule_ids": ["destructive-deny-rm-rf", "baseline-deny-high-risk"],
            "primary_rule_id": "destructive-deny-rm-rf",
            "policy_code": "EGRESS_DENY_DESTRUCTIVE_CMD",
            "reason": "Rule 'rm' (priority 5): deletes",
            "risk_score": 0.95,
            "findings_summary": [
                {"analyzer": "shell", "type": "rm_rf", "detector": "command.rm.recursive"}
            ],
        }
        | changes,
    )


def write_log(path: Path, events: list[Event], *, key: bytes = b"", **options: Any) -> Path:
    """A log with these events."""
    log = open_file(path, key=key, **options)
    for one in events:
        log.append(orjson.dumps(one))
    return path
