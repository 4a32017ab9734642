"""Hyperscan as another engine that searches messages for the literals of `content_patterns`.

It only names candidates: every pattern is confirmed by the core, so that both engines judge alike.
Its compiled form is kept in the user's cache folder.
"""

from __future__ import annotations

import hashlib
import os
import stat
import tempfile
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import hyperscan

__all__ = ["AUTO_LITERALS", "Scanner", "cache_folder", "literal_search"]

Scanner = str
"""`auto`, `rust` or `hyperscan`."""
Search = Callable[[bytes], list[int]]
AUTO_LITERALS = 1_000
"""`auto` takes Hyperscan, where it is installed, for at least so many literals."""
MAGIC = b"egress-guard-hyperscan-1\n"
MOST_BYTES = 256 << 20


def literal_search(scanner: Scanner) -> Callable[[list[str]], Search | None] | None:
    """What makes the search for a guard's literals; `None` leaves it to the core.

    Raises:
        ValueError: Hyperscan was asked for and is not installed.
    """
    if scanner == "rust":
        return None
    if scanner not in ("auto", "hyperscan"):
        raise ValueError(f"scanner: {scanner!r} is not auto, rust or hyperscan")
    if scanner == "hyperscan":
        _hyperscan(required=True)

    def make(literals: list[str]) -> Search | None:
        if scanner == "auto" and len(literals) < AUTO_LITERALS:
            return None
        if _hyperscan(required=False) is None:
            return None
        return _search(literals)

    return make


def cache_folder() -> Path:
    """Where compiled databases are kept: `$XDG_CACHE_HOME` or `~/.cache`, owner only."""
    base = os.environ.get("XDG_CACHE_HOME") or ""
    root = Path(base) if base.startswith("/") else Path.home() / ".cache"
    return root / "mcp-egress-guard" / "hyperscan"


def _hyperscan(*, required: bool) -> Any:
    try:
        import hyperscan  # noqa: PLC0415  (an extra, and 30 ms of start-up)
    except ImportError as error:
        if required:
            raise ValueError(
                "scanner: hyperscan was asked for and cannot be loaded; install "
                "mcp-egress-guard[hyperscan], or set scanner: auto"
            ) from error
        return None
    return hyperscan


def _search(literals: Sequence[str]) -> Search | None:
    """A search for the literals, or `None` where Hyperscan cannot take them."""
    import hyperscan  # noqa: PLC0415  (an extra)

    try:
        database = _load(hyperscan, literals) or _compile(hyperscan, literals)
    except hyperscan.error:
        return None
    local = threading.local()

    def search(text: bytes) -> list[int]:
        found: list[int] = []

        def on_match(literal: int, _start: int, _end: int, _flags: int, _context: object) -> None:
            found.append(literal)

        # Scratch space serves one scan at a time.
        if not hasattr(local, "scratch"):
            local.scratch = hyperscan.Scratch(database)
        database.scan(text, on_match, scratch=local.scratch)
        return found

    return search


def _compile(hs: Any, literals: Sequence[str]) -> hyperscan.Database:
    database: hyperscan.Database = hs.Database(mode=hs.HS_MODE_BLOCK)
    database.compile(
        expressions=[literal.encode() for literal in literals],
        ids=list(range(len(literals))),
        elements=len(literals),
        flags=hs.HS_FLAG_CASELESS | hs.HS_FLAG_SINGLEMATCH,
        literal=True,
    )
    # A cache that cannot be written costs time at the next start, and nothing else.
    with suppress(OSError):
        _write(_place(hs, literals), hs.dumpb(database))
    return database


def _place(hs: Any, literals: Sequence[str]) -> Path:
    """The file of these literals, of this version of Hyperscan, on this kind of CPU."""
    probe = hs.Database(mode=hs.HS_MODE_BLOCK)
    probe.compile(expressions=[b"probe"], ids=[0], elements=1, flags=0)
    key = hashlib.sha256()
    # `info` names version, CPU features and mode.
    for part in (hs.__version__, probe.info(), *literals):
        data = part if isinstance(part, bytes) else str(part).encode()
        key.update(len(data).to_bytes(8, "big") + data)
    return cache_folder() / f"{key.hexdigest()}.hsdb"


def _load(hs: Any, literals: Sequence[str]) -> hyperscan.Database | None:
    """The database as it was kept; `None` where it is not there, not ours or not whole."""
    data = _read(_place(hs, literals))
    if data is None:
        return None
    try:
        database: hyperscan.Database = hs.loadb(data, hs.HS_MODE_BLOCK)
    except hs.error:
        return None
    return database


def _head(path: Path, data: bytes) -> bytes:
    """Stands before the data of a file, and fits no other data and no other name."""
    return MAGIC + hashlib.sha256(path.name.encode() + b"\0" + data).digest()


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=".", suffix=".part")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(_head(path, data) + data)
        Path(name).replace(path)
    except BaseException:
        with suppress(OSError):
            Path(name).unlink()
        raise


def _read(path: Path) -> bytes | None:
    """The content, if only this user could have written it and it is what was written."""
    try:
        handle = os.open(path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0))
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(file.fileno())
            if not stat.S_ISREG(found.st_mode) or found.st_size > MOST_BYTES:
                return None
            if hasattr(os, "geteuid") and not _ours(found, path.parent):
                return None
            content = file.read()
    except OSError:
        return None
    data = content[len(MAGIC) + 32 :]
    return data if content == _head(path, data) + data else None


def _ours(found: os.stat_result, folder: Path) -> bool:
    above = folder.lstat()
    return all(
        entry.st_uid == os.geteuid() and not entry.st_mode & 0o022 for entry in (found, above)
    )
