"""`bench`: what it reads, how it counts, what it says; the times themselves are not tested."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from mcp_egress_guard.bench import peers, stats
from mcp_egress_guard.bench.costs import costs
from mcp_egress_guard.bench.measure import STAGES, Machine, Plan
from mcp_egress_guard.bench.page import page
from mcp_egress_guard.bench.report import Report, Row, compare, read_report
from mcp_egress_guard.bench.server import content_length
from mcp_egress_guard.bench.tables import duration, markdown, tables
from mcp_egress_guard.bench.workloads import WORKLOADS, call, own_traffic
from mcp_egress_guard.core import EgressGuard, compile_guard, detectors, frame_of, profile
from mcp_egress_guard.errors import InputError

from .cli_run import Run, runner

QUICK = ["bench", "--seconds", "0.1", "--blocks", "2", "--only", "tiny"]


@pytest.fixture
def run(guard: str, tmp_path: Path) -> Run:
    return runner(guard, tmp_path)


def report(factor: float = 1.0, name: str = "tiny call") -> Report:
    """A report whose times are `factor` times those of another, with some noise of their own."""
    blocks = [
        [factor * (1_000 + 3 * block + (7 * block + 3 * run) % 5) for run in range(60)]
        for block in range(10)
    ]
    times = stats.distribution(blocks)
    assert times
    rows = [Row(name, stage, "JSON", 100, 1, times) for stage in STAGES]
    machine = {"cpu": "a", "cores": 2, "system": "Linux", "python": "3.11", "load": 0.5}
    return Report(machine, Machine(20, 20.0, 100_000, 40), {}, rows, created="today")


def test_a_percentile_is_the_least_value_that_its_share_does_not_exceed() -> None:
    values = list(range(1, 101))
    found = [stats.percentile(values, share) for share in (0.0, 0.5, 0.99, 0.991, 1.0)]
    assert found == [1, 50, 99, 100, 100]


def test_a_percentile_that_few_runs_stand_behind_is_left_out() -> None:
    few, many = stats.distribution([[1.0] * 60]), stats.distribution([[1.0] * 300] * 10)
    assert few
    assert many
    assert set(few.percentiles) == {"p50", "p90"}
    assert set(many.percentiles) == {"p50", "p90", "p99", "p99.9"}
    assert stats.distribution([[]]) is None


def test_the_histogram_holds_every_run() -> None:
    found = stats.distribution([[0.5, 1.0, 10.0, 999.0, 1_000.0]])
    assert found
    assert found.histogram == {0: 2, 20: 1, 59: 1, 60: 1}


@pytest.mark.parametrize(
    ("old", "new", "p_value"),
    [
        # The tables of the test: 2 orders of 20, of 252, of 184756.
        ([1, 2, 3], [4, 5, 6], 0.1),
        ([4, 5, 6], [1, 2, 3], 0.1),
        ([1, 2, 3, 4, 5], [6, 7, 8, 9, 10], 2 / 252),
        (range(10), range(10, 20), 2 / 184756),
        ([1, 4], [2, 3], 1.0),
        ([1, 1, 1], [1, 1, 1], 1.0),
    ],
)
def test_the_chance_of_a_difference_is_exact(old: Any, new: Any, p_value: float) -> None:
    assert stats.mann_whitney(list(old), list(new)) == pytest.approx(p_value)


def test_of_many_comparisons_a_lucky_one_is_no_proof() -> None:
    one = stats.Difference(1.1, 1.0, 1.2, 0.04)
    assert [d.significant for d in stats.holm([one])] == [True]
    assert [d.significant for d in stats.holm([one] * 3)] == [False] * 3
    sure = stats.Difference(1.1, 1.0, 1.2, 0.001)
    assert [d.significant for d in stats.holm([one, sure])] == [True, True]


def test_a_slowdown_is_stated_with_its_interval(tmp_path: Path) -> None:
    found = compare(report(), report(1.15))
    assert not found.scaled
    assert all(difference.significant for _, difference in found.differences)
    difference = found.differences[0][1]
    assert difference.low < 1.15 < difference.high
    words = difference.words()
    assert re.fullmatch(r"\+15.0 %, slower \(95 % interval \+1.* to \+1.*, p < 0.001\)", words)
    assert f"{len(STAGES)} slower, 0 faster" in found.statement


def test_the_same_figures_show_no_difference() -> None:
    found = compare(report(), report())
    assert f"{len(STAGES)} without a difference" in found.statement


def test_a_slower_machine_is_no_slower_guard() -> None:
    new = report(2.0)
    new.calibration = Machine(20, 10.0, 200_000, 80)
    found = compare(report(), new)
    assert found.scaled
    assert f"{len(STAGES)} without a difference" in found.statement


class StallingServer:
    """Answers at once, but stops for a second at the third call. Its clock is the test's."""

    def __init__(self) -> None:
        self.now = 0.0
        self.waiting: list[int] = []
        self.stalled = False

    def perf_counter(self) -> float:
        return self.now

    def send(self, token: int, data: bytes) -> None:
        self.waiting.append(token)

    def receive(self, seconds: float) -> list[int]:
        if 2 in self.waiting and not self.stalled:
            self.stalled = True
            self.now += 1.0
            return []
        self.now += max(seconds, 1e-6)
        answered, self.waiting = self.waiting, []
        return answered

    def close(self) -> None:
        raise AssertionError


