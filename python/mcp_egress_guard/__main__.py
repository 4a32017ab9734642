"""The command `egress-guard`, also as `python -m mcp_egress_guard`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path


def main() -> None:
    """Runs the command line.

    An agent starts `run` with every session: in its plain forms it does not wait for what only the
    other commands need, which costs more than all the rest of the start.
    """
    plain = _plain_run(sys.argv[1:])
    if plain is None:
        from mcp_egress_guard.cli import main as command_line  # noqa: PLC0415  (start-up)

        command_line()
    else:
        _run(*plain)


def _plain_run(arguments: Sequence[str]) -> tuple[Path | None, list[str]] | None:
    """Configuration and command of `run [--config FILE] [-- COMMAND…]`; `None` for all else."""
    match arguments:
        case ["run", "--", first, *others]:
            return None, [first, *others]
        case ["run", "--config" | "-c", file]:
            return Path(file), []
        case ["run", "--config" | "-c", file, "--", first, *others]:
            return Path(file), [first, *others]
    return None


def _run(config: Path | None, command: Sequence[str]) -> None:
    from mcp_egress_guard.errors import EgressGuardError  # noqa: PLC0415  (start-up)
    from mcp_egress_guard.proxy.launch import launch  # noqa: PLC0415  (start-up)

    try:
        code = launch(config, command)
    except EgressGuardError as error:
        print(f"error: {error}", file=sys.stderr)
        if error.hint and len(error.problems) == 1:
            print(f"hint: {error.hint}", file=sys.stderr)
        code = 2
    sys.exit(code)


if __name__ == "__main__":
    main()
