"""`init`: a configuration, packs to edit, and the rule store."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command()
    def init(
        profile: Annotated[str, typer.Option(help="default or enterprise.")] = "default",
        output_dir: Annotated[
            Path, typer.Option(help="Where to; made if it is not there.", show_default="here")
        ] = Path(),
    ) -> None:
        """Write gateway.yaml and policies/, and import the rules into the store.

        A file that is there stays as it is. Run it again after editing rules: it imports them
        and says what was added, changed and removed.
        """
        from mcp_egress_guard.project import initialize

        project = initialize(output_dir, profile)
        for path in project.created:
            typer.echo(f"✓ Created {path}")
        for path in project.kept:
            typer.echo(f"  Kept {path}")
        typer.echo(f"✓ Initialized DB at {project.store} with {project.rules} rules")
        if project.kept:
            typer.echo(f"  Rules: {project.imported}")
        typer.echo(f"\nProfile: {profile}")
        typer.echo("Ready! Run `mcp-egress-guard doctor` to verify.")
