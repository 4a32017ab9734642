"""Secrets and other sensitive text."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from mcp_egress_guard._core import Guard, analyze_text
from mcp_egress_guard.result import AnalyzerFinding

from ._rows import findings


def analyze_text_for_secrets(text: str) -> list[AnalyzerFinding]:
    """Every secret in `text`, in order; `evidence` is masked."""
    return findings(analyze_text(text))


def secret_analyzer(
    detectors: Sequence[dict[str, Any]] = (),
) -> Callable[[str], list[AnalyzerFinding]]:
    """As `analyze_text_for_secrets`, with detectors of the user's beside the built-in ones.

    Args:
        detectors: `[{"file": …, "data": {"detectors": […]}}]`, as the policies are loaded.

    Raises:
        ValueError: a detector does not compile.
    """
    if not detectors:
        return analyze_text_for_secrets
    guard = Guard(json.dumps({"detectors": list(detectors)}))

    def analyze(text: str) -> list[AnalyzerFinding]:
        return findings(guard.analyze_text(text))

    return analyze
