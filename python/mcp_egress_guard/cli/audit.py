"""`audit tail`, `audit export`, `audit verify` and `audit stats`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from mcp_egress_guard.cli.setup import ConfigOption, JsonOption, print_json
from mcp_egress_guard.places import HMAC_VARIABLE, find_config

if TYPE_CHECKING:
    from mcp_egress_guard.audit.log import Event, Filter
    from mcp_egress_guard.audit.stats import Stats
    from mcp_egress_guard.config import GatewayConfig

app = typer.Typer(help="Read, check and hand on the audit log.", no_args_is_help=True)

LogOption = Annotated[
    Path | None,
    typer.Option("--log-file", help="The log; of the configuration if absent.", show_default=False),
]
DecisionOption = Annotated[
    str | None, typer.Option(help="Only this decision, such as DENY.", show_default=False)
]
ToolOption = Annotated[
    str | None, typer.Option(help="Only tools with such a name; * and ? match.", show_default=False)
]
RuleOption = Annotated[
    str | None, typer.Option(help="Only where such a rule matched.", show_default=False)
]
SinceOption = Annotated[
    str | None,
    typer.Option(help="Only from then on: 15m, 24h, 7d or a date and time.", show_default=False),
]


@app.command()
def tail(
    *,
    n: Annotated[int, typer.Option("--n", "-n", min=0, help="How many events.")] = 10,
    log_file: LogOption = None,
    follow: Annotated[
        bool, typer.Option("--follow", "-f", help="Go on with what is written.")
    ] = False,
    decision: DecisionOption = None,
    tool: ToolOption = None,
    rule: RuleOption = None,
    since: SinceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the last events, oldest first.

    Example: egress-guard audit tail --n 20 --decision DENY --since 24h
    """
    from mcp_egress_guard.audit import log

    path = _log_path(log_file, config)
    wanted = _filter(decision, tool, rule, since)
    events = log.last_events(path, n, wanted)
    if as_json:
        _print_lines(events)
    else:
        from mcp_egress_guard.cli.render import table

        table(f"Last {n} Audit Events", COLUMNS, [_row(event) for event in events])
    if follow:
        try:
            for event in log.follow(path, wanted):
                if as_json:
                    _print_lines([event])
                else:
                    typer.echo(_plain(_row(event)))
        except KeyboardInterrupt:
            raise typer.Exit(130) from None


@app.command("export")
def export_events(
    *,
    out: Annotated[str, typer.Option(help="File to write; its suffix is added.")] = "audit_export",
    form: Annotated[
        str, typer.Option("--format", help="jsonl, csv, ocsf, cef or parquet.")
    ] = "jsonl",
    log_file: LogOption = None,
    bundle: Annotated[
        bool, typer.Option("--bundle", help="A signed ZIP of the whole log instead.")
    ] = False,
    decision: DecisionOption = None,
    tool: ToolOption = None,
    rule: RuleOption = None,
    since: SinceOption = None,
    config: ConfigOption = None,
) -> None:
    """Write the events to a file, for a review or another system.

    Example: egress-guard audit export --format csv --out weekly_report --since 7d
    """
    from mcp_egress_guard.audit.export import export, export_bundle
    from mcp_egress_guard.errors import InputError

    path = _log_path(log_file, config)
    wanted = _filter(decision, tool, rule, since)
    if bundle:
        if any((decision, tool, rule, since)):
            raise InputError("a bundle holds the whole log: it takes no filter")
        written, count = export_bundle(path, out, _key(config))
    else:
        written, count = export(path, form, out, wanted)
    typer.echo(f"Exported {count} events to {written}")


