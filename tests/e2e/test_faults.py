"""What breaks around the guard, and what still holds then: each request has one answer or a clear
end of the connection, nothing reaches the server unjudged, one audit line a decision.

`SOAK_CALLS=100000` makes the two soaks as long as one likes.
"""

from __future__ import annotations

import json
import os
import queue
import random
import resource
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .http_peers import Peer, Seen, Server, Wire, echo, guarded, post
from .http_peers import call as http_call
from .talk import DENIED, RAW_SERVER, Talk, alive, call, request

pytestmark = pytest.mark.timeout(3600)
CALLS = int(os.environ.get("SOAK_CALLS", "2000"))
KEY = "0123456789abcdef0123456789abcdef"
TOKEN = "ghp_16C7e42F292c6912E7710c838347Ae178B4a"


def config(folder: Path, *server: str, **sections: Any) -> tuple[str, ...]:
    """Writes a gateway.yaml with a signed log; the options that use it."""
    data = {
        "proxy": {"transport": "stdio", "downstream_command": list(server)},
        "audit": {"signed_bundles": True, "hmac_key": KEY},
    }
    (folder / "gateway.yaml").write_text(json.dumps(data | sections))
    return ("--config", "gateway.yaml")


def raw(folder: Path, behaviour: str) -> list[str]:
    """The command of the raw server."""
    return [sys.executable, str(RAW_SERVER), behaviour, str(folder / "notes")]


def verified(guard: str, folder: Path) -> bool:
    """Whether `audit verify` finds the log whole."""
    done = subprocess.run(
        [guard, "audit", "verify", "--config", "gateway.yaml"],
        cwd=folder,
        capture_output=True,
        check=False,
    )
    return done.returncode == 0


def stdio_round(guard: str, folder: Path, count: int, seed: int, *, dies: int) -> Counter[str]:
    """`count` calls through the guard to a server that errs; checks what must hold."""
    options = config(folder, *raw(folder, "chaos"))
    environment = os.environ | {"CHAOS": str(seed), "CHAOS_DIES": str(dies)}
    dice = random.Random(seed)  # noqa: S311  (a test that repeats)
    sent: dict[int, str] = {}
    with Talk(guard, folder, options=options, env=environment) as talk:
        try:
            for number in range(count):
                kind = dice.choices(["plain", "denied", "secret", "other"], [60, 20, 10, 10])[0]
                # Before the write: a line that was cut off has no answer to expect.
                if kind == "plain":
                    line = call(number, path=f"a/{number}")
                elif kind == "denied":
                    line = call(number, **DENIED)
                elif kind == "secret":
                    line = call(number, text=f"api_key = {TOKEN}")
                else:
                    line = request(number, "ping")
                talk.send(line)
                sent[number] = kind
            talk.end()
        except BrokenPipeError:
            pass
        answers = Counter(m["id"] for m in talk.rest() if "method" not in m)
        talk.exit_code()
        assert {number for number, n in answers.items() if n > 1} == set(), "answered twice"
        assert set(sent) - set(answers) <= ({max(sent)} if dies >= 0 else set()), "not answered"
        arrived = [json.loads(line) for line in talk.arrived()]
        audit = talk.audit
    calls = [m["id"] for m in arrived if m["method"] == "tools/call"]
    assert len(calls) == len(set(calls)), "forwarded twice"
    assert all(sent.get(number, "cut") != "denied" for number in calls), "a denied call arrived"
    assert TOKEN not in (folder / "notes").read_text()
    judged = Counter(line["request_id"] for line in audit if line.get("direction") == "request")
    assert all(n == 1 for n in judged.values()), "two lines for one decision"
    assert {str(number) for number in calls} <= set(judged), "unjudged"
    assert verified(guard, folder)
    return Counter(sent.values())


