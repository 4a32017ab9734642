"""`replay`: judges saved calls and compares with what is expected of them."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from mcp_egress_guard.cli.setup import ConfigOption, JsonOption, print_json, setup


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("replay")
    def replay_fixtures(
        fixtures: Annotated[
            Path, typer.Option(help="Folder of calls saved as JSON.", show_default=False)
        ],
        junit: Annotated[Path | None, typer.Option(help="Write a JUnit XML file.")] = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Judge saved calls and compare with their expected_decision.

        Exits with 1 if one fails or cannot be read, with 2 if the folder is missing or empty.
        Nothing is executed, and nothing is written to the audit log.
        """
        from mcp_egress_guard.cli.render import printable, progress_bar, write_file
        from mcp_egress_guard.replay import fixture_files, replay
        from mcp_egress_guard.replay import junit as junit_xml

        files = fixture_files(fixtures)
        guard = setup(config).guard
        with progress_bar("Replaying", len(files), shown=sys.stderr.isatty()) as advance:
            outcomes = replay(guard, files, fixtures, advance)
        passed = sum(outcome.passed for outcome in outcomes)
        if junit:
            write_file(junit, junit_xml(outcomes))
        if as_json:
            print_json(
                {
                    "passed": passed,
                    "failed": len(outcomes) - passed,
                    "results": [asdict(outcome) for outcome in outcomes],
                }
            )
        else:
            for outcome in outcomes:
                typer.echo(f"  {printable(outcome.line)}")
            typer.echo(
                f"\nResults: {passed}/{len(outcomes)} passed, {len(outcomes) - passed} failed"
            )
        if passed < len(outcomes):
            raise typer.Exit(1)
