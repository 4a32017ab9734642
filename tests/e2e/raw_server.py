"""A server without manners: does to the guard what real ones do by accident or on purpose.

The first argument names the behaviour, the second a file that notes what arrived.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

BEHAVIOUR = sys.argv[1]
NOTES = Path(sys.argv[2])


def say(data: bytes) -> None:
    """Writes bytes to the client as they are."""
    while data:
        data = data[os.write(1, data) :]


def answer(line: bytes, result: object = None) -> None:
    """Answers a request with a result."""
    message = json.loads(line)
    if "id" in message and "method" in message:
        reply = {"jsonrpc": "2.0", "id": message["id"], "result": result or {}}
        say(json.dumps(reply).encode() + b"\n")


def note(data: bytes) -> None:
    """Adds to the notes."""
    with NOTES.open("ab") as file:
        file.write(data)


def ignore_the_end() -> None:
    """Lives on after the end of input and after SIGTERM."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGHUP, signal.SIG_IGN)


def record() -> None:
    """Notes every line and answers each request; exits with 7."""
    for line in sys.stdin.buffer:
        note(line)
        answer(line)
    sys.exit(7)


def noisy() -> None:
    """A banner and other lines that are no messages on stdout, and much on stderr."""
    say(b"Server v1.2 ready on stdio\n\n[]\n{}\n")
    os.write(2, b"e" * 100_000 + b"\n")
    for line in sys.stdin.buffer:
        os.write(2, b"e" * 300_000 + b"\nlast words\n")
        answer(line)


def spelling() -> None:
    """Answers with bytes that a re-serialisation would change; the id is always 1."""
    for line in sys.stdin.buffer:
        note(line)
        say(
            b' {"result" :{"b":1.0,"a":123456789012345678901234567890,'
            b'"s":"\\u00e9\\/ \xe2\x80\xa8"},'
            b' "id":1,"jsonrpc":"2.0"}\r\n'
        )


def late() -> None:
    """Answers only after the end of input, the last line without LF; exits with 5."""
    kept = list(sys.stdin.buffer)
    time.sleep(0.5)
    for line in kept[:-1]:
        answer(line)
    say(b'{"jsonrpc":"2.0","id":%d,"result":{"last":true}}' % json.loads(kept[-1])["id"])
    sys.exit(5)


def crash() -> None:
    """Dies in the middle of an answer to the third request."""
    for number, line in enumerate(sys.stdin.buffer, 1):
        note(line)
        if number == 3:
            say(b'{"jsonrpc":"2.0","id":3,"result":{"content":"to')
            os.kill(os.getpid(), signal.SIGKILL)


def crash_with_heir() -> None:
    """Dies at the first request, while a child keeps its stdout open."""
    sys.stdin.buffer.readline()
    subprocess.Popen(["sleep", "20"], stdin=subprocess.DEVNULL)
    os._exit(3)


def stuck() -> None:
    """Reads nothing at all."""
    note(b"%d\n" % os.getpid())
    while True:
        time.sleep(60)


def stubborn() -> None:
    """Answers, but does not end when asked."""
    ignore_the_end()
    note(b"%d\n" % os.getpid())
    for line in sys.stdin.buffer:
        answer(line)
    while True:
        time.sleep(60)


def obedient() -> None:
    """Answers, and ends on SIGTERM or at the end of input."""
    note(b"%d\n" % os.getpid())
    for line in sys.stdin.buffer:
        answer(line)


def flood() -> None:
    """Sends 120 MB of notifications at the first line, then answers."""
    line = sys.stdin.buffer.readline()
    text = "x" * 1_000_000
    message = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": text}}
    data = json.dumps(message).encode() + b"\n"
    for _ in range(120):
        say(data)
    answer(line)


def flood_first() -> None:
    """Sends 40 MB of notifications before it reads anything, then answers."""
    message = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x" * 10**6}}
    for _ in range(40):
        say(json.dumps(message).encode() + b"\n")
    for line in sys.stdin.buffer:
        answer(line)


def drain_late() -> None:
    """Begins to read when the notes file has been made by somebody else."""
    while not NOTES.exists():
        time.sleep(0.05)
    for line in sys.stdin.buffer:
        answer(line)


