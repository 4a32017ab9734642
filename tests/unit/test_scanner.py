"""Hyperscan and the core judge alike; its compiled form is kept safely."""

import json
import random
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_egress_guard import core, scanner
from mcp_egress_guard.config import parse_config
from mcp_egress_guard.errors import ConfigError

WORDS = ["falcon", "ACME", "token", "Kiosk", "bluebird", "merger", "ledger", "straße", "payroll"]
TEMPLATES = [
    "{a}[-_ ]?{b}",
    "{a}-[0-9]{{3,6}}",
    "(?:{a}|{b})\\s+plan",
    "^{a}.*{b}$",
    "\\b{a}{b}\\b",
    "[0-9]{{5}}{c}",
    "(?i){a}x?",
    "{a}.{{0,20}}{b}",
]


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "mcp-egress-guard" / "hyperscan"


def rules(patterns: list[str]) -> list[dict[str, Any]]:
    return [
        {"id": f"r{i}", "decision": "DENY", "conditions": {"content_patterns": [pattern]}}
        for i, pattern in enumerate(patterns)
    ]


def judge(guard: core.Guard, text: str) -> Any:
    params = {
        "name": "write_note",
        "arguments": {"text": text, "more": [text[:40], {text[-9:]: 1}]},
    }
    frame = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params})
    found = guard.inspect(frame.encode())
    findings = [(f.detector_id, f.pointer, f.span) for f in found.findings]
    return found.decision, found.matched_rules, found.rewritten, findings


def made_texts(rng: random.Random, count: int) -> list[str]:
    pieces = [
        *WORDS,
        " ",
        "\n",
        "-",
        "12345",
        "plan",
        "x",
        "é",
        "to\u212aen",
        "pa\u017fs",
        "0" * 40,
    ]
    texts = []
    for _ in range(count):
        parts = [rng.choice(pieces) for _ in range(rng.randrange(1, 60))]
        text = "".join(rng.choice([p, p.upper(), p.lower(), p.title()]) for p in parts)
        # Short messages are searched by the core under either setting.
        texts.append(text + " ." * rng.choice([0, 600]))
    return texts


def test_both_engines_judge_alike() -> None:
    rng = random.Random(20)  # noqa: S311  (test data, not a key)
    patterns = {
        rng.choice(TEMPLATES).format(a=rng.choice(WORDS), b=rng.choice(WORDS), c=rng.choice("xyz"))
        for _ in range(400)
    }
    made = rules(sorted(patterns))
    rust = core.compile_guard(made, {"scanner": "rust"})
    other = core.compile_guard(made, {"scanner": "hyperscan"})
    texts = made_texts(rng, 400)
    texts += [
        example if isinstance(example, str) else example["text"]
        for file in core.detector_files()
        for detector in file["data"]["detectors"]
        for example in detector.get("examples", [])
    ]
    matched = 0
    for text in texts:
        wanted = judge(rust, text)
        assert judge(other, text) == wanted, text
        matched += len(wanted[1])
    assert matched > 2_000


def test_every_thread_may_judge() -> None:
    guard = core.compile_guard(rules(["falcon-[0-9]+", "merger"]), {"scanner": "hyperscan"})
    text = "FALCON-7 " + "-" * 5_000
    seen: list[Any] = []

    def work() -> None:
        seen.extend(judge(guard, text)[:2] for _ in range(50))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == [("DENY", [0])] * 200


def test_auto_takes_it_for_many_patterns_only(cache: Path) -> None:
    core.compile_guard(rules(["falcon"]), {"scanner": "auto"})
    core.compile_guard(rules(["falcon"]))
    assert not cache.exists()
    many = [f"name{i:05}" for i in range(scanner.AUTO_LITERALS)]
    core.compile_guard(rules(many))
    assert len(list(cache.glob("*.hsdb"))) == 1


def make(literals: list[str]) -> Callable[[bytes], list[int]]:
    maker = scanner.literal_search("hyperscan")
    assert maker is not None
    search = maker(literals)
    assert search is not None
    return search


def test_the_compiled_form_is_kept_for_the_owner_alone(cache: Path) -> None:
    assert sorted(make(["falcon", "merger"])(b"a MERGER, a Falcon, a merger")) == [0, 1]
    (file,) = cache.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert cache.stat().st_mode & 0o777 == 0o700
    before = file.stat().st_mtime_ns
    assert make(["falcon", "merger"])(b"falcon") == [0]
    assert file.stat().st_mtime_ns == before
    make(["falcon"])
    assert len(list(cache.iterdir())) == 2


@pytest.mark.parametrize("spoil", ["cut", "flip", "empty", "open", "link", "other"])
def test_what_is_not_whole_or_not_ours_is_compiled_anew(
    cache: Path, spoil: str, tmp_path: Path
) -> None:
    make(["falcon"])
    (file,) = cache.iterdir()
    good = file.read_bytes()
    if spoil == "cut":
        file.write_bytes(good[:-5])
    elif spoil == "flip":
        file.write_bytes(good[:-5] + bytes([good[-5] ^ 1]) + good[-4:])
    elif spoil == "empty":
        file.write_bytes(b"")
    elif spoil == "open":
        file.chmod(0o666)
    elif spoil == "link":
        aside = tmp_path / "aside"
        aside.write_bytes(good)
        file.unlink()
        file.symlink_to(aside)
    else:
        make(["merger"])
        (other,) = (f for f in cache.iterdir() if f != file)
        file.write_bytes(other.read_bytes())
    assert make(["falcon"])(b"a falcon") == [0]
    assert not file.is_symlink()
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_bytes() == good


def test_a_cache_that_cannot_be_written_costs_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(blocked))
    assert make(["falcon"])(b"falcon") == [0]


def test_without_the_package_a_wish_for_it_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hyperscan", None)
    with pytest.raises(ValueError, match=r"install mcp-egress-guard\[hyperscan\]"):
        core.compile_guard(rules(["falcon"]), {"scanner": "hyperscan"})
    many = [f"name{i:05}" for i in range(scanner.AUTO_LITERALS)]
    text = "name00007 " + "-" * 5_000
    assert judge(core.compile_guard(rules(many)), text)[:2] == ("DENY", [7])
    monkeypatch.setattr("mcp_egress_guard.config.find_spec", lambda _: None)
    with pytest.raises(ConfigError) as caught:
        parse_config("engine:\n  scanner: hyperscan\n")
    (problem,) = caught.value.problems
    assert (problem.line, problem.field) == (2, "engine.scanner")
    assert problem.hint.startswith("pip install")
    assert parse_config("engine:\n  scanner: auto\n").engine.scanner == "auto"


def test_a_search_that_fails_is_made_up_for() -> None:
    def broken(_: bytes) -> list[int]:
        raise RuntimeError("no")

    def odd(_: bytes) -> Any:
        return ["x"]

    plain = json.dumps({"rules": rules(["falcon"])})
    text = "falcon " + "-" * 5_000
    for search in (broken, odd):
        guard = core.Guard(plain, lambda _, search=search: search)
        assert judge(guard, text)[:2] == ("DENY", [0])
    with pytest.raises(ValueError, match="is not auto, rust or hyperscan"):
        core.compile_guard([], {"scanner": "fast"})
