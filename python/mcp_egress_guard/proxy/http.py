"""The HTTP transport's control plane: settings in, a running gateway, signals and reload.

The messages themselves never come here: `rust/gateway` moves and judges them.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable
from types import FrameType
from typing import TYPE_CHECKING, Any

from mcp_egress_guard.core import Approvals, AuditLog, Gateway, Guard
from mcp_egress_guard.errors import EgressGuardError, ProxyError
from mcp_egress_guard.proxy.reload import event, note, record

if TYPE_CHECKING:
    from mcp_egress_guard.audit.otel import OtelSink, Tee
    from mcp_egress_guard.config import GatewayConfig

__all__ = ["gateway_settings", "raise_file_limit", "run"]

DEFAULT_PATHS = ("/mcp", "/")
# Audit lines that wait for OpenTelemetry.
MOST_EVENTS = 10_000

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


class Bridge(threading.Thread):
    """Hands on to OpenTelemetry what the data plane has written down."""

    def __init__(self, gateway: Gateway, sink: OtelSink) -> None:
        super().__init__(name="audit-bridge", daemon=True)
        self._gateway, self._sink = gateway, sink
        self._ended = threading.Event()

    def run(self) -> None:
        """Until the gateway has ended, and then what is left."""
        while not self._ended.is_set():
            self._offer(0.2)
        while self._offer(0):
            pass

    def _offer(self, seconds: float) -> bool:
        lines = self._gateway.events(seconds)
        for line in lines:
            self._sink.offer(line)
        return bool(lines)

    def close(self) -> None:
        """The gateway has ended."""
        self._ended.set()
        self.join()
        self._sink.close()


def run(
    config: GatewayConfig,
    guard: Guard,
    log: AuditLog | Tee | None,
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
    sink = None if log is None or isinstance(log, AuditLog) else log.sink
    try:
        gateway = Gateway(
            json.dumps(gateway_settings(config)),
            guard,
            log if isinstance(log, AuditLog) or log is None else log.log,
            policy_hash=policy_hash,
            audit_required=config.audit.on_failure == "refuse",
            approvals=approvals,
            events=MOST_EVENTS if sink else 0,
        )
    except (OSError, ValueError) as error:
        raise ProxyError(str(error), file=config.path) from None

    bridge = Bridge(gateway, sink) if sink else None

    def stop(_signal: int, _frame: FrameType | None) -> None:
        gateway.stop()

    current = policy_hash

    def renew(_signal: int, _frame: FrameType | None) -> None:
        nonlocal current
        try:
            new, new_hash = reload()
        except (OSError, ValueError, EgressGuardError) as error:
            # The rules that are in force stay in force.
            record(log, event(current, current, str(error)))
            note(f"not reloaded: {error}")
        else:
            record(log, event(current, new_hash))
            gateway.reload(new, policy_hash=new_hash)
            current = new_hash
            note("reloaded")

    handlers = {signal.SIGTERM: stop, signal.SIGINT: stop, signal.SIGHUP: renew}
    if bridge:
        bridge.start()
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        host, port = gateway.address
        host = f"[{host}]" if ":" in host else host
        scheme = "https" if config.proxy.http.tls_certificate else "http"
        print(f"egress-guard: listening on {scheme}://{host}:{port}", file=sys.stderr, flush=True)
        gateway.run()
    finally:
        gateway.stop()
        if bridge:
            bridge.close()
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0
