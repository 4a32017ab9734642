"""Peers of the HTTP gateway: the guard as a process, a scripted server, a client of raw bytes."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

TIMEOUT = 20


@dataclass
class Seen:
    """A request as the server received it."""

    method: str
    target: str
    headers: list[tuple[str, str]]
    body: bytes

    def all(self, name: str) -> list[str]:
        """The values of a header, in order."""
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        """The only value of a header."""
        values = self.all(name)
        assert len(values) <= 1, values
        return values[0] if values else None

    @property
    def message(self) -> Any:
        """The body as JSON."""
        return json.loads(self.body)


class Peer:
    """One connection of a client to a scripted server."""

    def __init__(self, sock: socket.socket) -> None:
        sock.settimeout(TIMEOUT)
        self.sock = sock
        self.buffer = b""

    def line(self) -> bytes:
        while b"\n" not in self.buffer:
            data = self.sock.recv(65536)
            if not data:
                return b""
            self.buffer += data
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line + b"\n"

    def exactly(self, count: int) -> bytes:
        while len(self.buffer) < count:
            data = self.sock.recv(1 << 20)
            assert data, "torn body"
            self.buffer += data
        data, self.buffer = self.buffer[:count], self.buffer[count:]
        return data

    def request(self) -> Seen | None:
        """The next request; None at the end of the connection."""
        start = self.line().decode().split()
        if not start:
            return None
        headers = []
        while (line := self.line().decode("latin-1").rstrip("\r\n")) != "":
            name, _, value = line.partition(":")
            headers.append((name, value.strip()))
        seen = Seen(start[0], start[1], headers, b"")
        if (length := seen.get("content-length")) is not None:
            seen.body = self.exactly(int(length))
        assert not seen.all("transfer-encoding")
        return seen

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def answer(
        self,
        body: bytes | str = b"",
        status: str = "200 OK",
        media: str | None = "application/json",
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        """A whole answer."""
        body = body.encode() if isinstance(body, str) else body
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}"]
        if media:
            lines.append(f"Content-Type: {media}")
        lines += [f"{name}: {value}" for name, value in headers]
        self.send("\r\n".join([*lines, "", ""]).encode() + body)

    def stream(self, headers: tuple[tuple[str, str], ...] = ()) -> None:
        """The head of a stream; `chunk` follows."""
        lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked"]
        lines += [f"{name}: {value}" for name, value in headers]
        self.send("\r\n".join([*lines, "", ""]).encode())

    def chunk(self, data: bytes) -> None:
        """A piece of a stream; an empty one ends it."""
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def is_gone(self, seconds: float = TIMEOUT) -> bool:
        """Whether the client closes the connection within the time."""
        self.sock.settimeout(seconds)
        try:
            return self.sock.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True


Behaviour = Callable[[Seen, Peer], None]


def result(seen: Seen) -> str:
    """A tool result that repeats nothing of the request but its id."""
    return json.dumps({"jsonrpc": "2.0", "id": seen.message["id"], "result": {"content": []}})


def echo(seen: Seen, peer: Peer) -> None:
    """Answers a request with an empty result, everything else with 202."""
    if seen.method == "POST" and "id" in seen.message and "method" in seen.message:
        peer.answer(result(seen))
    else:
        peer.answer(status="202 Accepted", media=None)


class Server:
    """A server whose every answer is `behaviour`. Keeps what it saw."""

    def __init__(self) -> None:
        self.behaviour: Behaviour = echo
        self.seen: list[Seen] = []
        self.connections = 0
        self.errors: list[BaseException] = []
        self.listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self.port: int = self.listener.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def accept(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            self.connections += 1
            threading.Thread(target=self.serve, args=(sock,), daemon=True).start()

    def serve(self, sock: socket.socket) -> None:
        peer = Peer(sock)
        try:
            while (seen := peer.request()) is not None:
                self.seen.append(seen)
                self.behaviour(seen, peer)
        except OSError:
            pass
        except BaseException as error:
            self.errors.append(error)
        finally:
            sock.close()

    def close(self) -> None:
        self.listener.close()


@dataclass
class Reply:
    """An answer as the client received it."""

    status: int
    headers: list[tuple[str, str]]
    body: bytes
    complete: bool = True

    def all(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name: str) -> str | None:
        values = self.all(name)
        return values[0] if values else None

    @property
    def message(self) -> Any:
        return json.loads(self.body)


class Wire:
    """A client that sends what it is told, byte for byte."""

    def __init__(self, port: int) -> None:
        self.sock = socket.create_connection(("127.0.0.1", port), timeout=TIMEOUT)
        self.buffer = b""

    def send(self, data: bytes) -> None:
        self.sock.sendall(data)

    def more(self) -> bool:
        try:
            data = self.sock.recv(1 << 20)
        except ConnectionResetError:
            return False
        self.buffer += data
        return bool(data)

    def line(self) -> bytes:
        while b"\n" not in self.buffer:
            if not self.more():
                return b""
        line, _, self.buffer = self.buffer.partition(b"\n")
        return line.rstrip(b"\r")

    def head(self) -> Reply:
        """The head of an answer; the body is still to be read."""
        start = self.line().split(b" ", 2)
        assert len(start) >= 2, "no answer"
        headers = []
        while (line := self.line().decode("latin-1")) != "":
            name, _, value = line.partition(":")
            headers.append((name, value.strip()))
        return Reply(int(start[1]), headers, b"")

    def chunk(self) -> bytes | None:
        """The next piece of a chunked body; empty at its end, None where it is torn."""
        size = self.line()
        if size == b"":
            return None
        count = int(size, 16) + 2
        while len(self.buffer) < count:
            if not self.more():
                return None
        data, self.buffer = self.buffer[: count - 2], self.buffer[count:]
        return data

    def reply(self) -> Reply:
        """A whole answer."""
        reply = self.head()
        if reply.get("transfer-encoding") == "chunked":
            while piece := self.chunk():
                reply.body += piece
            reply.complete = piece is not None
            return reply
        length = int(reply.get("content-length") or 0)
        while len(self.buffer) < length:
            if not self.more():
                reply.complete = False
                break
        reply.body, self.buffer = self.buffer[:length], self.buffer[length:]
        return reply

    def is_closed(self, seconds: float = TIMEOUT) -> bool:
        """Whether the peer closes the connection within the time, and sends nothing before."""
        self.sock.settimeout(seconds)
        try:
            return self.sock.recv(1) == b""
        except TimeoutError:
            return False
        except OSError:
            return True

    def is_silent(self, seconds: float) -> bool:
        """Whether nothing comes within the time."""
        self.sock.settimeout(seconds)
        try:
            return not self.more()
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(TIMEOUT)

    def close(self) -> None:
        self.sock.close()

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def call(number: int | str = 1, tool: str = "list_files", **arguments: Any) -> dict[str, Any]:
    """A legacy `tools/call`."""
    return {
        "jsonrpc": "2.0",
        "id": number,
        "method": "tools/call",
        "params": {"name": tool, "arguments": arguments},
    }


def post(
    message: Any, *headers: tuple[str, str], target: str = "/mcp", length: bool = True
) -> bytes:
    """The bytes of a POST."""
    body = message if isinstance(message, bytes) else json.dumps(message).encode()
    given = {name.lower() for name, _ in headers}
    defaults = [
        ("Host", "localhost"),
        ("Content-Type", "application/json"),
        ("Accept", "application/json, text/event-stream"),
    ]
    lines = [f"POST {target} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in defaults if name.lower() not in given]
    lines += [f"{name}: {value}" for name, value in headers]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


@dataclass
class Guarded:
    """A running guard."""

    process: subprocess.Popen[bytes]
    port: int
    folder: Path
    stderr: list[str] = field(default_factory=list)
    admin_port: int = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/mcp"

    def ask(self, data: bytes) -> Reply:
        """Sends bytes over a connection of their own and returns the answer."""
        with Wire(self.port) as wire:
            wire.send(data)
            return wire.reply()

    def get(self, target: str, *headers: tuple[str, str], method: str = "GET") -> Reply:
        """A request without a body."""
        given = {name.lower() for name, _ in headers}
        lines = [f"{method} {target} HTTP/1.1"]
        if "host" not in given:
            lines.append("Host: localhost")
        lines += [f"{name}: {value}" for name, value in headers]
        with Wire(self.port) as wire:
            wire.send("\r\n".join([*lines, "", ""]).encode())
            return wire.head() if method == "HEAD" else wire.reply()

    def admin(self, path: str) -> Reply:
        """A page of the admin listener."""
        with Wire(self.admin_port) as wire:
            wire.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
            return wire.reply()

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends a signal and returns the exit code."""
        self.process.send_signal(number)
        return self.process.wait(TIMEOUT)


