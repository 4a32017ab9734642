"""How the stdio proxy starts and ends its server, and what is left when either dies."""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .talk import DENIED, Talk, alive, call, request

pytestmark = pytest.mark.timeout(120)
Start = Callable[..., Talk]


@pytest.fixture
def start(guard: str, tmp_path: Path) -> Any:
    talks: list[Talk] = []

    def begin(*server: str, **options: Any) -> Talk:
        talks.append(Talk(guard, tmp_path, *server, **options))
        return talks[-1]

    yield begin
    for talk in talks:
        talk.__exit__(None, None, None)


def until(condition: Callable[[], Any], seconds: float = 20) -> Any:
    """The condition's value once it is true."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        assert time.monotonic() < deadline, "it did not become true"
        time.sleep(0.02)
    return value


def server_pid(talk: Talk) -> int:
    """The server's own process, once it has noted it."""
    return int(until(lambda: talk.notes.exists() and talk.notes.read_bytes().strip()))


def test_at_the_end_of_input_all_answers_arrive_and_the_exit_code_is_the_servers(
    start: Start,
) -> None:
    talk = start("late")
    talk.send(*[request(number) for number in range(1, 21)])
    talk.end()
    assert talk.exit_code() == 5
    assert [message["id"] for message in talk.rest()] == list(range(1, 21))


def test_a_server_that_ignores_the_end_of_input_is_ended(start: Start) -> None:
    talk = start("stubborn")
    talk.send(request(1))
    talk.message()
    pid = server_pid(talk)
    talk.end()
    assert talk.exit_code(10) != 0
    assert not alive(pid)


def test_a_crash_answers_every_request(start: Start) -> None:
    talk = start("crash")
    talk.send(request(1), request("b"), call(3))
    replies = talk.rest()
    assert sorted(str(reply["id"]) for reply in replies) == ["1", "3", "b"]
    assert all("error" in reply for reply in replies)
    assert talk.exit_code(5) != 0


def test_what_was_written_before_the_crash_was_known_is_answered_too(start: Start) -> None:
    talk = start("crash")
    count = 2_000
    talk.send(*[call(number, **(DENIED if number == 7 else {})) for number in range(3, count)])
    replies = talk.rest()
    assert sorted(reply["id"] for reply in replies) == list(range(3, count))
    assert talk.exit_code(5) != 0


def test_a_crash_is_noticed_though_an_heir_holds_the_pipe(start: Start) -> None:
    talk = start("crash_with_heir")
    talk.send(request(1))
    assert "error" in talk.message(5)
    assert talk.exit_code(5) == 3


def test_a_server_that_does_not_listen_is_an_end_too(start: Start) -> None:
    talk = start("closed_ears")
    talk.message()
    pid = server_pid(talk)
    talk.send(request(1), request(2))
    replies = [talk.message(8), talk.message(8)]
    assert sorted(reply["id"] for reply in replies) == [1, 2]
    assert talk.exit_code(8) != 0
    assert not alive(pid)


@pytest.mark.parametrize("behaviour", ["obedient", "stubborn", "stuck"])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_ends_both(start: Start, number: int, behaviour: str) -> None:
    # Under nohup the hang-up is ignored, and the guard keeps to that.
    talk = start(behaviour, preexec_fn=lambda: signal.signal(signal.SIGHUP, signal.SIG_DFL))
    pid = server_pid(talk)
    assert alive(pid)
    talk.process.send_signal(number)
    assert talk.exit_code(5) == 128 + number
    assert not alive(pid)


def test_a_signal_ends_a_guard_whose_client_does_not_read(start: Start) -> None:
    talk = start("flood", read=False)
    talk.send(request(1))
    until(lambda: talk.resident and _blocked_in_write(talk.process.pid))
    talk.process.send_signal(signal.SIGTERM)
    assert talk.exit_code(5) == 128 + signal.SIGTERM


def _blocked_in_write(pid: int) -> bool:
    tasks = Path(f"/proc/{pid}/task").glob("*/wchan")
    return any("pipe_write" in task.read_text() for task in tasks)


def test_kill_leaves_nothing_behind(start: Start) -> None:
    talk = start("stubborn")
    pid = server_pid(talk)
    talk.process.kill()
    talk.exit_code()
    until(lambda: not alive(pid), 5)


def test_a_client_that_is_gone_ends_both(start: Start) -> None:
    talk = start("stubborn", read=False)
    pid = server_pid(talk)
    talk.process.stdout.close()
    talk.send(request(1))
    assert talk.exit_code(8) != 0
    assert not alive(pid)


