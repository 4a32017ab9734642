"""What a shell command would do."""

from __future__ import annotations

from mcp_egress_guard._core import analyze_command
from mcp_egress_guard.result import AnalyzerFinding

from ._rows import findings


def analyze_shell_command(command: str) -> list[AnalyzerFinding]:
    """What `command` would destroy, execute or send out if a shell ran it."""
    return findings(analyze_command(command))
