"""`detectors`: what can be seen."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from mcp_egress_guard.cli.render import printable
from mcp_egress_guard.cli.setup import ConfigOption, JsonOption, own_detectors, print_json


def register(app: typer.Typer) -> None:
    """Adds the group."""
    app.add_typer(group, name="detectors")


group = typer.Typer(help="What the guard can see.", no_args_is_help=True)


@group.command("list")
def list_detectors(
    kind: Annotated[
        str, typer.Option(help="Only this analyzer's: text_dlp, shell, ast_python, destination…")
    ] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the detectors: the built-in ones and those of the configured policies."""
    from mcp_egress_guard.errors import InputError

    rows = _rows(config)
    if kind:
        analyzers = sorted({row[1] for row in rows})
        if kind not in analyzers:
            raise InputError(f"--kind: no analyzer {kind!r}", hint=f"one of {', '.join(analyzers)}")
        rows = [row for row in rows if row[1] == kind]
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
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show one detector with its examples."""
    from mcp_egress_guard.errors import InputError

    rows = _rows(config)
    row = next((row for row in rows if row[0] == detector_id), None)
    if row is None:
        import difflib

        near = difflib.get_close_matches(detector_id, [row[0] for row in rows], n=1)
        raise InputError(
            f"no detector {detector_id!r}",
            hint=f"did you mean {near[0]}?" if near else "egress-guard detectors list",
        )
    data = {"id": row[0], "analyzer": row[1]} | _entry(detector_id, config)
    if as_json:
        print_json(data)
        return
    for key, value in data.items():
        if not isinstance(value, list | dict):
            typer.echo(f"{key + ':':14}{printable(str(value))}")
        elif value and all(isinstance(part, str) for part in value) and key in ("tags",):
            typer.echo(f"{key + ':':14}{printable(', '.join(value))}")
        elif value:
            typer.echo(f"{key}:")
            parts = value if isinstance(value, list) else [value]
            for part in parts:
                text = part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)
                typer.echo(f"  {'- ' if isinstance(value, list) else ''}{printable(text)}")


Row = tuple[str, str, str, float, str, str, list[str]]
ANALYZERS = {
    "text": "text_dlp",
    "command": "shell",
    "sql": "shell",
    "code": "ast_python",
    "destination": "destination",
    "path": "destination",
    "payload": "json_payload",
}


def _rows(config: Path | None) -> list[Row]:
    """All detectors, those of the user last."""
    from mcp_egress_guard.core import detectors

    own = [
        (
            entry["id"],
            ANALYZERS.get(entry["kind"], entry["kind"]),
            entry["finding_type"],
            float(entry["risk_score"]),
            entry["name"],
            entry["description"],
            list(entry.get("tags", ())),
        )
        for file in own_detectors(config)
        for entry in file["data"]["detectors"]
    ]
    return [*detectors(), *own]


def _entry(detector_id: str, config: Path | None) -> dict[str, Any]:
    """The entry in full, as its file has it, and the file."""
    from mcp_egress_guard.core import detector_files

    return next(
        entry | {"file": file["file"]}
        for file in (*detector_files(), *own_detectors(config))
        for entry in file["data"]["detectors"]
        if entry["id"] == detector_id
    )


def _read(path: Path) -> bytes:
    from mcp_egress_guard.errors import InputError

    try:
        return path.read_bytes()
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None


@group.command("test")
def test_text(
    file: Annotated[
        Path | None, typer.Argument(help="A text; stdin if absent.", show_default=False)
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Scan a text for secrets and print each with its place, masked. Exits with 1 on a finding.

    Detectors of your policies are used as well.
    """
    from mcp_egress_guard.analyzers.text_dlp import secret_analyzer

    raw = _read(file) if file else sys.stdin.buffer.read()
    text = raw.decode(errors="replace")
    found = secret_analyzer(own_detectors(config))(text)
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
