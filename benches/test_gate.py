"""The speed gate: this build against the accepted numbers. See `gate.py` for what is measured.

A change that is meant to cost time, or that saves some, is accepted with `make accept-bench`.
"""

from __future__ import annotations

import json
import shutil
import time
import warnings
from collections.abc import Mapping
from typing import Any

import pytest

from benches import gate

MORE_INSTRUCTIONS = 1.02
# With another compiler or another valgrind, in proportion to the reference.
MORE_IN_PROPORTION = 1.10
MORE_TIME = 1.10
TRIES = 3
HEADROOM = 3.0
HINT = "if it is meant, accept it: make accept-bench"


@pytest.fixture(scope="module")
def accepted() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(gate.ACCEPTED.read_text())
    return found


def over(found: Mapping[str, float], allowed: Mapping[str, float], factor: float) -> list[str]:
    """What is more than `factor` times what is allowed, in words."""
    return [
        f"{name}: {value:,.4g}, accepted {allowed[name]:,.4g} ({value / allowed[name] - 1:+.1%})"
        for name, value in found.items()
        if value > factor * allowed[name]
    ]


def test_the_core_takes_no_more_instructions(accepted: dict[str, Any]) -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed: instructions were not counted")
    assert gate.PROGRAM.is_file(), "make builds it: make test-speed"
    allowed = accepted["instructions"]
    here = gate.toolchain()
    same = here == accepted["toolchain"]
    if not same:
        warnings.warn(
            f"counted with {here}, accepted with {accepted['toolchain']}: compared in proportion "
            f"to the reference, {MORE_IN_PROPORTION - 1:.0%} more are let through",
            stacklevel=1,
        )
    slower: list[str] = []
    # The seeds of hash maps differ between runs, and with them a count by 0.3 %.
    for _ in range(2):
        counts = gate.instructions()
        assert set(counts) == set(allowed), f"other workloads than the accepted; {HINT}"
        if same:
            slower = over(counts, allowed, MORE_INSTRUCTIONS)
        else:
            slower = over(in_proportion(counts), in_proportion(allowed), MORE_IN_PROPORTION)
        if not slower:
            return
    pytest.fail(f"more instructions: {slower}; {HINT}")


def in_proportion(counts: Mapping[str, float]) -> dict[str, float]:
    """The counts over that of the reference."""
    return {name: count / counts[gate.REFERENCE] for name, count in counts.items()}


def test_the_median_over_the_calibration_is_no_higher(accepted: dict[str, Any]) -> None:
    cpu = gate.describe_machine()["cpu"]
    if cpu != accepted["machine"]["cpu"]:
        pytest.skip(f"measured on {cpu}, accepted on {accepted['machine']['cpu']}: not comparable")
    slower: list[str] = []
    for _ in range(TRIES):
        slower = over(gate.ratios(), accepted["p50_over_calibration"], MORE_TIME)
        if not slower:
            return
    pytest.fail(f"slower: {slower}; {HINT}")


@pytest.mark.benchmark(timer=time.thread_time)
@pytest.mark.parametrize("name", gate.TIMED)
def test_the_slowest_in_a_hundred_keeps_its_budget(
    benchmark: Any, accepted: dict[str, Any], name: str
) -> None:
    budget = HEADROOM * accepted["p99_us"][name]
    work = gate.judge(name)
    benchmark.pedantic(work, rounds=gate.BLOCKS * gate.RUNS, warmup_rounds=50)
    taken = gate.p99(benchmark.stats.stats.data) * 1e6
    if taken > budget:
        taken = gate.p99(gate.cpu_samples(work)) * 1e6
    assert taken <= budget, f"p99 {taken:.1f} µs, budget {budget:.1f} µs; {HINT}"
