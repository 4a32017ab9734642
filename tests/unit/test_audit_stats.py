"""Counts over an audit log."""

from __future__ import annotations

from array import array

from mcp_egress_guard.audit.stats import Candidate, collect, percentiles
from tests.unit.audit_events import denial, event


def test_decisions_rules_tools_and_detectors_are_counted() -> None:
    stats = collect([event(1), event(2), denial(3), event(4, tool_name="", method="ping")])
    data = stats.as_dict()
    assert (data["events"], data["first"], data["last"]) == (
        *(4, "2026-03-08T23:00:01.123Z"),
        "2026-03-08T23:00:04.123Z",
    )
    assert data["decisions"] == {"ALLOW": 3, "DENY": 1}
    assert data["rules"] == {"-": 3, "destructive-deny-rm-rf": 1}
    assert data["tools"] == {"list_files": 2, "shell_exec": 1, "ping": 1}
    assert data["policy_codes"] == {"EGRESS_DENY_DESTRUCTIVE_CMD": 1}
    assert data["detectors"] == {"command.rm.recursive": 1}


def test_percentiles_are_values_that_occurred() -> None:
    assert percentiles(array("d", range(1, 101))) == {"p50": 50, "p95": 95, "p99": 99, "max": 100}
    assert percentiles(array("d", [3.0])) == {"p50": 3.0, "p95": 3.0, "p99": 3.0, "max": 3.0}
    assert percentiles(array("d")) == {}


def test_a_rule_that_stops_many_different_calls_of_a_tool_stands_first() -> None:
    odd = [
        denial(n, tool_name="search_docs", primary_rule_id="dest-warn-public-repo")
        for n in range(6)
    ]
    repeated = [denial(9, tool_name="shell_exec") for _ in range(20)]
    once = [denial(n, tool_name="write_file") for n in range(30, 32)]
    stats = collect([*odd, *repeated, *once, *(event(n, tool_name="shell_exec") for n in range(5))])
    assert stats.candidates == [
        Candidate("dest-warn-public-repo", "search_docs", 6, 1.0, 6),
        Candidate("destructive-deny-rm-rf", "shell_exec", 20, 0.8, 1),
    ]


def test_an_empty_log_has_no_events() -> None:
    data = collect([]).as_dict()
    assert data["events"] == 0
    assert data["evaluation_ms"] == {}