def test_a_server_that_errs_at_random_loses_and_doubles_nothing(guard: str, tmp_path: Path) -> None:
    seen: Counter[str] = Counter()
    rounds = max(4, CALLS // 2000)
    for seed in range(rounds):
        folder = tmp_path / str(seed)
        folder.mkdir()
        count = CALLS // rounds
        seen += stdio_round(guard, folder, count, seed, dies=-1 if seed % 2 else count // 2)
    assert set(seen) == {"plain", "denied", "secret", "other"}


def chaos(dice: random.Random) -> Callable[[Seen, Peer], None]:
    """A server over HTTP that errs at random."""

    def behave(seen: Seen, peer: Peer) -> None:
        match dice.randrange(12):
            case 0:
                peer.sock.close()
            case 1:
                peer.send(b"garbage\r\n\r\n")
                peer.sock.close()
            case 2:
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n")
                peer.send(b"Content-Length: 400\r\n\r\n{")
                peer.sock.close()
            case 3:
                peer.answer("{}", status="500 Internal Server Error")
            case 4:
                peer.answer('{"jsonrpc":"2.0","id":-5,"result":{}}')
            case 5:
                peer.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n")
                peer.send(b"Transfer-Encoding: chunked\r\n\r\n8\r\ndata: {\n\r\n")
                peer.sock.close()
            case 6:
                time.sleep(0.05)
                echo(seen, peer)
            case _:
                echo(seen, peer)

    return behave


def test_an_http_server_that_errs_at_random_loses_and_doubles_nothing(
    server: Server, guard: str, tmp_path: Path
) -> None:
    server.behaviour = chaos(random.Random(7))  # noqa: S311  (a test that repeats)
    denied = {n for n in range(CALLS) if n % 7 == 0}
    outcomes: dict[int, str] = {}

    def client(numbers: range, port: int) -> None:
        for number in numbers:
            arguments = {"command": "rm -rf /srv/data"} if number in denied else {"path": "a"}
            with Wire(port) as wire:
                wire.send(post(http_call(number, "shell_exec", **arguments)))
                try:
                    reply = wire.reply()
                except AssertionError:
                    outcomes[number] = "ended"
                    continue
                whole = reply.complete and reply.status != 0
                outcomes[number] = "answered" if whole else "torn"
                if number in denied:
                    assert reply.message["result"]["isError"] is True

    with guarded(guard, tmp_path, {"downstream_url": server.url}) as http:
        threads = [
            threading.Thread(target=client, args=(range(k, CALLS, 8), http.port)) for k in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert http.process.poll() is None
        audit = [json.loads(line) for line in (tmp_path / "egress_audit.jsonl").open()]
    assert set(outcomes) == set(range(CALLS)), "a client failed"
    assert outcomes[0] == "answered"
    assert Counter(outcomes.values())["answered"] > CALLS // 2
    arrived = [seen.message["id"] for seen in server.seen]
    assert len(arrived) == len(set(arrived)), "forwarded twice"
    assert not denied & set(arrived), "a denied call arrived"
    judged = Counter(int(e["request_id"]) for e in audit if e.get("direction") == "request")
    assert judged == Counter(range(CALLS)), "not one line a decision"


def test_a_reload_amid_ten_thousand_calls_loses_none(guard: str, tmp_path: Path) -> None:
    rules = tmp_path / "policies"
    rules.mkdir()

    def pack(code: str) -> None:
        rule = {
            "id": "no-notes",
            "name": "No notes",
            "decision": "DENY",
            "conditions": {"tool_name_patterns": ["note"]},
            "policy_code": code,
        }
        whole = rules / "team.tmp"
        whole.write_text(json.dumps({"pack": "team", "version": "1", "rules": [rule]}))
        whole.rename(rules / "team.yaml")

    codes = ("EGRESS_DENY_POLICY_MATCH", "EGRESS_DENY_SHELL_RISK")
    pack(codes[0])
    options = config(tmp_path, *raw(tmp_path, "record"))
    with Talk(guard, tmp_path, options=options) as talk:
        talk.send(call(-1, "note"))
        assert codes[0] in talk.line().decode()

        def feed() -> None:
            for number in range(10_000):
                talk.send(call(number, "note" if number % 2 else "list_files"))
                if number == 3000:
                    pack(codes[1])
            # Until the new rules are seen at work.
            number = 10_000
            while not done.is_set():
                talk.send(call(number, "note"))
                number += 1
                time.sleep(0.01)
            talk.end()

        done = threading.Event()
        feeder = threading.Thread(target=feed)
        feeder.start()
        ids: Counter[int] = Counter()
        seen: list[str] = []
        while (line := talk.lines.get(timeout=60)) is not None:
            ids[json.loads(line)["id"]] += 1
            for code in codes:
                if code.encode() in line and code not in seen:
                    seen.append(code)
            if codes[1] in seen and len(ids) > 10_000:
                done.set()
        feeder.join()
        talk.exit_code()
        audit = talk.audit
    assert seen == list(codes)
    assert all(n == 1 for n in ids.values())
    assert set(range(10_000)) <= set(ids)
    reloads = [e["outcome"] for e in audit if e["event_type"] == "policy_reload"]
    assert reloads == ["reloaded"]
    denied = [e["policy_code"] for e in audit if e.get("decision") == "DENY"]
    # Once the new rules are there, the old ones are gone.
    assert denied == sorted(denied, key=codes.index)
    assert sum(1 for e in audit if e.get("tool_name")) == len(ids) + 1


def test_a_gigabyte_without_an_end_of_line_is_not_kept(guard: str, tmp_path: Path) -> None:
    with Talk(guard, tmp_path, "endless") as talk:
        talk.send(call(1))
        highest = 0
        while (answer := next_or_none(talk)) is None:
            highest = max(highest, talk.resident)
        assert json.loads(answer)["id"] == 1
        assert highest < 300 << 20
        talk.end()
        talk.rest()


def next_or_none(talk: Talk) -> bytes | None:
    """The next answer, or None if none comes within a moment."""
    try:
        line = talk.lines.get(timeout=0.05)
    except queue.Empty:
        return None
    assert line is not None, talk.errors
    return line


def test_sigterm_under_load_cuts_between_messages(guard: str, tmp_path: Path) -> None:
    with Talk(guard, tmp_path, "record") as talk:
        sent = 0

        def feed() -> None:
            nonlocal sent
            try:
                while True:
                    talk.send(call(sent))
                    sent += 1
            except OSError:
                pass

        feeder = threading.Thread(target=feed)
        feeder.start()
        for _ in range(500):
            talk.message()
        talk.process.send_signal(signal.SIGTERM)
        rest = talk.rest()
        talk.exit_code()
        feeder.join()
        ids = [m["id"] for m in rest]
        assert len(ids) == len(set(ids))
        arrived = [json.loads(line)["id"] for line in talk.arrived()]
        judged = {line["request_id"] for line in talk.audit}
    assert {str(number) for number in arrived} <= judged


def test_too_few_descriptors_are_survived(server: Server, guard: str, tmp_path: Path) -> None:
    with guarded(guard, tmp_path, {"downstream_url": server.url}) as http:
        assert http.ask(post(http_call())).status == 200
        pid = http.process.pid
        used = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        resource.prlimit(pid, resource.RLIMIT_NOFILE, (used + 8, used + 8))
        crowd = []
        for _ in range(40):
            sock = socket.create_connection(("127.0.0.1", http.port), timeout=5)
            crowd.append(sock)
        time.sleep(0.3)
        for sock in crowd:
            sock.close()
        end = time.monotonic() + 20
        while True:
            try:
                if http.ask(post(http_call())).status == 200:
                    break
            except (AssertionError, OSError):
                pass
            assert time.monotonic() < end, "it does not come back"
            time.sleep(0.05)
        assert http.process.poll() is None


def test_too_little_memory_ends_it_and_nothing_passes(guard: str, tmp_path: Path) -> None:
    with Talk(guard, tmp_path, "record") as talk:
        talk.send(call(1))
        talk.message()
        pid = talk.process.pid
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[0])
        size = pages * resource.getpagesize() + (24 << 20)
        resource.prlimit(pid, resource.RLIMIT_AS, (size, size))
        try:
            talk.send(call(2, text="\\u0041\\" * 8_000_000))
            talk.end()
        except BrokenPipeError:
            pass
        answers = [m["id"] for m in talk.rest()]
        talk.exit_code()
        arrived = [json.loads(line)["id"] for line in talk.arrived()]
        judged = {line["request_id"] for line in talk.audit}
    assert len(answers) == len(set(answers))
    assert {str(number) for number in arrived} <= judged


def test_a_kill_of_the_guard_leaves_a_log_that_goes_on(guard: str, tmp_path: Path) -> None:
    options = config(tmp_path, *raw(tmp_path, "record"))
    for _ in range(3):
        with Talk(guard, tmp_path, options=options) as talk:
            talk.send(*[call(number) for number in range(200)])
            for _ in range(50):
                talk.message()
            talk.process.kill()
            talk.exit_code()
    with Talk(guard, tmp_path, options=options) as talk:
        talk.send(call(1))
        talk.message()
        talk.end()
        talk.exit_code()
        assert len({e["decision_id"] for e in talk.audit if "decision_id" in e}) >= 151
    assert verified(guard, tmp_path)


def mounted(script: str, folder: Path, *arguments: str) -> subprocess.CompletedProcess[bytes]:
    """Runs a shell script with mounts of its own, where the machine allows that."""
    if not shutil.which("unshare"):
        pytest.skip("no unshare")
    probe = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(folder)],
        capture_output=True,
        check=False,
    )
    if probe.returncode:
        pytest.skip("no namespaces here")
    return subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", *arguments],
        cwd=folder,
        capture_output=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize("options", ["size=64k", "ro"], ids=["full", "read-only"])
