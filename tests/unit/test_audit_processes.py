"""Several processes on one log, processes that are killed, and disks that are full."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from mcp_egress_guard.audit.log import log_parts, read_events, verify
from tests.unit.audit_events import KEY

WRITER = """
import sys, orjson
from pathlib import Path
from mcp_egress_guard.audit.log import open_file

path, name, count, size, key = sys.argv[1:6]
log = open_file(Path(path), key=bytes.fromhex(key), max_bytes=int(sys.argv[6]))
print("ready", flush=True)
sys.stdin.readline()
for number in range(int(count)):
    log.append(orjson.dumps({"name": name, "number": number, "fill": "x" * int(size)}))
    print(number, flush=True)
"""

LIMITED = """
import resource, sys
from pathlib import Path
from mcp_egress_guard.audit.log import open_file

log = open_file(Path(sys.argv[1]), key=bytes.fromhex(sys.argv[2]))
log.append(b'{"number":0}')
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[3]), resource.RLIM_INFINITY))
for number in (1, 2):
    try:
        log.append(b'{"number":%d,"fill":"%s"}' % (number, b"x" * 5_000))
    except OSError:
        print("refused", flush=True)
"""


def writer(
    path: Path, name: str, count: int, *, size: int = 10, key: bytes = b"", max_bytes: int = 0
) -> subprocess.Popen[str]:
    """A process that has the log open and waits for a line before it writes."""
    arguments = [str(path), name, str(count), str(size), key.hex(), str(max_bytes)]
    process = subprocess.Popen(
        [sys.executable, "-c", WRITER, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stdout.readline() == "ready\n"
    return process


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin
    process.stdin.write("\n")
    process.stdin.flush()


@pytest.mark.parametrize("key", [b"", KEY])
@pytest.mark.parametrize("max_bytes", [0, 400_000])
def test_four_processes_lose_and_tear_nothing(tmp_path: Path, key: bytes, max_bytes: int) -> None:
    path = tmp_path / "audit.jsonl"
    writers = [writer(path, name, 60, size=25_000, key=key, max_bytes=max_bytes) for name in "abcd"]
    for process in writers:
        go(process)
    for process in writers:
        process.communicate()
        assert process.returncode == 0
    written = [(one["name"], one["number"]) for one in read_events(path)]
    assert sorted(written) == [(name, number) for name in "abcd" for number in range(60)]
    whole = b"".join(part.read_bytes() for part in log_parts(path))
    assert len(re.findall(rb"\n", whole.replace(b"\n\n", b"\n"))) == 240
    if key:
        verdict = verify(path, key)
        assert (verdict.problems, verdict.signed, verdict.torn) == ([], 240, 0)
    if max_bytes:
        assert len(log_parts(path)) > 5


@pytest.mark.parametrize("key", [b"", KEY])
def test_a_killed_process_loses_nothing_that_it_answered(tmp_path: Path, key: bytes) -> None:
    path = tmp_path / "audit.jsonl"
    process = writer(path, "a", 1_000_000, size=5_000, key=key)
    assert process.stdout
    go(process)
    for _ in range(200):
        last = process.stdout.readline()
    process.kill()
    answered = [last, *process.stdout.read().splitlines(keepends=True)]
    process.wait()
    acknowledged = int(next(line for line in reversed(answered) if line.endswith("\n")))
    numbers = [one["number"] for one in read_events(path)]
    assert numbers == list(range(len(numbers)))
    assert len(numbers) > acknowledged >= 199
    after = writer(path, "b", 3, key=key)
    go(after)
    after.communicate()
    assert [one["number"] for one in read_events(path)][-3:] == [0, 1, 2]
    if key:
        assert verify(path, key).problems == []


@pytest.mark.parametrize("key", [b"", KEY])
def test_a_line_that_the_disk_takes_in_part_is_refused_and_closed_later(
    tmp_path: Path, key: bytes
) -> None:
    path = tmp_path / "audit.jsonl"
    command = [sys.executable, "-c", LIMITED, str(path), key.hex(), "2000"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "refused\nrefused\n"
    assert path.stat().st_size == 2_000
    after = writer(path, "b", 1, key=key)
    go(after)
    after.communicate()
    assert [one["number"] for one in read_events(path)] == [0, 0]
    if key:
        verdict = verify(path, key)
        assert (verdict.problems, verdict.signed, verdict.torn) == ([], 2, 1)
