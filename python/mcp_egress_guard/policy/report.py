"""Problems in the forms that CI shows beside the line: SARIF and GitHub annotations."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import PurePath
from typing import Any

from mcp_egress_guard import __version__
from mcp_egress_guard.errors import Problem

__all__ = ["github", "sarif"]

SARIF = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"


def github(problems: Iterable[Problem]) -> str:
    """One workflow command a line."""
    return "".join(f"{_command(problem)}\n" for problem in problems)


def _command(problem: Problem) -> str:
    places = {"file": problem.file, "line": problem.line, "col": problem.column}
    shown = ",".join(f"{k}={_escaped(str(v), more=True)}" for k, v in places.items() if v)
    return f"::{problem.severity}{' ' if shown else ''}{shown}::{_escaped(_text(problem))}"


def _text(problem: Problem) -> str:
    text = f"{problem.field}: {problem.message}" if problem.field else problem.message
    return f"{text} ({problem.hint})" if problem.hint else text


def _escaped(text: str, *, more: bool = False) -> str:
    text = text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return text.replace(":", "%3A").replace(",", "%2C") if more else text


def sarif(problems: Iterable[Problem]) -> dict[str, Any]:
    """A SARIF 2.1.0 log."""
    driver = {
        "name": "egress-guard policy validate",
        "version": __version__,
        "rules": [{"id": "policy-error"}, {"id": "policy-warning"}],
    }
    results = [_result(problem) for problem in problems]
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SARIF, "version": "2.1.0", "runs": [run]}


def _result(problem: Problem) -> dict[str, Any]:
    result: dict[str, Any] = {
        "ruleId": f"policy-{problem.severity}",
        "level": problem.severity,
        "message": {"text": _text(problem)},
    }
    if problem.file:
        place: dict[str, Any] = {"artifactLocation": {"uri": PurePath(problem.file).as_posix()}}
        if problem.line:
            place["region"] = {"startLine": problem.line, "startColumn": problem.column or 1}
        result["locations"] = [{"physicalLocation": place}]
    return result