def test_the_server_is_started_exactly_as_asked(start: Start, tmp_path: Path) -> None:
    odd = ["--config", "x y", "$HOME", "*", 'quo"te', "", "ünï", "--", "-h"]
    server = [sys.executable, str(Path(__file__).parent / "raw_server.py")]
    environ = {"PATH": os.environ["PATH"], "ODD": "a\nb ü", "EMPTY": ""}
    (tmp_path / ".env").write_text("FROM_FILE=1\n")
    talk = start(*server, "surroundings", str(tmp_path / "notes"), *odd, env=environ)
    talk.send(request(1))
    talk.message()
    facts = json.loads(talk.notes.read_text())
    # Python itself sets LC_CTYPE in a bare environment.
    assert {k: v for k, v in facts["env"].items() if k != "LC_CTYPE"} == environ
    assert facts["argv"][3:] == odd
    assert facts["cwd"] == str(tmp_path)
    assert facts["pgrp"] == os.getpgid(talk.process.pid)


@pytest.mark.parametrize(("command", "code"), [("/no/such/command", 127), ("/etc/hostname", 126)])
def test_a_command_that_cannot_be_run_is_one_line(start: Start, command: str, code: int) -> None:
    talk = start(command, "argument")
    assert talk.exit_code(10) == code
    assert talk.errors.count(b"\n") == 1
    assert command.encode() in talk.errors
    assert talk.rest() == []


def test_a_denial_comes_at_once_though_the_server_is_stuck(start: Start) -> None:
    talk = start("stuck")
    server_pid(talk)
    talk.send(call(1, text="word " * 400_000), call(2), call(3, **DENIED))
    assert talk.message(10)["id"] == 3


def test_unread_answers_are_not_hoarded(start: Start) -> None:
    talk = start("flood", read=False)
    before = until(lambda: talk.resident)
    talk.send(request(1))
    until(lambda: _blocked_in_write(talk.process.pid))
    assert talk.resident - before < 64 << 20
    talk.read()
    assert [talk.message().get("id") for _ in range(121)] == [None] * 120 + [1]


def test_unread_requests_are_not_hoarded(start: Start) -> None:
    talk = start("drain_late")
    before = until(lambda: talk.resident)
    line = call(1, text="word " * 200_000)
    sent = 0
    os.set_blocking(talk.process.stdin.fileno(), False)
    stalled = time.monotonic()
    rest = memoryview(line)
    while sent < 120 << 20 and time.monotonic() - stalled < 1:
        try:
            written = os.write(talk.process.stdin.fileno(), rest)
        except BlockingIOError:
            time.sleep(0.01)
            continue
        stalled = time.monotonic()
        sent += written
        rest = rest[written:] or memoryview(line)
    grown = talk.resident - before
    assert grown < 64 << 20
    talk.notes.write_text("read now")
    os.set_blocking(talk.process.stdin.fileno(), True)
    talk.send(bytes(rest) if len(rest) < len(line) else b"", request(2))
    while talk.message()["id"] != 2:
        pass


def test_both_sides_that_only_write_go_on_once_one_reads(start: Start) -> None:
    talk = start("flood_first", read=False)
    sent: list[int] = []

    def feed() -> None:
        for number in range(1, 31):
            talk.send(call(number, text="word " * 200_000))
            sent.append(number)

    feeder = threading.Thread(target=feed, daemon=True)
    feeder.start()
    until(lambda: _blocked_in_write(talk.process.pid) and len(sent) > 15)
    time.sleep(0.5)
    assert len(sent) < 30
    talk.read()
    messages = [talk.message() for _ in range(70)]
    assert [m["id"] for m in messages if "id" in m] == list(range(1, 31))
    feeder.join(20)
    talk.send(call(31, **DENIED), request(32))
    assert [talk.message()["id"], talk.message()["id"]] == [31, 32]


def test_memory_does_not_grow_with_the_number_of_calls(start: Start) -> None:
    talk = start("record")

    def some(first: int, count: int) -> None:
        for number in range(first, first + count, 100):
            talk.send(*[call(n) for n in range(number, number + 100)])
            for _ in range(100):
                talk.message()

    some(0, 5_000)
    before = talk.resident
    some(5_000, 20_000)
    assert talk.resident - before < 8 << 20
    assert talk.resident < 60 << 20
