"""What is measured: everyday calls, inputs made to be slow, and the user's own traffic."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mcp_egress_guard.core import frame_of
from mcp_egress_guard.errors import InputError
from mcp_egress_guard.fixture import fixture_of, read_fixture, strict_json

__all__ = ["WORKLOADS", "Workload", "call", "hostile", "own_traffic"]

Message = dict[str, Any]
KILOBYTE = 1_000
MEGABYTE = 1_000_000
WORDS = ["river", "stone", "winter", "table", "garden", "paper", "seven", "letter", "cloud"]


def call(tool: str, /, **arguments: Any) -> Message:
    """A `tools/call` request."""
    # The id comes first, and has this width: the echoing servers look for it there.
    params = {"name": tool, "arguments": arguments}
    return {"id": 1_000_001, "jsonrpc": "2.0", "method": "tools/call", "params": params}


def prose(size: int) -> str:
    """Harmless text of exactly `size` characters."""
    rng = random.Random(7)  # noqa: S311  (test data, not a key)
    return " ".join(rng.choice(WORDS) for _ in range(size // 4))[:size].ljust(size, ".")


def records(size: int) -> list[dict[str, Any]]:
    """JSON as tools pass it: records with short strings, numbers and flags, about `size` bytes."""
    rng = random.Random(11)  # noqa: S311  (test data, not a key)
    made: list[dict[str, Any]] = []
    while len(made) * 165 < size:
        made.append(
            {
                "id": rng.randrange(10**6),
                "title": " ".join(rng.choices(WORDS, k=4)),
                "path": f"src/{rng.choice(WORDS)}/{rng.choice(WORDS)}.txt",
                "active": rng.random() < 0.5,
                "score": round(rng.random(), 3),
                "tags": rng.choices(WORDS, k=3),
            }
        )
    return made


def shell_chain(size: int) -> str:
    """Harmless commands as an agent chains them, about `size` bytes."""
    commands = [
        "cd /srv/app",
        "git status --short",
        "grep -rn 'TODO' src | head -20",
        "make build",
        "ls -la dist",
        "python3 -m pytest -q tests/unit",
    ]
    chain = " && ".join(commands)
    return " && ".join([chain] * max(1, size // len(chain)))


def source_code(size: int) -> str:
    """Python as an agent writes it to a file, about `size` bytes."""
    rng = random.Random(13)  # noqa: S311  (test data, not a key)
    parts: list[str] = ["from pathlib import Path\n\n"]
    while sum(map(len, parts)) < size:
        a, b, c = rng.sample(WORDS, k=3)
        number = rng.randrange(1_000)
        parts.append(
            f"def {a}_{b}(path: Path, limit: int = {number}) -> list[str]:\n"
            f'    """The {c} of every {a} below {b}."""\n'
            "    lines = path.read_text().splitlines()\n"
            f"    if len(lines) > limit:\n        raise ValueError('{c}: too many lines')\n"
            f"    return [line.strip() for line in lines if line.startswith('{c}')]\n\n\n"
        )
    return "".join(parts)


def encoded(size: int) -> str:
    """Random bytes as `size` characters of base64."""
    rng = random.Random(3)  # noqa: S311  (test data, not a key)
    return base64.b64encode(rng.randbytes(size * 3 // 4)).decode()


@dataclass(frozen=True)
class Workload:
    """Calls of one kind. `message` makes the one that is judged again and again."""

    name: str
    message: Callable[[], Message]
    # Of several sizes of one kind, the plot makes a line.
    family: str = ""

    def messages(self) -> list[Message]:
        """The calls."""
        return [self.message()]


def _json(label: str, size: int) -> Workload:
    return Workload(f"JSON {label}", lambda: call("store", items=records(size)), "JSON")


def _secret() -> Message:
    items: list[dict[str, Any]] = records(KILOBYTE)
    items[2]["title"] = "api_key = " + "q7Zp2LxV9sKd3RwT8mYb5NcJ1hGf6EaU"
    return call("store", items=items)


WORKLOADS = [
    Workload("tiny call", lambda: call("list_files", path="/tmp")),  # noqa: S108
    Workload("shell command", lambda: call("shell_exec", command="git log --oneline | head -20")),
    Workload("shell, denied", lambda: call("shell_exec", command="rm -rf /tmp/data")),
    Workload("shell chain 1 KB", lambda: call("shell_exec", command=shell_chain(KILOBYTE))),
    _json("1 KB", KILOBYTE),
    _json("10 KB", 10 * KILOBYTE),
    _json("100 KB", 100 * KILOBYTE),
    _json("1 MB", MEGABYTE),
    Workload("JSON 1 KB, redacted", _secret),
    Workload(
        "source code 10 KB",
        lambda: call("write_file", path="src/river.py", content=source_code(10 * KILOBYTE)),
    ),
    Workload("base64 100 KB", lambda: call("store", data=encoded(100 * KILOBYTE))),
    Workload("text 1 MB", lambda: call("store", text=prose(MEGABYTE))),
    Workload(
        "adversarial: names",
        lambda: call("store", text="password: " * (10 * KILOBYTE)),
    ),
    Workload(
        "adversarial: nesting",
        lambda: call("shell_exec", command="$(" * (5 * KILOBYTE)),
    ),
    Workload(
        "adversarial: keys",
        lambda: call("store", **{f"key{n}": n for n in range(5 * KILOBYTE)}),
    ),
]

# Each unit was chosen because it makes some pattern, parser or walk repeat its work.
UNITS = [
    *("rm -rf x ", "-rf ", "rf", "where = or ", "find ", "curl ", "git push ", "eyJ-", "$("),
    *("a", "A", "==", "/", "/a", "http://", "http://a.b ", "10.0.0.1 ", "Token a ", "../"),
    *("(", "[", "{", "'", '"', "\\", "`", "<(", "| sh ", "; ", "<<E\n", "if x:\n", "x=", "%41"),
]
PREFIXES = {"-rf ": "rm ", "rf": "rm -", "where = or ": "git delete from "}
# Where an argument's place decides which analyzers read it.
PLACES = [("shell_exec", "command"), ("code_exec", "code"), ("write_file", "content")]


def hostile(size: int = MEGABYTE) -> Iterator[tuple[str, Message]]:
    """Named inputs of `size` bytes that a guard must judge in linear time, or refuse by a bound."""
    texts = {
        repr(unit): (PREFIXES.get(unit, "") + unit * (size // len(unit)))[: size - 1] + "!"
        for unit in UNITS
    }
    texts["base64"] = text = encoded(size)
    texts["base64 lines"] = "\n".join(text[at : at + 76] for at in range(0, len(text), 76))
    texts["prose"] = prose(size)
    for name, text in texts.items():
        for tool, argument in PLACES:
            yield f"{name} as {argument}", call(tool, **{argument: text})
    yield "many keys", call("store", **{f"key{n}": n for n in range(size // 20)})
    yield "many strings", call("store", items=["a"] * (size // 4))
    deep: Any = "x"
    for _ in range(150):
        deep = {"a": deep}
    yield "deep", call("store", items=deep)


@dataclass(frozen=True)
class OwnTraffic:
    """Calls that the user has saved."""

    name: str
    calls: Sequence[Message]
    family: str = ""

    def messages(self) -> list[Message]:
        """The calls."""
        return list(self.calls)


# More saved calls than this say nothing new, and take memory.
MOST_CALLS = 10_000


def own_traffic(path: Path) -> OwnTraffic:
    """The calls of a fixture, of a folder of fixtures, or of an audit log with recorded calls.

    Raises:
        InputError: nothing that can be judged is there, or a file is not of its form.
    """
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.suffix in {".json", ".jsonl"})
    elif path.is_file():
        files = [path]
    else:
        raise InputError("no such file or folder", file=path)
    calls: list[Message] = []
    for file in files:
        for message in _calls_of(file):
            if len(calls) < MOST_CALLS:
                calls.append(message)
    if not calls:
        raise InputError(
            "holds no call",
            file=path,
            hint="fixtures are .json files, an audit log is .jsonl with audit.record_calls: true",
        )
    return OwnTraffic(f"{path.name}: {len(calls)} call{'s' * (len(calls) > 1)}", calls)


def _calls_of(file: Path) -> Iterator[Message]:
    if file.suffix != ".jsonl":
        fixture = read_fixture(file)
        yield call(fixture.tool_name, **fixture.arguments)
        return
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot be read: {error}", file=file) from None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = strict_json(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"line {number}: not JSON: {error}", file=file) from None
        params = event.get("call") if isinstance(event, dict) else None
        if isinstance(params, dict):
            yield {"id": 1_000_001, "jsonrpc": "2.0", "method": "tools/call", "params": params}
        elif isinstance(event, dict) and "timestamp" not in event:
            fixture = fixture_of(event, file)
            yield call(fixture.tool_name, **fixture.arguments)


def frame(message: Message) -> bytes:
    """The message as a client writes it, on one line."""
    return frame_of(message)
