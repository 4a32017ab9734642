"""Writing and reading the audit log: order, rotation, filters, the end of a long file."""

from __future__ import annotations

import stat
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import orjson
import pytest

from mcp_egress_guard.audit import log
from mcp_egress_guard.errors import AuditError, InputError
from tests.unit.audit_events import KEY, denial, event, write_log


def ids(events: list[log.Event]) -> list[str]:
    return [one["decision_id"] for one in events]


def test_a_line_is_written_whole_and_for_the_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    appender = log.open_file(path)
    appender.append(b'{"a":1}')
    appender.append(b'{"a":2}\n')
    assert path.read_bytes() == b'{"a":1}\n{"a":2}\n'
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert appender.path == path
    assert isinstance(appender.fileno(), int)


def test_the_default_log_stands_in_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    log.open_log(None).append(b"{}")
    assert (tmp_path / "egress_audit.jsonl").read_bytes() == b"{}\n"


@pytest.mark.parametrize("line", [b"", b"\n", b"a\nb"])
def test_what_is_not_one_line_is_refused(tmp_path: Path, line: bytes) -> None:
    with pytest.raises(ValueError):
        log.open_file(tmp_path / "audit.jsonl").append(line)


@pytest.mark.parametrize(
    "options", [{"fsync": "sometimes"}, {"fsync": "interval", "fsync_seconds": 0.0}]
)
def test_wrong_options_are_refused(tmp_path: Path, options: dict[str, object]) -> None:
    with pytest.raises(ValueError):
        log.open_file(tmp_path / "audit.jsonl", **options)  # type: ignore[arg-type]


def test_a_log_that_cannot_be_opened_is_an_error_with_its_place(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "no" / "log.jsonl"):
        with pytest.raises(AuditError) as caught:
            log.open_file(path)
        assert str(path) in str(caught.value)


def test_a_full_disk_is_an_oserror_of_the_append() -> None:
    appender = log.open_file(Path("/dev/full"))
    for _ in range(2):
        with pytest.raises(OSError) as caught:
            appender.append(b"{}")
        assert caught.value.errno == 28


def test_the_last_events_come_oldest_first_through_blocks_and_parts(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    events = [event(n, reason="r" * (40_000 if n % 7 == 0 else 10)) for n in range(60)]
    write_log(path, events, max_bytes=100_000)
    assert len(log.log_parts(path)) > 2
    for count in (1, 5, 59, 60, 100):
        assert log.last_events(path, count) == events[-count:]
    assert log.last_events(path, 0) == []
    assert list(log.read_events(path)) == events


def test_pieces_of_a_crash_are_passed_over(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    whole = orjson.dumps(event(1))
    path.write_bytes(whole[:50] + b"\n\n\xff\xfe\n[1]\n" + whole + b"\n" + whole[:80])
    assert log.last_events(path, 10) == [event(1)]
    assert list(log.read_events(path)) == [event(1)]


def test_filters_are_anded(tmp_path: Path) -> None:
    path = write_log(
        tmp_path / "audit.jsonl",
        [event(1), denial(2), denial(3, tool_name="shell_run"), event(4, tool_name="shell_exec")],
    )

    def matching(**conditions: object) -> list[str]:
        wanted = log.Filter(**conditions)  # type: ignore[arg-type]
        found = ids(log.last_events(path, 10, wanted))
        assert ids(list(log.read_events(path, wanted))) == found
        return found

    assert matching(decision="deny") == ["d2", "d3"]
    assert matching(tool="shell_*") == ["d2", "d3", "d4"]
    assert matching(rule="baseline-*") == ["d2", "d3"]
    assert matching(decision="DENY", tool="shell_exec") == ["d2"]
    since = datetime(2026, 3, 8, 23, 0, 3, tzinfo=UTC)
    assert matching(since=since) == ["d3", "d4"]
    assert matching(since=since.astimezone(), decision="ALLOW") == ["d4"]


def test_since_reads_spans_and_times() -> None:
    now = datetime(2026, 3, 8, 12, tzinfo=UTC)
    assert log.parse_since("15m", now) == now - timedelta(minutes=15)
    assert log.parse_since("7d", now) == now - timedelta(days=7)
    assert log.parse_since("2026-03-08T11:00:00Z") == now - timedelta(hours=1)
    for wrong in ("", "yesterday", "5x", "-3d", "2026-13-01"):
        with pytest.raises(InputError):
            log.parse_since(wrong)


def test_no_log_is_an_error(tmp_path: Path) -> None:
    for read in (log.last_events, lambda path, _: list(log.read_events(path))):
        with pytest.raises(AuditError):
            read(tmp_path / "none.jsonl", 5)


def test_following_goes_through_rotation(tmp_path: Path) -> None:
    path = write_log(tmp_path / "audit.jsonl", [event(0)])
    events = [event(n, reason="r" * 300) for n in range(1, 30)]
    seen: list[log.Event] = []
    started, done = threading.Event(), threading.Event()

    def stopped() -> bool:
        started.set()
        return done.is_set()

    def watch() -> None:
        for one in log.follow(path, pause=0.001, stopped=stopped):
            seen.append(one)
            if len(seen) == len(events):
                done.set()

    watcher = threading.Thread(target=watch)
    watcher.start()
    assert started.wait(30)
    appender = log.open_file(path, max_bytes=3_000)
    for number, one in enumerate(events, 1):
        appender.append(orjson.dumps(one))
        # A reader that is left behind by two rotations would have to search for its place.
        while len(seen) < number and watcher.is_alive():
            watcher.join(0.001)
    done.set()
    watcher.join(30)
    assert seen == events
    assert len(log.log_parts(path)) > 1


def test_a_signed_log_is_verified_and_each_change_named(tmp_path: Path) -> None:
    path = write_log(tmp_path / "audit.jsonl", [event(n) for n in range(10)], key=KEY)
    verdict = log.verify(path, KEY)
    assert verdict.sound
    assert (verdict.signed, verdict.first, verdict.last, verdict.problems) == (10, 1, 10, [])
    lines = path.read_bytes().splitlines(keepends=True)
    edits = {
        "changed": [*lines[:3], lines[3].replace(b"ALLOW", b"DENY "), *lines[4:]],
        "removed": lines[:3] + lines[4:],
        "moved": [*lines[:3], lines[4], lines[3], *lines[5:]],
        "cut off": lines[:9],
        "without signature": [*lines[:3], b"{}\n", *lines[3:]],
    }
    for word, edited in edits.items():
        path.write_bytes(b"".join(edited))
        verdict = log.verify(path, KEY)
        assert not verdict.sound
        (problem,) = verdict.problems
        assert word in problem
        assert problem.startswith(f"{path}:")


def test_an_unsigned_log_is_not_sound(tmp_path: Path) -> None:
    path = write_log(tmp_path / "audit.jsonl", [event(1)])
    assert not log.verify(path, KEY).sound


def test_a_log_signed_with_another_key_is_not_continued(tmp_path: Path) -> None:
    path = write_log(tmp_path / "audit.jsonl", [event(1)], key=KEY)
    with pytest.raises(AuditError) as caught:
        log.open_file(path, key=b"hunter2hunter2")
    assert "hunter2" not in str(caught.value)
