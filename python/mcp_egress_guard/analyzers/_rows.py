"""Turns the extension's rows into findings."""

from __future__ import annotations

from collections.abc import Iterable

from mcp_egress_guard.result import AnalyzerFinding

Row = tuple[str, str, str, str, float, int, int, str, str | None]


def findings(rows: Iterable[Row]) -> list[AnalyzerFinding]:
    """One finding a row."""
    return [
        AnalyzerFinding(
            analyzer=analyzer,
            finding_type=finding_type,
            description=description,
            risk_score=risk,
            location=f"offset {start}-{end}",
            evidence=preview,
            metadata={"detector_id": detector} | ({"detail": detail} if detail else {}),
        )
        for detector, analyzer, finding_type, description, risk, start, end, preview, detail in rows
    ]
