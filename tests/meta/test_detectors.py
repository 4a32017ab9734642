"""The catalogue of secrets: enough of it, each entry with its near misses and its own name."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).parents[2] / "policies" / "detectors" / "secrets"


@pytest.fixture(scope="module")
def entries() -> list[dict[str, Any]]:
    files = sorted(FOLDER.glob("*.yaml"))
    return [entry for file in files for entry in yaml.safe_load(file.read_text())["detectors"]]


def _text(example: str | dict[str, str]) -> str:
    return example if isinstance(example, str) else example["text"]


def _plain(text: str) -> str:
    return re.sub(r"[^a-z0-9]", "", text.lower())


def _is_near(entry: dict[str, Any], negative: str) -> bool:
    """Whether a text has what makes the engine look: a keyword, or how the secrets begin."""
    match = entry["match"]
    words = match.get("keywords", match.get("names") or ())
    if any(_plain(word) in _plain(negative) for word in words):
        return True
    secrets = [e["secret"] for e in entry["examples"] if isinstance(e, dict) and "secret" in e]
    return any(secret[:3] in negative for secret in secrets) or any(
        literal in negative for literal in match.get("literals", ())
    )


def test_at_least_300_detectors_have_two_near_misses(entries: list[dict[str, Any]]) -> None:
    near = [
        entry["id"]
        for entry in entries
        if "builtin" not in entry["match"]
        and sum(_is_near(entry, _text(n)) for n in entry["negative_examples"]) >= 2
    ]
    assert len(near) >= 300


def test_every_entry_is_named_once_and_documented(entries: list[dict[str, Any]]) -> None:
    twice = [name for name, count in Counter(entry["id"] for entry in entries).items() if count > 1]
    assert not twice
    outside = [entry for entry in entries if "builtin" not in entry["match"]]
    assert [entry["id"] for entry in outside if not entry.get("references")] == []
    assert [entry["id"] for entry in entries if len(entry["negative_examples"]) < 2] == []
