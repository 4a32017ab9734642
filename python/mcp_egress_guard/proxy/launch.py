"""Starts the proxy that a configuration or a command line asks for."""

from __future__ import annotations

import os
import secrets
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mcp_egress_guard import core
from mcp_egress_guard.errors import AuditError, PolicyError, ProxyError

if TYPE_CHECKING:
    from mcp_egress_guard.config import GatewayConfig

DEFAULT_LOG = Path("egress_audit.jsonl")
DEFAULT_LIMIT = 64 << 20


@dataclass(frozen=True, slots=True)
class Plan:
    """What is started."""

    guard: core.Guard
    policy_hash: str
    config: GatewayConfig | None


def launch(config_file: Path | None, command: Sequence[str]) -> int:
    """Runs the proxy until it ends; the exit code.

    Raises:
        EgressGuardError: it cannot start.
    """
    plan = prepare(config_file, command)
    if plan.config and plan.config.proxy.transport == "http" and not command:
        return http(plan, plan.config)
    return stdio(plan, command)


def prepare(config_file: Path | None, command: Sequence[str]) -> Plan:
    """The guard and its configuration; a file that is wrong stops the start."""
    if config_file is None and command:
        # The one-line start reads no file: what lies in the folder changes nothing.
        return Plan(core.EgressGuard().engine.guard, core.builtin_hash(), None)
    from mcp_egress_guard.config import find_config, load_config  # noqa: PLC0415  (start-up)
    from mcp_egress_guard.policy.loader import load_rules  # noqa: PLC0415  (start-up)

    path = config_file or find_config()
    if path is None:
        raise ProxyError(
            "no configuration and no command",
            hint="egress-guard run -- COMMAND ARGS…, or egress-guard init and set "
            "proxy.downstream_command in gateway.yaml",
        )
    config = load_config(path)
    loaded = load_rules(config)
    for warning in loaded.warnings:
        print(f"egress-guard: warning: {warning}", file=sys.stderr)
    try:
        guard = core.compile_guard(loaded.for_engine(), loaded.engine_settings(config))
    except ValueError as error:
        raise PolicyError(str(error)) from None
    return Plan(guard, loaded.policy_hash, config)


def stdio(plan: Plan, command: Sequence[str]) -> int:
    """The guard in front of a server that is its child."""
    from mcp_egress_guard.proxy import stdio as transport  # noqa: PLC0415  (start-up)

    proxy = plan.config.proxy if plan.config else None
    command = list(command) or (list(proxy.downstream_command) if proxy else [])
    if not command:
        raise ProxyError(
            "no MCP server to start",
            file=plan.config.path if plan.config else None,
            hint="set proxy.downstream_command, or egress-guard run -- COMMAND ARGS…",
        )
    log = open_audit(plan.config)
    name = (proxy.server_name if proxy else "") or Path(command[0]).name
    session = core.Session(
        plan.guard,
        nonce=secrets.token_hex(8),
        deny_response=proxy.deny_response if proxy else "tool_result",
        server=name,
        session_id=secrets.token_hex(8),
        policy_hash=plan.policy_hash,
    )
    limit = proxy.max_message_bytes if proxy else DEFAULT_LIMIT
    code = transport.run(command, session, log.append if log else None, limit=limit)
    sys.stderr.flush()
    # Threads may still be blocked in reads that nobody will answer.
    os._exit(code)


def http(plan: Plan, config: GatewayConfig) -> int:
    """The guard as a reverse proxy in front of servers that run elsewhere."""
    from mcp_egress_guard.proxy import http as transport  # noqa: PLC0415  (start-up)

    def reload() -> tuple[core.Guard, str]:
        new = prepare(config.path, ())
        return new.guard, new.policy_hash

    log = open_audit(config)
    return transport.run(config, plan.guard, log, policy_hash=plan.policy_hash, reload=reload)


def open_audit(config: GatewayConfig | None) -> Any:
    """The audit log, open for appending, or `None` where it is switched off.

    Raises:
        AuditError: it cannot be written; nothing is started without it.
    """
    from mcp_egress_guard.audit.log import open_log  # noqa: PLC0415  (start-up)

    if config is not None and not config.audit.enabled:
        return None
    try:
        return open_log(config)
    except OSError as error:
        raise AuditError(
            f"the audit log cannot be written: {error.strerror or error}",
            file=config.audit_file if config else DEFAULT_LOG,
            hint="set audit.log_file in gateway.yaml to a file that can be written",
        ) from None