def test_a_stall_counts_for_every_call_that_falls_into_it(monkeypatch: pytest.MonkeyPatch) -> None:
    server = StallingServer()
    monkeypatch.setattr(peers, "time", server)
    taken = peers.open_loop(server, b"", rate=10, seconds=2)
    assert len(taken) == 20
    # One after the other, a client would have seen one slow call; ten were due meanwhile.
    assert sum(latency > 50_000_000 for latency in taken) >= 9
    assert max(taken) == pytest.approx(1e9, rel=0.2)


@pytest.mark.parametrize(
    ("message", "length"),
    [
        (b"POST / HTTP/1.1\r\nContent-Length: 12\r\n\r\n", 12),
        (b"POST / HTTP/1.1\r\ncontent-length:7\r\nA: b\r\n\r\nbody", 7),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\ncontent-length: 3", 0),
    ],
)
def test_the_length_of_a_body_is_what_its_header_says(message: bytes, length: int) -> None:
    assert content_length(message) == length


def test_own_traffic_is_fixtures_and_recorded_calls(tmp_path: Path) -> None:
    fixture = {"tool_name": "store", "arguments": {"tool": "hammer"}}
    recorded = {"timestamp": "t", "call": {"name": "list_files", "arguments": {"path": "/a"}}}
    (tmp_path / "one.json").write_text(json.dumps(fixture))
    lines = [recorded, {"timestamp": "t", "decision": "ALLOW"}, recorded]
    (tmp_path / "two.jsonl").write_text("\n".join(map(json.dumps, lines)))
    traffic = own_traffic(tmp_path)
    assert traffic.name == f"{tmp_path.name}: 3 calls"
    assert [message["params"]["name"] for message in traffic.messages()] == [
        "store",
        "list_files",
        "list_files",
    ]
    assert traffic.messages()[0] == call("store", tool="hammer")


