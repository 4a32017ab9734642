"""Real peers: the SDK's client, the filesystem server from npm, and a server made with the SDK."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters

from tests.e2e.http_peers import Guarded, Server, guarded

HERE = Path(__file__).resolve().parent
FILESYSTEM = HERE / "node_modules/@modelcontextprotocol/server-filesystem/dist/index.js"


@dataclass(frozen=True)
class Workplace:
    """One guard in front of one server, each test in a folder of its own."""

    folder: Path
    shared: Path
    command: list[str]

    def connect(self, mode: str) -> AbstractAsyncContextManager[Client]:
        """An SDK client that starts the command and talks to it."""
        return connect(self.command, self.folder, mode)

    @property
    def audit(self) -> list[dict[str, Any]]:
        """The audit lines of `tools/call` so far."""
        log = self.folder / "egress_audit.jsonl"
        lines = log.read_text().splitlines() if log.exists() else []
        return [json.loads(line) for line in lines]


@asynccontextmanager
async def connect(command: list[str], cwd: Path, mode: str) -> AsyncIterator[Client]:
    """Starts `command` and shakes hands as `mode` says: "legacy", or "auto" for 2026-07-28."""
    server = StdioServerParameters(command=command[0], args=command[1:], cwd=cwd)
    async with Client(server, mode=mode, read_timeout_seconds=60) as client:
        yield client


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def filesystem_server() -> list[str]:
    """The command of the real filesystem server; the allowed folder is still to be added."""
    node = shutil.which("node")
    assert node, "node is not on PATH"
    assert FILESYSTEM.exists(), f"{FILESYSTEM} is missing: run `make servers`"
    return [node, str(FILESYSTEM)]


@pytest.fixture(params=["arguments", "config"])
def workplace(
    request: pytest.FixtureRequest, tmp_path: Path, guard: str, filesystem_server: list[str]
) -> Workplace:
    """The guard in front of the filesystem server, started both ways that a user can."""
    shared = tmp_path / "shared"
    shared.mkdir()
    server = [*filesystem_server, str(shared)]
    if request.param == "arguments":
        return Workplace(tmp_path, shared, [guard, "run", "--", *server])
    config = {"proxy": {"transport": "stdio", "downstream_command": server}}
    # JSON is YAML: what is written here is what a person would write in blocks.
    (tmp_path / "gateway.yaml").write_text(json.dumps(config))
    return Workplace(tmp_path, shared, [guard, "run", "--config", "gateway.yaml"])


@pytest.fixture
def modern(tmp_path: Path, guard: str) -> Workplace:
    """The guard in front of a server that speaks 2026-07-28."""
    server = [sys.executable, str(HERE / "sdk_server.py")]
    return Workplace(tmp_path, tmp_path, [guard, "run", "--", *server])


@pytest.fixture
def direct() -> Callable[[list[str], Path, str], AbstractAsyncContextManager[Client]]:
    """The same client without the guard, to compare with."""
    return connect


@pytest.fixture
def server() -> Iterator[Server]:
    """A server that does what the test says."""
    scripted = Server()
    yield scripted
    scripted.close()
    assert scripted.errors == []


@pytest.fixture
def http(server: Server, guard: str, tmp_path: Path) -> Iterator[Guarded]:
    """The guard in front of that server."""
    with guarded(guard, tmp_path, {"downstream_url": server.url}) as running:
        yield running


@pytest.fixture
def http_small(server: Server, guard: str, tmp_path: Path) -> Iterator[Guarded]:
    """The same with small bounds."""
    bounds = {
        "head_seconds": 1,
        "body_seconds": 1,
        "idle_seconds": 2,
        "connect_seconds": 1,
        "answer_seconds": 2,
        "drain_seconds": 1,
        "max_requests": 4,
    }
    proxy = {"downstream_url": server.url, "max_message_bytes": 1 << 20, "http": bounds}
    with guarded(guard, tmp_path, proxy) as running:
        yield running
