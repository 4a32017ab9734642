"""Reads rules again when their files change; a mistake keeps those that are in force."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import orjson

from mcp_egress_guard import __version__
from mcp_egress_guard.config import GatewayConfig, load_config
from mcp_egress_guard.errors import EgressGuardError
from mcp_egress_guard.policy.loader import find_files, load_guard

if TYPE_CHECKING:
    from mcp_egress_guard.audit.log import Appender
    from mcp_egress_guard.core import Guard

INTERVAL = 1.0
MOST_TEXT = 1_000

# What tells that a file is another one: its path, time, size and inode.
State = frozenset[tuple[str, int, int, int]]


def read(path: Path) -> tuple[Guard, str, GatewayConfig]:
    """The guard of a configuration file, the hash of its rules, and the configuration.

    Raises:
        EgressGuardError: a file that is missing or wrong; with all problems.
    """
    config = load_config(path)
    guard, loaded = load_guard(config)
    for warning in loaded.warnings:
        note(f"warning: {warning}")
    return guard.engine.guard, loaded.policy_hash, config


def event(old_hash: str, new_hash: str, error: str = "") -> bytes:
    """The audit line of a reload: from these rules to those, or why the old ones stay."""
    stamp = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    reason = f"The rules stay as they are: {error}" if error else "The rules were read anew"
    # File names and YAML may hold what drives a terminal.
    reason = "".join(c if c.isprintable() else " " for c in reason)
    fields = {
        "timestamp": stamp,
        "event_type": "policy_reload",
        "outcome": "failed" if error else "reloaded",
        "reason": reason if len(reason) <= MOST_TEXT else f"{reason[:MOST_TEXT]}…",
        "previous_policy_hash": old_hash,
        "policy_hash": new_hash,
        "version": __version__,
    }
    return orjson.dumps(fields) + b"\n"


def record(log: Appender | None, line: bytes) -> None:
    """Writes the event of a reload; a log that cannot be written is told on stderr."""
    try:
        if log is not None:
            log.append(line)
    except OSError as error:
        note(f"a reload is not in the audit log: {error.strerror or error}")


def note(text: str) -> None:
    """One message for people, on stderr."""
    print(f"egress-guard: {text}", file=sys.stderr, flush=True)


def watch(config: GatewayConfig, changed: Callable[[], None]) -> None:
    """Calls `changed` in a thread of its own, within two seconds of a change of the files."""
    paths = [*([config.path] if config.path else []), *config.policy_files]
    first = state(paths)

    def look() -> None:
        before = first
        while True:
            time.sleep(INTERVAL)
            now = state(paths)
            if now != before:
                before = now
                changed()

    threading.Thread(target=look, name="policy-watch", daemon=True).start()


def state(paths: Iterable[Path]) -> State:
    """What the files look like from outside; one that cannot be read is left out."""
    found = set()
    for path in paths:
        try:
            for file in find_files(path):
                stat = file.stat()
                found.add((str(file), stat.st_mtime_ns, stat.st_size, stat.st_ino))
        except (OSError, EgressGuardError):
            continue
    return frozenset(found)
