"""Runs the stages of the judgement on each workload and takes the time of every run.

One block of runs is one process (`python -m mcp_egress_guard.bench.measure`), so that what a
process brings by chance (addresses, the state of the CPU) differs between blocks as it does between
runs of the guard.
"""

from __future__ import annotations

import json
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_egress_guard.bench.peers import channels, open_loop, round_trip
from mcp_egress_guard.bench.workloads import (
    WORKLOADS,
    OwnTraffic,
    Workload,
    frame,
    own_traffic,
)
from mcp_egress_guard.core import AuditLog, Session, calibrate, empty_call, measure_stage
from mcp_egress_guard.errors import InputError

if TYPE_CHECKING:
    from mcp_egress_guard.core import EgressGuard

# Name and meaning, in the order of the work.
STAGES = {
    "walk": "bytes to message: JSON, then JSON-RPC",
    "scan": "all strings against the text detectors, decoded forms too",
    "command": "command AST: the argument `command` alone",
    "arguments": "all arguments by their use: commands, code, SQL, hosts, paths",
    "policy": "findings against the rules",
    "redact": "secrets out of the message",
    "audit": "the text of the audit line",
    "write": "the audit line into a file",
    "inspect": "the whole judgement, bytes to decision, inside the extension",
    "evaluate": "the whole judgement from Python: EgressGuard.evaluate_mcp_message",
}
# Through real processes: a transport, directly and with the guard between.
TRANSPORTS = ("stdio, direct", "stdio", "http, direct", "http")
IN_CORE = ("walk", "scan", "command", "arguments", "policy", "redact", "audit", "inspect")
# Before a cell is sampled.
WARM_RUNS = 5
WARM_NS = 2_000_000
# Of each transport, before its first cell.
WARM_CALLS = 100
FEWEST, MOST = 1, 5_000
MEMORY_MB = 64
CLIENT = 0
AUDIT_LINE = 3


@dataclass(frozen=True)
class Plan:
    """What a block measures."""

    config: str | None = None
    input: str | None = None
    only: list[str] = field(default_factory=list)
    # For the whole block.
    seconds: float = 2.0
    # Whether calls go through running proxies too, and how many a second in the load part.
    proxies: bool = True
    rate: float = 1_000.0

    def workloads(self) -> Sequence[Workload | OwnTraffic]:
        """The chosen ones.

        Raises:
            InputError: a name that is none, or an input without calls.
        """
        if self.input is not None:
            return [own_traffic(Path(self.input))]
        if not self.only:
            return WORKLOADS
        chosen = [w for w in WORKLOADS if any(part.lower() in w.name.lower() for part in self.only)]
        if not chosen:
            raise InputError(
                f"no workload has {' or '.join(self.only)} in its name",
                hint="one of " + ", ".join(w.name for w in WORKLOADS),
            )
        return chosen


@dataclass(frozen=True)
class Machine:
    """What the machine itself takes, in nanoseconds; the least of several tries."""

    clock: float
    memory_gb_per_s: float
    # 64 KB through a table, one dependent step a byte: what scanning is made of.
    fixed: float
    empty_call: float


def machine(rounds: int = 5) -> Machine:
    """Measures the machine."""
    clock, memory, fixed = calibrate(MEMORY_MB, rounds)
    loops = range(10_000)
    empty = []
    for _ in range(rounds):
        start = time.perf_counter_ns()
        for _ in loops:
            empty_call()
        empty.append((time.perf_counter_ns() - start) / len(loops))
    return Machine(clock, MEMORY_MB * 1e6 / memory, fixed, min(empty))


@dataclass(frozen=True)
class Cell:
    """The samples of one stage on one workload, in nanoseconds."""

    workload: str
    family: str
    # Of a message, the mean.
    size: float
    calls: int
    stage: str
    samples: list[int]


def block(plan: Plan, guard: EgressGuard, folder: Path) -> Iterator[Cell]:
    """Measures every cell once."""
    workloads = plan.workloads()
    parts = len(STAGES) + len(TRANSPORTS) * plan.proxies
    share = plan.seconds * 1e9 / (len(workloads) * parts)
    yield from in_process(workloads, guard, folder, share)
    if plan.proxies:
        yield from through_proxies(plan, workloads, folder, share)


