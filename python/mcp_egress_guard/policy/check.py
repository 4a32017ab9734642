"""What is wrong with rules that load: shadowed, never matching, matching all; and their tests."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_egress_guard import core
from mcp_egress_guard.result import PolicyDecision

from .loader import PackFile, PolicySet, groups_of, read_files
from .models import Allowlist, MatchCondition, PolicyRule, RuleTest, Way
from .overlap import overlap

__all__ = ["TestResult", "run_test", "run_tests", "validate"]

EPOCH = datetime.date(1970, 1, 1)
LONG_DAYS = 366

STRICTNESS = [
    PolicyDecision.DENY,
    PolicyDecision.ESCALATE,
    PolicyDecision.REDACT,
    PolicyDecision.ALLOW,
    PolicyDecision.SIMULATE,
]
TOOL_CONDITIONS = ("tool_name_patterns", "tool_categories", "arg_path_patterns")
FINDING_CONDITIONS = (
    "secret_types",
    "finding_types",
    "finding_tags",
    "finding_ids",
    "min_risk_score",
)


@dataclass(frozen=True, slots=True)
class TestResult:
    """One test of one rule."""

    __test__ = False  # pytest would take it for a test class

    rule: PolicyRule
    index: int
    test: RuleTest
    decision: PolicyDecision
    decided_by: str

    @property
    def passed(self) -> bool:
        """Whether the decision is the expected one."""
        return self.decision == self.test.expected_decision and (
            not self.test.rule or self.test.rule == self.decided_by
        )

    def __str__(self) -> str:
        by = f" by {self.decided_by}" if self.decided_by else ""
        wanted = f" by {self.test.rule}" if self.test.rule else ""
        return f"{self.decision}{by}, expected {self.test.expected_decision}{wanted}"


def validate(
    paths: Iterable[Path],
    *,
    settings: dict[str, Any] | None = None,
    today: datetime.date | None = None,
) -> PolicySet:
    """Reads all files and adds what is wrong beyond their form, failing tests included."""
    policies = read_files(paths)
    if policies.errors:
        return policies
    placed = [
        (file, index, rule) for file in policies.files for index, rule in enumerate(file.rules)
    ]
    today = today or datetime.datetime.now(datetime.UTC).date()
    for file, index, rule in placed:
        for field, message, hint in _rule_warnings(rule, policies, today):
            file.source.add(file.at(index, *field), message, hint, severity="warning")
    for file in policies.files:
        for index, entry in enumerate(file.allowlists):
            for name, message, hint in _allowlist_warnings(entry, today):
                where = ("allowlists", index, name)
                file.source.add(where, message, hint, severity="warning")
    live = [entry for entry in placed if entry[2].enabled and not entry[2].is_over(today)]
    shadowed = _shadows(live)
    _collisions([entry for entry in live if entry[2].id not in shadowed])
    settings = policies.engine_settings | (settings or {})
    for result in run_tests(policies.rules, settings, today=today):
        if not result.passed:
            file, index, _ = next(p for p in placed if p[2] is result.rule)
            path = file.at(index, "tests", result.index)
            file.source.add(path, f'test of rule "{result.rule.id}": {result}')
    return policies


def run_tests(
    rules: list[PolicyRule],
    settings: dict[str, Any] | None = None,
    *,
    today: datetime.date | None = None,
) -> Iterator[TestResult]:
    """Runs the tests of all rules; each call is judged by all rules together.

    What has expired has no tests any more.

    Raises:
        PolicyError, ValueError: the rules do not compile.
    """
    if not any(rule.tests for rule in rules):
        return
    guard = core.compile_guard([rule.for_engine() for rule in rules], settings)
    today = today or datetime.datetime.now(datetime.UTC).date()
    for rule in rules:
        if not rule.is_over(today):
            for index in range(len(rule.tests)):
                yield run_test(guard, rules, rule, index, today)


def run_test(
    guard: core.Guard,
    rules: Sequence[PolicyRule],
    rule: PolicyRule,
    index: int,
    today: datetime.date,
) -> TestResult:
    """Runs one test of a rule by the guard of all rules."""
    test = rule.tests[index]
    params = {"name": test.tool_name, "arguments": test.arguments}
    message = {"jsonrpc": "2.0", "id": 0, "method": "tools/call", "params": params}
    found = guard.inspect(
        json.dumps(message, default=str).encode(),
        test.environment or None,
        test.labels or None,
        server=test.server,
        time=(today - EPOCH).days * 86_400,
    )
    primary = found.primary_rule
    by = "" if primary is None else rules[primary].id
    return TestResult(rule, index, test, PolicyDecision(found.decision), by)


def _allowlist_warnings(entry: Allowlist, today: datetime.date) -> Iterator[tuple[str, str, str]]:
    if entry.is_over(today):
        yield "expires", f'allowlist "{entry.id}" has expired on {entry.expires}', "take it out"
    elif (entry.expires - today).days > LONG_DAYS:
        message = f'allowlist "{entry.id}" holds for more than a year'
        yield "expires", message, "what is to stay is a rule, with tests"
    if "*" in entry.finding_ids and not entry.finding_types and not entry.fingerprints:
        message = f'allowlist "{entry.id}" hides every finding'
        yield "finding_ids", message, "name the findings"


def _rule_warnings(
    rule: PolicyRule, policies: PolicySet, today: datetime.date
) -> Iterator[tuple[tuple[str | int, ...], str, str]]:
    empty = rule.conditions == MatchCondition() and rule.unless is None and not rule.when
    if empty and rule.decision == PolicyDecision.ALLOW:
        yield (
            ("conditions",),
            f'rule "{rule.id}" allows every tool call: no rule with a priority number above '
            f"{rule.priority} has an effect on them",
            "add conditions, or set engine.default_decision",
        )
    elif empty:
        yield ("conditions",), f'rule "{rule.id}" matches every tool call', "add conditions"
    if rule.masking and rule.decision != PolicyDecision.REDACT:
        yield ("masking",), f"a rule that decides {rule.decision} masks nothing", ""
    if rule.is_over(today):
        yield ("expires",), f'rule "{rule.id}" has expired on {rule.expires}', "take it out"
    if rule.expires and not rule.reason:
        yield ("expires",), f'rule "{rule.id}" expires and has no reason', "say why: reason: …"
    hinted = any(group.tool_hints for _, group in groups_of(rule)) or re.search(
        r"\bhints\b", rule.when
    )
    if hinted and rule.decision == PolicyDecision.ALLOW:
        yield (
            ("conditions",),
            f'rule "{rule.id}" allows what the server says of itself: hints are not to be trusted',
            "add servers, and only those of your own",
        )
    for at, group in groups_of(rule):
        if at and at[0] == "unless":
            continue
        if group.direction == Way.RESPONSE and any(getattr(group, n) for n in TOOL_CONDITIONS):
            yield at, f'rule "{rule.id}" can never match: an answer names no tool', ""
        if not _reachable(group, policies):
            yield at, f'rule "{rule.id}" can never match: no detector fulfils its conditions', ""


def _reachable(group: MatchCondition, policies: PolicySet) -> bool:
    """Whether one detector can fulfil all conditions on findings."""
    if not any(getattr(group, name) for name in FINDING_CONDITIONS):
        return True
    if group.finding_ids:  # globs are for the engine
        return True
    rows = [(row[1] == "text_dlp", row[2], set(row[6])) for row in core.detectors()]
    for file in policies.detectors:
        for entry in file["data"]["detectors"]:
            tags = set(entry.get("tags", ()))
            rows.append((entry["kind"] == "text", entry["finding_type"], tags))
    return any(
        (not group.secret_types or (is_text and kind in group.secret_types))
        and (not group.finding_types or kind in group.finding_types)
        and (not group.finding_tags or tags & set(group.finding_tags))
        for is_text, kind, tags in rows
    )


def _shadows(live: list[tuple[PackFile, int, PolicyRule]]) -> set[str]:
    """Rules that can never decide, as one that is asked earlier holds whenever they do."""
    shadowed: set[str] = set()
    order = sorted(live, key=lambda p: (p[2].priority, STRICTNESS.index(p[2].decision)))
    earlier: list[tuple[PolicyRule, frozenset[str]]] = []
    for file, index, rule in order:
        fields = _fields(rule.conditions)
        if rule.decision != PolicyDecision.SIMULATE:
            for other, other_fields in earlier:
                if other_fields <= fields and _covers(other, rule):
                    _report(file, index, rule, other)
                    shadowed.add(rule.id)
                    break
            # Of an expression, and of what ends, it is not known.
            if rule.unless is None and not rule.when and rule.expires is None:
                earlier.append((rule, fields))
    return shadowed


def _collisions(live: list[tuple[PackFile, int, PolicyRule]]) -> None:
    """Rules of one priority that share some of their calls and decide differently on them."""
    by_priority: dict[int, list[tuple[PackFile, int, PolicyRule]]] = {}
    for entry in live:
        rule = entry[2]
        # Of an expression it is not known, and a SIMULATE rule stands in nobody's way.
        known = rule.unless is None and not rule.when
        if known and rule.decision != PolicyDecision.SIMULATE:
            by_priority.setdefault(rule.priority, []).append(entry)
    for equals in by_priority.values():
        equals.sort(key=lambda entry: STRICTNESS.index(entry[2].decision))
        for at, (file, index, rule) in enumerate(equals):
            for _, _, other in equals[:at]:
                if other.decision == rule.decision:
                    break
                if overlap(other.conditions, rule.conditions):
                    message = (
                        f'rule "{rule.id}" has the priority of "{other.id}", and some calls match '
                        f"both: {other.decision} decides on them"
                    )
                    hint = "give them different priorities, or conditions that exclude each other"
                    file.source.add(file.at(index), message, hint, severity="warning")
                    break


def _report(file: PackFile, index: int, rule: PolicyRule, other: PolicyRule) -> None:
    if rule.decision == other.decision == PolicyDecision.REDACT:
        return
    if rule.priority == other.priority and rule.decision != other.decision:
        message = (
            f'rule "{rule.id}" has the priority of "{other.id}", which is stricter and matches '
            f"whenever it does: {other.decision} decides"
        )
    else:
        message = f'rule "{rule.id}" never decides: "{other.id}" is asked first and matches'
    hint = f"give it a priority below {other.priority}, or narrower conditions to the other"
    file.source.add(file.at(index), message, hint, severity="warning")


def _fields(conditions: MatchCondition) -> frozenset[str]:
    return frozenset(conditions.model_dump(exclude_none=True, exclude_defaults=True))


def _covers(other: PolicyRule, rule: PolicyRule) -> bool:
    """Whether `other` matches whenever `rule` does, as far as can be told from the lists."""
    wide, narrow = other.conditions, rule.conditions
    if (wide.direction or Way.REQUEST) not in (narrow.direction or Way.REQUEST, Way.ANY):
        return False
    # Of conditions on findings one finding fulfils all, so more of them are narrower still.
    for name in _fields(wide) - {"direction"}:
        ours, theirs = (getattr(side, "not_" if name == "not" else name) for side in (wide, narrow))
        if name == "min_risk_score":
            if theirs < ours:
                return False
        elif name == "labels":
            if not ours.items() <= theirs.items():
                return False
        elif name in ("any", "all", "not"):
            if ours != theirs:
                return False
        elif not theirs or not set(theirs) <= set(ours) or any("!" in str(v)[:1] for v in ours):
            return False
    # A rule without methods on content is about all messages, one without content about calls.
    return not wide.methods or bool(narrow.methods)
