"""Opens the audit log for writing, and reads it, forwards or from its end.

A log is the file and its older parts `<file>.000001`, `<file>.000002`, … beside it.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Protocol

import orjson

from mcp_egress_guard.core import AuditLog, verify_log
from mcp_egress_guard.errors import AuditError, InputError
from mcp_egress_guard.places import HMAC_VARIABLE

if TYPE_CHECKING:
    from mcp_egress_guard.audit.otel import Tee
    from mcp_egress_guard.config import GatewayConfig

__all__ = [
    "DEFAULT_LOG",
    "RELOAD",
    "Appender",
    "Event",
    "Filter",
    "Verdict",
    "default_log",
    "follow",
    "last_events",
    "log_parts",
    "open_file",
    "open_log",
    "parse_since",
    "read_events",
    "read_lines",
    "verify",
]

DEFAULT_LOG = Path("egress_audit.jsonl")
# The event of rules that were read anew, or could not be.
RELOAD = "policy_reload"
BLOCK = 1 << 16
# Longer than any line that the guard writes.
LONGEST = 16 << 20

# One decision, as the log holds it.
Event = dict[str, Any]


class Appender(Protocol):
    """What takes audit lines."""

    def append(self, line: bytes, /) -> None:
        """Writes one line.

        Raises:
            OSError: it is not written, and the call that it is about must not be let through.
        """


def default_log() -> Path:
    """Where decisions go without a configuration: this folder, or the user's state folder.

    The second is for clients that start their servers in a folder that nobody may write.
    """
    if DEFAULT_LOG.exists() or os.access(Path(), os.W_OK):
        return DEFAULT_LOG
    state = os.environ.get("XDG_STATE_HOME") or "~/.local/state"
    return Path(state).expanduser() / "mcp-egress-guard" / DEFAULT_LOG


def open_log(config: GatewayConfig | None) -> AuditLog | Tee:
    """The audit log of a configuration, open for appending; the default one without.

    Raises:
        AuditError: it cannot be written or continued, or there is no key for a signed one,
            or OpenTelemetry is on and cannot be.
    """
    if config is None:
        path = default_log()
        if path.parent != DEFAULT_LOG.parent:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        return open_file(path)
    audit = config.audit
    key = config.hmac_key() if audit.signed_bundles else b""
    if audit.signed_bundles and not key:
        raise AuditError(
            "audit.signed_bundles is on, and there is no key",
            file=config.path,
            hint=f"set the variable {HMAC_VARIABLE}, or audit.hmac_key_file",
        )
    log = open_file(
        config.audit_file,
        key=key,
        fsync=audit.fsync,
        max_bytes=audit.max_bytes,
        max_age_seconds=audit.max_age_hours * 3600,
        keep=audit.max_files,
        mode=int(audit.file_mode, 8),
    )
    if not audit.otel_enabled:
        return log
    from mcp_egress_guard.audit.otel import OtelSink, Tee  # noqa: PLC0415  (start-up)

    return Tee(log, OtelSink(audit.otel_endpoint))


def open_file(
    path: Path,
    *,
    key: bytes = b"",
    fsync: str = "never",
    fsync_seconds: float = 1.0,
    max_bytes: int = 0,
    max_age_seconds: int = 0,
    keep: int | None = None,
    mode: int = 0o600,
) -> AuditLog:
    """Opens a log for appending, signed if there is a key; `mode` is for a new file.

    Raises:
        AuditError: the log cannot be written, or not be continued.
    """
    try:
        return AuditLog(
            path,
            hmac_key=key or None,
            fsync=fsync,
            fsync_seconds=fsync_seconds,
            max_bytes=max_bytes or None,
            max_age_seconds=max_age_seconds or None,
            keep=keep,
            mode=mode,
        )
    except OSError as error:
        raise _audit_error(error, path) from None


def _audit_error(error: OSError, path: Path) -> AuditError:
    if error.strerror:
        return AuditError(error.strerror, file=error.filename or path)
    return AuditError(str(error))


@dataclass(frozen=True)
class Verdict:
    """What a check of a signed log found."""

    files: list[Path]
    lines: int
    signed: int
    unsigned: int
    torn: int
    first: int | None
    last: int | None
    # Sentences, each with its file and line.
    problems: list[str]

    @property
    def sound(self) -> bool:
        """Whether the log is signed and nothing was done to it."""
        return self.signed > 0 and not self.problems


_PROBLEMS = {
    "changed": "line {seq} was changed, or signed with another key",
    "unsigned": "a line without signature was put in, or its signature taken off",
    "removed": "{seqs} removed before this place",
    "reordered": "line {seq} was moved here from before",
    "repeated": "line {seq} stands here again",
    "foreign": "line {seq} does not continue the line before it: one of them is of another log",
    "truncated": "{seqs} cut off at the end",
    "head": "the record beside the log is missing or changed: lines may be cut off at the end",
}


def verify(path: Path, key: bytes) -> Verdict:
    """Checks a signed log with its older parts.

    Raises:
        AuditError: a file cannot be read.
    """
    try:
        report = verify_log(path, key)
    except OSError as error:
        raise _audit_error(error, path) from None
    problems = []
    for kind, file, line, span in report["problems"]:
        first, last = span or (0, 0)
        seqs = f"line {first} was" if first == last else f"lines {first} to {last} were"
        problems.append(f"{file}:{line}: {_PROBLEMS[kind].format(seq=first, seqs=seqs)}")
    if report["more"]:
        problems.append(f"{report['more']} more problems")
    return Verdict(
        files=report["files"],
        lines=report["lines"],
        signed=report["signed"],
        unsigned=report["unsigned"],
        torn=report["torn"],
        first=report["first"],
        last=report["last"],
        problems=problems,
    )


def log_parts(path: Path) -> list[Path]:
    """The files of a log that are there, oldest first.

    Raises:
        AuditError: there is none.
    """
    number = re.compile(re.escape(path.name) + r"\.(\d{6,})")
    around = path.parent.iterdir() if path.parent.is_dir() else ()
    older = [(int(match[1]), file) for file in around if (match := number.fullmatch(file.name))]
    parts = [file for _, file in sorted(older)]
    if path.exists():
        parts.append(path)
    if not parts:
        raise AuditError("no such audit log", file=path, hint="name it with --log-file")
    return parts


@dataclass(frozen=True)
class Filter:
    """Which events are wanted: all conditions that are given must hold."""

    decision: str | None = None
    # A glob over the tool's name.
    tool: str | None = None
    # A glob over the ids of all rules that matched.
    rule: str | None = None
    since: datetime | None = None
    _since_text: str = field(init=False, default="")

    def __post_init__(self) -> None:
        if self.since is not None:
            text = self.since.astimezone(UTC).isoformat(timespec="milliseconds")
            # As it stands in the log: such texts compare as the times do.
            object.__setattr__(self, "_since_text", text.replace("+00:00", "Z"))

    def __call__(self, event: Event) -> bool:
        """Whether the event is wanted."""
        if self.decision and event.get("decision") != self.decision.upper():
            return False
        if self.tool and not fnmatchcase(_text(event, "tool_name"), self.tool):
            return False
        if self.rule:
            ids = [*(event.get("matched_rule_ids") or ()), event.get("primary_rule_id") or ""]
            if not any(fnmatchcase(str(rule), self.rule) for rule in ids):
                return False
        return self.is_recent(event)

    def is_recent(self, event: Event) -> bool:
        """Whether the event is not older than wanted."""
        return not self._since_text or _text(event, "timestamp") >= self._since_text


def _text(event: Event, key: str) -> str:
    value = event.get(key)
    return value if isinstance(value, str) else ""


def parse_since(text: str, now: datetime | None = None) -> datetime:
    """A time out of `90s`, `15m`, `24h`, `7d`, or ISO 8601; local where it names no zone.

    Raises:
        InputError: neither.
    """
    if match := re.fullmatch(r"(\d{1,6})([smhdw])", text.strip()):
        units = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
        return (now or datetime.now(UTC)) - timedelta(**{units[match[2]]: int(match[1])})
    try:
        return datetime.fromisoformat(text.strip()).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InputError(
            f"{text!r} is no time", hint="write 15m, 24h, 7d or 2026-03-08T23:00"
        ) from None


def parse_line(line: bytes) -> Event | None:
    """The event of a line; `None` for a piece that a crash left."""
    try:
        event = orjson.loads(line)
    except orjson.JSONDecodeError:
        return None
    return event if isinstance(event, dict) else None


def read_lines(path: Path) -> Iterator[tuple[bytes, Event]]:
    """Every whole line of a log with its event, oldest first.

    Raises:
        AuditError: there is no log, or it cannot be read.
    """
    for part in log_parts(path):
        try:
            with part.open("rb") as file:
                while line := file.readline(LONGEST):
                    event = parse_line(line)
                    if event is not None:
                        yield line.rstrip(b"\r\n"), event
        except OSError as error:
            raise _audit_error(error, part) from None


def read_events(path: Path, wanted: Filter | None = None) -> Iterator[Event]:
    """The wanted events of a log, oldest first.

    Raises:
        AuditError: there is no log, or it cannot be read.
    """
    for _, event in read_lines(path):
        if wanted is None or wanted(event):
            yield event


def last_events(path: Path, count: int, wanted: Filter | None = None) -> list[Event]:
    """The last events that are wanted, oldest first; reads from the end.

    Raises:
        AuditError: there is no log, or it cannot be read.
    """
    found: list[Event] = []
    if count <= 0:
        return found
    for part in reversed(log_parts(path)):
        try:
            with part.open("rb") as file:
                for line in _lines_backwards(file):
                    event = parse_line(line)
                    if event is None:
                        continue
                    if wanted is not None and not wanted(event):
                        if not wanted.is_recent(event):
                            return found[::-1]
                        continue
                    found.append(event)
                    if len(found) == count:
                        return found[::-1]
        except OSError as error:
            raise _audit_error(error, part) from None
    return found[::-1]


def _lines_backwards(file: BinaryIO) -> Iterator[bytes]:
    at = file.seek(0, 2)
    tail = b""
    while at:
        # Blocks grow with the line, so that a long one is not joined again and again.
        start = max(0, at - max(BLOCK, len(tail)))
        file.seek(start)
        tail = file.read(at - start) + tail
        at = start
        lines = tail.split(b"\n")
        tail = lines[0]
        yield from reversed(lines[1:])
    yield tail


def follow(
    path: Path,
    wanted: Filter | None = None,
    *,
    pause: float = 0.2,
    stopped: Callable[[], bool] = lambda: False,
) -> Iterator[Event]:
    """The wanted events that are written from now on, through rotations, until stopped.

    Raises:
        AuditError: the log cannot be read.
    """
    file: BinaryIO | None = None
    rest = b""
    try:
        file = path.open("rb") if path.exists() else None
        if file:
            file.seek(0, 2)
        while not stopped():
            read = file.read(BLOCK) if file else b""
            *lines, rest = (rest + read).split(b"\n")
            for line in lines:
                event = parse_line(line)
                if event is not None and (wanted is None or wanted(event)):
                    yield event
            if read:
                continue
            # Asked after the end was reached: what was written before the move is read.
            if _moved(file, path):
                opened = path.open("rb")
                if file:
                    file.close()
                file, rest = opened, b""
                continue
            time.sleep(pause)
    except OSError as error:
        raise _audit_error(error, path) from None
    finally:
        if file:
            file.close()


def _moved(file: BinaryIO | None, path: Path) -> bool:
    """Whether the path now names another file, or this one was emptied."""
    try:
        now = path.stat()
    except FileNotFoundError:
        return False
    if file is None:
        return True
    ours = os.fstat(file.fileno())
    return (now.st_dev, now.st_ino) != (ours.st_dev, ours.st_ino) or now.st_size < file.tell()
