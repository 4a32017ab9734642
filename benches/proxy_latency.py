"""Measures what the stdio proxy adds: round trip of a tiny call, and calls a second in a pipeline.

Direct and guarded runs take turns in one session, evaluation and audit are on, and the server is a
fast echo of its own, so that the guard is what is measured. Exits 1 if a figure is over its budget.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import threading
import time
from contextlib import ExitStack
from pathlib import Path
from typing import IO

from mcp_egress_guard.bench.peers import SERVER
from mcp_egress_guard.bench.workloads import call, frame

GUARD = str(Path(sysconfig.get_path("scripts")) / "egress-guard")
ECHO = [*SERVER, "stdio"]
FRAME = frame(call("list_files", path="/tmp/reports"))  # noqa: S108
ADDED_BUDGET = 60e-6
RATE_BUDGET = 20_000
BLOCKS = 5


def tiny(number: int) -> bytes:
    """A `tools/call` of about 130 bytes; the id comes first, where the echo looks for it."""
    return b"%b%07d%b\n" % (FRAME[:6], number + 1_000_000, FRAME[13:])


class Peer:
    """A running server, direct or behind the guard."""

    def __init__(self, command: list[str], folder: str) -> None:
        """Starts the command in `folder`."""
        self.process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        )
        self.number = 0
        self.round_trips(200)

    @property
    def pipes(self) -> tuple[IO[bytes], IO[bytes]]:
        """The server's stdin and stdout."""
        if self.process.stdin is None or self.process.stdout is None:
            raise SystemExit("no pipes")
        return self.process.stdin, self.process.stdout

    def round_trips(self, count: int) -> list[float]:
        """Seconds of each of `count` calls, one after the other."""
        stdin, stdout = self.pipes
        taken = []
        for _ in range(count):
            self.number += 1
            line = tiny(self.number)
            start = time.perf_counter()
            os.write(stdin.fileno(), line)
            answer = stdout.readline()
            taken.append(time.perf_counter() - start)
            if b'"result"' not in answer or line[6:13] not in answer:
                raise SystemExit(f"unexpected answer: {answer!r}")
        return taken

    def rate(self, count: int) -> float:
        """Calls a second with as many in flight as the pipes hold."""
        stdin, stdout = self.pipes
        first = self.number + 1
        self.number += count
        data = b"".join(tiny(number) for number in range(first, first + count))

        def write() -> None:
            stdin.write(data)
            stdin.flush()

        writer = threading.Thread(target=write)
        start = time.perf_counter()
        writer.start()
        left = count
        while left:
            left -= os.read(stdout.fileno(), 1 << 20).count(b"\n")
        taken = time.perf_counter() - start
        writer.join()
        return count / taken

    def close(self) -> None:
        """Ends the server by closing its stdin."""
        stdin, stdout = self.pipes
        stdin.close()
        stdout.close()
        self.process.wait(10)


def main() -> int:
    """Prints the table; the exit code tells whether every budget was kept."""
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        direct = Peer(ECHO, folder)
        stack.callback(direct.close)
        guarded = Peer([GUARD, "run", "--", *ECHO], folder)
        stack.callback(guarded.close)
        added, near, far = [], [], []
        for _ in range(BLOCKS):
            near.append(statistics.median(direct.round_trips(1_000)))
            far.append(statistics.median(guarded.round_trips(1_000)))
            added.append(far[-1] - near[-1])
        direct_rate = max(direct.rate(50_000) for _ in range(3))
        rate = max(guarded.rate(50_000) for _ in range(3))
    slow, few = min(added) > ADDED_BUDGET, rate < RATE_BUDGET
    print(f"round trip p50, direct {min(near) * 1e6:.1f} µs, guarded {min(far) * 1e6:.1f} µs")
    print(f"added by the guard     {min(added) * 1e6:.1f} µs{'   OVER' if slow else ''}")
    print(
        f"pipelined, direct {direct_rate:,.0f}/s, guarded {rate:,.0f}/s{'   OVER' if few else ''}"
    )
    return int(slow or few)


if __name__ == "__main__":
    sys.exit(main())
