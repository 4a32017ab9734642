"""The rules that come with the package."""

from __future__ import annotations

from mcp_egress_guard.core import builtin_rules

from .models import PolicyRule


def load_builtin_rules() -> list[PolicyRule]:
    """All rules of the built-in packs, in load order."""
    return [PolicyRule.model_validate(rule) for rule in builtin_rules()]