def ask() -> None:
    """Asks the client under the id of the client's own request, and notes the reply."""
    line = sys.stdin.buffer.readline()
    request = {"jsonrpc": "2.0", "id": json.loads(line)["id"], "method": "roots/list"}
    say(json.dumps(request).encode() + b"\n")
    note(sys.stdin.buffer.readline())
    answer(line)
    for line in sys.stdin.buffer:
        note(line)


def impostor() -> None:
    """Answers requests that nobody made, and each true one twice; one answer is broken JSON."""
    for line in sys.stdin.buffer:
        message = json.loads(line)
        say(b'{"jsonrpc":"2.0","id":4711,"result":{"forged":true}}\n')
        if message["method"] == "broken":
            say(b'{"jsonrpc":"2.0","id":%d,"result":{"a":1,"a":2}}\n' % message["id"])
        answer(line)
        answer(line)


def batches() -> None:
    """Speaks 2025-03-26: answers a batch with a batch."""
    for line in sys.stdin.buffer:
        note(line)
        message = json.loads(line)
        many = message if isinstance(message, list) else [message]
        result = {"protocolVersion": "2025-03-26"}
        replies = [{"jsonrpc": "2.0", "id": m["id"], "result": result} for m in many if "id" in m]
        if replies:
            reply = replies if isinstance(message, list) else replies[0]
            say(json.dumps(reply).encode() + b"\n")


def surroundings() -> None:
    """Notes how it was started, then behaves like `obedient`."""
    environ = {os.fsdecode(k): os.fsdecode(v) for k, v in os.environb.items()}
    facts = {"argv": sys.argv, "cwd": str(Path.cwd()), "env": environ, "pgrp": os.getpgrp()}
    NOTES.write_text(json.dumps(facts))
    for line in sys.stdin.buffer:
        answer(line)


def closed_ears() -> None:
    """Closes its stdin at once and lives on."""
    ignore_the_end()
    note(b"%d\n" % os.getpid())
    os.close(0)
    say(b'{"jsonrpc":"2.0","method":"notifications/message","params":{}}\n')
    while True:
        time.sleep(60)


def chaos() -> None:
    """Errs in every way, by a seed in the environment; dies amid its work if told so."""
    dice = random.Random(os.environ.get("CHAOS", "0"))  # noqa: S311  (a test that repeats)
    dies = int(os.environ.get("CHAOS_DIES", "-1"))
    kept: list[bytes] = []
    for number, line in enumerate(sys.stdin.buffer):
        note(line)
        if number == dies:
            say(b'{"jsonrpc":"2.0","id":')
            os.kill(os.getpid(), signal.SIGKILL)
        match dice.randrange(16):
            case 0:
                kept.append(line)
            case 1:
                say(b'{"jsonrpc":"2.0","id":-5,"result":{}}\n')
                answer(line)
                answer(line)
            case 2:
                say(b"garbage \xff\xfe {\n[1,\n")
                answer(line)
            case 3:
                os.write(2, b"e" * dice.randrange(100_000) + b"\n")
                answer(line, {"text": "x" * dice.randrange(300_000)})
            case 4:
                whole = json.dumps({"jsonrpc": "2.0", "id": json.loads(line)["id"], "result": {}})
                half = len(whole) // 2
                say(whole[:half].encode())
                time.sleep(0.001)
                say(whole[half:].encode() + b"\n")
            case 5:
                dice.shuffle(kept)
                for late in kept[: len(kept) // 2]:
                    answer(late)
                del kept[: len(kept) // 2]
                answer(line)
            case 6:
                pass
            case _:
                answer(line)


def endless() -> None:
    """Sends a gigabyte without an end of line at the first request, then answers it."""
    line = sys.stdin.buffer.readline()
    block = b"x" * (1 << 20)
    say(b'{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"')
    for _ in range(1024):
        say(block)
    say(b'"}}\n')
    answer(line)


BEHAVIOURS: dict[str, Callable[[], None]] = {
    f.__name__: f
    for f in (
        record,
        noisy,
        spelling,
        late,
        crash,
        crash_with_heir,
        stuck,
        stubborn,
        obedient,
        flood,
        flood_first,
        drain_late,
        ask,
        impostor,
        batches,
        surroundings,
        closed_ears,
        chaos,
        endless,
    )
}

if __name__ == "__main__":
    BEHAVIOURS[BEHAVIOUR]()
