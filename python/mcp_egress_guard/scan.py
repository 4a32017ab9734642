"""Secrets in ordinary files: which files, where in them, and the result as SARIF."""

from __future__ import annotations

import bisect
import errno
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path, PurePath
from typing import Any

from mcp_egress_guard import __version__
from mcp_egress_guard.analyzers.text_dlp import analyze_text_for_secrets
from mcp_egress_guard.errors import InputError
from mcp_egress_guard.policy.report import SARIF
from mcp_egress_guard.result import AnalyzerFinding

MOST_BYTES = 10_000_000
SKIPPED_FOLDERS = frozenset({".git", ".hg", ".svn"})
# Hints rather than secrets: shown on request.
HINTS = frozenset({"internal_url", "high_entropy", "org_fingerprint"})
LEAST_RISK = 0.5


@dataclass(frozen=True, slots=True)
class Place:
    """One secret in one file. `preview` is masked."""

    file: str
    line: int
    column: int
    end_line: int
    end_column: int
    type: str
    detector_id: str
    risk_score: float
    description: str
    preview: str


@dataclass
class Report:
    """What a scan found, and what it did not look into."""

    places: list[Place] = field(default_factory=list)
    scanned: int = 0
    binary: int = 0
    notes: list[str] = field(default_factory=list)  # files that are too large
    failures: list[str] = field(default_factory=list)  # files that could not be read


def files_of(paths: Iterable[Path], exclude: Iterable[str] = ()) -> Iterator[Path]:
    """The regular files at and below the paths, sorted; links inside folders are not followed.

    Raises:
        InputError: a path that is not there.
    """
    globs = tuple(exclude)
    for path in paths:
        if path.is_dir():
            yield from _walk(path, globs)
        elif path.exists() or path.is_symlink():
            yield path
        else:
            raise InputError("no such file or folder", file=path)


def _walk(folder: Path, globs: tuple[str, ...]) -> Iterator[Path]:
    def out(path: Path) -> bool:
        return any(fnmatch(path.name, glob) or fnmatch(path.as_posix(), glob) for glob in globs)

    # A folder that cannot be listed is a failure of its own, found when it is read as a file.
    unlisted: list[str] = []
    walk = os.walk(folder, onerror=lambda error: unlisted.append(error.filename))
    for top, folders, names in walk:
        here = Path(top)
        folders[:] = sorted(
            name for name in folders if name not in SKIPPED_FOLDERS and not out(here / name)
        )
        for name in sorted(names):
            path = here / name
            if not path.is_symlink() and not out(path):
                yield path
        yield from map(Path, unlisted)
        unlisted.clear()
    yield from map(Path, unlisted)


def scan_file(
    path: Path,
    report: Report,
    *,
    everything: bool = False,
    analyze: Callable[[str], list[AnalyzerFinding]] = analyze_text_for_secrets,
) -> None:
    """Adds to the report what one file holds."""
    try:
        data = _read(path)
    except OSError as error:
        report.failures.append(f"{path}: {error.strerror or error}")
        return
    if data is None:
        report.notes.append(f"{path}: not scanned, larger than {MOST_BYTES // 1_000_000} MB")
        return
    text = _text(data)
    if text is None:
        report.binary += 1
        return
    report.scanned += 1
    found = [f for f in analyze(text) if everything or is_decisive(f)]
    if found:
        report.places.extend(_places(str(path), text.encode(), found))


def is_decisive(finding: AnalyzerFinding) -> bool:
    """Whether a person should look at it."""
    return finding.risk_score >= LEAST_RISK and finding.finding_type not in HINTS


def _read(path: Path) -> bytes | None:
    """The content; `None` if there is too much of it."""
    # A pipe or device would be waited for.
    handle = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    try:
        mode = os.fstat(handle).st_mode
        if stat.S_ISDIR(mode):
            raise PermissionError(errno.EACCES, "cannot be listed")
        if not stat.S_ISREG(mode):
            return b"\0"
        with os.fdopen(handle, "rb", closefd=False) as file:
            data = file.read(MOST_BYTES + 1)
    finally:
        os.close(handle)
    return data if len(data) <= MOST_BYTES else None


def _text(data: bytes) -> str | None:
    """The text; `None` for binary data."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", errors="replace")
    if b"\0" in data:
        return None
    return data.decode("utf-8", errors="replace")


def _places(name: str, raw: bytes, found: Iterable[AnalyzerFinding]) -> Iterator[Place]:
    starts = [0]
    at = raw.find(b"\n")
    while at >= 0:
        starts.append(at + 1)
        at = raw.find(b"\n", at + 1)

    def place(offset: int) -> tuple[int, int]:
        line = bisect.bisect_right(starts, offset)
        begin = starts[line - 1]
        return line, len(raw[begin:offset].decode(errors="replace")) + 1

    for finding in found:
        start, _, end = finding.location.removeprefix("offset ").partition("-")
        yield Place(
            name,
            *place(int(start)),
            *place(int(end)),
            finding.finding_type,
            str(finding.metadata["detector_id"]),
            finding.risk_score,
            finding.description,
            finding.evidence,
        )


def sarif(places: Iterable[Place]) -> dict[str, Any]:
    """A SARIF 2.1.0 log."""
    rules: dict[str, dict[str, Any]] = {}
    results = []
    for place in places:
        text = place.description or place.type
        rules.setdefault(
            place.detector_id,
            {"id": place.detector_id, "name": place.type, "shortDescription": {"text": text}},
        )
        region = {
            "startLine": place.line,
            "startColumn": place.column,
            "endLine": place.end_line,
            "endColumn": place.end_column,
        }
        uri = {"uri": PurePath(place.file).as_posix()}
        results.append(
            {
                "ruleId": place.detector_id,
                "level": "error" if place.risk_score >= 0.8 else "warning",
                "message": {"text": f"{place.type}: {place.preview}"},
                "locations": [{"physicalLocation": {"artifactLocation": uri, "region": region}}],
            }
        )
    driver = {"name": "egress-guard scan", "version": __version__, "rules": list(rules.values())}
    run = {"tool": {"driver": driver}, "columnKind": "unicodeCodePoints", "results": results}
    return {"$schema": SARIF, "version": "2.1.0", "runs": [run]}
