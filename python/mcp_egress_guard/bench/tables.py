"""A report as tables, for the terminal, for Markdown and for the page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from mcp_egress_guard.bench.costs import Cost, Profile
from mcp_egress_guard.bench.measure import STAGES, TRANSPORTS
from mcp_egress_guard.bench.report import Comparison, Report, Row
from mcp_egress_guard.bench.stats import ENOUGH

WHOLE = "evaluate"
ABSENT = "-"


@dataclass(frozen=True)
class Table:
    """A table with what it shows."""

    title: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def duration(nanoseconds: float | None) -> str:
    """A time with three digits and its unit."""
    if nanoseconds is None:
        return ABSENT
    for unit, size in (("s", 1e9), ("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return (
                f"{nanoseconds / size:.3g} {unit}"
                if nanoseconds < size * 1e3
                else _large(nanoseconds / size, unit)
            )
    return f"{nanoseconds:.0f} ns"


def _large(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}"


def size(count: float) -> str:
    """Bytes, rounded."""
    for unit, factor in (("MB", 1e6), ("KB", 1e3)):
        if count >= factor:
            return f"{count / factor:.3g} {unit}"
    return f"{count:.0f} B"


def tables(
    report: Report, *, profile: Profile | None = None, comparison: Comparison | None = None
) -> list[Table]:
    """All tables that there is something for."""
    made = [_whole(report), _stages(report), _round_trips(report), _load(report)]
    if profile is not None:
        made += [
            _costs("The ten most expensive detectors, a call", profile.detectors),
            _costs("What the detectors share, a call", profile.shared),
            _costs("The ten most expensive rules, a call", profile.rules),
        ]
    if comparison is not None:
        made.append(_changes(comparison))
    made.append(_machine(report))
    return [table for table in made if table.rows]


def _workloads(report: Report) -> list[str]:
    return list(dict.fromkeys(row.workload for row in report.rows))


def _times(row: Row) -> list[str]:
    percentiles = [duration(row.times.percentiles.get(name)) for name in ENOUGH]
    return [duration(row.times.min), *percentiles, duration(row.times.max)]


def _whole(report: Report) -> Table:
    rows = [
        [
            row.workload,
            size(row.size),
            *_times(row),
            f"{row.per_second:,.0f}",
            f"{row.mb_per_second:,.1f}",
            f"{row.times.runs:,}",
        ]
        for row in report.rows
        if row.stage == WHOLE
    ]
    columns = ["call", "size", "min", *ENOUGH, "max", "calls/s", "MB/s", "runs"]
    return Table("Judging a call, from Python", columns, rows)


def _p50(report: Report, workload: str, stage: str) -> float | None:
    row = report.row(workload, stage)
    return row.times.percentiles.get("p50") if row else None


def _stages(report: Report) -> Table:
    rows = []
    for workload in _workloads(report):
        cells = [duration(_p50(report, workload, stage)) for stage in STAGES]
        if set(cells) != {ABSENT}:
            rows.append([workload, *cells])
    return Table("p50 by stage", ["call", *STAGES], rows)


def _round_trips(report: Report) -> Table:
    rows = []
    for workload in _workloads(report):
        row = [workload]
        for name in ("stdio", "http"):
            direct, through = (_p50(report, workload, s) for s in (f"{name}, direct", name))
            added = through - direct if direct is not None and through is not None else None
            guarded = report.row(workload, name)
            p99 = guarded.times.percentiles.get("p99") if guarded else None
            row += [duration(direct), duration(through), duration(added), duration(p99)]
        if set(row[1:]) != {ABSENT}:
            rows.append(row)
    columns = [
        f"{name} {figure}"
        for name in ("stdio", "http")
        for figure in ("direct p50", "p50", "added", "p99")
    ]
    return Table("Round trip through a running proxy", ["call", *columns], rows)


def _load(report: Report) -> Table:
    known = {*STAGES, *TRANSPORTS}
    rows = [[row.stage, *_times(row)] for row in report.rows if row.stage not in known]
    columns = ["transport, calls due", "min", *ENOUGH, "max"]
    return Table("Under load, from the time when a call was due", columns, rows)


def _costs(title: str, found: Sequence[Cost]) -> Table:
    rows = [
        [
            cost.name,
            f"{cost.asked:,.1f}",
            duration(cost.nanoseconds),
            f"{cost.share:.1%}",
            f"{cost.worst}: {duration(cost.worst_nanoseconds)}",
        ]
        for cost in found
    ]
    return Table(title, ["name", "asked", "mean", "share", "most in"], rows)


def _changes(comparison: Comparison) -> Table:
    rows = [
        [row.workload, row.stage, found.words()]
        for row, found in comparison.differences
        if found.significant
    ]
    return Table("What changed", ["call", "stage", "change"], rows)


def _machine(report: Report) -> Table:
    machine, own = report.machine, report.calibration
    load = machine.get("load")
    rows = [
        ["CPU", f"{machine.get('cpu')}, {machine.get('cores')} cores"],
        ["system", f"{machine.get('system')}, Python {machine.get('python')}"],
        ["load at the end", f"{load:.1f}" if isinstance(load, float) else ABSENT],
        ["reading memory", f"{own.memory_gb_per_s:.1f} GB/s"],
        ["fixed computation", duration(own.fixed)],
        ["empty call of the extension", duration(own.empty_call)],
        ["asking the clock twice", duration(own.clock)],
    ]
    if report.calibration.fixed:
        tiny = next((row for row in report.rows if row.stage == WHOLE), None)
        if tiny and (p50 := tiny.times.percentiles.get("p50")):
            ratio = p50 / own.fixed
            rows.append([f"{tiny.workload}, over the fixed computation", f"{ratio:.4f}"])
    return Table("The machine", ["what", "figure"], rows)


def markdown(report: Report, made: Sequence[Table], comparison: Comparison | None = None) -> str:
    """The tables as Markdown."""
    parts = [f"# egress-guard bench {report.version}, {report.created}"]
    if comparison is not None:
        parts.append(comparison.statement)
    for table in made:
        lines = [table.columns, ["---"] * len(table.columns), *table.rows]
        text = "\n".join("| " + " | ".join(map(_cell, line)) + " |" for line in lines)
        parts.append(f"## {table.title}\n\n{text}")
    notes = [f"- {name}: {meaning}" for name, meaning in STAGES.items()]
    parts.append("## Stages\n\n" + "\n".join(notes))
    parts.append("## How it was measured\n\n" + "\n".join(f"- {note}" for note in report.notes))
    return "\n\n".join(parts) + "\n"


def _cell(text: str) -> str:
    return text.replace("\\", "\\\\").replace("|", "\\|").replace("\n", " ")
