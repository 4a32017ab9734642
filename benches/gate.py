"""What the speed gate measures, and `make accept-bench`, which stores it as the accepted numbers.

Three figures, by how well they repeat on a small machine that does other work as well:

- instructions of the core, counted by callgrind: 0.1 %. Bound to the compiler, to valgrind and to
  what the CPU offers; with others the ratio to a reference in the same program is compared.
- p50 of a judgement over that of `orjson.loads` on 10 KB of JSON, measured in turns: 3 %. Bound to
  the kind of CPU.
- p99 of the CPU time of a judgement from Python: a factor of two, so it has a budget of three times
  what it was.
"""

from __future__ import annotations

import json
import os
import platform
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson

from mcp_egress_guard.bench.report import describe_machine
from mcp_egress_guard.bench.stats import percentile
from mcp_egress_guard.bench.workloads import WORKLOADS, Message, frame
from mcp_egress_guard.core import EgressGuard, builtin_rules, measure_stage

ROOT = Path(__file__).resolve().parent.parent
ACCEPTED = ROOT / "benches/results/accepted.json"
TARGET = Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
PROGRAM = TARGET / "release/examples/instructions"

COUNTED = [
    *("tiny call", "shell command", "shell, denied", "shell chain 1 KB", "JSON 10 KB"),
    *("JSON 1 KB, redacted", "source code 10 KB", "base64 100 KB", "adversarial: nesting"),
]
# Short enough that most runs are not interrupted.
TIMED = ["tiny call", "shell, denied", "JSON 1 KB", "JSON 10 KB", "source code 10 KB"]
START, REFERENCE = "start", "reference"
ROUNDS = 3
RATIO_SECONDS = 3.0
# The calibrations before and after a sample differ by more where the machine has changed its pace.
SAME_PACE = 0.03
BLOCKS, RUNS = 5, 200


def messages(names: list[str]) -> dict[str, Message]:
    """The workloads of these names."""
    return {w.name: w.message() for w in WORKLOADS if w.name in names}


def toolchain() -> dict[str, str]:
    """What instruction counts depend on, beside the code."""

    def version(*command: str) -> str:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()

    info = Path("/proc/cpuinfo").read_text()
    return {
        "rustc": version("rustc", "--version"),
        "valgrind": version("valgrind", "--version"),
        "cpu": f"{platform.machine()}{' avx2' if re.search(r'^flags.* avx2', info, re.M) else ''}",
    }


def instructions() -> dict[str, int]:
    """Instructions of a start, of the reference, and of a judgement of each workload."""
    counted = messages(COUNTED)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "rules").write_text(json.dumps(builtin_rules()))
        (folder / "frames").write_bytes(b"".join(frame(m) + b"\n" for m in counted.values()))
        # The program calls `sched_yield` where one part ends and the next begins.
        command = [
            *("valgrind", "--tool=callgrind", "--dump-before=sched_yield"),
            f"--callgrind-out-file={folder / 'out'}",
            *(str(PROGRAM), str(folder / "rules"), str(folder / "frames"), str(ROUNDS)),
        ]
        subprocess.run(command, check=True, capture_output=True, text=True)
        dumps = sorted(folder.glob("out.*"), key=lambda path: int(path.suffix[1:]))
        parts = [_total(path.read_text()) for path in dumps]
    start, reference, *judged = parts
    # Of each frame the first judgement, which is not counted, then those that are.
    found = {name: total // ROUNDS for name, total in zip(counted, judged[1::2], strict=True)}
    return {START: start, REFERENCE: reference, **found}


def _total(dump: str) -> int:
    found = re.search(r"^totals: (\d+)", dump, re.M)
    if not found:
        raise RuntimeError("callgrind wrote no total")
    return int(found[1])


def ratios(seconds: float = RATIO_SECONDS) -> dict[str, float]:
    """The p50 of a judgement over that of the calibration, by workload."""
    guard = EgressGuard().engine.guard
    frames = {name: frame(message) for name, message in messages(TIMED).items()}
    document = frames["JSON 10 KB"]

    def calibration() -> float:
        taken = []
        for _ in range(12):
            start = time.perf_counter_ns()
            orjson.loads(document)
            taken.append(time.perf_counter_ns() - start)
        return statistics.median(taken)

    def judged(data: bytes, runs: int) -> list[int]:
        return measure_stage(guard, data, "inspect", runs) or []

    # About half a millisecond each: the machine's pace seldom changes within.
    runs = {name: max(3, int(5e5 / min(judged(data, 5)))) for name, data in frames.items()}
    found: dict[str, list[float]] = {name: [] for name in frames}
    end = time.monotonic() + seconds
    while time.monotonic() < end or min(map(len, found.values())) < 10:
        for name, data in frames.items():
            before = calibration()
            taken = statistics.median(judged(data, runs[name]))
            after = calibration()
            if abs(before / after - 1) < SAME_PACE:
                found[name].append(2 * taken / (before + after))
        if time.monotonic() > end + 10 * seconds:
            raise RuntimeError("this machine changes its pace too often to measure anything")
    return {name: statistics.median(values) for name, values in found.items()}


def judge(name: str) -> Callable[[], Any]:
    """The judgement of a workload, as Python calls it."""
    guard, message = EgressGuard(), messages([name])[name]
    return lambda: guard.evaluate_mcp_message(message)


def p99(samples: list[float]) -> float:
    """The median of the p99 of blocks, in the unit of the samples."""
    size = len(samples) // BLOCKS
    blocks = [sorted(samples[at * size : (at + 1) * size]) for at in range(BLOCKS)]
    return statistics.median(percentile(block, 0.99) for block in blocks)


def cpu_samples(work: Callable[[], Any]) -> list[float]:
    """Seconds of CPU of each run."""
    for _ in range(50):
        work()
    samples = []
    for _ in range(BLOCKS * RUNS):
        start = time.thread_time()
        work()
        samples.append(time.thread_time() - start)
    return samples


def measure_all() -> dict[str, Any]:
    """Everything that the gate compares, each the median of several tries."""
    counts = [instructions() for _ in range(3)]
    tries = [ratios() for _ in range(5)]
    tails = {name: [p99(cpu_samples(judge(name))) for _ in range(3)] for name in TIMED}
    return {
        "instructions": {n: int(statistics.median(c[n] for c in counts)) for n in counts[0]},
        "p50_over_calibration": {
            n: round(statistics.median(t[n] for t in tries), 4) for n in TIMED
        },
        "p99_us": {n: round(statistics.median(t) * 1e6, 1) for n, t in tails.items()},
    }


def accept() -> None:
    """Stores what this build does as accepted, with machine, toolchain and commit."""

    def git(*arguments: str) -> str:
        done = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
        return done.stdout.strip()

    old = json.loads(ACCEPTED.read_text()) if ACCEPTED.is_file() else {}
    new = measure_all()
    for kind, figures in new.items():
        for name, value in figures.items():
            before = old.get(kind, {}).get(name)
            change = f"{value / before - 1:+8.1%}" if before else "     new"
            print(f"{kind:22}{name:24}{value:>14,}{change}")
    machine = describe_machine()
    data = {
        "commit": git("rev-parse", "HEAD") + ("+" if git("status", "--porcelain") else ""),
        "machine": {key: machine[key] for key in ("cpu", "cores", "system", "python")},
        "toolchain": toolchain(),
        **new,
    }
    ACCEPTED.write_text(json.dumps(data, indent=1, ensure_ascii=False) + "\n")
    print(f"written to {ACCEPTED.relative_to(ROOT)}; commit it with the change that it belongs to")


if __name__ == "__main__":
    sys.exit(accept())
