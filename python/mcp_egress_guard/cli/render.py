"""Tables and progress for people. The only module that uses rich."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table on stdout. Cells are data: no markup, no control characters."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    # Into a file or pipe a table keeps its cells whole; a terminal has its own width.
    console = Console(width=None if sys.stdout.isatty() else _width(columns, rows))
    grid = Table(title=Text(title))
    for column in columns:
        grid.add_column(column, overflow="fold", justify="left")
    for row in rows:
        grid.add_row(*(Text(printable(cell)) for cell in row))
    console.print(grid)


def printable(text: str) -> str:
    """The text with what could drive a terminal made visible."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def write_file(path: Path, text: str) -> None:
    """Writes a file that the caller has named.

    Raises:
        InputError: it cannot be written.
    """
    from mcp_egress_guard.errors import InputError

    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be written: {error.strerror}", file=path) from None


@contextmanager
def progress_bar(label: str, total: int, *, shown: bool) -> Iterator[Callable[[int], None]]:
    """A bar on stderr; gives the function that says how much is done."""
    if not shown:
        yield lambda _done: None
        return
    from rich.console import Console
    from rich.progress import Progress

    with Progress(console=Console(stderr=True), transient=True) as progress:
        task = progress.add_task(label, total=total)
        yield lambda done: progress.update(task, completed=done)


def _width(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    longest = [max(len(cell) for cell in cells) for cells in zip(columns, *rows, strict=True)]
    return min(sum(longest) + 3 * len(columns) + 1, 200)
