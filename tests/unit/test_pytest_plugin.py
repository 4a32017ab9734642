"""The plugin in a pytest of its own: what it collects, what it leaves alone, what failures say."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from mcp_egress_guard.project import initialize

RULE = """rules:
  - id: a
    decision: DENY
    conditions: {tool_name_patterns: [x]}
    tests:
      - {tool_name: x, expected_decision: DENY}
      - {tool_name: x, expected_decision: ALLOW}
"""


def run(folder: Path, *options: str) -> tuple[int, str]:
    found = subprocess.run(
        [sys.executable, "-m", "pytest", "--rootdir", str(folder), *options],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    return found.returncode, found.stdout + found.stderr


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A project of somebody, with YAML and JSON that is none of ours."""
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / "alerts.yaml").write_text("rules:\n  - alert: HighLoad\n")
    (tmp_path / "data.json").write_text("[1, 2]\n")
    (tmp_path / "test_own.py").write_text("def test_own():\n    pass\n")
    return tmp_path


def test_what_init_wrote_is_collected_and_nothing_else(folder: Path) -> None:
    code, out = run(folder)
    assert (code, "1 passed" in out) == (0, True), out
    initialize(folder, "default")
    code, out = run(folder, "-v", "policies")
    assert code == 0, out
    assert "policies/baseline.yaml::valid PASSED" in out
    assert "policies/secrets.yaml::secrets-deny-aws-key[0] PASSED" in out
    code, out = run(folder, "-v")
    assert code == 0, out
    assert "alerts.yaml" not in out
    assert "data.json" not in out


def test_a_failure_is_one_line_at_the_test(folder: Path) -> None:
    (folder / "packs").mkdir()
    (folder / "packs/a.yaml").write_text(RULE)
    (folder / "calls").mkdir()
    call = '{"tool_name": "x", "arguments": {}, "expected_decision": "%s"}'
    (folder / "calls/good.json").write_text(call % "ALLOW")
    (folder / "calls/bad.json").write_text(call % "DENY")
    (folder / "pytest.ini").write_text("[pytest]\negress_guard_files = packs calls/*.json\n")
    code, out = run(folder, "-v")
    assert code == 1
    assert "packs/a.yaml::valid PASSED" in out
    assert "packs/a.yaml::a[0] PASSED" in out
    assert "packs/a.yaml::a[1] FAILED" in out
    assert "DENY by a, expected ALLOW" in out
    assert "calls/good.json::call PASSED" in out
    assert "FAIL bad.json: ALLOW (expected DENY)" in out
    assert "Traceback" not in out


def test_calls_are_judged_by_the_configuration_above_them(folder: Path) -> None:
    initialize(folder, "default")
    (folder / "policies/mine.yaml").write_text(RULE)
    (folder / "calls").mkdir()
    call = '{"tool_name": "x", "arguments": {}, "expected_rule": "a"}'
    (folder / "calls/one.json").write_text(call)
    code, out = run(folder, "--egress-guard", "calls")
    assert (code, "1 passed" in out) == (0, True), out


def test_a_pack_that_does_not_load_fails_with_its_place(folder: Path) -> None:
    (folder / "packs").mkdir()
    (folder / "packs/a.yaml").write_text(RULE.replace("[x]", "['[']"))
    code, out = run(folder, "--egress-guard", "packs")
    assert code == 1
    assert "a.yaml:4" in out
    assert "3 failed" in out
    assert "Traceback" not in out