@pytest.mark.parametrize("text", ["{", "{}", '{"timestamp": "t"}', ""])
def test_own_traffic_without_a_call_is_an_error(tmp_path: Path, text: str) -> None:
    (tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(InputError):
        own_traffic(tmp_path / "a.jsonl")


def test_the_profile_names_the_users_detector_and_rule() -> None:
    detector = {
        "id": "text.team.ticket",
        "name": "Ticket",
        "description": "A ticket of the team.",
        "kind": "text",
        "match": {"regex": "TICKET-[0-9]{4}"},
        "finding_type": "ticket",
        "risk_score": 0.1,
        "references": ["https://example.org"],
        "examples": ["TICKET-1234", "see TICKET-0001"],
        "negative_examples": ["TICKET-12", "ticket"],
    }
    rule = {
        "id": "team-no-tickets",
        "name": "n",
        "priority": 1,
        "decision": "DENY",
        "conditions": {"content_patterns": ["TICKET-[0-9]+"]},
    }
    files = [{"file": "team.yaml", "data": {"detectors": [detector]}}]
    guard = compile_guard([rule], {"detectors": files})
    text = "see TICKET-1234 and TICKET-12 " * 50
    found = profile(guard, frame_of(call("store", text=text)), 3)
    assert found
    asked = {name: count for name, one, count, _ in found[0] if one}
    assert asked["text.team.ticket"] == 3 * 100
    assert [index for index, _ in found[1]] == [0]


def test_the_dearest_are_ten_at_most_and_known() -> None:
    known = {row[0] for row in detectors()}
    workloads = [w for w in WORKLOADS if w.name in {"base64 100 KB", "source code 10 KB"}]
    found = costs(EgressGuard(), workloads)
    assert 1 <= len(found.detectors) <= 10
    assert {cost.name for cost in found.detectors} <= known
    assert sum(cost.share for cost in found.shared) <= 1.001
    assert [c.nanoseconds for c in found.rules] == sorted(
        (c.nanoseconds for c in found.rules), reverse=True
    )


def test_the_page_loads_nothing_and_shows_names_as_text() -> None:
    made = report(name="<script>&")
    made.rows += report(100.0, "larger").rows
    for row in made.rows[len(STAGES) :]:
        row.size = 10_000
    text = page(made, tables(made))
    assert "<script" not in text
    assert "&lt;script&gt;&amp;" in text
    assert not re.search(r"(src|href)=|url\(|@import", text)
    assert text.count("<svg") == text.count("</svg>") == 2
    assert "NaN" not in text


def test_markdown_keeps_a_name_inside_its_cell() -> None:
    made = report(name="a|b\n# c")
    text = markdown(made, tables(made))
    assert "| a\\|b # c |" in text


@pytest.mark.parametrize(
    ("nanoseconds", "text"),
    [(None, "-"), (12, "12 ns"), (1_234, "1.23 µs"), (5.6e6, "5.6 ms"), (12e9, "12 s")],
)
def test_a_duration_has_three_digits(nanoseconds: float | None, text: str) -> None:
    assert duration(nanoseconds) == text


def test_a_saved_report_is_read_back(tmp_path: Path) -> None:
    made = report()
    (tmp_path / "a.json").write_text(json.dumps(made.as_dict()))
    assert read_report(tmp_path / "a.json").as_dict() == made.as_dict()


@pytest.mark.parametrize("text", ["", "[]", '{"format": 1}', '{"format": 99, "rows": []}'])
def test_what_is_no_report_is_not_compared(run: Run, tmp_path: Path, text: str) -> None:
    (tmp_path / "old.json").write_text(text)
    done = run(*QUICK, "--compare", "old.json", code=2)
    assert "old.json" in done.stderr


def test_an_unknown_workload_is_told_the_known_ones(run: Run) -> None:
    assert "tiny call" in run("bench", "--only", "nothing-such", code=2).stderr
    with pytest.raises(InputError):
        Plan(only=["nothing-such"]).workloads()


def test_every_stage_is_measured_and_a_run_compared(run: Run, tmp_path: Path) -> None:
    shell = ["bench", "--seconds", "0.1", "--blocks", "2", "--only", "redacted", "--only", "denied"]
    done = run(*shell, "--no-proxies", "--json", "--profile", "--html", "page.html")
    (tmp_path / "old.json").write_text(done.stdout)
    data = json.loads(done.stdout)
    assert {row["stage"] for row in data["rows"]} == set(STAGES)
    assert data["profile"]["rules"]
    assert (tmp_path / "page.html").read_text().startswith("<!doctype html>")
    again = run(*shell, "--no-proxies", "--compare", "old.json")
    assert "rows compared" in again.stdout


def test_the_users_rules_are_measured_and_their_log_is_left_alone(run: Run, tmp_path: Path) -> None:
    run("init", "--output-dir", ".")
    done = run(*QUICK, "--json", "--rate", "100")
    rows = {row["stage"]: row for row in json.loads(done.stdout)["rows"]}
    assert {"stdio, direct", "stdio", "http, direct", "http", "http, 100/s"} <= set(rows)
    assert json.loads(done.stdout)["plan"]["config"].endswith("gateway.yaml")
    assert not (tmp_path / "egress_audit.jsonl").exists()
