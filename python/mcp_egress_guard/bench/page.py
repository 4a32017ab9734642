"""A report as one HTML page with plots, which loads nothing from anywhere."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape

from mcp_egress_guard.bench.measure import STAGES
from mcp_egress_guard.bench.report import Comparison, Report, Row
from mcp_egress_guard.bench.stats import STEPS
from mcp_egress_guard.bench.tables import WHOLE, Table, duration, size

WIDTH, HEIGHT = 860, 420
LEFT, RIGHT, TOP, BOTTOM = 70, 210, 20, 50
# Told apart by people who see colours differently (Okabe and Ito), then by dashes.
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#000000"]
DASHES = ["", "6 3", "2 3"]

STYLE = """
body{font:15px/1.5 system-ui,sans-serif;max-width:1200px;margin:2rem auto;padding:0 1rem;color:#111}
h1{font-size:1.5rem}h2{font-size:1.15rem;margin-top:2rem}
table{border-collapse:collapse;font-size:13px;display:block;overflow-x:auto}
td,th{padding:.25rem .6rem;border-bottom:1px solid #ddd;text-align:right;white-space:nowrap}
td:first-child,th:first-child{text-align:left}
svg{max-width:100%;height:auto;background:#fff}svg text{font:12px system-ui,sans-serif;fill:#333}
.grid{stroke:#ddd}.axis{stroke:#333}.line{fill:none;stroke-width:1.8}
"""


@dataclass(frozen=True)
class Series:
    """A line of a plot."""

    name: str
    points: Sequence[tuple[float, float]]
    dots: bool = False


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis."""

    label: str
    low: float
    high: float
    show: Callable[[float], str]
    ticks: Sequence[float]

    def place(self, value: float) -> float:
        """Where between 0 and 1 the value lies."""
        span = math.log10(self.high) - math.log10(self.low)
        return (math.log10(max(value, self.low)) - math.log10(self.low)) / span


def page(report: Report, made: Sequence[Table], comparison: Comparison | None = None) -> str:
    """The whole page."""
    parts = [f"<h1>egress-guard bench {escape(report.version)}</h1>"]
    machine = report.machine
    parts.append(
        f"<p>{escape(report.created)} on {escape(str(machine.get('cpu')))}, "
        f"{escape(str(machine.get('cores')))} cores, {escape(str(machine.get('system')))}</p>"
    )
    if comparison is not None:
        parts.append(f"<p><b>{escape(comparison.statement)}</b></p>")
    if plot := _percentiles(report):
        parts.append(f"<h2>Distribution of the latency of judging a call</h2>{plot}")
    if plot := _sizes(report):
        parts.append(f"<h2>Cost against size, p50</h2>{plot}")
    parts += [f"<h2>{escape(table.title)}</h2>{_html(table)}" for table in made]
    stages = "".join(f"<li><b>{escape(k)}</b>: {escape(v)}</li>" for k, v in STAGES.items())
    notes = "".join(f"<li>{escape(note)}</li>" for note in report.notes)
    parts.append(f"<h2>Stages</h2><ul>{stages}</ul>")
    parts.append(f"<h2>How it was measured</h2><ul>{notes}</ul>")
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; '
        "style-src 'unsafe-inline'\">"
        '<meta name="viewport" content="width=device-width">'
        f"<title>egress-guard bench</title><style>{STYLE}</style></head><body>"
        + "\n".join(parts)
        + "</body></html>\n"
    )


def _html(table: Table) -> str:
    head = "".join(f"<th>{escape(cell)}</th>" for cell in table.columns)
    body = "".join(
        "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in table.rows
    )
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"


def _wholes(report: Report) -> list[Row]:
    return [row for row in report.rows if row.stage == WHOLE]


def _percentiles(report: Report) -> str:
    """Latency over the share of calls that take longer."""
    series = []
    for row in _wholes(report):
        # From the histogram: the upper end of the bucket in which each share lies.
        points, seen = [(1.0, row.times.min)], 0
        for bucket, count in sorted(row.times.histogram.items()):
            seen += count
            beyond = max(1 - seen / row.times.runs, 0.5 / row.times.runs)
            points.append((1 / beyond, 10 ** ((bucket + 1) / STEPS)))
        series.append(Series(row.workload, points))
    named = {1: "0 %", 2: "50 %", 10: "90 %", 100: "99 %", 1_000: "99.9 %", 10_000: "99.99 %"}
    most = max((x for s in series for x, _ in s.points), default=10)
    shown = [x for x in named if x <= most * 2]
    across = Axis("percentile", 1, max(most, 2), lambda x: named.get(int(x), ""), shown)
    return _plot(series, across)


def _sizes(report: Report) -> str:
    """p50 over the size of a message, of the workloads that differ in size alone."""
    series = []
    for family in dict.fromkeys(row.family for row in report.rows if row.family):
        for stage in STAGES:
            points = [
                (row.size, row.times.percentiles["p50"])
                for row in report.rows
                if (row.family, row.stage) == (family, stage) and "p50" in row.times.percentiles
            ]
            if len(points) > 1:
                series.append(Series(f"{family}, {stage}", sorted(points), dots=True))
    if not series:
        return ""
    sizes = [x for s in series for x, _ in s.points]
    return _plot(series, _decades("bytes of a message", min(sizes), max(sizes), size))


def _decades(label: str, low: float, high: float, show: Callable[[float], str]) -> Axis:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    ticks = [10.0**power for power in range(first, last + 1)]
    return Axis(label, ticks[0], max(ticks[-1], ticks[0] * 10), show, ticks)


def _plot(series: Sequence[Series], across: Axis, up: Axis | None = None) -> str:
    values = [y for one in series for _, y in one.points]
    if not values:
        return ""
    up = up or _decades("time", min(values), max(values), duration)
    width, height = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM

    def x(value: float) -> float:
        return LEFT + across.place(value) * width

    def y(value: float) -> float:
        return TOP + (1 - up.place(value)) * height

    bottom = TOP + height
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}" role="img">'
        f"<title>{escape(up.label)} over {escape(across.label)}</title>"
    ]
    for tick in across.ticks:
        at = x(tick)
        parts.append(
            f'<line class="grid" x1="{at:.1f}" x2="{at:.1f}" y1="{TOP}" y2="{bottom}"/>'
            f'<text x="{at:.1f}" y="{bottom + 18}" text-anchor="middle">{across.show(tick)}</text>'
        )
    for tick in up.ticks:
        at = y(tick)
        parts.append(
            f'<line class="grid" x1="{LEFT}" x2="{LEFT + width}" y1="{at:.1f}" y2="{at:.1f}"/>'
            f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{up.show(tick)}</text>'
        )
    parts.append(
        f'<path class="axis" fill="none" d="M{LEFT} {TOP}V{bottom}H{LEFT + width}"/>'
        f'<text x="{LEFT + width / 2}" y="{HEIGHT - 8}" text-anchor="middle">'
        f"{escape(across.label)}</text>"
    )
    for index, one in enumerate(series):
        colour = COLOURS[index % len(COLOURS)]
        dash = DASHES[index // len(COLOURS) % len(DASHES)]
        path = "L".join(f"{x(a):.1f} {y(b):.1f}" for a, b in one.points)
        key = TOP + 10 + index * 20
        parts.append(
            f'<path class="line" stroke="{colour}" stroke-dasharray="{dash}" d="M{path}"/>'
            f'<path class="line" stroke="{colour}" stroke-dasharray="{dash}" '
            f'd="M{LEFT + width + 14} {key}h24"/>'
            f'<text x="{LEFT + width + 44}" y="{key + 4}">{escape(one.name)}</text>'
        )
        if one.dots:
            parts += [
                f'<circle cx="{x(a):.1f}" cy="{y(b):.1f}" r="3" fill="{colour}"/>'
                for a, b in one.points
            ]
    return "".join(parts) + "</svg>"
