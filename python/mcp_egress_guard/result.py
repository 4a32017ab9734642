"""What an evaluation gives back. Built lazily: most results are asked for one field only."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcp_egress_guard.core import Finding, Inspection, RuleTable
    from mcp_egress_guard.policy.models import PolicyRule


class PolicyDecision(StrEnum):
    """What is done with a call. Prints as its name."""

    ALLOW = "ALLOW"
    DENY = "DENY"
    REDACT = "REDACT"
    ESCALATE = "ESCALATE"
    SIMULATE = "SIMULATE"


@dataclass(frozen=True, slots=True)
class AnalyzerFinding:
    """One thing that an analyzer saw. `evidence` is masked; no field holds a secret."""

    analyzer: str
    finding_type: str
    description: str = ""
    risk_score: float = 0.0
    location: str = ""
    evidence: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RuleTrace:
    """What one rule says about a call, and why."""

    rule: PolicyRule
    concerned: bool  # whether it is about such messages at all
    matched: bool
    conditions: list[tuple[str, bool]]  # each by its names, and whether it holds


def request_hash(tool_name: str, arguments: Mapping[str, Any]) -> str:
    """16 hex digits over tool and sorted arguments; equal calls have equal hashes."""
    content = json.dumps({"tool": tool_name, "arguments": arguments}, sort_keys=True, default=str)
    return hashlib.sha256(content.encode(errors="surrogatepass")).hexdigest()[:16]


def finding_of(found: Finding) -> AnalyzerFinding:
    """The public form of an engine's finding."""
    start, end = found.text_span
    metadata = {"detector_id": found.detector_id, "pointer": found.pointer}
    if found.detail:
        metadata["detail"] = found.detail
    if found.remediation:
        metadata["remediation"] = found.remediation
    if found.allowlist:
        metadata["allowlist"] = found.allowlist
    return AnalyzerFinding(
        analyzer=found.analyzer,
        finding_type=found.finding_type,
        description=found.description,
        risk_score=found.risk_score,
        location=f"offset {start}-{end}",
        evidence=found.preview,
        metadata=metadata,
    )


class EvaluationResult:
    """The judgement of one call.

    `decision` is what the rules say, `enforced` what is done: in shadow mode the two differ.
    """

    def __init__(
        self,
        judgement: Inspection,
        rules: RuleTable,
        request_hash: Callable[[], str],
    ) -> None:
        self._judgement = judgement
        self._rules = rules
        self._request_hash = request_hash

    @cached_property
    def decision(self) -> PolicyDecision:
        """What the rules say."""
        return PolicyDecision(self._judgement.decision)

    @property
    def enforced(self) -> PolicyDecision:
        """What is done with the call."""
        return PolicyDecision(self._judgement.enforced)

    @property
    def rule_id(self) -> str:
        """The id of the rule that decided; empty for the default decision."""
        return self._judgement.rule_id

    @property
    def policy_code(self) -> str:
        """The stable reason; empty for a call that no rule matched."""
        return self._judgement.policy_code

    @property
    def reason(self) -> str:
        """The reason in words."""
        return self._judgement.reason

    @property
    def risk_score(self) -> float:
        """The highest risk of the findings, 0 to 1."""
        return self._judgement.risk_score

    @property
    def shadow_mode(self) -> bool:
        """Whether decisions are only recorded."""
        return self._judgement.shadow_mode

    @property
    def evaluation_ms(self) -> float:
        """Duration of the evaluation in milliseconds."""
        return self._judgement.evaluation_ns / 1e6

    @cached_property
    def timestamp(self) -> datetime:
        """When the result was first looked at, in UTC."""
        return datetime.now(UTC)

    @cached_property
    def request_hash(self) -> str:
        """16 hex digits over tool and arguments."""
        return self._request_hash()

    @property
    def plain_rule(self) -> Mapping[str, Any]:
        """The rule that decided as plain data, for what does not wait for the models."""
        index = self._judgement.primary_rule
        return {} if index is None else self._rules.plain[index]

    @property
    def matched_ids(self) -> list[str]:
        """The ids of `matched_rules`."""
        return [self._rules.plain[index]["id"] for index in self._judgement.matched_rules]

    @cached_property
    def primary_rule(self) -> PolicyRule | None:
        """The rule that decided; `None` for the default decision."""
        index = self._judgement.primary_rule
        return None if index is None else self._rules[index]

    @cached_property
    def matched_rules(self) -> list[PolicyRule]:
        """All rules whose conditions held, best priority first."""
        return [self._rules[index] for index in self._judgement.matched_rules]

    @cached_property
    def findings(self) -> list[AnalyzerFinding]:
        """What the analyzers saw, in the order of the message."""
        return [finding_of(found) for found in self._judgement.findings]

    def __repr__(self) -> str:
        return (
            f"EvaluationResult(decision={self.decision}, risk_score={self.risk_score}, "
            f"primary_rule={self.rule_id or None!r})"
        )
