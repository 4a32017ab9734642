"""The HTTP transport's control plane: settings in, a running gateway, signals and reload.

The messages themselves never come here: `rust/gateway` moves and judges them.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from mcp_egress_guard.core import Approvals, AuditLog, Gateway, Guard
from mcp_egress_guard.errors import EgressGuardError, ProxyError

if TYPE_CHECKING:
    from mcp_egress_guard.config import GatewayConfig

__all__ = ["gateway_settings", "raise_file_limit", "run"]

DEFAULT_PATHS = ("/mcp", "/")

# Keys of `proxy.http` that the data plane takes as they are.
PASSED = (
    "workers",
    "allowed_hosts",
    "allowed_origins",
    "max_requests",
    "connect_seconds",
    "answer_seconds",
    "head_seconds",
    "body_seconds",
    "idle_seconds",
    "drain_seconds",
)


def gateway_settings(config: GatewayConfig) -> dict[str, Any]:
    """The data plane's settings out of a configuration.

    `downstream_url` is served at `/mcp` and `/`, further servers at their paths.

    Raises:
        ProxyError: no server is configured, or the token that clients must send is not set.
    """
    proxy, http = config.proxy, config.proxy.http
    upstreams = [
        {"name": other.name or other.path, "paths": [other.path], "url": other.url}
        for other in http.upstreams
    ]
    if proxy.downstream_url:
        taken = {other.path for other in http.upstreams}
        paths = [path for path in DEFAULT_PATHS if path not in taken]
        name = proxy.server_name or "default"
        upstreams.append({"name": name, "paths": paths, "url": proxy.downstream_url})
    if not upstreams:
        raise ProxyError(
            "no MCP server to forward to",
            file=config.path,
            hint="set proxy.downstream_url, such as http://127.0.0.1:3000/mcp",
        )
    settings: dict[str, Any] = {key: getattr(http, key) for key in PASSED} | {
        "listen_host": proxy.listen_host,
        "listen_port": proxy.listen_port,
        "upstreams": upstreams,
        "deny_response": "tool_result" if proxy.deny_response == "tool_result" else "jsonrpc_error",
        "max_body_bytes": proxy.max_message_bytes,
        "admin_port": http.admin_port or None,
        "public_url": proxy.public_url or None,
    }
    for key in ("tls_certificate", "tls_key", "client_ca"):
        if name := getattr(http, key):
            settings[key] = str(config.resolve(name))
    if variable := http.bearer_token_variable:
        token = os.environ.get(variable)
        if not token:
            raise ProxyError(f"the variable {variable} is not set: clients need its token")
        settings["bearer_token"] = token
    return settings


def raise_file_limit() -> None:
    """Allows as many open sockets as the system lets this user have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        except (OSError, ValueError):
            # The lower limit is one that the gateway can live with.
            return


def run(
    config: GatewayConfig,
    guard: Guard,
    audit_log: AuditLog | None,
    *,
    policy_hash: str,
    approvals: Approvals,
    reload: Callable[[], tuple[Guard, str]],
) -> int:
    """Serves until SIGTERM or SIGINT; SIGHUP judges by newly read rules. Returns the exit code.

    `reload` reads the rules anew and returns them with their hash.

    Raises:
        ProxyError: a setting that does not hold, or an address that cannot be listened on.
    """
    raise_file_limit()
    try:
        gateway = Gateway(
            json.dumps(gateway_settings(config)),
            guard,
            audit_log,
            policy_hash=policy_hash,
            audit_required=config.audit.on_failure == "refuse",
            approvals=approvals,
        )
    except (OSError, ValueError) as error:
        raise ProxyError(str(error), file=config.path) from None

    def stop(_signal: int, _frame: FrameType | None) -> None:
        gateway.stop()

    def renew(_signal: int, _frame: FrameType | None) -> None:
        try:
            new, new_hash = reload()
        except (OSError, ValueError, EgressGuardError) as error:
            # The rules that are in force stay in force.
            print(f"egress-guard: not reloaded: {error}", file=sys.stderr, flush=True)
        else:
            gateway.reload(new, policy_hash=new_hash)
            print("egress-guard: reloaded", file=sys.stderr, flush=True)

    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: renew}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        host, port = gateway.address
        host = f"[{host}]" if ":" in host else host
        scheme = "https" if config.proxy.http.tls_certificate else "http"
        print(f"egress-guard: listening on {scheme}://{host}:{port}", file=sys.stderr, flush=True)
        gateway.run()
    finally:
        gateway.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0
