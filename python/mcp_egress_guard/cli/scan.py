"""`scan`: secrets in ordinary files, such as those of a repository."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from mcp_egress_guard.cli.setup import ConfigOption, JsonOption, own_detectors, print_json


def register(app: typer.Typer) -> None:
    """Adds the command."""

    @app.command("scan")
    def scan_files(
        *,
        paths: Annotated[list[Path], typer.Argument(help="Files or folders.", show_default=False)],
        everything: Annotated[
            bool, typer.Option("--all", help="Hints too: internal names, random-looking strings.")
        ] = False,
        exclude: Annotated[
            list[str] | None, typer.Option(help="A glob of files or folders to leave out.")
        ] = None,
        sarif_file: Annotated[
            Path | None, typer.Option("--sarif", help="Write a SARIF file as well.")
        ] = None,
        config: ConfigOption = None,
        as_json: JsonOption = False,
    ) -> None:
        """Look for secrets in files. Prints each with its place, masked.

        Detectors of your policies are used as well. Leaves out .git, binary files and files above
        10 MB. Exits with 1 on a finding, with 2 if nothing was found but something could not be
        read.
        """
        import json
        from dataclasses import asdict

        from mcp_egress_guard.analyzers.text_dlp import secret_analyzer
        from mcp_egress_guard.cli.render import printable, progress_bar, write_file
        from mcp_egress_guard.scan import Report, files_of, sarif, scan_file

        report = Report()
        analyze = secret_analyzer(own_detectors(config))
        files = list(files_of(paths, exclude or ()))
        with progress_bar("Scanning", len(files), shown=sys.stderr.isatty()) as advance:
            for done, path in enumerate(files, 1):
                scan_file(path, report, everything=everything, analyze=analyze)
                advance(done)
        if sarif_file:
            write_file(sarif_file, json.dumps(sarif(report.places), indent=2) + "\n")
        if as_json:
            print_json(
                {
                    "findings": [asdict(place) for place in report.places],
                    "scanned": report.scanned,
                    "binary": report.binary,
                    "notes": report.notes,
                    "failures": report.failures,
                }
            )
        else:
            for place in report.places:
                where = printable(f"{place.file}:{place.line}:{place.column}")
                typer.echo(f"{where}  {place.type}  {place.risk_score:.2f}  {place.preview}")
        for note in report.notes + report.failures:
            typer.echo(printable(note), err=True)
        count, holders = len(report.places), len({place.file for place in report.places})
        typer.echo(
            f"{count} findings in {holders} of {report.scanned} files"
            f" ({report.binary} binary, {len(report.notes)} too large,"
            f" {len(report.failures)} unreadable)",
            err=True,
        )
        if count:
            raise typer.Exit(1)
        if report.failures:
            raise typer.Exit(2)
