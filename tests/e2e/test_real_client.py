"""The installed command between the SDK's own client and real servers, as a user runs it."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest
from mcp import Client
from mcp.types import CallToolResult, TextContent

from .conftest import Workplace

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

Direct = Callable[[list[str], Path, str], AbstractAsyncContextManager[Client]]
MODES = pytest.mark.parametrize("mode", ["legacy", "auto"])
TOKEN = "q7Zp2LxV9sKd3RwT8mYb5NcJ1hGf6EaU"


def text_of(result: CallToolResult) -> str:
    return "".join(block.text for block in result.content if isinstance(block, TextContent))


def prose(size: int) -> str:
    """Harmless text of many different words, `size` characters long."""
    words = ["river", "stone", "winter", "table", "garden", "paper", "seven", "letter", "cloud"]
    rng = random.Random(7)  # noqa: S311  (test data, not a key)
    text = " ".join(rng.choice(words) + ("\n" if n % 12 == 0 else "") for n in range(size // 4))
    return text[:size].ljust(size, ".")


@MODES
async def test_the_client_sees_the_same_server_as_without_the_guard(
    workplace: Workplace, filesystem_server: list[str], direct: Direct, mode: str
) -> None:
    async with direct([*filesystem_server, str(workplace.shared)], workplace.folder, mode) as plain:
        expected = (plain.protocol_version, plain.server_info, (await plain.list_tools()).tools)
    async with workplace.connect(mode) as client:
        seen = (client.protocol_version, client.server_info, (await client.list_tools()).tools)
    assert seen == expected
    assert workplace.audit == []


@MODES
async def test_five_megabytes_are_read_unchanged(workplace: Workplace, mode: str) -> None:
    text = prose(5_000_000)
    (workplace.shared / "large.txt").write_text(text)
    async with workplace.connect(mode) as client:
        arguments = {"path": str(workplace.shared / "large.txt")}
        result = await client.call_tool("read_text_file", arguments)
    assert not result.is_error
    assert text_of(result) == text
    assert [line["decision"] for line in workplace.audit] == ["ALLOW"]


@MODES
async def test_a_megabyte_is_written_unchanged(workplace: Workplace, mode: str) -> None:
    text = prose(1_000_000)
    path = workplace.shared / "written.txt"
    async with workplace.connect(mode) as client:
        result = await client.call_tool("write_file", {"path": str(path), "content": text})
    assert not result.is_error
    assert path.read_text() == text
    assert [line["decision"] for line in workplace.audit] == ["ALLOW"]


@MODES
async def test_a_denied_call_never_reaches_the_server_and_the_session_goes_on(
    workplace: Workplace, mode: str
) -> None:
    path = workplace.shared / "leak.txt"
    arguments = {"path": str(path), "content": "key=AKIAIOSFODNN7EXAMPLE"}
    async with workplace.connect(mode) as client:
        denied = await client.call_tool("write_file", arguments)
        listed = await client.call_tool("list_directory", {"path": str(workplace.shared)})
    assert denied.is_error
    assert "EGRESS_DENY_" in text_of(denied)
    assert "AKIAIOSFODNN7EXAMPLE" not in denied.model_dump_json()
    assert not path.exists()
    assert not listed.is_error
    assert [line["decision"] for line in workplace.audit] == ["DENY", "ALLOW"]
    assert [line["tool_name"] for line in workplace.audit] == ["write_file", "list_directory"]
    assert workplace.audit[0]["policy_code"] in text_of(denied)
    assert "AKIAIOSFODNN7EXAMPLE" not in (workplace.folder / "egress_audit.jsonl").read_text()


@MODES
async def test_a_secret_arrives_redacted_and_nothing_else_is_touched(
    workplace: Workplace, mode: str
) -> None:
    path = workplace.shared / "notes with ünïcode.ini"
    before, after = "# keep me \u2028 \U0001f600\n[service]\napi_key = ", "\ntimeout = 30\n"
    arguments = {"path": str(path), "content": before + TOKEN + after}
    async with workplace.connect(mode) as client:
        result = await client.call_tool("write_file", arguments)
    assert not result.is_error
    on_disk = path.read_text()
    assert on_disk.startswith(before)
    assert on_disk.endswith(after)
    assert TOKEN not in on_disk
    assert [line["decision"] for line in workplace.audit] == ["REDACT"]
    assert TOKEN not in (workplace.folder / "egress_audit.jsonl").read_text()


@pytest.mark.parametrize(("mode", "protocol"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
async def test_both_protocol_eras_pass_through(modern: Workplace, mode: str, protocol: str) -> None:
    async with modern.connect(mode) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        allowed = await client.call_tool("echo", {"text": "good morning"})
        denied = await client.call_tool("shell_exec", {"command": "rm -rf /srv/data"})
        redacted = await client.call_tool(
            "echo", {"text": f"api_key = {TOKEN}", "note": "untouched \u00e9"}
        )
        version = client.protocol_version
    assert version == protocol
    assert names == ["echo", "shell_exec"]
    assert text_of(allowed) == "good morning|"
    assert denied.is_error
    assert "EGRESS_DENY_DESTRUCTIVE_CMD" in text_of(denied)
    assert TOKEN not in text_of(redacted)
    assert text_of(redacted).endswith("|untouched \u00e9")
    assert [line["decision"] for line in modern.audit] == ["ALLOW", "DENY", "REDACT"]
