"""`replay`: judges saved calls and compares with what is expected of them."""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcp_egress_guard.cli.setup import ConfigOption, JsonOption, print_json, setup

if TYPE_CHECKING:
    from mcp_egress_guard.core import EgressGuard


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("replay")
    def replay_fixtures(
        *,
        fixtures: Annotated[
            Path | None, typer.Option(help="Folder of calls saved as JSON.", show_default=False)
        ] = None,
        audit: Annotated[
            Path | None,
            typer.Option(
                help="An audit log with recorded calls instead: what would be decided now?",
                show_default=False,
            ),
        ] = None,
        policy: Annotated[
            Path | None,
            typer.Option(help="Rules to judge by, instead of the configured ones."),
        ] = None,
        junit: Annotated[Path | None, typer.Option(help="Write a JUnit XML file.")] = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Judge saved calls and compare with their expected_decision.

        Exits with 1 if one fails or cannot be read, with 2 if the folder is missing or empty.
        Nothing is executed, and nothing is written to the audit log.

        With --audit: show each recorded call that is decided differently by the rules of --policy
        or of the configuration; exits with 1 if there is one. Calls are recorded where
        audit.record_calls is true.
        """
        from mcp_egress_guard.errors import InputError

        if audit is not None and fixtures is None:
            if junit:
                raise InputError("--junit is for --fixtures")
            _replay_audit(audit, setup(config, policy).guard, as_json=as_json)
            return
        if audit is not None or fixtures is None:
            raise InputError(
                "replay takes either --fixtures or --audit", hint="egress-guard replay --help"
            )
        from mcp_egress_guard.cli.render import printable, progress_bar, write_file
        from mcp_egress_guard.replay import fixture_files, replay
        from mcp_egress_guard.replay import junit as junit_xml

        files = fixture_files(fixtures)
        guard = setup(config, policy).guard
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


def _replay_audit(log: Path, guard: EgressGuard, *, as_json: bool) -> None:
    from mcp_egress_guard.audit.log import read_events
    from mcp_egress_guard.cli.render import printable
    from mcp_egress_guard.errors import InputError
    from mcp_egress_guard.replay import replay_audit

    report = replay_audit(guard, read_events(log))
    if not report.judged and not report.masked:
        raise InputError(
            "holds no recorded call", file=log, hint="set audit.record_calls: true in gateway.yaml"
        )
    if as_json:
        print_json(asdict(report))
    else:
        for change in report.changes:
            typer.echo(f"  {printable(change.line)}")
        typer.echo(
            f"\nResults: {len(report.changes)} of {report.judged} decisions differ"
            f" ({report.masked} calls with masked secrets and {report.unrecorded} not recorded"
            " were left out)"
        )
    if report.changes:
        raise typer.Exit(1)
