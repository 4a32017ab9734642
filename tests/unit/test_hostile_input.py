"""Inputs made to be slow are judged all the same: what is quadratic here takes minutes."""

from __future__ import annotations

import pytest

from mcp_egress_guard.bench.workloads import Message, call, hostile
from mcp_egress_guard.core import EgressGuard
from mcp_egress_guard.policy.models import MatchCondition, PolicyDecision, PolicyRule


@pytest.fixture(scope="module")
def guard() -> EgressGuard:
    return EgressGuard()


@pytest.mark.timeout(20)
@pytest.mark.parametrize("message", [pytest.param(m, id=name) for name, m in hostile(200_000)])
def test_a_slow_input_is_judged(guard: EgressGuard, message: Message) -> None:
    _, result = guard.evaluate_mcp_message(message)
    assert result.decision in set(PolicyDecision)


@pytest.mark.timeout(20)
def test_a_rule_with_nested_repetition_is_linear() -> None:
    rule = PolicyRule(
        id="nested",
        name="Nested repetition",
        decision=PolicyDecision.DENY,
        conditions=MatchCondition(content_patterns=["(a+)+$"]),
    )
    guard = EgressGuard()
    guard.engine.load_rules([rule])
    _, miss = guard.evaluate_mcp_message(call("store", text="a" * 100_000 + "!"))
    _, hit = guard.evaluate_mcp_message(call("store", text="a" * 100_000))
    assert (miss.decision, hit.decision) == (PolicyDecision.ALLOW, PolicyDecision.DENY)
