"""Times `EgressGuard.evaluate_mcp_message` in process, and the hostile inputs at 1 MB.

    python benches/evaluate.py                       the everyday calls against their budgets
    python benches/evaluate.py --hostile             the inputs made to be slow
    ORIGINAL_PYTHON=…/bin/python python benches/evaluate.py
                                                     side by side with another mcp-egress-guard

Each figure is the best of many runs in a process of its own, so that a busy machine adds least;
side by side, the two processes take turns. Exits 1 if a figure is over its budget.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

# The most that the best run of an everyday call may take, in seconds.
BUDGETS = {
    "tiny call": 15e-6,
    "shell, denied": 40e-6,
    "shell chain 1 KB": 500e-6,
    "JSON 10 KB": 60e-6,
    "JSON 100 KB": 600e-6,
    "text 1 MB": 5e-3,
}
HOSTILE_BUDGET = 20e-3


def evaluator() -> Callable[[dict[str, Any]], Any]:
    """The call that is measured, with the built-in rules, as users write it."""
    from mcp_egress_guard.core import EgressGuard  # noqa: PLC0415  (either package may be installed)
    from mcp_egress_guard.policy.builtins import load_builtin_rules  # noqa: PLC0415

    guard = EgressGuard()
    guard.engine.load_rules(load_builtin_rules())
    return guard.evaluate_mcp_message


def best(function: Callable[[], object], seconds: float) -> float:
    """The shortest of as many runs as fit into `seconds`, and of at least three."""
    function()
    shortest, runs, end = float("inf"), 0, time.perf_counter() + seconds
    while runs < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        function()
        shortest = min(shortest, time.perf_counter() - start)
        runs += 1
    return shortest


def worker(seconds: float) -> None:
    """Measures the call on stdin in this process and prints the figure as the last line."""
    evaluate = evaluator()
    message = json.load(sys.stdin)
    print(json.dumps(best(lambda: evaluate(message), seconds)))


def measure(python: str, message: dict[str, Any], seconds: float) -> float:
    """One figure from a fresh process of `python`, which may have the other package."""
    command = [python, __file__, "--worker", "--seconds", str(seconds)]
    done = subprocess.run(
        command, input=json.dumps(message), stdout=subprocess.PIPE, text=True, check=True
    )
    return float(json.loads(done.stdout.splitlines()[-1]))


def everyday(seconds: float, original: str | None) -> int:
    """Prints the table; the exit code tells whether every budget was kept."""
    from mcp_egress_guard.bench.workloads import WORKLOADS  # noqa: PLC0415  (not in the worker)

    over = 0
    print(f"{'evaluate_mcp_message':22}{'best µs':>10}{'budget':>10}", end="")
    print(f"{'original':>12}{'ratio':>8}" if original else "")
    for workload in WORKLOADS:
        if (budget := BUDGETS.get(workload.name)) is None:
            continue
        message = workload.message()
        mine, theirs = float("inf"), float("inf")
        for _ in range(3):
            mine = min(mine, measure(sys.executable, message, seconds / 3))
            if original:
                theirs = min(theirs, measure(original, message, seconds / 3))
        late = mine > budget
        over += late
        print(f"{workload.name:22}{mine * 1e6:10.1f}{budget * 1e6:10.0f}", end="")
        print(f"{theirs * 1e6:12.0f}{theirs / mine:7.0f}x" if original else "", end="")
        print("   OVER" if late else "")
    return int(over > 0)


def slow_inputs() -> int:
    """Prints each hostile input's best time and decision; none may be over the budget."""
    from mcp_egress_guard.bench.workloads import hostile  # noqa: PLC0415  (not in the worker)

    evaluate = evaluator()
    over = 0
    print(f"{'hostile input, 1 MB':34}{'best ms':>10}  decision")
    for name, message in hostile():
        taken = best(lambda message=message: evaluate(message), 0)  # type: ignore[misc]
        _, result = evaluate(message)
        late = taken > HOSTILE_BUDGET
        over += late
        rule = result.primary_rule.id if result.primary_rule else "-"
        flag = "   OVER" if late else ""
        print(f"{name:34}{taken * 1e3:10.2f}  {result.decision} {rule}{flag}")
    return int(over > 0)


def main() -> int:
    """Reads the options and runs one of the two tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hostile", action="store_true", help="the inputs made to be slow")
    parser.add_argument("--seconds", type=float, default=1.5, help="for each workload")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.seconds)
        return 0
    if options.hostile:
        return slow_inputs()
    return everyday(options.seconds, os.environ.get("ORIGINAL_PYTHON"))


if __name__ == "__main__":
    sys.exit(main())
