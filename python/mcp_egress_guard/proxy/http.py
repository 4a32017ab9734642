"""The HTTP transport's control plane: settings in, a running gateway, signals and reload.

The messages themselves never come here: `rust/gateway` moves and judges them.
"""

from __future__ import annotations

import json
import resource
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from types import FrameType
from typing import Any

from mcp_egress_guard.core import AuditLog, Gateway, Guard

__all__ = ["gateway_settings", "raise_file_limit", "run"]

DEFAULT_PATHS = ("/mcp", "/")

# Keys of `proxy` in gateway.yaml that the data plane takes as they are.
PASSED = (
    "listen_host",
    "listen_port",
    "admin_port",
    "workers",
    "public_url",
    "allowed_hosts",
    "allowed_origins",
    "bearer_token",
    "deny_response",
    "max_body_bytes",
    "max_requests",
    "max_sessions",
    "session_seconds",
    "head_seconds",
    "body_seconds",
    "idle_seconds",
    "connect_seconds",
    "answer_seconds",
    "drain_seconds",
)


def gateway_settings(proxy: Mapping[str, Any]) -> dict[str, Any]:
    """The data plane's settings out of the `proxy` section of a configuration.

    `downstream_url` is served at `/mcp` and `/`; `upstreams` (`name`, `path`, `url`) adds servers
    at paths of their own.

    Raises:
        ValueError: no server is configured.
    """
    upstreams: list[dict[str, Any]] = []
    if url := proxy.get("downstream_url"):
        upstreams.append({"name": "default", "paths": list(DEFAULT_PATHS), "url": url})
    others: Sequence[Mapping[str, Any]] = proxy.get("upstreams") or ()
    upstreams += [
        {"name": other.get("name") or other["path"], "paths": [other["path"]], "url": other["url"]}
        for other in others
    ]
    if not upstreams:
        raise ValueError("proxy.downstream_url is not set: the URL of the MCP server is needed")
    settings = {key: proxy[key] for key in PASSED if proxy.get(key) is not None}
    return {"listen_port": 8080} | settings | {"upstreams": upstreams}


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
    settings: Mapping[str, Any],
    guard: Guard,
    audit_log: AuditLog | None = None,
    *,
    policy_hash: str = "",
    reload: Callable[[], tuple[Guard, str]] | None = None,
) -> int:
    """Serves until SIGTERM or SIGINT; SIGHUP judges by newly read rules. Returns the exit code.

    `reload` reads the rules anew and returns them with their hash.

    Raises:
        ValueError: a setting that does not hold.
        OSError: an address that cannot be listened on.
    """
    raise_file_limit()
    gateway = Gateway(json.dumps(settings), guard, audit_log, policy_hash=policy_hash)

    def stop(_signal: int, _frame: FrameType | None) -> None:
        gateway.stop()

    def renew(_signal: int, _frame: FrameType | None) -> None:
        if reload is None:
            return
        try:
            new, new_hash = reload()
            gateway.reload(new, policy_hash=new_hash)
        except (OSError, ValueError) as error:
            # The rules that are in force stay in force.
            print(f"egress-guard: not reloaded: {error}", file=sys.stderr)
        else:
            print("egress-guard: reloaded", file=sys.stderr)

    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: renew}
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        host, port = gateway.address
        print(f"egress-guard: listening on http://{host}:{port}", file=sys.stderr, flush=True)
        gateway.run()
    finally:
        gateway.stop()
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0
