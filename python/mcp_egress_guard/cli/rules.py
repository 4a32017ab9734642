"""`rules list`, `rules test` and `rules explain`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcp_egress_guard.cli.render import printable
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
    import datetime

    from mcp_egress_guard.cli.render import table

    today = datetime.datetime.now(datetime.UTC).date()
    columns = ["Priority", "ID", "Name", "Decision", "Pack"] + ["Description"] * verbose
    rows = [
        [str(r.priority), r.id, r.name, f"{r.decision}", r.pack] + [r.description] * verbose
        for r in rules
        if r.enabled and not r.is_over(today)
    ]
    table("Active Policy Rules", columns, rows)


EnvironmentOption = Annotated[str, typer.Option(help="Instead of the configured one.")]
LabelOption = Annotated[
    list[str] | None, typer.Option(help="A label of the session, NAME=VALUE; repeatable.")
]
ServerOption = Annotated[str, typer.Option(help="The name of the MCP server.")]
ArgsOption = Annotated[str, typer.Option(help="The call's arguments, a JSON object.")]
FailOption = Annotated[
    str, typer.Option(help="Exit with 1 on one of these decisions, such as DENY,ESCALATE.")
]


@app.command("test")
def test_rule(
    *,
    tool: Annotated[str, typer.Option(help="Name of the tool.", show_default=False)] = "",
    args: ArgsOption = "{}",
    environment: EnvironmentOption = "",
    label: LabelOption = None,
    server: ServerOption = "",
    fail_on: FailOption = "",
    every: Annotated[
        bool, typer.Option("--all", help="Run the tests that the rules carry instead.")
    ] = False,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge one call. Nothing is executed, and nothing is written to the audit log.

    Example: egress-guard rules test --tool shell_exec --args '{"command": "rm -rf /srv"}'

    With --all: run the tests of all active rules; exits with 1 if one fails.
    """
    from mcp_egress_guard.errors import InputError

    if every:
        if tool or args != "{}" or environment or label or server or fail_on:
            raise InputError("--all runs the rules' own tests: it takes no call")
        _test_all(config, as_json=as_json)
        return
    if not tool:
        raise InputError("missing option --tool", hint="egress-guard rules test --help")
    arguments = read_object(args, "--args")
    failing = decisions(fail_on)
    guard = setup(config).guard
    result = guard.evaluate(
        tool, arguments, environment=environment, labels=_labels(label or []), server=server
    )
    if as_json:
        print_json(as_data(result))
    else:
        show(result)
    if result.decision in failing:
        raise typer.Exit(1)


@app.command("explain")
def explain_rules(
    *,
    tool: Annotated[str, typer.Option(help="Name of the tool.", show_default=False)],
    args: ArgsOption = "{}",
    environment: EnvironmentOption = "",
    label: LabelOption = None,
    server: ServerOption = "",
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Judge one call and show why: every rule, its conditions, which held, and what decided.

    Example: egress-guard rules explain --tool shell_exec --args '{"command": "rm -rf /srv"}'
    """
    from mcp_egress_guard.cli.trace import show_trace, trace_data

    arguments = read_object(args, "--args")
    around: dict[str, Any] = {
        "environment": environment,
        "labels": _labels(label or []),
        "server": server,
    }
    guard = setup(config).guard
    result = guard.evaluate(tool, arguments, **around)
    traces = guard.explain(tool, arguments, **around)
    if as_json:
        print_json(as_data(result) | {"rules": trace_data(result, traces)})
        return
    show(result)
    show_trace(result, traces)


def show(result: EvaluationResult) -> None:
    """Prints a judgement for people."""
    rule = result.plain_rule
    lines = {
        "Decision": f"{result.decision}",
        "Enforced": f"{result.enforced}" if result.enforced != result.decision else "",
        "Reason": result.reason,
        "Risk Score": f"{result.risk_score:.2f}",
        "Rule": f"{rule['id']} ({rule.get('name', '')})" if rule else "",
        "Hint": str(rule.get("remediation_hint", "")),
        "Safe alternative": str(rule.get("safe_alternative", "")),
    }
    for name, text in lines.items():
        if text:
            typer.echo(f"{name}: {printable(text)}")


def _test_all(config: Path | None, *, as_json: bool) -> None:
    from mcp_egress_guard.errors import InputError
    from mcp_egress_guard.policy.builtins import load_builtin_rules
    from mcp_egress_guard.policy.check import run_tests

    found = setup(config)
    rules = found.loaded.rules if found.loaded else load_builtin_rules()
    settings = found.loaded.engine_settings(found.config) if found.loaded else {}
    results = list(run_tests(rules, settings))
    if not results:
        raise InputError("no active rule has tests", hint="add tests: to a rule of a pack")
    failed = [result for result in results if not result.passed]
    if as_json:
        rows = [
            {
                "rule_id": result.rule.id,
                "test": result.index,
                "passed": result.passed,
                "decision": f"{result.decision}",
                "decided_by": result.decided_by,
                "expected_decision": f"{result.test.expected_decision}",
            }
            for result in results
        ]
        print_json({"passed": len(results) - len(failed), "failed": len(failed), "results": rows})
    else:
        for result in results:
            name = printable(f"{result.rule.id} tests[{result.index}]")
            if result.passed:
                typer.echo(f"  PASS {name}: {result.decision}")
            else:
                typer.echo(f"  FAIL {name}: {result}")
        passed = len(results) - len(failed)
        typer.echo(f"\nResults: {passed}/{len(results)} passed, {len(failed)} failed")
    if failed:
        raise typer.Exit(1)


def as_data(result: EvaluationResult) -> dict[str, Any]:
    """A judgement for scripts."""
    return {
        "decision": f"{result.decision}",
        "enforced": f"{result.enforced}",
        "policy_code": result.policy_code,
        "reason": result.reason,
        "risk_score": result.risk_score,
        "rule_id": result.rule_id or None,
        "matched_rules": result.matched_ids,
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


def decisions(text: str) -> set[str]:
    """The decisions of --fail-on.

    Raises:
        InputError: one that there is not.
    """
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
