"""Times the two engines for `content_patterns` side by side, over numbers of patterns and sizes.

    python benches/scanner.py            the table, in microseconds a call
    python benches/scanner.py --json     the same for scripts

Needs the extra `hyperscan`. What is shown is the CPU time of a judgement, the best of many, less
that of the same call without such patterns. Hyperscan starts with its compiled form in the cache.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
import time

from mcp_egress_guard import core
from mcp_egress_guard.bench.workloads import call, prose

COUNTS = (10, 100, 1_000, 10_000)
SIZES = (200, 1_000, 10_000, 100_000, 1_000_000)
SCANNERS = ("rust", "hyperscan")
SYLLABLES = [
    *("ka", "lo", "mi", "ter", "ran", "del", "sho", "ban", "cor", "fen"),
    *("gil", "hos", "jan", "kel", "lum", "mor", "nas", "pol", "ros", "sta"),
]


def patterns(count: int) -> list[str]:
    """Code names as an organisation would list them, some with numbers or a free joint."""
    rng = random.Random(5)  # noqa: S311  (test data, not a key)

    def name() -> str:
        return "".join(rng.choices(SYLLABLES, k=3))

    forms = ["{}[-_ ]{}", "{}-[0-9]{{4,8}}", r"{}\s+{}", "(?:{}|{})[0-9]{{2}}x", "{}{}"]
    made: dict[str, None] = {}
    while len(made) < count:
        made[rng.choice(forms).format(name(), name())] = None
    return list(made)


def fastest(guards: list[core.Guard], frame: bytes, seconds: float = 1.0) -> list[float]:
    """Microseconds of CPU of the fastest call of each guard; they take turns."""
    shortest = [float("inf")] * len(guards)
    rounds, end = 0, time.perf_counter() + seconds
    while rounds < 5 or time.perf_counter() < end:
        rounds += 1
        for index, guard in enumerate(guards):
            start = time.thread_time_ns()
            guard.inspect(frame)
            shortest[index] = min(shortest[index], time.thread_time_ns() - start)
    return [nanoseconds / 1e3 for nanoseconds in shortest]


def main() -> int:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    frames = {size: json.dumps(call("write_note", text=prose(size))).encode() for size in SIZES}
    plain = core.compile_guard([])
    rows = []
    for count in COUNTS:
        rule = {"id": "r", "decision": "DENY", "conditions": {"content_patterns": patterns(count)}}
        guards, starts = [], []
        for scanner in SCANNERS:
            core.compile_guard([rule], {"scanner": scanner})  # fills the cache on disk
            start = time.process_time()
            guards.append(core.compile_guard([rule], {"scanner": scanner}))
            starts.append((time.process_time() - start) * 1e3)
        times = {size: fastest([plain, *guards], frame) for size, frame in frames.items()}
        for index, scanner in enumerate(SCANNERS):
            added = {size: max(t[index + 1] - t[0], 0.0) for size, t in times.items()}
            rows.append({"patterns": count, "scanner": scanner, "start_ms": starts[index]} | added)
    if options.json:
        print(json.dumps(rows))
        return 0
    print(f"{'patterns':>8} {'engine':10}{'start ms':>9}", *(f"{size:>10} B" for size in SIZES))
    for row in rows:
        cells = (f"{row[size]:12.1f}" for size in SIZES)
        print(f"{row['patterns']:8} {row['scanner']:10}{row['start_ms']:9.0f}", *cells)
    return 0


if __name__ == "__main__":
    sys.exit(main())