def in_process(
    workloads: Sequence[Workload | OwnTraffic], guard: EgressGuard, folder: Path, share: float
) -> Iterator[Cell]:
    """The stages, each for `share` nanoseconds."""
    log = AuditLog(folder / "audit.jsonl")
    for workload in workloads:
        messages = workload.messages()
        frames = [frame(message) for message in messages]
        size = statistics.fmean(map(len, frames))
        lines = [audit_line(guard, data) for data in frames]
        for stage in STAGES:
            samples: list[int] = []
            budget = share / len(frames)
            for message, data, line in zip(messages, frames, lines, strict=True):
                if stage in IN_CORE:
                    samples += sampled(_core_stage(guard, data, stage), budget)
                elif stage == "write":
                    samples += sampled(timed(lambda line=line: log.append(line)), budget)  # type: ignore[misc]
                else:
                    judge = lambda message=message: guard.evaluate_mcp_message(message)  # noqa: E731
                    samples += sampled(timed(judge), budget)
            if samples:
                yield Cell(workload.name, workload.family, size, len(frames), stage, samples)


def through_proxies(
    plan: Plan, workloads: Sequence[Workload | OwnTraffic], folder: Path, share: float
) -> Iterator[Cell]:
    """Round trips one after the other, and the first workload under load, by transport."""
    with channels(plan.config, folder) as opened:
        first = workloads[0]
        data = frame(first.messages()[0])
        for channel in opened.values():
            for _ in range(WARM_CALLS):
                round_trip(channel, data)
        for workload in workloads:
            frames = [frame(message) for message in workload.messages()]
            size = statistics.fmean(map(len, frames))
            for name, channel in opened.items():
                samples = []
                for data in frames:
                    ask = lambda count, data=data, channel=channel: [  # noqa: E731
                        round_trip(channel, data) for _ in range(count)
                    ]
                    samples += sampled(ask, share / len(frames))
                yield Cell(workload.name, workload.family, size, len(frames), name, samples)
        for name, channel in opened.items():
            samples = open_loop(channel, data, plan.rate, plan.seconds / 8)
            yield Cell(first.name, "", len(data), 1, f"{name}, {plan.rate:,.0f}/s", samples)


Sampler = Callable[[int], list[int] | None]


def _core_stage(guard: EgressGuard, data: bytes, stage: str) -> Sampler:
    compiled = guard.engine.guard
    return lambda count: measure_stage(compiled, data, stage, count)


def timed(work: Callable[[], object]) -> Sampler:
    """Takes the time of a Python call as often as it is asked."""

    def sampler(count: int) -> list[int]:
        clock = time.perf_counter_ns
        samples = [0] * count
        for index in range(count):
            start = clock()
            work()
            samples[index] = clock() - start
        return samples

    return sampler


def sampled(sampler: Sampler, budget: float) -> list[int]:
    """Warms up, then samples for about `budget` nanoseconds; empty where there is nothing to do."""
    first = sampler(1)
    if first is None:
        return []
    spent, warm = first[0], [first[0]]
    while len(warm) < WARM_RUNS and spent < WARM_NS:
        more = sampler(1) or [0]
        warm += more
        spent += more[0]
    cost = max(1, min(warm))
    return sampler(max(FEWEST, min(MOST, int(budget / cost)))) or []


def audit_line(guard: EgressGuard, data: bytes) -> bytes:
    """The line that the judgement of this frame writes."""
    session = Session(guard.engine.guard, nonce="0123456789abcdef")
    commands = session.receive(CLIENT, data, time.time_ns())
    return next((body for kind, body in commands if kind == AUDIT_LINE), b"{}")


def main() -> None:
    """Runs one block: the plan as JSON in the one argument, a cell a line on stdout."""
    from mcp_egress_guard.cli.setup import setup  # noqa: PLC0415  (needs the plan)

    plan = Plan(**json.loads(sys.argv[1]))
    config = Path(plan.config) if plan.config else None
    guard = setup(config).guard if config else _built_in()
    with tempfile.TemporaryDirectory() as folder:
        print(json.dumps(asdict(machine())), flush=True)
        for cell in block(plan, guard, Path(folder)):
            print(json.dumps(asdict(cell)), flush=True)


def _built_in() -> EgressGuard:
    from mcp_egress_guard.core import EgressGuard  # noqa: PLC0415  (beside setup, the other way)

    return EgressGuard()


if __name__ == "__main__":
    main()
