"""A small server made with the official SDK; it speaks the current protocol and the legacy ones."""

from __future__ import annotations

import sys

from mcp.server import MCPServer

server = MCPServer("echo")


@server.tool()
def echo(text: str, note: str = "") -> str:
    """Answers with what it got, so that a test sees what arrived."""
    return f"{text}|{note}"


@server.tool()
def shell_exec(command: str) -> str:
    """Runs nothing: reports that the call came through."""
    return f"would run {command}"


if __name__ == "__main__":
    print("ready", file=sys.stderr)
    server.run()
