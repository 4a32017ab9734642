"""Secrets and other sensitive text."""

from __future__ import annotations

from mcp_egress_guard._core import analyze_text
from mcp_egress_guard.result import AnalyzerFinding

from ._rows import findings


def analyze_text_for_secrets(text: str) -> list[AnalyzerFinding]:
    """Every secret in `text`, in order; `evidence` is masked."""
    return findings(analyze_text(text))
