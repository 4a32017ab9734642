"""Measures what the stdio proxy adds: round trip of a tiny call, and calls a second in a pipeline.

Direct and guarded runs take turns in one session, evaluation and audit are on, and the server is a
fast echo of its own, so that the guard is what is measured. Exits 1 if a figure is over its budget.
"""

from __future__ import annotations

import os
import statistics
import sys
import sysconfig
import tempfile
import threading
import time
from contextlib import ExitStack
from itertools import pairwise
from pathlib import Path

from mcp_egress_guard.bench.peers import CHUNK, SERVER, Stdio
from mcp_egress_guard.bench.workloads import call, frame

GUARD = str(Path(sysconfig.get_path("scripts")) / "egress-guard")
ECHO = [*SERVER, "stdio"]
FRAME = frame(call("list_files", path="/tmp/reports"))  # noqa: S108
ADDED_BUDGET = 60e-6
RATE_BUDGET = 20_000
BLOCKS, CALLS = 5, 1_000


def tiny(number: int) -> bytes:
    """A `tools/call` of about 130 bytes; the id comes first, where the echo looks for it."""
    return b"%b%07d%b\n" % (FRAME[:6], number + 1_000_000, FRAME[13:])


class Peer(Stdio):
    """A running server, direct or behind the guard."""

    def __init__(self, command: list[str], folder: Path) -> None:
        """Starts the command in `folder`."""
        super().__init__(command, folder)
        # One call at a time needs no selector, which would be measured too.
        for pipe in (self.stdin, self.stdout):
            os.set_blocking(pipe.fileno(), True)
        self.number = 0
        self.round_trips(200)

    def round_trips(self, count: int) -> list[float]:
        """Seconds of each of `count` calls, one after the other."""
        stdin, stdout = self.stdin.fileno(), self.stdout.fileno()
        taken = []
        for _ in range(count):
            self.number += 1
            line = tiny(self.number)
            start = time.perf_counter()
            os.write(stdin, line)
            answer = os.read(stdout, CHUNK)
            taken.append(time.perf_counter() - start)
            if b'"result"' not in answer or line[6:13] not in answer:
                raise SystemExit(f"unexpected answer: {answer!r}")
        return taken

    def rate(self, count: int) -> float:
        """Calls a second with as many in flight as the pipes hold."""
        first = self.number + 1
        self.number += count
        data = b"".join(tiny(number) for number in range(first, first + count))

        def write() -> None:
            self.stdin.write(data)
            self.stdin.flush()

        writer = threading.Thread(target=write)
        start = time.perf_counter()
        writer.start()
        left = count
        while left:
            left -= os.read(self.stdout.fileno(), CHUNK).count(b"\n")
        taken = time.perf_counter() - start
        writer.join()
        return count / taken

    def spent(self) -> tuple[float, int]:
        """The process's own CPU seconds, and how often a thread of it has slept; Linux only."""
        seconds, sleeps = 0.0, 0
        for task in Path(f"/proc/{self.process.pid}/task").iterdir():
            seconds += int((task / "schedstat").read_text().split()[0]) / 1e9
            status = (task / "status").read_text()
            sleeps += int(status.partition("\nvoluntary_ctxt_switches:")[2].split()[0])
        return seconds, sleeps


def main() -> int:
    """Prints the table; the exit code tells whether every budget was kept."""
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        folder = Path(name)
        direct = Peer(ECHO, folder)
        stack.callback(direct.close)
        guarded = Peer([GUARD, "run", "--", *ECHO], folder)
        stack.callback(guarded.close)
        near, far, spent = [], [], [guarded.spent()]
        for _ in range(BLOCKS):
            near.append(statistics.median(direct.round_trips(CALLS)))
            far.append(statistics.median(guarded.round_trips(CALLS)))
            spent.append(guarded.spent())
        direct_rate = max(direct.rate(50_000) for _ in range(3))
        rate = max(guarded.rate(50_000) for _ in range(3))
    added = [there - here for here, there in zip(near, far, strict=True)]
    seconds, sleeps = (
        min((after[n] - before[n]) / CALLS for before, after in pairwise(spent)) for n in (0, 1)
    )
    slow, few = min(added) > ADDED_BUDGET, rate < RATE_BUDGET
    print(f"round trip p50, direct {min(near) * 1e6:.1f} µs, guarded {min(far) * 1e6:.1f} µs")
    print(
        f"added by the guard     {min(added) * 1e6:.1f} µs, median of {BLOCKS} "
        f"{statistics.median(added) * 1e6:.1f} µs{'   OVER' if slow else ''}"
    )
    print(f"the guard's own, a call: {seconds * 1e6:.1f} µs of CPU, {sleeps:.2f} sleeps")
    print(
        f"pipelined, direct {direct_rate:,.0f}/s, guarded {rate:,.0f}/s{'   OVER' if few else ''}"
    )
    return int(slow or few)


if __name__ == "__main__":
    sys.exit(main())
