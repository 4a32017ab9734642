"""Reads rules again when their files change; a mistake keeps those that are in force."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from mcp_egress_guard import core
from mcp_egress_guard.config import GatewayConfig, load_config
from mcp_egress_guard.errors import EgressGuardError, PolicyError
from mcp_egress_guard.policy.loader import find_files, load_rules

if TYPE_CHECKING:
    from mcp_egress_guard.core import Guard

INTERVAL = 1.0

# What tells that a file is another one: its path, time, size and inode.
State = frozenset[tuple[str, int, int, int]]


def read(path: Path) -> tuple[Guard, str, GatewayConfig]:
    """The guard of a configuration file, the hash of its rules, and the configuration.

    Raises:
        EgressGuardError: a file that is missing or wrong; with all problems.
    """
    config = load_config(path)
    loaded = load_rules(config)
    for warning in loaded.warnings:
        note(f"warning: {warning}")
    try:
        guard = core.compile_guard(loaded.for_engine(), loaded.engine_settings(config))
    except ValueError as error:
        raise PolicyError(str(error)) from None
    return guard, loaded.policy_hash, config


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
