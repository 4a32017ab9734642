"""`replay`: other rules on recorded traffic, and what holds of very many fixtures."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from mcp_egress_guard import replay
from mcp_egress_guard.core import EgressGuard
from tests.unit.cli_run import Run, runner

RULES = """\
rules:
  - id: own-no-listing
    decision: DENY
    priority: 1
    conditions: {tool_name_patterns: [list_*], environments: [staging]}
  - id: own-all-commands
    decision: ALLOW
    priority: 2
    conditions: {tool_categories: [shell]}
"""


@pytest.fixture
def run(guard: str, tmp_path: Path) -> Run:
    return runner(guard, tmp_path)


def call(tool: str, **arguments: Any) -> str:
    params = {"name": tool, "arguments": arguments}
    message = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}
    return json.dumps(message) + "\n"


def record(run: Run, folder: Path, *, calls: bool = True) -> None:
    """Four calls through a real proxy, with its audit log beside it."""
    (folder / "gateway.yaml").write_text(
        f"environment: staging\naudit: {{record_calls: {str(calls).lower()}}}\n"
    )
    frames = [
        call("list_files", path="/srv"),
        call("shell_exec", command="rm -rf /srv"),
        call("read_file", path="/srv/a"),
        call("post", text="key AKIAIOSFODNN7EXAMPLE"),
    ]
    server = ("sh", "-c", "cat >&2; exit 3")  # which answers nothing
    run("run", "-c", "gateway.yaml", "--", *server, stdin="".join(frames), code=3)


def test_the_same_rules_decide_the_same(run: Run, tmp_path: Path) -> None:
    record(run, tmp_path)
    done = run("replay", "--audit", "egress_audit.jsonl")
    assert done.stdout.splitlines()[-1] == (
        "Results: 0 of 3 decisions differ"
        " (1 calls with masked secrets and 0 not recorded were left out)"
    )


def test_other_rules_show_what_they_would_change(run: Run, tmp_path: Path) -> None:
    record(run, tmp_path)
    before = (tmp_path / "egress_audit.jsonl").read_bytes()
    (tmp_path / "new").mkdir()
    (tmp_path / "new/own.yaml").write_text(RULES)
    replay = ("replay", "--audit", "egress_audit.jsonl", "--policy", "new")
    lines = run(*replay, code=1).stdout.splitlines()
    assert lines[0].endswith(" list_files: ALLOW → DENY by own-no-listing")
    assert lines[1].endswith(" shell_exec: DENY → ALLOW by own-all-commands")
    assert lines[-1].startswith("Results: 2 of 3 decisions differ")
    data = json.loads(run(*replay, "--json", code=1).stdout)
    first = data["changes"][0]
    assert (first["old"], first["new"], first["old_rule"]) == ("ALLOW", "DENY", "")
    assert first["decision_id"] in before.decode()
    # The log of the production is only read.
    assert (tmp_path / "egress_audit.jsonl").read_bytes() == before


def test_a_log_without_calls_is_an_error(run: Run, tmp_path: Path) -> None:
    record(run, tmp_path, calls=False)
    done = run("replay", "--audit", "egress_audit.jsonl", code=2)
    assert "record_calls" in done.stderr


def test_fixtures_are_judged_by_the_rules_that_are_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.yaml").write_text(RULES)
    (tmp_path / "calls").mkdir()
    fixture = {"tool_name": "sh", "arguments": {"command": "rm -rf /"}, "expected_rule": "own"}
    (tmp_path / "calls/a.json").write_text(json.dumps(fixture))
    done = run("replay", "--fixtures", "calls", "--policy", "own.yaml", "--json", code=1)
    (result,) = json.loads(done.stdout)["results"]
    assert (result["decision"], result["rule_id"]) == ("ALLOW", "own-all-commands")


@pytest.mark.parametrize("processors", [1, 4])
def test_many_fixtures_are_judged_in_order_by_all_processors(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, processors: int
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: range(processors), raising=False)
    commands = ("ls", "rm -rf /")
    for number in range(replay.MANY):
        fixture = {"tool_name": "sh", "arguments": {"command": commands[number % 2]}}
        (tmp_path / f"{number:05}.json").write_text(json.dumps(fixture))
    (tmp_path / "00500.json").write_text("{")
    files, done = replay.fixture_files(tmp_path), list[int]()
    outcomes = replay.replay(EgressGuard(), files, tmp_path, done.append)
    assert done == list(range(1, len(files) + 1))
    assert [outcome.name for outcome in outcomes] == [file.name for file in files]
    assert [outcome.decision for outcome in outcomes[:3]] == ["ALLOW", "DENY", "ALLOW"]
    assert [outcome.name for outcome in outcomes if not outcome.passed] == ["00500.json"]
    assert outcomes[500].error.startswith("not JSON")
