"""The audit commands as a user runs them."""

from __future__ import annotations

import json
import os
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from mcp_egress_guard.audit.log import open_file
from tests.unit.audit_events import KEY, denial, event, write_log

Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(guard: str, tmp_path: Path) -> Run:
    """Runs `egress-guard audit …` in an empty folder, in UTC, without a key."""

    def run(*arguments: str, code: int = 0, **env: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [guard, "audit", *arguments],
            cwd=tmp_path,
            env=os.environ | {"TZ": "UTC", "EGRESS_GUARD_HMAC_KEY": ""} | env,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done

    return run


@pytest.fixture
def log(tmp_path: Path) -> Path:
    events = [event(n) for n in range(15)]
    events[12] = denial(12)
    return write_log(tmp_path / "egress_audit.jsonl", events)


def cells(output: str) -> list[list[str]]:
    """The rows of a printed table."""
    rows = [line.replace("┃", "│").split("│") for line in output.splitlines()]
    return [[cell.strip() for cell in row[1:-1]] for row in rows if len(row) > 2]


def test_tail_shows_the_table_of_the_last_ten(run: Run, log: Path) -> None:
    output = run("tail").stdout
    assert output.splitlines()[0].strip() == "Last 10 Audit Events"
    header, *rows = cells(output)
    assert header == ["Time", "Tool", "Decision", "Rule", "Risk"]
    assert len(rows) == 10
    assert rows[0] == ["23:00:05", "list_files", "ALLOW", "-", "0.00"]
    assert rows[7] == ["23:00:12", "shell_exec", "DENY", "destructive-deny-rm-rf", "0.95"]


def test_tail_takes_a_number_a_file_and_filters(run: Run, log: Path, tmp_path: Path) -> None:
    moved = log.rename(tmp_path / "other.jsonl")
    output = run("tail", "--n", "3", "--log-file", str(moved)).stdout
    assert len(cells(output)) == 4
    lines = run("tail", "--json", "--decision", "deny", "--log-file", str(moved)).stdout
    assert [json.loads(line) for line in lines.splitlines()] == [denial(12)]
    since = ("--since", "2026-03-08T23:00:13Z")
    lines = run("tail", "--json", *since, "--log-file", str(moved)).stdout
    assert [json.loads(line)["decision_id"] for line in lines.splitlines()] == ["d13", "d14"]


def test_the_configured_log_is_the_default(run: Run, tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    write_log(tmp_path / "logs" / "a.jsonl", [denial(1)])
    (tmp_path / "gateway.yaml").write_text("audit: {log_file: logs/a.jsonl}\n")
    assert "shell_exec" in run("tail").stdout


def test_shadow_mode_shows_what_was_done(run: Run, tmp_path: Path) -> None:
    write_log(tmp_path / "egress_audit.jsonl", [denial(1, enforced="ALLOW", shadow_mode=True)])
    assert "DENY (ALLOW)" in run("tail").stdout


def test_nothing_in_a_log_drives_the_terminal(run: Run, tmp_path: Path) -> None:
    name = "\x1b[2J[bold]x[/bold]\u202e"
    write_log(tmp_path / "egress_audit.jsonl", [event(1, tool_name=name)])
    output = run("tail").stdout
    assert "\x1b" not in output
    assert "\u202e" not in output
    assert "[bold]x" in output


def test_following_shows_what_is_written(guard: str, log: Path, tmp_path: Path) -> None:
    command = [guard, "audit", "tail", "--n", "1", "--follow", "--json", "--decision", "DENY"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert process.stdout
    assert json.loads(process.stdout.readline()) == denial(12)
    appender = open_file(log)
    # The reader says when it has begun only by what it shows: write until it does.
    shown = threading.Event()

    def write() -> None:
        while not shown.wait(0.05):
            appender.append(orjson.dumps(denial(20)))

    writer = threading.Thread(target=write)
    writer.start()
    line = process.stdout.readline()
    shown.set()
    writer.join()
    process.terminate()
    process.communicate()
    assert json.loads(line) == denial(20)


def test_export_adds_the_suffix_and_says_where(run: Run, log: Path, tmp_path: Path) -> None:
    done = run("export", "--format", "jsonl", "--out", "incident_review")
    assert done.stdout == "Exported 15 events to incident_review.jsonl\n"
    assert (tmp_path / "incident_review.jsonl").read_bytes() == log.read_bytes()
    run("export", "--format", "csv", "--out", "weekly_report", "--tool", "shell_*")
    assert len((tmp_path / "weekly_report.csv").read_text().splitlines()) == 2


def test_wrong_use_exits_with_two(run: Run, log: Path, tmp_path: Path) -> None:
    for arguments in (
        ("export", "--format", "xml", "--out", "x"),
        ("export", "--bundle", "--out", "x"),
        ("export", "--bundle", "--decision", "DENY", "--out", "x"),
        ("tail", "--log-file", "none.jsonl"),
        ("tail", "--since", "yesterday"),
        ("tail", "--decision", "PERHAPS"),
        ("tail", "--n", "-1"),
        ("verify",),
        ("nothing",),
    ):
        done = run(*arguments, code=2)
        assert "Traceback" not in done.stderr
        assert done.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["egress_audit.jsonl"]


def test_verify_tells_a_sound_log_from_a_changed_one(run: Run, tmp_path: Path) -> None:
    key = {"EGRESS_GUARD_HMAC_KEY": KEY.decode()}
    log = write_log(tmp_path / "egress_audit.jsonl", [event(n) for n in range(5)], key=KEY)
    assert run("verify", **key).stdout.startswith("✓")
    assert json.loads(run("verify", "--json", **key).stdout)["sound"] is True
    run("export", "--bundle", "--out", "review", **key)
    assert run("verify", "review.zip", **key).stdout.startswith("✓")
    log.write_bytes(log.read_bytes().replace(b"ALLOW", b"DENY ", 1))
    done = run("verify", code=1, **key)
    assert "egress_audit.jsonl:1: line 1 was changed" in done.stdout
    assert KEY.decode() not in done.stdout + done.stderr
    assert json.loads(run("verify", "--json", code=1, **key).stdout)["sound"] is False
    run("verify", "review.zip", code=1, EGRESS_GUARD_HMAC_KEY="another")


def test_an_unsigned_log_does_not_verify(run: Run, log: Path) -> None:
    done = run("verify", code=1, EGRESS_GUARD_HMAC_KEY=KEY.decode())
    assert "no line is signed" in done.stdout


def test_stats_count(run: Run, log: Path) -> None:
    data = json.loads(run("stats", "--json").stdout)
    assert data["decisions"] == {"ALLOW": 14, "DENY": 1}
    output = run("stats").stdout
    assert ["shell_exec", "1", "6.7%"] in cells(output)
    assert ["p50", "p95", "p99", "max"] in cells(output)