@contextmanager
def listening(command: Sequence[str], port: int, **env: str) -> Iterator[str]:
    """A real server, once it listens on the port; its URL."""
    process = subprocess.Popen(
        command, env=os.environ | env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        end = time.monotonic() + 30
        while True:
            try:
                Wire(port).close()
                break
            except OSError:
                assert process.poll() is None, "the server has ended"
                assert time.monotonic() < end, "the server does not listen"
                time.sleep(0.05)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def collect(stream: Any, lines: list[str]) -> None:
    """Keeps what a process says, line by line."""
    lines.extend(line.decode() for line in stream)


@contextmanager
def guarded(
    command: str,
    folder: Path,
    proxy: dict[str, Any],
    env: dict[str, str] | None = None,
    *,
    more: dict[str, Any] | None = None,
    options: tuple[str, ...] = (),
) -> Iterator[Guarded]:
    """The installed command in front of a server; `more` are keys beside `proxy`."""
    port = free_port()
    proxy = {"transport": "http", "listen_host": "127.0.0.1", "listen_port": port} | proxy
    # JSON is YAML.
    (folder / "gateway.yaml").write_text(json.dumps({"proxy": proxy} | (more or {})))
    process = subprocess.Popen(
        [command, "run", "--config", "gateway.yaml", *options],
        cwd=folder,
        env=os.environ | (env or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    guard = Guarded(process, port, folder, admin_port=proxy.get("http", {}).get("admin_port", 0))
    threading.Thread(target=collect, args=(process.stderr, guard.stderr), daemon=True).start()
    end = time.monotonic() + TIMEOUT
    while not any(re.search(r"listening on http", line) for line in guard.stderr):
        assert process.poll() is None, "".join(guard.stderr)
        assert time.monotonic() < end, "the guard does not listen"
        time.sleep(0.01)
    try:
        yield guard
    finally:
        process.kill()
        process.wait()
