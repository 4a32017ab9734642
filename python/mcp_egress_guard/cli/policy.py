"""`policy validate`: checks packs before they decide anything."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcp_egress_guard.cli.setup import JsonOption, print_json

app = typer.Typer(help="Check policy packs.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Check policy packs."""


@app.command("validate")
def validate(
    paths: Annotated[
        list[Path], typer.Argument(help="Files or folders of packs.", show_default=False)
    ],
    as_json: JsonOption = False,
) -> None:
    """Check packs: syntax, fields, regexes, names, duplicates, and the rules' own tests.

    Exits with 1 if a file has an error.
    """
    from mcp_egress_guard.policy.check import validate as check

    checked = check(paths)
    if as_json:
        print_json(
            {
                "valid": not checked.errors,
                "problems": [problem.as_dict() for problem in checked.all_problems],
                "files": [
                    {"file": file.name, "rules": len(file.rules), "errors": len(file.errors)}
                    for file in checked.files
                ],
            }
        )
    else:
        for problem in checked.all_problems:
            prefix = "warning: " if problem.severity == "warning" else ""
            typer.echo(f"{prefix}{problem}", err=True)
        for file in checked.files:
            if file.errors:
                typer.echo(f"✗ {file.name}: {len(file.errors)} errors")
            elif file.detectors and not file.rules:
                typer.echo(f"✓ {file.name}: {len(file.detectors)} detectors valid")
            else:
                typer.echo(f"✓ {file.name}: {len(file.rules)} rules valid")
    if checked.errors:
        raise typer.Exit(1)
