"""Starts the proxy that a configuration or a command line asks for."""

from __future__ import annotations

import os
import secrets
import signal
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_egress_guard import core
from mcp_egress_guard.errors import EgressGuardError, ProxyError
from mcp_egress_guard.places import find_config

if TYPE_CHECKING:
    from mcp_egress_guard.audit.log import Appender
    from mcp_egress_guard.config import GatewayConfig
    from mcp_egress_guard.core import Guard

DEFAULT_LIMIT = 64 << 20


def launch(config_file: Path | None, command: Sequence[str], workers: int | None = None) -> int:
    """Runs the proxy until it ends; the exit code. `workers` is in place of the configured number.

    Raises:
        EgressGuardError: it cannot start.
    """
    if workers is not None and command:
        raise ProxyError("--workers is for transport: http", hint="a command is one process")
    if config_file is None and command:
        # The one-line start reads no file: what lies in the folder changes nothing.
        guard = core.EgressGuard().engine.guard
        return stdio(guard, core.builtin_hash(), None, command)
    from mcp_egress_guard.proxy import reload  # noqa: PLC0415  (start-up)

    path = config_file or find_config()
    if path is None:
        raise ProxyError(
            "no configuration and no command",
            hint="egress-guard run -- COMMAND ARGS…, or egress-guard init and set "
            "proxy.downstream_command in gateway.yaml",
        )
    guard, policy_hash, config = reload.read(path)
    if workers is not None:
        if config.proxy.transport != "http":
            raise ProxyError(
                "--workers is for transport: http", file=path, hint="set proxy.transport: http"
            )
        config.proxy.http.workers = workers
    if config.proxy.transport == "http" and not command:
        return http(guard, policy_hash, config, path)
    return stdio(guard, policy_hash, config, command)


def http(guard: Guard, policy_hash: str, config: GatewayConfig, path: Path) -> int:
    """The guard in front of servers that listen."""
    from mcp_egress_guard.audit.log import open_log  # noqa: PLC0415  (start-up)
    from mcp_egress_guard.proxy import http as transport  # noqa: PLC0415  (start-up)
    from mcp_egress_guard.proxy import reload  # noqa: PLC0415  (start-up)

    def again() -> tuple[Guard, str]:
        new, new_hash, _ = reload.read(path)
        return new, new_hash

    log = open_log(config) if config.audit.enabled else None
    # The transport reads the rules anew on SIGHUP, whoever sends it.
    reload.watch(config, lambda: os.kill(os.getpid(), signal.SIGHUP))
    return transport.run(
        config,
        guard,
        log,
        policy_hash=policy_hash,
        approvals=approvals(config, policy_hash),
        reload=again,
    )


def stdio(
    guard: Guard, policy_hash: str, config: GatewayConfig | None, command: Sequence[str]
) -> int:
    """The guard in front of a server that is its child."""
    from mcp_egress_guard.audit.log import open_log  # noqa: PLC0415  (start-up)
    from mcp_egress_guard.proxy import stdio as transport  # noqa: PLC0415  (start-up)

    proxy = config.proxy if config else None
    command = list(command) or (list(proxy.downstream_command) if proxy else [])
    if not command:
        raise ProxyError(
            "no MCP server to start",
            file=config.path if config else None,
            hint="set proxy.downstream_command, or egress-guard run -- COMMAND ARGS…",
        )
    log = open_log(config) if config is None or config.audit.enabled else None
    answer = proxy.deny_response if proxy else "tool_result"
    session = core.Session(
        guard,
        nonce=secrets.token_hex(8),
        deny_response="tool_result" if answer == "tool_result" else "jsonrpc_error",
        server=(proxy.server_name if proxy else "") or Path(command[0]).name,
        session_id=secrets.token_hex(8),
        policy_hash=policy_hash,
        approvals=approvals(config, policy_hash),
    )
    if config is not None and config.path is not None:
        follow(session, config, config.path, log, policy_hash)
    code = transport.run(
        command,
        session,
        appender(log, config) if log else None,
        limit=proxy.max_message_bytes if proxy else DEFAULT_LIMIT,
        approval_seconds=config.approval_seconds if config else 300,
        slow=config is not None and (config.approvals == "store" or config.audit.fsync == "each"),
    )
    if log is not None and not isinstance(log, core.AuditLog):
        log.sink.close()
    sys.stderr.flush()
    # Threads may still be blocked in reads that nobody will answer.
    os._exit(code)


def approvals(config: GatewayConfig | None, policy_hash: str) -> core.Approvals:
    """Who decides about escalated calls.

    Raises:
        EgressGuardError: the store cannot be used, or the shared key is not set.
    """
    if config is None:
        return core.Approvals("elicitation", seconds=300, policy_hash=policy_hash)
    key, store = None, None
    if variable := config.approval_key_variable:
        key = os.environ.get(variable, "").encode()
        if not key:
            raise ProxyError(
                f"the variable {variable} is not set: it holds the key of approvals",
                file=config.path,
            )
    if config.approvals == "store":
        from mcp_egress_guard.approvals import ApprovalStore  # noqa: PLC0415  (start-up)

        store = ApprovalStore(config.db_file, seconds=config.approval_seconds).look_up
    return core.Approvals(
        config.approvals,
        seconds=config.approval_seconds,
        policy_hash=policy_hash,
        key=key,
        store=store,
    )


def appender(log: Appender, config: GatewayConfig | None) -> Callable[[bytes], None]:
    """Writes a line; with `audit.on_failure: continue` a line that cannot be is told on stderr."""
    if config is None or config.audit.on_failure == "refuse":
        return log.append

    def tolerant(line: bytes) -> None:
        try:
            log.append(line)
        except OSError as error:
            reason = error.strerror or type(error).__name__
            print(f"egress-guard: a decision is not in the audit log: {reason}", file=sys.stderr)

    return tolerant


def follow(
    session: core.Session,
    config: GatewayConfig,
    path: Path,
    log: Appender | None,
    policy_hash: str,
) -> None:
    """Keeps the session's rules those of the files; every change of them is on record."""
    from mcp_egress_guard.proxy import reload  # noqa: PLC0415  (start-up)

    current = policy_hash

    def changed() -> None:
        nonlocal current
        try:
            guard, new_hash, _ = reload.read(path)
        except EgressGuardError as error:
            reload.record(log, reload.event(current, current, str(error)))
            reload.note(f"not reloaded, the old rules stay in force: {error}")
            return
        reload.record(log, reload.event(current, new_hash))
        session.reload(guard, policy_hash=new_hash)
        current = new_hash
        reload.note("reloaded")

    reload.watch(config, changed)
