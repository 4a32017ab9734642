"""The command `egress-guard`. One module a command; heavy imports stay inside the functions."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from mcp_egress_guard import __version__
from mcp_egress_guard.cli import audit, detectors, doctor, init, inspect, policy, replay, rules, run

app = typer.Typer(
    name="egress-guard",
    help="Judges the tool calls of an LLM agent before its MCP servers see them.",
    epilog="Start with: egress-guard run -- COMMAND ARGS…   (a guard in front of one MCP server)",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
init.register(app)
doctor.register(app)
run.register(app)
inspect.register(app)
replay.register(app)
detectors.register(app)
app.add_typer(rules.app, name="rules")
app.add_typer(policy.app, name="policy")
app.add_typer(audit.app, name="audit")


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"mcp-egress-guard v{__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool,
        typer.Option(
            "--version", "-V", help="Print the version.", callback=_version, is_eager=True
        ),
    ] = False,
) -> None:
    """Judges the tool calls of an LLM agent before its MCP servers see them.

    Exit codes: 0 done, 1 something failed its check, 2 wrong usage or input.
    """


def main() -> None:
    """Runs the command line; every expected failure is one clear message and an exit code."""
    from mcp_egress_guard.errors import EgressGuardError

    try:
        app()
    except EgressGuardError as error:
        typer.echo(f"error: {error}", err=True)
        # Of several problems each has its hint beside it.
        if error.hint and len(error.problems) == 1:
            typer.echo(f"hint: {error.hint}", err=True)
        sys.exit(2)
    except BrokenPipeError:
        # The reader left, as `head` does: nothing more to say, and nothing to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        sys.exit(1)
