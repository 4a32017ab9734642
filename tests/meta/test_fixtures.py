"""The calls that the README and the packs speak about get the decision that is promised."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from mcp_egress_guard.core import EgressGuard
from mcp_egress_guard.policy.models import ToolCallRequest

FIXTURES = Path(__file__).resolve().parent.parent / "fixtures/tool_calls"


@pytest.fixture(scope="module")
def engine() -> EgressGuard:
    return EgressGuard()


@pytest.mark.parametrize("path", [pytest.param(p, id=p.stem) for p in sorted(FIXTURES.iterdir())])
def test_a_call_gets_its_decision(engine: EgressGuard, path: Path) -> None:
    fixture = json.loads(path.read_text())
    request = ToolCallRequest(tool_name=fixture["tool_name"], arguments=fixture["arguments"])
    assert engine.evaluate_tool_call(request).decision == fixture["expected_decision"]


def test_replay_agrees_and_tells_a_script(guard: str, tmp_path: Path) -> None:
    command = [guard, "replay", "--fixtures", str(FIXTURES)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    count = len(list(FIXTURES.iterdir()))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Results: {count}/{count} passed" in done.stdout

    wrong = {"tool_name": "list_files", "arguments": {}, "expected_decision": "DENY"}
    (tmp_path / "wrong.json").write_text(json.dumps(wrong))
    command = [guard, "replay", "--fixtures", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "FAIL wrong.json: ALLOW (expected DENY)" in done.stdout
