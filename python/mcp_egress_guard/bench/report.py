"""The report of `egress-guard bench`: made from blocks of runs, saved as JSON, compared."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mcp_egress_guard import __version__
from mcp_egress_guard.bench.measure import STAGES, TRANSPORTS, Cell, Machine, Plan
from mcp_egress_guard.bench.stats import Difference, Distribution, difference, distribution, holm
from mcp_egress_guard.errors import EgressGuardError, InputError

# The form of the JSON; another one is not compared.
FORMAT = 1
# With ten blocks each, a difference of two whole series has p = 0.00001.
BLOCKS = 10
# Machines whose fixed computation differs by more are compared by it.
SAME_MACHINE = 0.05

NOTES = (
    "Clock: {clock} (monotonic), resolution {resolution:.0f} ns; asking it twice takes {ask:.0f} "
    "ns, which is in every figure.",
    "Warm-up: each cell runs 5 times or 2 ms before it is sampled, each transport answers 100 "
    "calls. The garbage collector of Python stays on.",
    "Every block of runs is a process of its own; percentiles are of all runs of all blocks, and "
    "a percentile behind which too few runs stand is left out.",
    "Round trips are made one after the other. The rows with a rate are calls that are due at "
    "fixed times; their latency counts from then, so that a stall counts for every call that it "
    "delays.",
)


@dataclass
class Row:
    """One stage on one workload."""

    workload: str
    stage: str
    family: str
    # Bytes of a message, the mean.
    size: float
    calls: int
    times: Distribution

    @property
    def key(self) -> tuple[str, str]:
        """What names it."""
        return self.workload, self.stage

    @property
    def per_second(self) -> float:
        """Calls a second, one after the other."""
        return 1e9 / self.times.mean if self.times.mean else 0.0

    @property
    def mb_per_second(self) -> float:
        """Megabytes a second."""
        return self.per_second * self.size / 1e6


@dataclass
class Report:
    """All figures of one machine."""

    machine: dict[str, Any]
    calibration: Machine
    plan: dict[str, Any]
    rows: list[Row]
    version: str = __version__
    created: str = ""
    profile: dict[str, Any] = field(default_factory=dict)

    def row(self, workload: str, stage: str) -> Row | None:
        """The row of this name."""
        return next((row for row in self.rows if row.key == (workload, stage)), None)

    @property
    def notes(self) -> list[str]:
        """What a reader must know of how it was measured."""
        clock = time.get_clock_info("perf_counter")
        return [
            note.format(
                clock=clock.implementation,
                resolution=clock.resolution * 1e9,
                ask=self.calibration.clock,
            )
            for note in NOTES
        ]

    def as_dict(self) -> dict[str, Any]:
        """For JSON; times in nanoseconds."""
        rows = []
        for row in self.rows:
            times = asdict(row.times)
            percentiles = times.pop("percentiles")
            rows.append(
                {
                    "workload": row.workload,
                    "stage": row.stage,
                    "family": row.family,
                    "bytes": row.size,
                    "calls": row.calls,
                    "calls_per_second": row.per_second,
                    "mb_per_second": row.mb_per_second,
                    "percentiles": percentiles,
                    **times,
                }
            )
        return {
            "format": FORMAT,
            "version": self.version,
            "created": self.created,
            "machine": self.machine,
            "calibration": asdict(self.calibration),
            "plan": self.plan,
            "notes": self.notes,
            "rows": rows,
            "profile": self.profile,
        }


def measure(
    plan: Plan, progress: Callable[[int], None] | None = None, *, blocks: int = BLOCKS
) -> Report:
    """Measures all, a process a block. `progress` is told how many cells are done.

    Raises:
        EgressGuardError: a block did not run.
    """
    plan.workloads()
    calibrations: list[Machine] = []
    cells: dict[tuple[str, str], list[Cell]] = {}
    done = 0
    for _ in range(blocks):
        for item in _block(plan):
            if isinstance(item, Machine):
                calibrations.append(item)
                continue
            cells.setdefault((item.workload, item.stage), []).append(item)
            done += 1
            if progress:
                progress(done)
    rows = []
    for found in cells.values():
        times = distribution([cell.samples for cell in found])
        if times is not None:
            first = found[0]
            rows.append(
                Row(first.workload, first.stage, first.family, first.size, first.calls, times)
            )
    return Report(
        machine=describe_machine(),
        calibration=Machine(
            clock=min(c.clock for c in calibrations),
            memory_gb_per_s=max(c.memory_gb_per_s for c in calibrations),
            fixed=statistics.median(c.fixed for c in calibrations),
            empty_call=min(c.empty_call for c in calibrations),
        ),
        plan=asdict(plan) | {"blocks": blocks},
        rows=rows,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    )


def cells_of(plan: Plan, blocks: int = BLOCKS) -> int:
    """How many cells will be measured, at most."""
    stages = len(STAGES) + len(TRANSPORTS) * plan.proxies
    return blocks * (len(plan.workloads()) * stages + len(TRANSPORTS) * plan.proxies)


def _block(plan: Plan) -> Iterator[Machine | Cell]:
    command = [sys.executable, "-m", "mcp_egress_guard.bench.measure", json.dumps(asdict(plan))]
    with subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdout is None or process.stderr is None:
            raise EgressGuardError("a block of runs has no pipes")
        for line in process.stdout:
            data = json.loads(line)
            yield Cell(**data) if "stage" in data else Machine(**data)
        problem = process.stderr.read().strip().splitlines()
    if process.returncode:
        raise EgressGuardError(f"a block of runs has failed: {problem[-1] if problem else '?'}")


def describe_machine() -> dict[str, Any]:
    """What the figures were measured on. Names neither the host nor the user."""
    model = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.is_file():
        lines = info.read_text(errors="replace").splitlines()
        model = next((x.partition(":")[2].strip() for x in lines if x[:10] == "model name"), model)
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else None
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "load": load,
    }


def read_report(path: Path) -> Report:
    """A report that was saved with `--json`.

    Raises:
        InputError: it is none.
    """
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot be read: {error.strerror}", file=path) from None
    except (ValueError, RecursionError):
        raise InputError("not JSON", file=path) from None
    hint = "save one with: egress-guard bench --json > OLD.json"
    if not isinstance(data, dict) or data.get("format") != FORMAT:
        raise InputError("not a report of this version of bench", file=path, hint=hint)
    try:
        return Report(
            machine=dict(data["machine"]),
            calibration=Machine(**data["calibration"]),
            plan=dict(data["plan"]),
            rows=[_row(row) for row in data["rows"]],
            version=str(data["version"]),
            created=str(data["created"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"not a whole report: {error}", file=path, hint=hint) from None


def _row(data: Mapping[str, Any]) -> Row:
    blocks = [float(value) for value in data["blocks"]]
    if not blocks or min(blocks) <= 0:
        raise ValueError("a row without times")
    times = Distribution(
        runs=int(data["runs"]),
        min=float(data["min"]),
        max=float(data["max"]),
        mean=float(data["mean"]),
        percentiles={str(k): float(v) for k, v in data["percentiles"].items()},
        blocks=blocks,
        histogram={int(k): int(v) for k, v in data["histogram"].items()},
    )
    return Row(
        str(data["workload"]),
        str(data["stage"]),
        str(data["family"]),
        float(data["bytes"]),
        int(data["calls"]),
        times,
    )


@dataclass(frozen=True)
class Comparison:
    """How each row of a report stands to the same row of an older one."""

    # What the new machine takes for the fixed computation, over what the old one took.
    scale: float
    # Whether the times were divided by it.
    scaled: bool
    differences: list[tuple[Row, Difference]]

    @property
    def statement(self) -> str:
        """The result in words."""
        changed = [d for _, d in self.differences if d.significant]
        slower = sum(d.ratio > 1 for d in changed)
        how = (
            f"Times were divided by those of the fixed computation, which takes {self.scale:.2f} "
            "times as long as on the old machine."
            if self.scaled
            else "Times are as measured."
        )
        return (
            f"{len(self.differences)} rows compared: {slower} slower, {len(changed) - slower} "
            f"faster, {len(self.differences) - len(changed)} without a difference that could be "
            f"shown (Mann-Whitney on the medians of blocks, Holm's correction, 5 %). {how}"
        )


def compare(old: Report, new: Report) -> Comparison:
    """Compares the rows that both have."""
    scale = new.calibration.fixed / old.calibration.fixed
    scaled = old.machine.get("cpu") != new.machine.get("cpu") or abs(scale - 1) > SAME_MACHINE
    rows, found = [], []
    for row in new.rows:
        before = old.row(*row.key)
        if before is not None:
            factor = scale if scaled else 1.0
            rows.append(row)
            found.append(
                difference(before.times.blocks, [value / factor for value in row.times.blocks])
            )
    return Comparison(scale, scaled, list(zip(rows, holm(found), strict=True)))
