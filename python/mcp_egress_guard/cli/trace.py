"""Why a call is decided as it is: every rule, its conditions, which held, and what decided."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import typer

from mcp_egress_guard.cli.render import printable

if TYPE_CHECKING:
    from mcp_egress_guard.result import AnalyzerFinding, EvaluationResult, RuleTrace

Branch = tuple[str, "list[Branch]"]
WIDEST = 88


def trace_data(result: EvaluationResult, traces: Sequence[RuleTrace]) -> list[dict[str, Any]]:
    """The rules in the order in which they decide, for scripts."""
    return [
        {
            "rule_id": trace.rule.id,
            "priority": trace.rule.priority,
            "decision": f"{trace.rule.decision}",
            "concerned": trace.concerned,
            "matched": trace.matched,
            "decides": decides(result, trace),
            "conditions": [
                {"names": names.split(", "), "held": held} for names, held in trace.conditions
            ],
        }
        for trace in traces
    ]


def decides(result: EvaluationResult, trace: RuleTrace) -> bool:
    """Whether the decision is this rule's."""
    return trace.matched and trace.rule.id == result.rule_id


def show_trace(result: EvaluationResult, traces: Sequence[RuleTrace]) -> None:
    """Prints the findings and the rules as a tree; rules of which nothing held in one line each."""
    findings = [_finding(finding) for finding in result.findings]
    _print_tree("Findings", findings or [("none", [])])
    rules: list[Branch] = [_rule(result, trace) for trace in traces]
    if not result.rule_id:
        rules.append((f"{result.decision}  default_decision  ← decides", []))
    _print_tree("Rules, in the order in which they decide", rules)


def _finding(finding: AnalyzerFinding) -> Branch:
    more = finding.metadata
    lines = [finding.description, f"{more.get('pointer', '')}  {finding.evidence}"]
    if entry := more.get("allowlist"):
        lines.append(f"no rule sees it: allowlist {entry}")
    title = f"{finding.finding_type} {finding.risk_score:.2f}  {more.get('detector_id', '')}"
    return title, [(line, []) for line in lines if line.strip()]


def _rule(result: EvaluationResult, trace: RuleTrace) -> Branch:
    rule = trace.rule
    mark = "✓" if trace.matched else "✗"
    line = f"{mark} {rule.priority:>3}  {rule.decision}  {rule.id}"
    if not trace.concerned:
        return f"{line}  (is about other messages)", []
    if decides(result, trace):
        line += "  ← decides"
    return line, [
        (f"{'✓' if held else '✗'} {_condition(rule, names)}", [])
        for names, held in trace.conditions
    ]


def _condition(rule: Any, names: str) -> str:
    """A condition with its values, as far as they fit into a line."""
    plain = rule.model_dump(mode="json", exclude_defaults=True)
    conditions = plain.get("conditions", {}) | {
        key: plain[key] for key in ("when", "expires") if key in plain
    }
    if names.startswith("when ("):
        # With the reason why it has no value.
        return f"{names}: {plain.get('when', '')}"
    parts = []
    for name in names.split(", "):
        # The engine turns an `unless` into one more `not`.
        key = "unless" if name == "not" and name not in conditions else name
        value = conditions.get(key)
        if value is None or isinstance(value, dict) or name in ("any", "all"):
            parts.append(key)
        elif isinstance(value, list):
            parts.append(f"{key}: {', '.join(map(str, value))}")
        else:
            parts.append(f"{key}: {value}")
    text = "; ".join(parts)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _print_tree(title: str, branches: Sequence[Branch]) -> None:
    typer.echo(f"\n{title}")
    for at, (text, leaves) in enumerate(branches, 1):
        last = at == len(branches)
        typer.echo(f"{'└─' if last else '├─'} {printable(text)}")
        for leaf_at, (leaf, _) in enumerate(leaves, 1):
            stem = " " if last else "│"
            typer.echo(f"{stem}  {'└─' if leaf_at == len(leaves) else '├─'} {printable(leaf)}")
