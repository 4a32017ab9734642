"""`approvals list`, `approvals approve` and `approvals deny`."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mcp_egress_guard.cli.render import printable
from mcp_egress_guard.cli.setup import ConfigOption, JsonOption, print_json
from mcp_egress_guard.places import find_config

if TYPE_CHECKING:
    from mcp_egress_guard.approvals import Approval, ApprovalStore

app = typer.Typer(
    help="Approve calls that a rule escalated (approvals: store).", no_args_is_help=True
)

IdArgument = Annotated[str, typer.Argument(help="The id that `approvals list` shows.")]
DbOption = Annotated[
    Path | None, typer.Option(help="The store; db_path of gateway.yaml if absent.")
]


def store(config_file: Path | None, db_path: Path | None) -> ApprovalStore:
    """The store of a configuration.

    Raises:
        EgressGuardError: the configuration is wrong, or there is no store.
    """
    from mcp_egress_guard.approvals import ApprovalStore
    from mcp_egress_guard.config import load_config

    config = load_config(config_file or find_config())
    return ApprovalStore(db_path or config.db_file, seconds=config.approval_seconds, create=False)


@app.command("list")
def list_approvals(
    every: Annotated[
        bool, typer.Option("--all", help="Those that are decided or expired as well.")
    ] = False,
    db_path: DbOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the calls that wait for approval, oldest first. What they carry is shown masked."""
    found = store(config, db_path).all(every=every)
    if as_json:
        print_json([asdict(approval) for approval in found])
        return
    if not found:
        typer.echo("No calls are waiting.")
    for approval in found:
        show(approval)


def show(approval: Approval) -> None:
    """One call, a line for each thing to know."""
    until = datetime.fromtimestamp(approval.expires_at, UTC).isoformat(timespec="seconds")
    typer.echo(f"{approval.id}  {approval.state}, until {until}")
    for name, value in (
        ("Tool", approval.tool),
        ("Server", approval.server),
        ("Arguments", approval.arguments),
        ("Found", "; ".join(approval.findings)),
        ("Rule", approval.rule_id),
        ("Reason", approval.reason),
    ):
        if value:
            typer.echo(f"  {name}: {printable(value)}")


@app.command("approve")
def approve(wanted: IdArgument, db_path: DbOption = None, config: ConfigOption = None) -> None:
    """Let a waiting call through, once: the agent calls again."""
    approval = store(config, db_path).decide(wanted, approve=True)
    typer.echo(f"✓ {wanted}: {printable(approval.tool)} may be called once")


@app.command("deny")
def deny(wanted: IdArgument, db_path: DbOption = None, config: ConfigOption = None) -> None:
    """Decline a waiting call."""
    approval = store(config, db_path).decide(wanted, approve=False)
    typer.echo(f"✓ {wanted}: {printable(approval.tool)} stays blocked")
