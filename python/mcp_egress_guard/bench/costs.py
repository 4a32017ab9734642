"""What each detector and each rule costs on the workloads: the ten most expensive."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from mcp_egress_guard.bench.workloads import OwnTraffic, Workload, frame
from mcp_egress_guard.core import measure_stage, profile

if TYPE_CHECKING:
    from mcp_egress_guard.core import EgressGuard

MOST = 10
# Runs of each message: as many as fit into this time, within these bounds.
NANOSECONDS = 100e6
FEWEST, MOST_ROUNDS = 3, 300


@dataclass(frozen=True)
class Cost:
    """What one detector or rule takes of a call, as a mean over all calls."""

    name: str
    # How often it was asked; a rule is asked once.
    asked: float
    nanoseconds: float
    # Of all detectors, or of all rules.
    share: float
    # Where it takes most.
    worst: str
    worst_nanoseconds: float


@dataclass(frozen=True)
class Profile:
    """The most expensive, dearest first."""

    detectors: list[Cost]
    # What the detectors share: the search for literals, code for several types.
    shared: list[Cost]
    rules: list[Cost]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


class Sums:
    """Costs by name while they are collected."""

    def __init__(self) -> None:
        self.costs: dict[str, dict[str, tuple[float, float]]] = {}

    def add(self, name: str, workload: str, asked: float, nanoseconds: float) -> None:
        """Counts one message in."""
        place = self.costs.setdefault(name, {})
        before = place.get(workload, (0.0, 0.0))
        place[workload] = (before[0] + asked, before[1] + nanoseconds)

    def top(self, workloads: int) -> list[Cost]:
        """The dearest."""
        total = sum(ns for place in self.costs.values() for _, ns in place.values()) or 1.0
        found = []
        for name, place in self.costs.items():
            asked = sum(asked for asked, _ in place.values())
            spent = sum(ns for _, ns in place.values())
            worst = max(place, key=lambda workload: place[workload][1])
            if spent > 0:
                found.append(
                    Cost(
                        name,
                        asked / workloads,
                        spent / workloads,
                        spent / total,
                        worst,
                        place[worst][1],
                    )
                )
        return sorted(found, key=lambda cost: -cost.nanoseconds)[:MOST]


def costs(guard: EgressGuard, workloads: Sequence[Workload | OwnTraffic]) -> Profile:
    """Asks the extension about every message; each workload counts alike."""
    detectors, shared, rules = Sums(), Sums(), Sums()
    compiled = guard.engine.guard
    ids = compiled.rule_ids()
    for workload in workloads:
        messages = workload.messages()
        for message in messages:
            data = frame(message)
            taken = measure_stage(compiled, data, "scan", 3) or [1]
            rounds = int(NANOSECONDS / len(messages) / max(1, min(taken)))
            rounds = max(FEWEST, min(MOST_ROUNDS, rounds))
            found = profile(compiled, data, rounds)
            if found is None:
                continue
            each = rounds * len(messages)
            for name, one, asked, nanoseconds in found[0]:
                sums = detectors if one else shared
                sums.add(name, workload.name, asked / each, nanoseconds / each)
            for index, nanoseconds in found[1]:
                rules.add(ids[index], workload.name, 1, nanoseconds / len(messages))
    count = len(workloads)
    return Profile(detectors.top(count), shared.top(count), rules.top(count))
