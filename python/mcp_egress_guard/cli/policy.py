"""`policy validate` checks packs before they decide anything; `policy schema` helps editors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from mcp_egress_guard.cli.render import printable
from mcp_egress_guard.cli.setup import JsonOption, print_json

FORMATS = ("text", "json", "github", "sarif")

app = typer.Typer(help="Check policy packs.", no_args_is_help=True)


@app.callback()
def group() -> None:
    """Check policy packs."""


@app.command("validate")
def validate(
    paths: Annotated[
        list[Path], typer.Argument(help="Files or folders of packs.", show_default=False)
    ],
    form: Annotated[
        str, typer.Option("--format", help="text, json, github (annotations) or sarif.")
    ] = "text",
    as_json: JsonOption = False,
) -> None:
    """Check packs: syntax, fields, regexes, names, duplicates, and the rules' own tests.

    Exits with 1 if a file has an error.
    """
    from mcp_egress_guard.errors import InputError
    from mcp_egress_guard.policy import report
    from mcp_egress_guard.policy.check import validate as check

    if form not in FORMATS:
        raise InputError(f"--format: unknown format {form!r}", hint=f"one of {', '.join(FORMATS)}")
    checked = check(paths)
    if not checked.files and not checked.problems:
        raise InputError("no YAML file in it", file=paths[0])
    if form == "github":
        typer.echo(report.github(checked.all_problems), nl=False)
    elif form == "sarif":
        print_json(report.sarif(checked.all_problems))
    elif as_json or form == "json":
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
            lines = f"{prefix}{problem}".split("\n")
            typer.echo("\n".join(map(printable, lines)), err=True)
        for file in checked.files:
            if file.errors:
                typer.echo(f"✗ {file.name}: {len(file.errors)} errors")
            elif file.detectors and not file.rules:
                typer.echo(f"✓ {file.name}: {len(file.detectors)} detectors valid")
            else:
                typer.echo(f"✓ {file.name}: {len(file.rules)} rules valid")
    if checked.errors:
        raise typer.Exit(1)


@app.command("schema")
def show_schema(
    name: Annotated[str, typer.Argument(help="pack, detectors or gateway.", show_default=False)],
) -> None:
    """Print the JSON Schema of packs, of detector files or of gateway.yaml, for editors.

    Example: egress-guard policy schema pack > pack.schema.json
    """
    from mcp_egress_guard.errors import InputError
    from mcp_egress_guard.schema import SCHEMAS, schema

    if name not in SCHEMAS:
        raise InputError(f"no schema {name!r}", hint=f"one of {', '.join(sorted(SCHEMAS))}")
    print_json(schema(name))
