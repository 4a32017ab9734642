"""`run`: the guard between a client and a server."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command(
        context_settings={"allow_interspersed_args": False},
        options_metavar="[OPTIONS] [--]",
    )
    def run(
        command: Annotated[
            list[str] | None,
            typer.Argument(help="The MCP server's command line.", show_default=False),
        ] = None,
        config: Annotated[
            Path | None,
            typer.Option("--config", "-c", help="Configuration file.", show_default="gateway.yaml"),
        ] = None,
        workers: Annotated[
            int | None,
            typer.Option(
                min=1, max=64, help="transport: http: threads; those of the file if absent."
            ),
        ] = None,
    ) -> None:
        """Put the guard between this process's client and an MCP server.

        With a command: egress-guard run -- npx -y @modelcontextprotocol/server-filesystem /data
        needs no file; the built-in rules apply. With --config the server is the one of the file.

        stdin and stdout carry MCP and nothing else; stderr is for people.
        """
        from mcp_egress_guard.proxy.launch import launch

        raise typer.Exit(launch(config, command or [], workers))
