"""Judges saved calls, or those of an audit log, and compares with what is expected of them."""

from __future__ import annotations

import functools
import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree as ET

from mcp_egress_guard.core import frame_of
from mcp_egress_guard.errors import EgressGuardError, InputError
from mcp_egress_guard.fixture import Fixture, read_fixture

if TYPE_CHECKING:
    from mcp_egress_guard.core import EgressGuard


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one fixture."""

    name: str
    passed: bool
    decision: str = ""
    expected: str = ""
    rule_id: str = ""
    error: str = ""

    @property
    def line(self) -> str:
        """One line for people."""
        if self.error:
            return f"FAIL {self.name}: {self.error}"
        if self.passed:
            return f"PASS {self.name}: {self.decision}"
        return f"FAIL {self.name}: {self.decision} (expected {self.expected})"


def fixture_files(folder: Path) -> list[Path]:
    """The `.json` files below a folder, sorted.

    Raises:
        InputError: no such folder, or none in it.
    """
    if folder.is_file():
        return [folder]
    if not folder.is_dir():
        raise InputError(f"{folder}: no such folder")
    files = sorted(path for path in folder.rglob("*.json") if path.is_file())
    if not files:
        raise InputError(
            f"{folder}: no fixture in it",
            hint='a fixture is a .json file such as {"tool_name": "x", "arguments": {}}',
        )
    return files


def replay(
    guard: EgressGuard,
    files: Sequence[Path],
    folder: Path,
    progress: Callable[[int], None] | None = None,
) -> list[Outcome]:
    """Judges every file, on all processors where they are many; the outcomes are in order.

    A file that cannot be read is a failure of its own.
    """
    outcomes = []
    with _judges(guard, folder, len(files)) as judges:
        for outcome in judges(files):
            outcomes.append(outcome)
            if progress:
                progress(len(outcomes))
    return outcomes


# With fewer, other processes would cost more than they save.
MANY = 1_000
# Files that a process takes at a time.
SOME = 64

Judges = Callable[[Iterable[Path]], Iterable[Outcome]]


@contextmanager
def _judges(guard: EgressGuard, folder: Path, count: int) -> Iterator[Judges]:
    """What makes outcomes of files, in order."""
    outcome = functools.partial(_outcome, guard, folder)
    processors = len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1
    if count < MANY or processors < 2:
        yield functools.partial(map, outcome)
        return
    # The compiled rules cannot be sent to another process; a forked one has them.
    _ = guard.engine.guard
    processes = min(processors, count // SOME)
    with multiprocessing.get_context("fork").Pool(processes, _begin, (outcome,)) as pool:
        yield functools.partial(pool.imap, _in_fork, chunksize=SOME)


_forked: list[Callable[[Path], Outcome]] = []


def _begin(outcome: Callable[[Path], Outcome]) -> None:
    _forked[:] = [outcome]


def _in_fork(path: Path) -> Outcome:
    return _forked[0](path)


def _outcome(guard: EgressGuard, folder: Path, path: Path) -> Outcome:
    name = str(path.relative_to(folder)) if path != folder else path.name
    try:
        return judge(guard, read_fixture(path), name)
    except EgressGuardError as error:
        return Outcome(name, False, error=str(error).removeprefix(f"{path}: "))


def judge(guard: EgressGuard, fixture: Fixture, name: str) -> Outcome:
    """Judges one call. Without an expectation every decision passes."""
    result = guard.evaluate(
        fixture.tool_name,
        fixture.arguments,
        environment=fixture.environment,
        labels=fixture.labels,
        server=fixture.server,
        session_id=fixture.session_id,
    )
    rule_id = result.rule_id
    got = {
        "decision": (f"{result.decision}", f"{fixture.expected_decision or ''}"),
        "rule": (rule_id, fixture.expected_rule),
        "code": (result.policy_code, fixture.expected_code),
    }
    wrong = {key: want for key, (have, want) in got.items() if want and want != have}
    expected = wrong.get("decision") or " ".join(f"{k} {v}" for k, v in wrong.items())
    return Outcome(name, not wrong, f"{result.decision}", expected, rule_id)


@dataclass(frozen=True, slots=True)
class Change:
    """A recorded call that is decided differently now."""

    decision_id: str
    timestamp: str
    tool_name: str
    old: str
    new: str
    old_rule: str
    new_rule: str

    @property
    def line(self) -> str:
        """One line for people."""
        by = f" by {self.new_rule}" if self.new_rule else ""
        return f"{self.decision_id} {self.tool_name}: {self.old} → {self.new}{by}"


@dataclass
class AuditReplay:
    """What other rules would have decided on the calls of an audit log."""

    judged: int = 0
    changes: list[Change] = field(default_factory=list)
    # Decided on secrets that the log does not hold any more.
    masked: int = 0
    unrecorded: int = 0


def replay_audit(guard: EgressGuard, events: Iterable[Mapping[str, Any]]) -> AuditReplay:
    """Judges the recorded calls of an audit log again."""
    report = AuditReplay()
    for event in events:
        if event.get("method") != "tools/call" or event.get("direction") == "response":
            continue
        call = event.get("call")
        if not isinstance(call, dict):
            report.unrecorded += 1
            continue
        message = {"jsonrpc": "2.0", "id": 0, "method": "tools/call", "params": call}
        frame = frame_of(message)
        if MASK in frame:
            report.masked += 1
            continue
        report.judged += 1
        now = guard.engine.guard.inspect(
            frame,
            _text(event, "environment"),
            _labels(event),
            server=_text(event, "server") or "",
            session_id=_text(event, "session_id") or "",
        )
        old = _text(event, "decision") or ""
        if now.decision != old:
            change = Change(
                _text(event, "decision_id") or "-",
                _text(event, "timestamp") or "",
                now.tool_name,
                old,
                now.decision,
                _text(event, "primary_rule_id") or "",
                now.rule_id,
            )
            report.changes.append(change)
    return report


# What the log has in the place of a secret.
MASK = b"<REDACTED:"


def _text(event: Mapping[str, Any], key: str) -> str | None:
    value = event.get(key)
    return value if isinstance(value, str) and value else None


def _labels(event: Mapping[str, Any]) -> dict[str, str] | None:
    labels = event.get("labels")
    if not isinstance(labels, dict):
        return None
    return {str(key): value for key, value in labels.items() if isinstance(value, str)}


def junit(outcomes: Sequence[Outcome]) -> str:
    """The outcomes in the XML form that CI servers read."""
    failed = sum(not outcome.passed for outcome in outcomes)
    suite = ET.Element(
        "testsuite", name="egress-guard replay", tests=str(len(outcomes)), failures=str(failed)
    )
    for outcome in outcomes:
        case = ET.SubElement(suite, "testcase", classname="fixtures", name=outcome.name)
        if not outcome.passed:
            ET.SubElement(case, "failure", message=outcome.line)
    return ET.tostring(suite, encoding="unicode", xml_declaration=True) + "\n"
