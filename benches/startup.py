"""Measures what a person waits for: commands from start to end, and the proxy's first answer.

CPU figures are the least of several runs, user and system time of the whole process tree.
Exits 1 if a figure is over its budget.
"""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

GUARD = str(Path(sysconfig.get_path("scripts")) / "egress-guard")
RUNS = 10


def cpu(command: list[str], folder: str) -> float:
    """Seconds of CPU that the command took."""
    process = subprocess.Popen(
        command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{command} ended with {process.returncode}")
    return usage.ru_utime + usage.ru_stime


def proxy(folder: str) -> tuple[float, float]:
    """Seconds from start to the first forwarded byte, and the guard's memory in MB after it."""
    ping = b'{"jsonrpc":"2.0","id":1,"method":"ping"}\n'
    start = time.perf_counter()
    with subprocess.Popen(
        [GUARD, "run", "--", "cat"],
        cwd=folder,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise SystemExit("no pipes")
        process.stdin.write(ping)
        process.stdin.flush()
        process.stdout.read(1)
        taken = time.perf_counter() - start
        status = Path(f"/proc/{process.pid}/status").read_text()
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        process.stdin.close()
        process.stdout.read()
    return taken, int(resident.split()[1]) / 1024


def main() -> int:
    """Prints the table; the exit code tells whether every budget was kept."""
    test = [GUARD, "rules", "test", "--tool", "shell_exec", "--args", '{"command": "rm -rf /x"}']
    with tempfile.TemporaryDirectory() as folder:
        first, memory = zip(*(proxy(folder) for _ in range(RUNS)), strict=True)
        figures = [
            ("--help, CPU ms", min(cpu([GUARD, "--help"], folder) for _ in range(RUNS)) * 1e3, 120),
            ("rules test, CPU ms", min(cpu(test, folder) for _ in range(RUNS)) * 1e3, 250),
            ("run to first byte, ms", min(first) * 1e3, 250),
            ("run, resident MB", max(memory), 60),
        ]
    for name, figure, budget in figures:
        print(f"{name:24}{figure:8.1f}{budget:8}{'   OVER' if figure > budget else ''}")
    return int(any(figure > budget for _, figure, budget in figures))


if __name__ == "__main__":
    sys.exit(main())
