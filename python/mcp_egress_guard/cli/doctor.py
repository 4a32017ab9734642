"""`doctor`: is what the guard needs in place."""

from __future__ import annotations

import platform
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from mcp_egress_guard import __version__
from mcp_egress_guard.cli.setup import ConfigOption, JsonOption, print_json
from mcp_egress_guard.places import find_config

if TYPE_CHECKING:
    from mcp_egress_guard.config import GatewayConfig

Row = tuple[str, str, str]


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command()
    def doctor(config: ConfigOption = None, as_json: JsonOption = False) -> None:
        """Check the installation, the configuration, the policies, the store and the server.

        Exits with 1 if a check fails.
        """
        rows = list(checks(config))
        failed = any(status == "FAIL" for _, status, _ in rows)
        if as_json:
            keys = ("check", "status", "details")
            print_json([dict(zip(keys, row, strict=True)) for row in rows])
        else:
            from mcp_egress_guard.cli.render import table

            typer.echo(f"mcp-egress-guard v{__version__}\n")
            table("Health Check", ["Check", "Status", "Details"], rows)
        if failed:
            raise typer.Exit(1)


def checks(config_file: Path | None) -> Iterator[Row]:
    """One row a check: PASS, WARN or FAIL."""
    from mcp_egress_guard.errors import EgressGuardError

    enough = sys.version_info >= (3, 11)
    yield "Python ≥ 3.11", "PASS" if enough else "FAIL", platform.python_version()
    yield extension()
    path = config_file or find_config()
    if path is None:
        yield "Config file", "WARN", "none here: the built-in rules apply (egress-guard init)"
        yield rules(None)
        return
    from mcp_egress_guard.config import load_config

    try:
        config = load_config(path)
    except EgressGuardError as error:
        yield "Config file", "FAIL", first_line(error)
        return
    yield "Config file", "PASS", str(path)
    yield rules(config)
    yield store(config)
    yield audit_log(config)
    yield server(config)


def first_line(error: Exception) -> str:
    """The first of an error's messages, and how many there are."""
    first, *more = str(error).splitlines() or [""]
    return f"{first} (and more: egress-guard policy validate)" if more else first


def extension() -> Row:
    """Whether the Rust core is there, and of this version."""
    from mcp_egress_guard.core import core_version

    found = core_version()
    return "Rust core", "PASS" if found == __version__ else "FAIL", found


def rules(config: GatewayConfig | None) -> Row:
    """Whether the rules load and compile."""
    from mcp_egress_guard.core import EgressGuard
    from mcp_egress_guard.errors import EgressGuardError

    try:
        if config is None:
            guard, source = EgressGuard(), "built in"
        else:
            from mcp_egress_guard.policy.loader import load_guard

            guard, loaded = load_guard(config)
            source = ", ".join(config.policy_paths) if loaded.source == "files" else loaded.source
        count = len(guard.engine.guard.rule_ids())
    except (EgressGuardError, ValueError) as error:
        return "Policies", "FAIL", first_line(error)
    return "Policies", "PASS" if count else "WARN", f"{count} rules ({source})"


def store(config: GatewayConfig) -> Row:
    """Whether the store can be read."""
    from mcp_egress_guard.errors import EgressGuardError
    from mcp_egress_guard.policy.store import RuleStore

    path = config.db_file
    if not path.exists():
        return "SQLite DB", "WARN", f"{path} is not there (egress-guard init makes it)"
    try:
        with RuleStore(path, create=False) as opened:
            count = len(opened.rules())
    except EgressGuardError as error:
        return "SQLite DB", "FAIL", first_line(error)
    return "SQLite DB", "PASS", f"{path}: {count} rules"


def audit_log(config: GatewayConfig) -> Row:
    """Whether the audit log can be written."""
    import os

    if not config.audit.enabled:
        return "Audit log", "WARN", "off"
    path = config.audit_file
    target = path if path.exists() else path.parent
    writable = os.access(target, os.W_OK)
    return "Audit log", "PASS" if writable else "FAIL", f"{path}" + ("" if writable else ": no")


def server(config: GatewayConfig) -> Row:
    """Whether the MCP server behind the guard is named and there."""
    proxy = config.proxy
    if proxy.transport == "http":
        named = bool(proxy.downstream_url)
        hint = "proxy.downstream_url is not set"
        return "MCP server", "PASS" if named else "WARN", proxy.downstream_url or hint
    if not proxy.downstream_command:
        return "MCP server", "WARN", "proxy.downstream_command is not set"
    program = proxy.downstream_command[0]
    found = shutil.which(program)
    return "MCP server", "PASS" if found else "FAIL", found or f"{program}: command not found"
