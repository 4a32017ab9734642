"""Clients and servers of other makers: what they see of each other is the same with the guard."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import sys
from collections.abc import Sequence
from contextlib import AbstractContextManager, ExitStack
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.http_peers import free_port, guarded, listening
from tests.e2e.test_http_sdk import sdk_server

HERE = Path(__file__).resolve().parent
MODULES = HERE / "node_modules/@modelcontextprotocol"
EVERYTHING = MODULES / "server-everything/dist/index.js"
FILESYSTEM = MODULES / "server-filesystem/dist/index.js"
INSPECTOR = MODULES / "inspector-cli/build/index.js"
pytestmark = pytest.mark.timeout(180)


def run(*command: str | Path, folder: Path) -> str:
    """What a client prints."""
    done = subprocess.run(
        command, cwd=folder, capture_output=True, text=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    # The server says what time it is.
    return re.sub(r"\d{1,2}:\d\d:\d\d( [AP]M)?", "TIME", done.stdout)


def everything() -> AbstractContextManager[str]:
    """The reference server over HTTP; its URL."""
    port = free_port()
    return listening(["node", str(EVERYTHING), "streamableHttp"], port, PORT=str(port))


def stdio(server: str, folder: Path) -> list[str]:
    """The command of a server."""
    return {
        "everything": ["node", str(EVERYTHING), "stdio"],
        "filesystem": ["node", str(FILESYSTEM), str(folder)],
        "python": [sys.executable, str(HERE / "sdk_server.py")],
    }[server]


def tours(
    generation: str, kind: str, direct: Sequence[str], through: Sequence[str], folder: Path
) -> tuple[Any, Any]:
    """What the TypeScript client sees without the guard and with it."""
    both = []
    for target in (direct, through):
        printed = run("node", HERE / "tour.mjs", generation, kind, *target, folder=folder)
        both.append(json.loads(printed))
    return both[0], both[1]


@pytest.mark.parametrize("server", ["everything", "filesystem"])
@pytest.mark.parametrize("generation", ["v1", "v2"])
def test_the_typescript_client_over_stdio(
    guard: str, tmp_path: Path, generation: str, server: str
) -> None:
    command = stdio(server, tmp_path)
    direct, through = tours(generation, "stdio", command, [guard, "run", "--", *command], tmp_path)
    assert through == direct
    assert "tools" in direct["tools"]


@pytest.mark.parametrize(
    ("generation", "server"),
    [
        ("v1", "everything"),
        ("v1", "stateful"),
        ("v1", "json stateless"),
        ("v2", "everything"),
        ("v2", "stateful"),
    ],
)
def test_the_typescript_client_over_http(
    guard: str, tmp_path: Path, generation: str, server: str
) -> None:
    with ExitStack() as stack:
        start = everything() if server == "everything" else sdk_server(*server.split())
        url = stack.enter_context(start)
        http = stack.enter_context(guarded(guard, tmp_path, {"downstream_url": url}))
        direct, through = tours(generation, "http", [url], [http.url], tmp_path)
    assert through == direct
    if server == "everything":
        assert len(direct["in flight"]) == 100
        assert "pong" in str(direct["trigger-sampling-request"])
        assert "Ann" in str(direct["trigger-elicitation-request"])
        assert "file:///work" in str(direct["get-roots-list"])


QUESTIONS = {
    "everything": [
        ("tools/list",),
        ("tools/call", "--tool-name", "echo", "--tool-arg", "message=größe"),
        ("resources/list",),
        ("prompts/get", "--prompt-name", "simple-prompt"),
    ],
    "filesystem": [
        ("tools/list",),
        ("tools/call", "--tool-name", "read_text_file", "--tool-arg", "path=note.txt"),
    ],
    "python": [
        ("tools/call", "--tool-name", "echo", "--tool-arg", "text=größe"),
        ("tools/list",),
    ],
}


@pytest.mark.parametrize(
    ("kind", "server"),
    [
        ("stdio", "everything"),
        ("stdio", "filesystem"),
        ("stdio", "python"),
        ("http", "everything"),
        ("http", "python"),
    ],
)
def test_the_inspector_on_the_command_line(
    guard: str, tmp_path: Path, kind: str, server: str
) -> None:
    # Published alone, the command misses the file of the project that it is a part of.
    project = MODULES / "package.json"
    if not project.exists():
        project.write_text('{"name": "inspector", "version": "1.0.3", "type": "module"}')
    (tmp_path / "note.txt").write_text("größe\n")
    with ExitStack() as stack:
        if kind == "http":
            url = stack.enter_context(everything() if server == "everything" else sdk_server())
            http = stack.enter_context(guarded(guard, tmp_path, {"downstream_url": url}))
            targets = [[url, "--transport", "http"], [http.url, "--transport", "http"]]
        else:
            command = stdio(server, tmp_path)
            # The inspector takes a -- among the server's arguments for its own.
            script = tmp_path / "guarded"
            script.write_text(f"#!/bin/sh\nexec {shlex.join([guard, 'run', '--', *command])}\n")
            script.chmod(0o755)
            targets = [command, [str(script)]]
        for method, *rest in QUESTIONS[server]:
            plain, guarded_answer = (
                run("node", INSPECTOR, *rest, "--method", method, *target, folder=tmp_path)
                for target in targets
            )
            assert guarded_answer == plain
            assert json.loads(plain)
