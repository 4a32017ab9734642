"""What is measured: everyday calls with their budgets, and inputs made to be slow."""

from __future__ import annotations

import base64
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

Message = dict[str, Any]
MEGABYTE = 1_000_000
WORDS = ["river", "stone", "winter", "table", "garden", "paper", "seven", "letter", "cloud"]


def call(tool: str, **arguments: Any) -> Message:
    """A `tools/call` request."""
    params = {"name": tool, "arguments": arguments}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}


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


@dataclass(frozen=True)
class Workload:
    """An everyday call; `budget` is the most that its best run may take, in seconds."""

    name: str
    budget: float
    message: Callable[[], Message]


WORKLOADS = [
    Workload("tiny list_files", 15e-6, lambda: call("list_files", path="/tmp")),  # noqa: S108
    Workload("rm -rf, denied", 40e-6, lambda: call("shell_exec", command="rm -rf /tmp/data")),
    Workload("1 KB shell chain", 500e-6, lambda: call("shell_exec", command=shell_chain(1_000))),
    Workload("10 KB JSON", 60e-6, lambda: call("store", items=records(10_000))),
    Workload("100 KB JSON", 600e-6, lambda: call("store", items=records(100_000))),
    Workload("1 MB text", 5e-3, lambda: call("store", text=prose(MEGABYTE))),
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
    rng = random.Random(3)  # noqa: S311  (test data, not a key)
    encoded = base64.b64encode(rng.randbytes(size * 3 // 4)).decode()
    texts["base64"] = encoded
    texts["base64 lines"] = "\n".join(encoded[at : at + 76] for at in range(0, len(encoded), 76))
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
