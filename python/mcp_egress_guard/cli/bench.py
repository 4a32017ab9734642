"""`bench`: what the guard costs on this machine, with the user's rules and calls."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mcp_egress_guard.cli.setup import ConfigOption, JsonOption, print_json
from mcp_egress_guard.places import find_config


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command()
    def bench(
        *,
        seconds: Annotated[float, typer.Option(min=0.1, max=3600, help="About how long.")] = 30.0,
        only: Annotated[
            list[str] | None,
            typer.Option(help="Only workloads with this in their name.", show_default=False),
        ] = None,
        source: Annotated[
            Path | None,
            typer.Option(
                "--input",
                help="Your own calls: a fixture, a folder of them, an audit log.",
                show_default=False,
            ),
        ] = None,
        profile: Annotated[
            bool, typer.Option("--profile", help="The ten most expensive detectors and rules.")
        ] = False,
        compare: Annotated[
            Path | None,
            typer.Option(help="An older report (--json): what changed.", show_default=False),
        ] = None,
        fail_over: Annotated[
            float | None,
            typer.Option(
                min=0,
                help="With --compare: exit with 1 if a row is shown to be so many percent slower.",
                show_default=False,
            ),
        ] = None,
        html: Annotated[
            Path | None, typer.Option(help="Write a page with plots too.", show_default=False)
        ] = None,
        rate: Annotated[
            float, typer.Option(min=1, max=50_000, help="Calls a second in the load part.")
        ] = 1_000.0,
        blocks: Annotated[
            int, typer.Option(min=2, max=100, help="Blocks of runs, a process each.")
        ] = 10,
        proxies: Annotated[
            bool, typer.Option(help="Also measure round trips through running proxies.")
        ] = True,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Measure what judging costs, stage by stage, on this machine and with your own rules.

        Prints tables, into a file or pipe Markdown. Nothing is executed, and nothing is written to
        the audit log: the calls go to servers that only answer.

        Example: egress-guard bench --input tests/fixtures --compare last.json --html report.html
        """
        from mcp_egress_guard.bench.costs import costs
        from mcp_egress_guard.bench.measure import Plan
        from mcp_egress_guard.bench.page import page
        from mcp_egress_guard.bench.report import cells_of, measure, read_report
        from mcp_egress_guard.bench.report import compare as compared
        from mcp_egress_guard.bench.tables import markdown, tables
        from mcp_egress_guard.cli.render import progress_bar, table, write_file
        from mcp_egress_guard.cli.setup import setup
        from mcp_egress_guard.errors import InputError

        if fail_over is not None and compare is None:
            raise InputError("--fail-over is for --compare")
        found = config or find_config()
        guard = setup(found).guard if found else setup(None).guard
        old = read_report(compare) if compare else None
        plan = Plan(
            config=str(found.resolve()) if found else None,
            input=str(source.resolve()) if source else None,
            only=only or [],
            seconds=seconds / blocks,
            proxies=proxies,
            rate=rate,
        )
        with progress_bar(
            "Measuring", cells_of(plan, blocks), shown=sys.stderr.isatty()
        ) as advance:
            report = measure(plan, advance, blocks=blocks)
        dearest = costs(guard, plan.workloads()) if profile else None
        report.profile = dearest.as_dict() if dearest else {}
        comparison = compared(old, report) if old else None
        made = tables(report, profile=dearest, comparison=comparison)
        if html:
            write_file(html, page(report, made, comparison))
        if as_json:
            changes = {"statement": comparison.statement} if comparison else {}
            print_json(report.as_dict() | ({"comparison": changes} if changes else {}))
        elif sys.stdout.isatty():
            for one in made:
                table(one.title, one.columns, one.rows)
                typer.echo()
            if comparison:
                typer.echo(comparison.statement)
        else:
            typer.echo(markdown(report, made, comparison), nl=False)
        if comparison and fail_over is not None:
            limit = 1 + fail_over / 100
            if any(d.significant and d.ratio > limit for _, d in comparison.differences):
                raise typer.Exit(1)
