"""Tables and progress for people. The only module that uses tabulate."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

# Widest table that goes into a file or a pipe.
PLAIN_WIDTH = 200
# No column is made narrower than this.
NARROWEST = 8


def table(title: str, columns: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
    """Prints a table on stdout. Cells are data: no markup, no control characters."""
    import tabulate
    import typer

    # Else headings are wider than what they are over, and the table than its terminal.
    tabulate.MIN_PADDING = 0
    cells = [[printable(cell) for cell in row] for row in rows]
    # Into a file or pipe a table keeps its cells whole; a terminal has its own width.
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else PLAIN_WIDTH
    text = tabulate.tabulate(
        cells,
        headers=list(columns),
        tablefmt="rounded_outline",
        disable_numparse=True,
        maxcolwidths=_widths(columns, cells, width) if cells else None,
    )
    typer.echo(f"{printable(title)}\n{text}")


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
    import typer

    with typer.progressbar(length=total, label=label, file=sys.stderr) as bar:
        yield lambda done: bar.update(done - bar.pos)


def _widths(columns: Sequence[str], rows: Sequence[Sequence[str]], width: int) -> list[int]:
    """How wide each column may be, so that the table fits; the widest gives way first."""
    widths = [max(len(cell) for cell in cells) for cells in zip(columns, *rows, strict=True)]
    over = sum(widths) + 3 * len(widths) + 1 - width
    while over > 0 and max(widths) > NARROWEST:
        at = widths.index(max(widths))
        widths[at] -= 1
        over -= 1
    return [max(1, size) for size in widths]
