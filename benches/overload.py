"""Offers the HTTP transport twice what it can serve, and costly calls beside small ones.

    python benches/overload.py

Calls are sent at their own pace, not when the one before was answered: what is refused is counted,
what is accepted is timed from its sending. Then one client sends costly calls of 1 MB and another
one has a stream open that it never reads, while small calls are timed. Exits 1 if a figure is over
its budget.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import multiprocessing
import resource
import selectors
import socket
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from http_proxy import (
    BODY,
    Connection,
    load,
    memory,
    missing_of,
    percentile,
    ready,
    request,
    serve,
    start_guard,
    whole_message,
)

from mcp_egress_guard.bench.workloads import call, frame, prose

# Requests that are served at a time, and the connections that call.
MOST, CONNECTIONS = 256, 1_024
# Seconds. An accepted call waits for those before it, which are 256 at most.
ACCEPTED_P99 = 0.25
REFUSED_P99 = 0.25
GROWTH_MB = 16
# What the costliest call of 1 MB may take, and a small one in its shadow.
SHADOW_P99 = 20e-3

# Costs the guard more than the client, which is not the one to be measured.
LARGE = frame(call("store", text=prose(24 << 10)) | {"id": 1})
COSTLY = frame(call("store", text="password: " * (100 << 10)) | {"id": 1})


@dataclass
class Outcome:
    """What became of the calls that were offered."""

    accepted: list[float] = field(default_factory=list)
    refused: list[float] = field(default_factory=list)
    without_hint: int = 0
    failed: int = 0
    # No connection was free: the client would have queued it.
    unsent: int = 0


class Caller:
    """A connection with at most one call on it, whose answers are read as they come."""

    def __init__(self, port: int, body: bytes) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.data = request(port, body=body)
        self.sent = 0.0
        self.got = b""

    def send(self) -> None:
        """Sends the call, which the socket's buffer takes at once."""
        self.sent, self.got = time.perf_counter(), b""
        self.sock.sendall(self.data)

    def read(self, outcome: Outcome) -> bool:
        """Reads what came; true once the answer is whole."""
        data = self.sock.recv(65536)
        self.got += data
        if not data:
            outcome.failed += 1
            return True
        if missing_of(self.got) > 0:
            return False
        lower = self.got.partition(b"\r\n\r\n")[0].lower()
        taken = time.perf_counter() - self.sent
        if lower.startswith(b"http/1.1 200"):
            outcome.accepted.append(taken)
        elif lower.startswith(b"http/1.1 503"):
            outcome.refused.append(taken)
            outcome.without_hint += b"retry-after:" not in lower
        else:
            outcome.failed += 1
        return True


def offer(port: int, body: bytes, rate: float, seconds: float) -> Outcome:
    """Sends `rate` calls a second, whatever becomes of them."""
    outcome = Outcome()
    selector = selectors.DefaultSelector()
    free: collections.deque[Caller] = collections.deque()
    for _ in range(CONNECTIONS):
        caller = Caller(port, body)
        selector.register(caller.sock, selectors.EVENT_READ, caller)
        free.append(caller)
    start = time.perf_counter()
    due = 0
    while (now := time.perf_counter() - start) < seconds:
        while due < now * rate:
            due += 1
            if free:
                free.popleft().send()
            else:
                outcome.unsent += 1
        for key, _ in selector.select(0.001):
            if not key.data.read(outcome):
                continue
            if b"connection: close" in key.data.got.lower() or not key.data.got:
                selector.unregister(key.data.sock)
                key.data.sock.close()
                again = Caller(port, body)
                selector.register(again.sock, selectors.EVENT_READ, again)
                free.append(again)
            else:
                free.append(key.data)
    for key in list(selector.get_map().values()):
        key.data.sock.close()
    return outcome


class Shadow(threading.Thread):
    """Sends costly calls one after another until it is told to stop."""

    def __init__(self, port: int) -> None:
        super().__init__(daemon=True)
        self.port = port
        self.stop = threading.Event()
        self.done = 0

    def run(self) -> None:
        """Each on a connection of its own."""
        while not self.stop.is_set():
            connection = Connection(self.port)
            with contextlib.suppress(OSError):
                connection.sock.sendall(request(self.port, body=COSTLY))
                self.done += whole_message(connection.sock)
            connection.sock.close()


def main() -> int:
    """Prints the figures; 1 if one is over its budget."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=10.0)
    seconds = parser.parse_args().seconds
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = multiprocessing.get_context("fork").Process(target=serve, args=(listener,))
    server.daemon = True
    server.start()
    checks: list[tuple[str, float, float, str]] = []
    with tempfile.TemporaryDirectory() as name:
        upstream = listener.getsockname()[1]
        process, port = start_guard(Path(name), upstream, workers=1, max_requests=MOST)
        try:
            ready(port)
            capacity = load(port, 32, 3.0, LARGE) / 3.0
            offer(port, LARGE, capacity / 2, 2.0)
            before = memory(process.pid)
            outcome = offer(port, LARGE, 2 * capacity, seconds)
            after = memory(process.pid)
            offered = 2 * capacity * seconds
            print(
                f"capacity {capacity:,.0f} calls/s of {len(LARGE) >> 10} KB; of {offered:,.0f} "
                f"offered {len(outcome.accepted):,} accepted, {len(outcome.refused):,} refused, "
                f"{outcome.unsent:,} never sent, {outcome.failed:,} failed"
            )
            checks += [
                ("p99 of the accepted, ms", percentile(outcome.accepted, 0.99), ACCEPTED_P99, "ms"),
                ("failed calls", outcome.failed, 0, ""),
                ("refused without Retry-After", outcome.without_hint, 0, ""),
                ("growth of memory, MB", after - before, GROWTH_MB, ""),
            ]
            if outcome.refused:
                late = percentile(outcome.refused, 0.99)
                checks.append(("p99 of the refused, ms", late, REFUSED_P99, "ms"))
            checks += shadowed(port)
        finally:
            process.terminate()
            process.wait()
            server.terminate()
    failed = 0
    for what, value, most, unit in checks:
        scale = 1e3 if unit == "ms" else 1
        over = value > most
        failed |= over
        print(f"{what}: {value * scale:.1f} (at most {most * scale:.0f}){'  OVER' if over else ''}")
    return int(failed)


def shadowed(port: int) -> list[tuple[str, float, float, str]]:
    """How long small calls take beside costly ones and a stream that nobody reads."""
    deaf = socket.create_connection(("127.0.0.1", port))
    deaf.sendall(request(port, b"GET", b""))
    small = Connection(port)
    small.latencies(200)
    alone = percentile(small.latencies(2_000, 0.0005), 0.99)
    shadow = Shadow(port)
    shadow.start()
    beside = percentile(small.latencies(2_000, 0.0005), 0.99)
    shadow.stop.set()
    shadow.join()
    deaf.close()
    print(
        f"small calls: p99 {alone * 1e3:.2f} ms alone, {beside * 1e3:.2f} ms beside "
        f"{shadow.done:,} costly ones of {len(COSTLY) >> 10} KB ({len(BODY)} bytes against them)"
    )
    return [("p99 of small calls beside costly ones, ms", beside, SHADOW_P99, "ms")]


if __name__ == "__main__":
    sys.exit(main())