def test_a_disk_that_takes_no_log_lets_nothing_pass(
    guard: str, tmp_path: Path, options: str
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    config(
        tmp_path,
        *raw(tmp_path, "record"),
        audit={"log_file": str(disk / "audit.jsonl")},
    )
    (tmp_path / "calls").write_bytes(b"".join(call(n, text="x" * 50) for n in range(1000)))
    done = mounted(
        f'mount -t tmpfs -o {options} none "$2" && "$1" run --config gateway.yaml < calls'
        '; code=$?; cat "$2"/audit.jsonl > copy 2>/dev/null; exit $code',
        tmp_path,
        guard,
        str(disk),
    )
    notes = tmp_path / "notes"
    arrived = (
        [json.loads(x)["id"] for x in notes.read_bytes().splitlines()] if notes.exists() else []
    )
    lines = (tmp_path / "copy").read_bytes().split(b"\n")
    logged = {json.loads(line)["request_id"] for line in lines if line.endswith(b"}")}
    assert {str(number) for number in arrived} <= logged
    assert len(arrived) < 1000
    assert b"Traceback" not in done.stderr
    assert b"audit" in done.stderr
    if options == "ro":
        assert (done.returncode != 0, done.stdout) == (True, b"")
    else:
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert sorted(m["id"] for m in answers) == list(range(1000))


@pytest.mark.parametrize("options", ["size=16k", "ro"], ids=["full", "read-only"])
def test_a_disk_that_takes_no_rules_is_one_line(guard: str, tmp_path: Path, options: str) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    done = mounted(
        f'mount -t tmpfs -o {options} none "$2" && cd "$2" && "$1" init',
        tmp_path,
        guard,
        str(disk),
    )
    assert done.returncode not in {0, -6, -11}
    assert b"Traceback" not in done.stderr
    assert b"hint" in done.stderr or b"error" in done.stderr.lower()


@pytest.fixture
def project(guard: str, tmp_path: Path) -> Path:
    """A folder whose rules are in the store alone."""
    subprocess.run([guard, "init"], cwd=tmp_path, check=True, capture_output=True)
    shutil.rmtree(tmp_path / "policies")
    config(tmp_path, "cat", policy_paths=[])
    return tmp_path


def store(folder: Path) -> Path:
    """The file of the rules."""
    (found,) = [p for p in folder.rglob("*.db") if p.is_file()]
    return found


def refuses(guard: str, folder: Path) -> None:
    """Every command that needs the store says what is wrong with it, and nothing else."""
    for command in (["run"], ["doctor"], ["rules", "list", "--db-path", str(store(folder))]):
        done = subprocess.run(
            [guard, *command],
            cwd=folder,
            input=call(1),
            capture_output=True,
            check=False,
            timeout=60,
        )
        text = done.stdout + done.stderr
        assert b"Traceback" not in text
        assert store(folder).name.encode() in text
        assert done.returncode not in {0, -6, -11}
        assert command == ["doctor"] or done.stdout == b""


def test_a_locked_store_is_waited_for_or_told(guard: str, project: Path) -> None:
    holder = sqlite3.connect(store(project), isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        refuses(guard, project)
    finally:
        holder.close()


def test_a_corrupt_store_is_told(guard: str, project: Path) -> None:
    file = store(project)
    data = bytearray(file.read_bytes())
    data[100:4000] = os.urandom(3900)
    file.write_bytes(data)
    refuses(guard, project)


def test_a_store_of_another_version_is_told(guard: str, project: Path) -> None:
    with sqlite3.connect(store(project)) as connection:
        connection.execute("PRAGMA user_version = 9999")
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        for (name,) in tables.fetchall():
            connection.execute(f'ALTER TABLE "{name}" RENAME TO "{name}_old"')
    refuses(guard, project)


def test_a_dead_guard_leaves_no_server(guard: str, tmp_path: Path) -> None:
    with Talk(guard, tmp_path, "obedient") as talk:
        talk.send(call(1))
        talk.message()
        pid = int(talk.notes.read_bytes().split()[0])
        assert alive(pid)
        talk.process.send_signal(signal.SIGKILL)
        talk.exit_code()
        end = time.monotonic() + 20
        while alive(pid):
            assert time.monotonic() < end, "an orphan"
            time.sleep(0.02)
