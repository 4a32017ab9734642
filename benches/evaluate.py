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
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benches.corpus import WORKLOADS, Workload, hostile

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


def worker(name: str, seconds: float) -> None:
    """Measures one workload in this process and prints the figure as the last line."""
    evaluate = evaluator()
    workload = next(item for item in WORKLOADS if item.name == name)
    message = workload.message()
    print(json.dumps(best(lambda: evaluate(message), seconds)))


def measure(python: str, workload: Workload, seconds: float) -> float:
    """One figure from a fresh process of `python`."""
    command = [python, __file__, "--worker", workload.name, "--seconds", str(seconds)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return float(json.loads(done.stdout.splitlines()[-1]))


def everyday(seconds: float, original: str | None) -> int:
    """Prints the table; the exit code tells whether every budget was kept."""
    over = 0
    print(f"{'evaluate_mcp_message':22}{'best µs':>10}{'budget':>10}", end="")
    print(f"{'original':>12}{'ratio':>8}" if original else "")
    for workload in WORKLOADS:
        mine, theirs = float("inf"), float("inf")
        for _ in range(3):
            mine = min(mine, measure(sys.executable, workload, seconds / 3))
            if original:
                theirs = min(theirs, measure(original, workload, seconds / 3))
        late = mine > workload.budget
        over += late
        print(f"{workload.name:22}{mine * 1e6:10.1f}{workload.budget * 1e6:10.0f}", end="")
        print(f"{theirs * 1e6:12.0f}{theirs / mine:7.0f}x" if original else "", end="")
        print("   OVER" if late else "")
    return int(over > 0)


def slow_inputs() -> int:
    """Prints each hostile input's best time and decision; none may be over the budget."""
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
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.worker:
        worker(options.worker, options.seconds)
        return 0
    if options.hostile:
        return slow_inputs()
    return everyday(options.seconds, os.environ.get("ORIGINAL_PYTHON"))


if __name__ == "__main__":
    sys.exit(main())
