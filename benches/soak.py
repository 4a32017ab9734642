"""Loads the HTTP transport for minutes and watches its memory: it must stay where it is.

    python benches/soak.py                      ten minutes
    python benches/soak.py --minutes 3

Calls of all kinds take turns: allowed, denied, masked, large, cut off by the client, sessions that
begin and end, and streams that open and close. Memory is read once a second. After a warm-up of a
fifth of the time, it may grow by 16 MB at most. Exits 1 if it grows more, or if a call fails.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import multiprocessing
import socket
import statistics
import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from http_proxy import (
    REPLY,
    STREAM,
    Connection,
    memory,
    ready,
    request,
    start_guard,
    whole_message,
)

GROWTH_MB = 16
CALLERS = 4


def message(tool: str, **arguments: str) -> bytes:
    """A call."""
    params = {"name": tool, "arguments": arguments}
    text = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return json.dumps(text).encode()


BODIES = (
    message("list_files", path="/srv/reports"),
    message("shell_exec", command="rm -rf /srv/data"),
    message("store", text="api_key = 9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c"),
    message("write_file", path="/srv/a.txt", content="seven winter rivers " * 20_000),
    b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}',
)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answers each POST with the same result, and leaves each GET stream open."""
    with contextlib.suppress(OSError, asyncio.IncompleteReadError):
        while True:
            head = await reader.readuntil(b"\r\n\r\n")
            length = head.lower().partition(b"content-length: ")[2].split(b"\r\n")[0]
            await reader.readexactly(int(length or 0))
            writer.write(STREAM if head.startswith(b"GET") else REPLY)
    writer.close()


def serve(listener: socket.socket) -> None:
    """The server behind the guard."""

    async def run() -> None:
        async with await asyncio.start_server(answer, sock=listener) as server:
            await server.serve_forever()

    asyncio.run(run())


class Caller(threading.Thread):
    """One client after another."""

    def __init__(self, port: int, end: float) -> None:
        super().__init__(daemon=True)
        self.port, self.end = port, end
        self.done = 0
        self.failed: list[str] = []

    def run(self) -> None:
        """Calls until the end."""
        while time.monotonic() < self.end:
            try:
                self.visit()
            except OSError as error:
                self.failed.append(str(error))

    def visit(self) -> None:
        """What one client does."""
        connection = Connection(self.port)
        for number in range(200):
            connection.data = request(self.port, body=BODIES[number % len(BODIES)])
            connection.sock.sendall(connection.data)
            if not whole_message(connection.sock):
                self.failed.append("no answer")
                break
            self.done += 1
        # A body that is never finished, and a stream that nobody waits for the end of.
        connection.sock.sendall(request(self.port, body=BODIES[3])[:4_000])
        connection.sock.close()
        stream = socket.create_connection(("127.0.0.1", self.port))
        stream.sendall(request(self.port, b"GET", b""))
        stream.recv(1024)
        stream.close()


def open_files(pid: int) -> int:
    """Descriptors that a process holds."""
    return sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())


def main() -> int:
    """Prints memory over time; 1 if it grows."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10.0)
    seconds = parser.parse_args().minutes * 60
    listener = socket.create_server(("127.0.0.1", 0), backlog=4096)
    server = multiprocessing.get_context("fork").Process(target=serve, args=(listener,))
    server.daemon = True
    server.start()
    with tempfile.TemporaryDirectory() as name:
        process, port = start_guard(Path(name), listener.getsockname()[1], workers=2)
        try:
            ready(port)
            start = time.monotonic()
            callers = [Caller(port, start + seconds) for _ in range(CALLERS)]
            for caller in callers:
                caller.start()
            seen: list[float] = []
            while any(caller.is_alive() for caller in callers):
                time.sleep(1)
                if process.poll() is not None:
                    raise SystemExit("the guard has ended")
                seen.append(memory(process.pid))
                if len(seen) % 30 == 0:
                    print(f"{len(seen):>5} s: {seen[-1]:.1f} MB", flush=True)
            time.sleep(2)
            files = open_files(process.pid)
        finally:
            with contextlib.suppress(OSError):
                process.terminate()
            process.wait()
            server.terminate()
    warm = seen[len(seen) // 5 :]
    third = max(1, len(warm) // 3)
    before, after = statistics.median(warm[:third]), statistics.median(warm[-third:])
    done = sum(caller.done for caller in callers)
    failed = [why for caller in callers for why in caller.failed]
    print(f"{done:,} calls in {seconds:.0f} s, {len(failed)} failed {failed[:3]}")
    print(
        f"memory: {before:.1f} MB after the warm-up, {after:.1f} at the end, peak {max(seen):.1f}"
    )
    print(f"files open at the end: {files}")
    return int(after - before > GROWTH_MB or bool(failed))


if __name__ == "__main__":
    sys.exit(main())
