"""Clients that take the time of calls, directly to a server and through the guard.

Two ways: one call after the other (a round trip), and calls that are due at fixed times whether or
not the earlier ones were answered. The second takes each latency from the time when the call was
due, so that a pause of the guard counts for all calls that fall into it (no coordinated omission).
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Protocol

from mcp_egress_guard.bench.server import content_length
from mcp_egress_guard.config import load_config
from mcp_egress_guard.errors import ProxyError

SERVER = [sys.executable, "-m", "mcp_egress_guard.bench.server"]
GUARD = [sys.executable, "-m", "mcp_egress_guard", "run", "--config"]
CONNECTIONS = 8
CHUNK = 1 << 20
# Within this much of the time when a call is due, the client waits without sleeping.
SPIN = 100e-6
PATIENCE = 20.0


class Channel(Protocol):
    """A way to a server, on which calls are under way."""

    def send(self, token: int, data: bytes) -> None:
        """Sends the call, or keeps it until it can be sent."""

    def receive(self, seconds: float) -> list[int]:
        """The tokens of the calls that were answered; waits at most so long for one."""

    def close(self) -> None:
        """Ends what it has started."""


class Stdio:
    """A server as a child process."""

    def __init__(self, command: list[str], folder: Path) -> None:
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        if self.process.stdin is None or self.process.stdout is None:
            raise ProxyError("the server has no pipes")
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        os.set_blocking(self.stdin.fileno(), False)
        os.set_blocking(self.stdout.fileno(), False)
        self.out = bytearray()
        self.tokens: deque[int] = deque()

    def send(self, token: int, data: bytes) -> None:
        """See `Channel`."""
        self.tokens.append(token)
        self.out += data
        self.out += b"\n"
        self._flush()

    def _flush(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while self.out:
                del self.out[: os.write(self.stdin.fileno(), self.out)]

    def receive(self, seconds: float) -> list[int]:
        """See `Channel`."""
        writable = [self.stdin] if self.out else []
        readable, writable, _ = select.select([self.stdout], writable, [], seconds)
        if writable:
            self._flush()
        if not readable:
            return []
        data = os.read(self.stdout.fileno(), CHUNK)
        if not data:
            raise ProxyError("the server has ended")
        return [self.tokens.popleft() for _ in range(data.count(b"\n"))]

    def close(self) -> None:
        """See `Channel`."""
        self.stdin.close()
        self.stdout.close()
        try:
            self.process.wait(10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class Http:
    """Connections to a listening server, each with one call under way."""

    def __init__(self, port: int, connections: int = CONNECTIONS) -> None:
        self.head = (
            b"POST /mcp HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nContent-Type: application/json\r\n"
            b"Accept: application/json, text/event-stream\r\nContent-Length: " % port
        )
        self.idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(connections)]
        for sock in self.idle:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.busy: dict[socket.socket, tuple[int, bytearray]] = {}
        self.waiting: deque[tuple[int, bytes]] = deque()

    def send(self, token: int, data: bytes) -> None:
        """See `Channel`."""
        if not self.idle:
            self.waiting.append((token, data))
            return
        sock = self.idle.pop()
        self.busy[sock] = (token, bytearray())
        sock.sendall(b"%b%d\r\n\r\n%b" % (self.head, len(data), data))

    def receive(self, seconds: float) -> list[int]:
        """See `Channel`."""
        done = []
        readable, _, _ = select.select(list(self.busy), [], [], seconds)
        for sock in readable:
            token, got = self.busy[sock]
            data = sock.recv(CHUNK)
            if not data:
                raise ProxyError("the connection was closed")
            got += data
            end = got.find(b"\r\n\r\n")
            if end >= 0 and len(got) >= end + 4 + content_length(bytes(got)):
                done.append(token)
                del self.busy[sock]
                self.idle.append(sock)
                if self.waiting:
                    self.send(*self.waiting.popleft())
        return done

    def close(self) -> None:
        """See `Channel`."""
        for sock in [*self.idle, *self.busy]:
            sock.close()


def round_trip(channel: Channel, data: bytes) -> int:
    """Nanoseconds of one call."""
    start = time.perf_counter_ns()
    channel.send(0, data)
    while not channel.receive(PATIENCE):
        if time.perf_counter_ns() - start > PATIENCE * 1e9:
            raise ProxyError("no answer came")
    return time.perf_counter_ns() - start


def open_loop(channel: Channel, data: bytes, rate: float, seconds: float) -> list[int]:
    """Nanoseconds of each of `rate * seconds` calls, from the time when it was due."""
    total = max(1, int(rate * seconds))
    clock = time.perf_counter
    latencies: list[int] = []
    sent, start = 0, clock() + 0.01
    last = start + total / rate + PATIENCE
    while len(latencies) < total:
        now = clock()
        while sent < total and start + sent / rate <= now:
            channel.send(sent, data)
            sent += 1
        if now > last:
            raise ProxyError(f"{total - len(latencies)} of {total} calls were not answered")
        left = start + sent / rate - now if sent < total else 0.1
        answered = channel.receive(left - SPIN if left > SPIN else 0.0)
        latencies += [int((clock() - start - token / rate) * 1e9) for token in answered]
    return latencies


@contextlib.contextmanager
def channels(config: str | None, folder: Path) -> Iterator[dict[str, Channel]]:
    """A channel for each transport, direct and through the guard with the rules of `config`."""
    with contextlib.ExitStack() as stack:
        opened: dict[str, Channel] = {}

        def add(name: str, channel: Channel) -> None:
            stack.callback(channel.close)
            opened[name] = channel

        add("stdio, direct", Stdio([*SERVER, "stdio"], folder))
        file = configure(config, folder, "stdio", {})
        add("stdio", Stdio([*GUARD, str(file), "--", *SERVER, "stdio"], folder))
        server = stack.enter_context(_listening([*SERVER, "http"], folder, lambda line: line))
        add("http, direct", Http(server))
        upstream = {"downstream_url": f"http://127.0.0.1:{server}/mcp", "listen_port": 0}
        file = configure(config, folder, "http", upstream)
        guard = stack.enter_context(
            _listening([*GUARD, str(file)], folder, lambda line: line.rpartition(":")[2])
        )
        add("http", Http(guard))
        yield opened


def configure(config: str | None, folder: Path, transport: str, proxy: dict[str, object]) -> Path:
    """A configuration with the rules of the user's, whose server and audit log are ours."""
    data: dict[str, object] = {}
    if config is not None:
        loaded = load_config(Path(config))
        data = loaded.as_dict() | {
            "policy_paths": [str(path.resolve()) for path in loaded.policy_files],
            "db_path": str(loaded.db_file.resolve()),
        }
        audit = {"fsync": loaded.audit.fsync, "record_calls": loaded.audit.record_calls}
        data["audit"] = audit
    data["proxy"] = {"transport": transport, **proxy}
    file = folder / f"{transport}.yaml"
    file.write_text(json.dumps(data))
    return file


@contextlib.contextmanager
def _listening(command: list[str], folder: Path, port: Callable[[str], str]) -> Iterator[int]:
    """Starts a server that prints its port, on stdout or stderr, as a part of a line."""
    process = subprocess.Popen(
        command,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        if process.stdout is None:
            raise ProxyError("the server has no pipes")
        for line in process.stdout:
            if (number := port(line.strip())).isdigit():
                yield int(number)
                return
        raise ProxyError("the server does not listen")
    finally:
        process.terminate()
        process.wait()
