"""Bad input of every kind: one clear line, exit code 2, never a traceback."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest

from tests.unit.cli_run import Run, runner

BAD_CONFIGS = {
    "broken": "a: [1\n",
    "unknown-transport": "proxy: {transport: carrier-pigeon}\n",
    "unknown-key": "engin: {}\n",
    "deep": f"a: {'[' * 3000}\n",
    "missing-policies": "policy_paths: [nowhere]\n",
}
# Commands that stand on a configuration.
READERS = ["rules list", "rules test --tool x", "rules test --all", "explain ls", "run"]


@pytest.fixture
def run(guard: str, tmp_path: Path) -> Run:
    (tmp_path / "folder").mkdir()
    (tmp_path / "raw").write_bytes(b"\xff\xfe\0")
    (tmp_path / "deep.json").write_text("[" * 100_000)
    return runner(guard, tmp_path)


def says(done: subprocess.CompletedProcess[str], words: str) -> None:
    """One error on stderr, perhaps with a hint, and nothing on stdout."""
    first, *rest = done.stderr.splitlines()
    assert first.startswith("error: ")
    assert words in first
    assert len(rest) <= 1
    assert all(line.startswith("hint: ") for line in rest)
    assert done.stdout == ""


@pytest.mark.parametrize("name", BAD_CONFIGS)
@pytest.mark.parametrize("command", READERS)
def test_a_bad_configuration(run: Run, tmp_path: Path, command: str, name: str) -> None:
    (tmp_path / "bad.yaml").write_text(BAD_CONFIGS[name])
    says(run(*command.split(), "--config", "bad.yaml", code=2), "")


@pytest.mark.parametrize("command", READERS)
def test_a_configuration_that_is_none(run: Run, command: str) -> None:
    says(run(*command.split(), "--config", "missing.yaml", code=2), "missing.yaml: no such file")
    says(run(*command.split(), "--config", "folder", code=2), "folder: is not a file")
    says(run(*command.split(), "--config", "raw", code=2), "raw:1: is not UTF-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ("nosuch", "no such command 'nosuch'"),
        ("rules list --nosuch", "no such option"),
        ("rules test", "missing option --tool"),
        ("rules test --tool", "requires an argument"),
        ("rules test --tool x --label a", "is not NAME=VALUE"),
        ("rules test --tool x --args {", "--args is not JSON"),
        ("rules test --tool x --args []", "--args is not a JSON object"),
        ("rules test --tool x --args 1e999999", "--args is not a JSON object"),
        ('rules test --tool x --args {"a":NaN}', "NaN is no JSON value"),
        ("rules explain --tool x --args x", "--args is not JSON"),
        ("rules list --db-path missing.db", "no such rule store"),
        ("rules list --db-path raw", "raw: "),
        ("inspect --input missing", "missing: No such file"),
        ("inspect --input folder", "folder: Is a directory"),
        ("inspect --input raw", "raw: not UTF-8"),
        ("inspect --input deep.json", "deep.json: nested too deeply"),
        ("replay", "either --fixtures or --audit"),
        ("replay --audit missing", "missing"),
        ("replay --audit raw", "holds no recorded call"),
        ("replay --fixtures . --audit raw", "either --fixtures or --audit"),
        ("replay --audit raw --policy folder", "holds no rules"),
        ("replay --fixtures missing", "missing: no such folder"),
        ("replay --fixtures folder", "folder: no fixture in it"),
        ("policy schema nosuch", "no schema 'nosuch'"),
        ("policy validate", "missing argument"),
        ("policy validate folder", "no YAML file in it"),
        ("detectors show nosuch", "no detector 'nosuch'"),
        ("detectors list --kind nosuch", "no analyzer 'nosuch'"),
        ("detectors test folder", "cannot be read"),
        ("explain", "missing argument"),
        ("scan", "missing argument"),
        ("scan missing", "missing: no such file"),
        ("init --output-dir raw", "raw"),
        ("init --profile nosuch", "unknown profile"),
        ("audit tail --n -1", "--n"),
        ("audit tail --since soon", "is no time"),
        ("audit tail --decision NO", "unknown decision"),
        ("audit tail --log-file missing", "missing"),
        ("audit export --format xml --log-file raw", "xml"),
    ],
)
def test_a_wrong_option_or_file(run: Run, arguments: str, words: str) -> None:
    says(run(*arguments.split(), code=2), words)


def test_a_server_that_cannot_be_started(run: Run) -> None:
    done = run("run", "--", "no-such-program-anywhere", code=127)
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1
    assert "no-such-program-anywhere" in done.stderr


def test_bytes_that_are_no_text(run: Run, guard: str, tmp_path: Path) -> None:
    raw = os.fsdecode(b"\xff")
    assert "DENY" in run("rules", "test", "--tool", raw).stdout
    assert "DENY" in run("explain", f"ls {raw}").stdout
    says(run("rules", "test", "--tool", "x", "--environment", raw, code=2), "not UTF-8")
    says(run("detectors", "show", raw, code=2), "no detector")
    says(run("scan", raw, code=2), "no such file")


def test_an_option_cannot_drive_the_terminal(run: Run) -> None:
    done = run("inspect", "--input", "no\x1b[31m\nerror: x", code=2)
    assert "\x1b" not in done.stderr
    assert r"\x1b" in done.stderr


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("command", ["rules list --json", "policy schema pack", "rules test --all"])
def test_a_full_disk_is_said(guard: str, tmp_path: Path, command: str) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [guard, *command.split()],
            cwd=tmp_path,
            stdout=full,
            stderr=subprocess.PIPE,
            check=False,
        )
    assert (done.returncode, done.stderr.splitlines()[0]) == (
        2,
        b"error: stdout: No space left on device",
    )


def test_a_reader_that_leaves_ends_it_quietly(guard: str, tmp_path: Path) -> None:
    done = subprocess.run(
        ["bash", "-c", '"$0" detectors list --json | head -1', guard],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.stdout, done.stderr) == ("[\n", "")


def test_no_command_at_all_shows_the_help(run: Run) -> None:
    for arguments in ([], ["rules"], ["policy"], ["audit"], ["detectors"]):
        done = run(*arguments, code=2)
        assert "Usage: egress-guard " in done.stdout + done.stderr


CALL = {"tool_name": "shell_exec", "arguments": {"command": "rm -rf /srv"}}


def test_replay_names_what_fails_and_goes_on(run: Run, tmp_path: Path) -> None:
    fixtures = tmp_path / "calls"
    fixtures.mkdir()
    (fixtures / "a.json").write_text(json.dumps(CALL | {"expected_decision": "DENY"}))
    (fixtures / "b.json").write_text(
        "// b.json\n" + json.dumps(CALL | {"expected_decision": "ALLOW"})
    )
    (fixtures / "c.json").write_text(json.dumps(CALL | {"expected_decision": "deny"}))
    (fixtures / "d.json").write_text("{")
    done = run("replay", "--fixtures", "calls", "--junit", "out.xml", code=1)
    lines = done.stdout.splitlines()
    assert lines[0] == "  PASS a.json: DENY"
    assert lines[1] == "  FAIL b.json: DENY (expected ALLOW)"
    assert lines[2].startswith("  FAIL c.json: expected_decision 'deny' is no decision")
    assert lines[3].startswith("  FAIL d.json: not JSON")
    assert lines[-1] == "Results: 1/4 passed, 3 failed"
    assert 'failures="3"' in (tmp_path / "out.xml").read_text()
    data = json.loads(run("replay", "--fixtures", "calls", "--json", code=1).stdout)
    assert (data["passed"], data["failed"]) == (1, 3)
    assert not (tmp_path / "egress_audit.jsonl").exists()
    says(run("replay", "--fixtures", "calls", "--junit", "no/out.xml", code=2), "cannot be written")
