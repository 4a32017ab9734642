"""Counts an audit log: what was decided, by which rules, for which tools, how fast."""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from .log import RELOAD, Event

__all__ = ["Candidate", "Stats", "collect"]

BLOCKING = frozenset({"DENY", "ESCALATE", "REDACT"})
# Below this, a rule that hits a tool says nothing about either.
FEW = 3


@dataclass(frozen=True)
class Candidate:
    """A rule that so often hits one tool that it may be wrong about it."""

    rule: str
    tool: str
    hits: int
    # Of all calls of the tool.
    share: float
    # How many different calls were hit: one call repeated is an agent that does not learn.
    calls: int


@dataclass
class Stats:
    """The counts of one log."""

    events: int = 0
    first: str = ""
    last: str = ""
    decisions: Counter[str] = field(default_factory=Counter)
    rules: Counter[str] = field(default_factory=Counter)
    tools: Counter[str] = field(default_factory=Counter)
    policy_codes: Counter[str] = field(default_factory=Counter)
    detectors: Counter[str] = field(default_factory=Counter)
    # Of the rules, by their outcome.
    reloads: Counter[str] = field(default_factory=Counter)
    evaluation_ms: dict[str, float] = field(default_factory=dict)
    candidates: list[Candidate] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, most frequent first."""
        return {
            "events": self.events,
            "first": self.first,
            "last": self.last,
            **{
                name: dict(getattr(self, name).most_common())
                for name in ("decisions", "rules", "tools", "policy_codes", "detectors", "reloads")
            },
            "evaluation_ms": self.evaluation_ms,
            "false_alarm_candidates": [vars(candidate) for candidate in self.candidates],
        }


def collect(events: Iterable[Event]) -> Stats:
    """Counts events; memory grows with the number of different rules, tools and calls only."""
    stats = Stats()
    times = array("d")
    hits: Counter[tuple[str, str]] = Counter()
    calls: dict[tuple[str, str], set[str]] = {}
    for event in events:
        if event.get("event_type") == RELOAD:
            stats.reloads[str(event.get("outcome") or "?")] += 1
            continue
        stats.events += 1
        stamp = str(event.get("timestamp") or "")
        stats.first = stats.first or stamp
        stats.last = stamp
        decision = str(event.get("decision") or "?")
        stats.decisions[decision] += 1
        tool = str(event.get("tool_name") or event.get("method") or "-")
        stats.tools[tool] += 1
        rule = str(event.get("primary_rule_id") or "-")
        stats.rules[rule] += 1
        if code := event.get("policy_code"):
            stats.policy_codes[str(code)] += 1
        for finding in event.get("findings_summary") or ():
            if isinstance(finding, dict):
                stats.detectors[str(finding.get("detector") or finding.get("type") or "?")] += 1
        elapsed = event.get("evaluation_ms")
        if isinstance(elapsed, int | float):
            times.append(elapsed)
        if decision in BLOCKING:
            hits[rule, tool] += 1
            calls.setdefault((rule, tool), set()).add(str(event.get("request_hash") or ""))
    stats.evaluation_ms = percentiles(times)
    stats.candidates = sorted(
        (
            Candidate(rule, tool, count, count / stats.tools[tool], len(calls[rule, tool]))
            for (rule, tool), count in hits.items()
            if count >= FEW
        ),
        # Many different calls of a tool stopped by one rule: the rule, not the calls, is odd.
        key=lambda c: (-c.calls * c.share, c.rule, c.tool),
    )[:10]
    return stats


def percentiles(times: array[float]) -> dict[str, float]:
    """p50, p95, p99 and the maximum, by nearest rank."""
    if not times:
        return {}
    ordered = sorted(times)
    ranks = {
        name: ordered[max(0, -(-len(ordered) * percent // 100) - 1)]
        for name, percent in (("p50", 50), ("p95", 95), ("p99", 99))
    }
    return ranks | {"max": ordered[-1]}
