"""`detectors`: what can be seen."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from mcp_egress_guard.cli.setup import JsonOption, print_json


def register(app: typer.Typer) -> None:
    """Adds the group."""
    app.add_typer(group, name="detectors")


group = typer.Typer(help="What the guard can see.", no_args_is_help=True)


@group.command("list")
def list_detectors(
    kind: Annotated[
        str, typer.Option(help="Only this analyzer's: text_dlp, shell, ast_python, destination…")
    ] = "",
    as_json: JsonOption = False,
) -> None:
    """List the built-in detectors."""
    from mcp_egress_guard.core import detectors

    rows = [row for row in detectors() if not kind or row[1] == kind]
    if as_json:
        keys = ("id", "analyzer", "finding_type", "risk_score", "name", "description", "tags")
        print_json([dict(zip(keys, row, strict=True)) for row in rows])
        return
    from mcp_egress_guard.cli.render import table

    columns = ["ID", "Analyzer", "Type", "Risk", "Name"]
    table("Detectors", columns, [[r[0], r[1], r[2], f"{r[3]:.2f}", r[4]] for r in rows])


@group.command("show")
def show_detector(
    detector_id: Annotated[str, typer.Argument(help="Such as command.rm.recursive-force.")],
    as_json: JsonOption = False,
) -> None:
    """Show one detector."""
    from mcp_egress_guard.core import detectors
    from mcp_egress_guard.errors import InputError

    rows = detectors()
    row = next((row for row in rows if row[0] == detector_id), None)
    if row is None:
        import difflib

        near = difflib.get_close_matches(detector_id, [row[0] for row in rows], n=1)
        raise InputError(
            f"no detector {detector_id!r}",
            hint=f"did you mean {near[0]}?" if near else "egress-guard detectors list",
        )
    keys = ("id", "analyzer", "finding_type", "risk_score", "name", "description", "tags")
    data = dict(zip(keys, row, strict=True))
    if as_json:
        print_json(data)
        return
    for key, value in data.items():
        shown = ", ".join(value) if isinstance(value, list) else value
        typer.echo(f"{key + ':':14}{shown}")


@group.command("test")
def test_text(
    file: Annotated[typer.FileText | None, typer.Argument(help="A text; stdin if absent.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Scan a text for secrets and print each with its place, masked. Exits with 1 on a finding."""
    from mcp_egress_guard.analyzers.text_dlp import analyze_text_for_secrets

    text = (file or sys.stdin).read()
    found = analyze_text_for_secrets(text)
    if as_json:
        print_json(
            [
                {
                    "detector_id": finding.metadata["detector_id"],
                    "type": finding.finding_type,
                    "risk_score": finding.risk_score,
                    "location": finding.location,
                    "evidence": finding.evidence,
                }
                for finding in found
            ]
        )
    else:
        for finding in found:
            typer.echo(
                f"{finding.location:20} {finding.finding_type:24} {finding.risk_score:.2f}  "
                f"{finding.evidence}"
            )
    if found:
        raise typer.Exit(1)
