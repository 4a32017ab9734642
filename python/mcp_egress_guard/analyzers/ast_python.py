"""What Python code would do."""

from __future__ import annotations

from mcp_egress_guard._core import analyze_code
from mcp_egress_guard.result import AnalyzerFinding

from ._rows import findings


def analyze_python_code(code: str) -> list[AnalyzerFinding]:
    """What `code` would destroy, execute or send out if Python ran it."""
    return findings(analyze_code(code))
