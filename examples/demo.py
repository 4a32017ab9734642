"""Puts the guard between the MCP SDK's client and the real filesystem server, and shows four calls.

Run it with `make demo`, which builds the guard and fetches the server first.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import sysconfig
from pathlib import Path

from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent

ROOT = Path(__file__).resolve().parent.parent
DEMO = ROOT / ".demo"
FILES = DEMO / "files"
AUDIT = DEMO / "egress_audit.jsonl"
GUARD = Path(sysconfig.get_path("scripts")) / "egress-guard"
SERVER = ROOT / "tests/e2e/node_modules/@modelcontextprotocol/server-filesystem/dist/index.js"

# Invented for this demonstration; neither opens anything.
AWS_KEY = "AKIAIOSFODNN7EXAMPLE"
TOKEN = "q7Zp2LxV9sKd3RwT8mYb5NcJ1hGf6EaU"  # noqa: S105  (a made-up value to be redacted)


def say(title: str) -> None:
    print(f"\n== {title}")


def show(result: CallToolResult) -> None:
    """The answer as the agent's model would read it."""
    status = "refused" if result.is_error else "ok"
    text = " ".join(block.text for block in result.content if isinstance(block, TextContent))
    print(f"   {status}: {text.strip()}")


async def main() -> int:
    shutil.rmtree(DEMO, ignore_errors=True)
    FILES.mkdir(parents=True)
    command = [str(GUARD), "run", "--", "node", str(SERVER), str(FILES)]
    print("$ egress-guard run -- node server-filesystem .demo/files")
    # Files are named relative to the demo's folder only in what is printed.
    server = StdioServerParameters(
        command=command[0],
        args=command[1:],
        cwd=DEMO,
        env={"PATH": os.environ.get("PATH", os.defpath)},
    )
    safe, token, key = FILES / "hello.txt", FILES / "service.ini", FILES / "leak.txt"
    async with Client(server, read_timeout_seconds=60) as client:
        tools = (await client.list_tools()).tools
        print(f"   {len(tools)} tools, protocol {client.protocol_version}")

        say("ALLOW: a harmless file")
        show(await client.call_tool("write_file", {"path": str(safe), "content": "hello\n"}))

        say("REDACT: a token in the content; the rest of the call is left as it was")
        content = f"[service]\napi_key = {TOKEN}\ntimeout = 30\n"
        show(await client.call_tool("write_file", {"path": str(token), "content": content}))
        print("   on disk:", *token.read_text().splitlines(), sep="\n      ")

        say("DENY: an AWS key in the content; the server never sees the call")
        show(await client.call_tool("write_file", {"path": str(key), "content": f"key={AWS_KEY}"}))
        print(f"   {key.name} on disk: {key.exists()}")

        say("ALLOW: the session goes on")
        show(await client.call_tool("list_directory", {"path": str(FILES)}))

    say("Audit: one line for each call (.demo/egress_audit.jsonl)")
    log = AUDIT.read_text()
    events = [json.loads(line) for line in log.splitlines()]
    for event in events:
        fields = ("tool_name", "decision", "primary_rule_id", "policy_code", "risk_score")
        print("   " + json.dumps({name: event.get(name) for name in fields}))

    as_promised = (
        [event["decision"] for event in events] == ["ALLOW", "REDACT", "DENY", "ALLOW"]
        and safe.read_text() == "hello\n"
        and TOKEN not in token.read_text() + log
        and token.read_text().endswith("\ntimeout = 30\n")
        and AWS_KEY not in log
        and not key.exists()
    )
    print("\nEvery call ended as it should." if as_promised else "\nThis is not what was promised.")
    return 0 if as_promised else 1


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
