"""`rules list` and `rules test`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcp_egress_guard.cli.setup import ConfigOption, JsonOption, print_json, read_object, setup

if TYPE_CHECKING:
    from mcp_egress_guard.result import EvaluationResult

app = typer.Typer(help="List the active rules, or judge a call by them.", no_args_is_help=True)


@app.command("list")
def list_rules(
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="With descriptions.")] = False,
    db_path: Annotated[
        Path | None, typer.Option(help="Show the rules that were imported into this store.")
    ] = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """List the active rules in the order in which they decide."""
    if db_path is not None:
        from mcp_egress_guard.policy.store import RuleStore

        with RuleStore(db_path, create=False) as store:
            rules = store.rules()
    else:
        rules = setup(config).guard.engine.rules
    rules = sorted(rules, key=lambda rule: rule.priority)
    if as_json:
        print_json([rule.model_dump(mode="json", exclude_defaults=True) for rule in rules])
        return
    from mcp_egress_guard.cli.render import table

    columns = ["Priority", "ID", "Name", "Decision", "Pack"] + ["Description"] * verbose
    rows = [
        [str(r.priority), r.id, r.name, f"{r.decision}", r.pack] + [r.description] * verbose
        for r in rules
        if r.enabled
    ]
    table("Active Policy Rules", columns, rows)


@app.command("test")
def test_rule(
    *,
    tool: Annotated[str, typer.Option(help="Name of the tool.", show_default=False)],
    args: Annotated[str, typer.Option(help="The call's arguments, a JSON object.")] = "{}",
    environment: Annotated[str, typer.Option(help="Instead of the configured one.")] = "",
    label: Annotated[
        list[str] | None, typer.Option(help="A label of the session, NAME=VALUE; repeatable.")
    ] = None,
    fail_on: Annotated[
        str, typer.Option(help="Exit with 1 on one of these decisions, such as DENY,ESCALATE.")
    ] = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge one call. Nothing is executed, and nothing is written to the audit log.

    Example: egress-guard rules test --tool shell_exec --args '{"command": "rm -rf /srv"}'
    """
    arguments = read_object(args, "--args")
    failing = _decisions(fail_on)
    result = evaluate(
        setup(config).guard, tool, arguments, environment=environment, labels=_labels(label or [])
    )
    if as_json:
        print_json(as_data(result))
    else:
        rule = result.primary_rule
        typer.echo(f"Decision: {result.decision}")
        if result.enforced != result.decision:
            typer.echo(f"Enforced: {result.enforced}")
        typer.echo(f"Reason: {result.reason}")
        typer.echo(f"Risk Score: {result.risk_score:.2f}")
        if rule:
            typer.echo(f"Rule: {rule.id} ({rule.name})")
            if rule.remediation_hint:
                typer.echo(f"Hint: {rule.remediation_hint}")
    if result.decision in failing:
        raise typer.Exit(1)


def evaluate(
    guard: Any,
    tool: str,
    arguments: dict[str, Any],
    *,
    environment: str = "",
    labels: dict[str, str] | None = None,
) -> EvaluationResult:
    """Judges one call given as plain data, without loading the models."""
    return guard.evaluate(tool, arguments, environment=environment, labels=labels)  # type: ignore[no-any-return]


def as_data(result: EvaluationResult) -> dict[str, Any]:
    """A judgement for scripts."""
    rule = result.primary_rule
    return {
        "decision": f"{result.decision}",
        "enforced": f"{result.enforced}",
        "policy_code": result.policy_code,
        "reason": result.reason,
        "risk_score": result.risk_score,
        "rule_id": rule.id if rule else None,
        "matched_rules": [matched.id for matched in result.matched_rules],
        "evaluation_ms": result.evaluation_ms,
        "findings": [
            {
                "analyzer": finding.analyzer,
                "type": finding.finding_type,
                "risk_score": finding.risk_score,
                "description": finding.description,
                "location": finding.location,
                "evidence": finding.evidence,
                **finding.metadata,
            }
            for finding in result.findings
        ],
    }


def _decisions(text: str) -> set[str]:
    from mcp_egress_guard.errors import InputError
    from mcp_egress_guard.result import PolicyDecision

    wanted = {word.strip().upper() for word in text.split(",") if word.strip()}
    if unknown := wanted - set(PolicyDecision):
        raise InputError(
            f"--fail-on: unknown decision {min(unknown)}",
            hint=f"one or more of {', '.join(PolicyDecision)}",
        )
    return wanted


def _labels(pairs: list[str]) -> dict[str, str]:
    from mcp_egress_guard.errors import InputError

    labels = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name and equals):
            raise InputError(f"--label {pair!r} is not NAME=VALUE")
        labels[name] = value
    return labels
