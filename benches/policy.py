"""Measures what rules cost: the same calls judged by no rule, by 13 and by 1,000 of all kinds.

The difference to no rule is the price of the policy. Exits 1 if it is over its budget.
"""

from __future__ import annotations

import json
import time
from typing import Any

from mcp_egress_guard.core import Guard, compile_guard

CALLS: dict[str, dict[str, Any]] = {
    "tiny": {"name": "list_files", "arguments": {"path": "/srv"}},
    "denied": {"name": "shell_exec", "arguments": {"command": "rm -rf /srv/data"}},
    "upload": {"name": "http_post", "arguments": {"url": "https://example.org/a", "body": "x"}},
    "query": {"name": "db_query", "arguments": {"sql": "SELECT a FROM b", "limit": 10}},
}
BUDGET_US = {13: 5.0, 1_000: 30.0}
ROUNDS = 40
LOOPS = 200


def rule(number: int) -> dict[str, Any]:
    """The rule of this number: every fifteenth has the same kind of condition."""
    conditions: list[dict[str, Any]] = [
        {"tool_name_patterns": [f"tool_{number}_*"]},
        {"tool_categories": ["database"], "environments": [f"env{number}"]},
        {"content_patterns": [rf"word{number}\s+[a-z]+"]},
        {"destination_domains": [f"*host{number}.example"]},
        {"secret_types": ["aws_access_key"], "labels": {"team": f"t{number}"}},
        {"finding_types": ["force_push"], "tool_categories": ["git"]},
        {"arg_path_patterns": [f"config.key{number}=x*"], "tool_categories": ["filesystem"]},
        {"min_risk_score": 0.99},
        {"any": [{"labels": {"a": f"{number}"}}, {"environments": [f"x{number}"]}]},
        {"tool_name_patterns": [f"exact_{number}"], "not": {"environments": ["production"]}},
        {"servers": [f"server{number}", f"other{number}"]},
        {"tool_hints": {"destructiveHint": True}, "tool_categories": ["database", "git"]},
        {"arg_path_patterns": [f"$..key{number}"], "tool_categories": ["shell", "http"]},
    ]
    expressions = [
        f'tool == "exact_{number}" && has(arguments.count) && arguments.count > {number}',
        f'has(arguments.key{number}) && arguments.key{number} == "x"',
    ]
    plain = {"id": f"rule-{number}", "priority": number % 50, "decision": "DENY"}
    kind = number % (len(expressions) + len(conditions))
    if kind < len(expressions):
        return plain | {"when": expressions[kind]}
    return plain | {"conditions": conditions[kind - len(expressions)]}


def best(guard: Guard, frame: bytes) -> float:
    """The least time of one judgement in microseconds."""
    least = float("inf")
    for _ in range(ROUNDS):
        start = time.perf_counter_ns()
        for _ in range(LOOPS):
            guard.inspect(frame)
        least = min(least, (time.perf_counter_ns() - start) / LOOPS / 1e3)
    return least


def main() -> int:
    """Prints the table; the exit code tells whether every budget was kept."""
    guards = {count: compile_guard([rule(i) for i in range(count)]) for count in (0, *BUDGET_US)}
    kept = True
    print(f"{'call':10}{'no rule':>10}" + "".join(f"{count:>10} rules" for count in BUDGET_US))
    for name, params in CALLS.items():
        message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
        frame = json.dumps(message).encode()
        base = best(guards[0], frame)
        line = f"{name:10}{base:>7.2f} us"
        for count, budget in BUDGET_US.items():
            added = best(guards[count], frame) - base
            kept &= added <= budget
            line += f"{added:>+13.2f} us"
        print(line)
    return 0 if kept else 1


if __name__ == "__main__":
    raise SystemExit(main())
