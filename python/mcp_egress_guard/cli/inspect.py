"""`inspect`: judges a saved call and shows every finding."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from mcp_egress_guard.cli.setup import ConfigOption, JsonOption, print_json, setup


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("inspect")
    def inspect_call(
        input_file: Annotated[
            Path, typer.Option("--input", "-i", help="A call as JSON.", show_default=False)
        ],
        explain: Annotated[
            bool, typer.Option("--explain", help="With every rule, and why it matched or not.")
        ] = False,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Judge a saved call and show what led to the decision.

        The file holds tool_name and arguments, and where it matters environment, labels, server
        and session_id; or a whole JSON-RPC message.
        """
        from mcp_egress_guard.cli.rules import as_data
        from mcp_egress_guard.cli.trace import show_trace, trace_data
        from mcp_egress_guard.fixture import read_fixture

        call = read_fixture(input_file)
        guard = setup(config).guard
        around: dict[str, Any] = {
            "environment": call.environment,
            "labels": call.labels,
            "server": call.server,
            "session_id": call.session_id,
        }
        result = guard.evaluate(call.tool_name, call.arguments, **around)
        traces = []
        if explain:
            traces = guard.explain(call.tool_name, call.arguments, **around)
        if as_json:
            data = {"tool_name": call.tool_name} | as_data(result)
            print_json(data | ({"rules": trace_data(result, traces)} if explain else {}))
            return
        from mcp_egress_guard.cli.render import table

        rule = result.plain_rule
        rows = [
            ["Tool", call.tool_name],
            ["Decision", f"{result.decision}"],
            ["Reason", result.reason],
            ["Risk Score", f"{result.risk_score:.2f}"],
            ["Eval Time", f"{result.evaluation_ms:.2f}ms"],
            ["Rule ID", result.rule_id or "-"],
            ["Rule Name", rule.get("name") or "-"],
            ["Policy Code", result.policy_code or "-"],
            ["Findings", str(len(result.findings))],
        ]
        table("Inspection Result", ["Field", "Value"], rows)
        if result.findings:
            columns = ["Analyzer", "Type", "Risk", "Description", "Where"]
            found = [
                [
                    finding.analyzer,
                    finding.finding_type,
                    f"{finding.risk_score:.2f}",
                    finding.description,
                    str(finding.metadata.get("pointer", "")),
                ]
                for finding in result.findings
            ]
            table("Analyzer Findings", columns, found)
        if explain:
            show_trace(result, traces)
