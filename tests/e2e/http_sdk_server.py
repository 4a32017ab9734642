"""A server made with the official SDK that uses every part of MCP: PORT [json] [stateless]."""

from __future__ import annotations

import sys
from typing import Annotated

import anyio
from mcp import types
from mcp.server import MCPServer
from mcp.server.mcpserver import Context
from pydantic import BaseModel, Field

server = MCPServer("everything")


class Answer(BaseModel):
    name: str


@server.tool()
def echo(text: str, note: str = "") -> str:
    """Answers with what it got."""
    return f"{text}|{note}"


@server.tool()
def routed(
    region: Annotated[str, Field(json_schema_extra={"x-mcp-header": "Region"})],
    text: str = "",
) -> str:
    """Its region is repeated in a header."""
    return f"{region}|{text}"


@server.tool()
def shell_exec(command: str) -> str:
    """Runs nothing: reports that the call came through."""
    return f"would run {command}"


@server.tool()
def large(size: int) -> str:
    """As many characters as asked for."""
    return "word " * (size // 5)


@server.tool()
async def slow(ctx: Context, seconds: float = 30) -> str:
    """Reports progress, then takes its time."""
    await ctx.report_progress(1, 3, "begun")
    await ctx.report_progress(2, 3, "half")
    await anyio.sleep(seconds)
    return "done"


@server.tool()
async def ask(ctx: Context) -> str:
    """Asks the person."""
    answer = await ctx.elicit("Who are you?", Answer)
    return f"{answer.action}:{getattr(answer, 'data', None)}"


@server.tool()
async def sample(ctx: Context) -> str:
    """Asks the client's model."""
    message = types.SamplingMessage(role="user", content=types.TextContent(text="hi"))
    done = await ctx.session.create_message(messages=[message], max_tokens=5)
    return str(getattr(done.content, "text", done.content))


@server.tool()
async def roots(ctx: Context) -> str:
    """Asks for the client's roots."""
    found = await ctx.session.list_roots()
    return ",".join(str(root.uri) for root in found.roots)


@server.tool()
async def chatty(ctx: Context) -> str:
    """Logs a line."""
    await ctx.info("working on it")
    return "said"


@server.resource("notes://{name}")
def note(name: str) -> str:
    """A note."""
    return f"note {name}"


@server.prompt()
def greet(name: str) -> str:
    """A greeting."""
    return f"Say hello to {name}"


@server.completion()
async def complete(ref: object, argument: object, context: object) -> types.Completion:
    """Always the same words."""
    return types.Completion(values=["alpha", "beta"])


if __name__ == "__main__":
    server.run(
        "streamable-http",
        port=int(sys.argv[1]),
        json_response="json" in sys.argv,
        stateless_http="stateless" in sys.argv,
    )
