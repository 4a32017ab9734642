"""The official SDK's client and server over HTTP: with the guard all is as it is without."""

from __future__ import annotations

import sys
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, types

from tests.e2e.http_peers import free_port, guarded, listening

HERE = Path(__file__).resolve().parent
pytestmark = pytest.mark.anyio


def sdk_server(*flags: str) -> AbstractContextManager[str]:
    """A running server; its URL."""
    port = free_port()
    command = [sys.executable, str(HERE / "http_sdk_server.py"), str(port), *flags]
    return listening(command, port)


@dataclass
class Person:
    """What stands behind the client."""

    logs: list[Any] = field(default_factory=list)
    progress: list[float] = field(default_factory=list)

    def client(self, url: str, mode: str) -> Client:
        async def elicit(context: Any, params: Any) -> types.ElicitResult:
            return types.ElicitResult(action="accept", content={"name": "Ann"})

        async def sample(context: Any, params: Any) -> types.CreateMessageResult:
            content = types.TextContent(text="pong")
            return types.CreateMessageResult(role="assistant", content=content, model="m")

        async def roots(context: Any) -> types.ListRootsResult:
            return types.ListRootsResult(roots=[types.Root(uri="file:///work")])

        async def log(params: Any) -> None:
            self.logs.append(params.data)

        return Client(
            url,
            mode=mode,
            elicitation_callback=elicit,
            sampling_callback=sample,
            list_roots_callback=roots,
            logging_callback=log,
            log_level="info",
            read_timeout_seconds=60,
        )

    async def note(self, progress: float, total: float | None, message: str | None) -> None:
        self.progress.append(progress)


async def tour(url: str, mode: str) -> list[Any]:
    """One of everything, as data to compare."""
    person = Person()
    seen: list[Any] = []

    async def call(name: str, **arguments: Any) -> Any:
        try:
            done = await client.call_tool(name, arguments, progress_callback=person.note)
        except Exception as error:
            # Not every server can ask its client back; how it fails is compared as well.
            return repr(error)
        return done.model_dump(mode="json")

    async with person.client(url, mode) as client:
        seen.append(client.protocol_version)
        seen.append([tool.name for tool in (await client.list_tools()).tools])
        seen.append(await call("echo", text="größe \u2028 \U0001f600", note="x" * 100_000))
        seen.append(await call("routed", region="größe", text="x"))
        seen += [await call(tool) for tool in ("chatty", "ask", "sample", "roots")]
        seen.append(await call("slow", seconds=0.1))
        if mode == "auto":
            seen.append(await call("large", size=5_000_000))
        seen.append((await client.read_resource("notes://a")).model_dump(mode="json"))
        seen.append((await client.get_prompt("greet", {"name": "x"})).model_dump(mode="json"))
        prompt = types.PromptReference(name="greet")
        seen.append((await client.complete(prompt, {"name": "name", "value": "a"})).completion)
        many: dict[int, Any] = {}

        async def one(number: int) -> None:
            many[number] = await call("echo", text=str(number))

        async with anyio.create_task_group() as tasks:
            for number in range(50):
                tasks.start_soon(one, number)
        seen.append(sorted(many.items()))
    return [*seen, person.logs, person.progress]


@pytest.mark.parametrize("mode", ["legacy", "auto"])
@pytest.mark.parametrize("flags", [(), ("json",), ("stateless",), ("json", "stateless")])
async def test_everything_is_as_without_the_guard(
    guard: str, tmp_path: Path, flags: tuple[str, ...], mode: str
) -> None:
    with sdk_server(*flags) as url, guarded(guard, tmp_path, {"downstream_url": url}) as http:
        direct, through = await tour(url, mode), await tour(http.url, mode)
    assert through == direct
    assert direct[0] == ("2026-07-28" if mode == "auto" else "2025-11-25")


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_denied_call_leaves_the_session_alive(
    guard: str, tmp_path: Path, mode: str
) -> None:
    with sdk_server() as url, guarded(guard, tmp_path, {"downstream_url": url}) as http:
        async with Person().client(http.url, mode) as client:
            denied = await client.call_tool("shell_exec", {"command": "rm -rf /"})
            assert denied.is_error
            assert "EGRESS_DENY_DESTRUCTIVE_CMD" in str(denied.content)
            allowed = await client.call_tool("echo", {"text": "still here"})
            assert "still here" in str(allowed.content)


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_a_cancelled_call_leaves_the_session_alive(
    guard: str, tmp_path: Path, mode: str
) -> None:
    with sdk_server() as url, guarded(guard, tmp_path, {"downstream_url": url}) as http:
        async with Person().client(http.url, mode) as client:
            with anyio.move_on_after(0.5) as scope:
                await client.call_tool("slow", {"seconds": 30})
            assert scope.cancelled_caught
            allowed = await client.call_tool("echo", {"text": "still here"})
            assert "still here" in str(allowed.content)