@app.command()
def verify(
    *,
    file: Annotated[
        Path | None,
        typer.Argument(help="A log, or a bundle of export --bundle.", show_default=False),
    ] = None,
    log_file: LogOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Check that nobody changed, removed, moved or cut off lines of a signed log.

    The key is the one of the configuration or of the variable EGRESS_GUARD_HMAC_KEY. Exit code 1
    where something was done to the log, or where it is not signed.
    """
    from mcp_egress_guard.errors import InputError

    path = file or _log_path(log_file, config)
    key = _key(config)
    if not key:
        raise InputError(
            "there is no key to verify with", hint="set the variable EGRESS_GUARD_HMAC_KEY"
        )
    if path.suffix == ".zip":
        from mcp_egress_guard.audit.export import verify_bundle

        problems = verify_bundle(path, key)
        summary = f"{path}: a signed bundle"
        data: dict[str, Any] = {"file": str(path), "problems": problems}
    else:
        from mcp_egress_guard.audit import log

        verdict = log.verify(path, key)
        problems = list(verdict.problems)
        if not verdict.signed and not problems:
            problems.append(f"{path}: no line is signed")
        summary = f"{path}: lines {verdict.first} to {verdict.last}, all signed and in order"
        if verdict.unsigned:
            summary += f", after {verdict.unsigned} from before the log was signed"
        data = vars(verdict) | {
            "files": [str(part) for part in verdict.files],
            "problems": problems,
        }
    if as_json:
        print_json(data | {"sound": not problems})
    else:
        for problem in problems:
            typer.echo(f"✗ {problem}")
        if not problems:
            typer.echo(f"✓ {summary}")
    if problems:
        raise typer.Exit(1)


@app.command()
def stats(
    *,
    log_file: LogOption = None,
    decision: DecisionOption = None,
    tool: ToolOption = None,
    rule: RuleOption = None,
    since: SinceOption = None,
    config: ConfigOption = None,
    as_json: JsonOption = False,
) -> None:
    """Count decisions, rules and tools, and show where a rule may be wrong."""
    from mcp_egress_guard.audit.log import read_events
    from mcp_egress_guard.audit.stats import collect

    path = _log_path(log_file, config)
    result = collect(read_events(path, _filter(decision, tool, rule, since)))
    if as_json:
        print_json(result.as_dict())
    else:
        _show_stats(result)


def _show_stats(result: Stats) -> None:
    from mcp_egress_guard.cli.render import table

    typer.echo(f"{result.events} events, {result.first or '-'} to {result.last or '-'}")
    for title, counts in (
        ("Decisions", result.decisions),
        ("Rules", result.rules),
        ("Tools", result.tools),
        ("Detectors", result.detectors),
    ):
        rows = [
            [name, str(count), f"{count / result.events:.1%}"]
            for name, count in counts.most_common(10)
        ]
        if rows:
            table(title, [title.removesuffix("s"), "Events", "Share"], rows)
    if times := result.evaluation_ms:
        table("Evaluation time (ms)", list(times), [[f"{value:.3f}" for value in times.values()]])
    if result.candidates:
        rows = [
            [c.rule, c.tool, str(c.hits), str(c.calls), f"{c.share:.0%}"] for c in result.candidates
        ]
        columns = ["Rule", "Tool", "Hits", "Different calls", "Of the tool's calls"]
        table("Worth a look: may be false alarms", columns, rows)


COLUMNS = ("Time", "Tool", "Decision", "Rule", "Risk")


def _row(event: Event) -> list[str]:
    stamp = str(event.get("timestamp") or "")
    decision = str(event.get("decision") or event.get("outcome") or "-")
    if (enforced := event.get("enforced")) and enforced != decision:
        # As it was decided, and what was done about it.
        decision = f"{decision} ({enforced})"
    risk = event.get("risk_score")
    return [
        _local_time(stamp),
        str(event.get("tool_name") or event.get("method") or event.get("event_type") or "-"),
        decision,
        str(event.get("primary_rule_id") or "-"),
        f"{risk:.2f}" if isinstance(risk, int | float) else "-",
    ]


def _local_time(stamp: str) -> str:
    try:
        return datetime.fromisoformat(stamp).astimezone().strftime("%H:%M:%S")
    except ValueError:
        return "-"


def _plain(cells: Sequence[str]) -> str:
    # What is in a log may have been written by anybody: nothing drives the terminal.
    text = "  ".join(cells)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def _filter(
    decision: str | None, tool: str | None, rule: str | None, since: str | None
) -> Filter | None:
    from mcp_egress_guard.audit.log import Filter, parse_since
    from mcp_egress_guard.errors import InputError

    decisions = ("ALLOW", "DENY", "REDACT", "ESCALATE", "SIMULATE")
    if decision is not None and decision.upper() not in decisions:
        raise InputError(
            f"--decision: unknown decision {decision!r}", hint=f"one of {', '.join(decisions)}"
        )
    if not any((decision, tool, rule, since)):
        return None
    return Filter(decision, tool, rule, parse_since(since) if since else None)


def _config(file: Path | None) -> GatewayConfig | None:
    path = file or find_config()
    if path is None:
        return None
    from mcp_egress_guard.config import load_config

    return load_config(path)


def _log_path(log_file: Path | None, config_file: Path | None) -> Path:
    from mcp_egress_guard.audit.log import default_log

    if log_file is not None:
        return log_file
    config = _config(config_file)
    return config.audit_file if config else default_log()


def _key(config_file: Path | None) -> bytes:
    import os

    config = _config(config_file)
    return config.hmac_key() if config else os.environ.get(HMAC_VARIABLE, "").encode()


def _print_lines(events: Iterable[Event]) -> None:
    import orjson

    for event in events:
        typer.echo(orjson.dumps(event).decode())
