"""The command `egress-guard`. One module a command; heavy imports stay inside the functions."""

from __future__ import annotations

import io
import os
import sys
from typing import Annotated, Any

import typer

from mcp_egress_guard import __version__
from mcp_egress_guard.cli import (
    approvals,
    audit,
    bench,
    detectors,
    doctor,
    explain,
    init,
    inspect,
    policy,
    replay,
    rules,
    run,
    scan,
)

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
explain.register(app)
scan.register(app)
replay.register(app)
detectors.register(app)
bench.register(app)
app.add_typer(rules.app, name="rules")
app.add_typer(policy.app, name="policy")
app.add_typer(audit.app, name="audit")
app.add_typer(approvals.app, name="approvals")


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


# Typer has click inside itself, or beside it in earlier versions.
USAGE_ERROR: type[Exception] = next(
    base for base in typer.BadParameter.__mro__ if base.__name__ == "ClickException"
)


def main() -> None:
    """Runs the command line; every expected failure is one clear message and an exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # What is printed may hold what this terminal cannot show, or what is no text at all.
        sys.stdout.reconfigure(errors="backslashreplace")
    sys.exit(_exit_code())


def _exit_code() -> int:
    from mcp_egress_guard.errors import EgressGuardError

    try:
        code = app(standalone_mode=False)
        if sys.stdout:  # None where it was closed from the start
            sys.stdout.flush()
    except USAGE_ERROR as error:
        return _usage(error)
    except typer.Abort:
        return 130
    except EgressGuardError as error:
        # Of several problems each has its hint beside it.
        return _fail(str(error), error.hint if len(error.problems) == 1 else "")
    except BrokenPipeError:
        # The reader left, as `head` does: nothing more to say, and nothing to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 1
    except UnicodeEncodeError:
        return _fail("an option or argument is not UTF-8")
    except OSError as error:
        # Such as a full disk, or a folder that is read-only.
        return _fail(f"{error.filename or 'stdout'}: {error.strerror or error}")
    return code if isinstance(code, int) else 0


def _usage(error: Any) -> int:
    context = getattr(error, "ctx", None)
    if type(error).__name__ == "NoArgsIsHelpError":
        error.show()
        return 2
    hint = f"{context.command_path} --help" if context else ""
    text = " ".join(error.format_message().split())
    return _fail(text[:1].lower() + text[1:].removesuffix("."), hint)


def _fail(message: str, hint: str = "") -> int:
    from mcp_egress_guard.cli.render import printable

    # A line a message, whatever a file name or an option holds.
    typer.echo("\n".join(map(printable, f"error: {message}".split("\n"))), err=True)
    if hint:
        typer.echo(f"hint: {printable(hint)}", err=True)
    return 2
