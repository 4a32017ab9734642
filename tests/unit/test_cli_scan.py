"""`scan` on ordinary files: what it finds, what it leaves out, what it writes."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from tests.unit.cli_run import Run, runner

KEY = "AKIAIOSFODNN7EXAMPLE"


@pytest.fixture
def run(guard: str, tmp_path: Path) -> Run:
    return runner(guard, tmp_path)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    folder = tmp_path / "tree"
    (folder / ".git").mkdir(parents=True)
    (folder / "deep/er").mkdir(parents=True)
    (folder / ".git/config").write_text(KEY)
    (folder / "binary").write_bytes(KEY.encode() + b"\0")
    (folder / "deep/er/a.py").write_text(f'# first\né = "ä {KEY}"\n')
    (folder / "deep/windows.txt").write_bytes(f"x {KEY}\r\n".encode("utf-16"))
    (folder / "clean.md").write_text("nothing to see on http://10.0.0.7/\n")
    (folder / "latin").write_bytes(b"caf\xe9 \n")
    os.mkfifo(folder / "pipe")
    (folder / "link").symlink_to("deep/er/a.py")
    return folder


def test_a_secret_is_shown_with_its_place_and_masked(run: Run, tree: Path) -> None:
    done = run("scan", "tree", code=1)
    assert done.stdout.splitlines() == [
        "tree/deep/windows.txt:1:3  aws_access_key  0.95  AKIA************MPLE",
        "tree/deep/er/a.py:2:8  aws_access_key  0.95  AKIA************MPLE",
    ]
    last = "2 findings in 2 of 4 files (2 binary, 0 too large, 0 unreadable)\n"
    assert done.stderr == last


def test_hints_are_shown_on_request(run: Run, tree: Path) -> None:
    assert run("scan", "tree/clean.md").stdout == ""
    assert "internal_url" in run("scan", "--all", "tree/clean.md", code=1).stdout


def test_what_is_excluded_is_not_read(run: Run, tree: Path) -> None:
    run("scan", "tree", "--exclude", "deep")
    run("scan", "tree", "--exclude", "*.py", "--exclude", "*/windows.*")


def test_scripts_get_json_and_ci_gets_sarif(run: Run, tree: Path, tmp_path: Path) -> None:
    data = json.loads(run("scan", "tree", "--json", "--sarif", "out.sarif", code=1).stdout)
    assert data["scanned"] == 4
    found = data["findings"][1]
    assert (found["line"], found["column"], found["end_column"]) == (2, 8, 28)
    text = (tmp_path / "out.sarif").read_text()
    assert KEY not in text
    (log,) = json.loads(text)["runs"]
    assert {rule["id"] for rule in log["tool"]["driver"]["rules"]} == {"text.aws.access-key-id"}
    place = log["results"][1]["locations"][0]["physicalLocation"]
    assert place["artifactLocation"]["uri"] == "tree/deep/er/a.py"
    assert place["region"] == {"startLine": 2, "startColumn": 8, "endLine": 2, "endColumn": 28}
    assert "cannot be written" in run("scan", "tree", "--sarif", "no/x", code=2).stderr


def test_what_was_not_looked_into_is_said(run: Run, tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(b"a\n" * 5_000_001)
    done = run("scan", "large")
    assert done.stderr.startswith("large: not scanned, larger than 10 MB\n0 findings")
    (tmp_path / "dangling").symlink_to("nowhere")
    assert "dangling: No such file" in run("scan", "dangling", code=2).stderr
    assert "no such file or folder" in run("scan", "missing", code=2).stderr
