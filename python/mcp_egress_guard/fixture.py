"""Saved tool calls: the files that `inspect` and `replay` read."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mcp_egress_guard.errors import InputError
from mcp_egress_guard.result import PolicyDecision

FIELDS = frozenset(
    {
        *("tool_name", "arguments", "expected_decision", "expected_rule", "expected_code"),
        *("environment", "labels", "server", "session_id", "description", "method"),
    }
)
# A whole-line comment, as in the documentation's examples; a URL inside a string is none.
COMMENT = re.compile(r"^\s*//.*$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fixture:
    """One saved call, with the decision that is expected of it, if any."""

    path: Path
    tool_name: str
    arguments: dict[str, Any]
    environment: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    server: str = ""
    session_id: str = ""
    expected_decision: PolicyDecision | None = None
    expected_rule: str = ""
    expected_code: str = ""


def read_fixture(path: Path) -> Fixture:
    """Reads one file.

    Raises:
        InputError: unreadable, not JSON, or not a call; the message names the file and the field.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise InputError(f"{path}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise InputError(f"{path}: not UTF-8") from None
    try:
        data = strict_json(text)
    except ValueError:
        try:
            data = strict_json(COMMENT.sub("", text))
        except ValueError as error:
            raise InputError(f"{path}: not JSON: {error}") from None
    except RecursionError:
        raise InputError(f"{path}: nested too deeply") from None
    return fixture_of(data, path)


def strict_json(text: str) -> Any:
    """A JSON value; NaN and infinities are none.

    Raises:
        ValueError, RecursionError: no JSON, or nested too deeply.
    """
    return json.loads(text, parse_constant=_no_constant)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


def fixture_of(data: Any, path: Path) -> Fixture:
    """The call in one JSON value.

    Raises:
        InputError: not a call.
    """
    if not isinstance(data, dict):
        raise InputError(f"{path}: not a JSON object")
    if "jsonrpc" in data:
        params = data.get("params")
        if data.get("method") != "tools/call" or not isinstance(params, dict):
            raise InputError(f"{path}: not a tools/call message")
        data = {"tool_name": params.get("name"), "arguments": params.get("arguments") or {}}
    unknown = sorted(set(data) - FIELDS)
    if unknown:
        raise InputError(
            f"{path}: unknown field {unknown[0]!r}", hint=f"known: {', '.join(sorted(FIELDS))}"
        )
    name, arguments = data.get("tool_name"), data.get("arguments", {})
    if not isinstance(name, str) or not name:
        raise InputError(f"{path}: tool_name is not a name")
    if not isinstance(arguments, dict):
        raise InputError(f"{path}: arguments is not a JSON object")
    labels = data.get("labels", {})
    if not isinstance(labels, dict) or not all(isinstance(v, str) for v in labels.values()):
        raise InputError(f"{path}: labels is not an object of strings")
    expected = data.get("expected_decision")
    if expected is not None and expected not in set(PolicyDecision):
        raise InputError(
            f"{path}: expected_decision {expected!r} is no decision",
            hint=f"one of {', '.join(PolicyDecision)}",
        )
    texts = {}
    for key in ("environment", "server", "session_id", "expected_rule", "expected_code"):
        value = data.get(key, "")
        if not isinstance(value, str):
            raise InputError(f"{path}: {key} is not a string")
        texts[key] = value
    return Fixture(
        path=path,
        tool_name=name,
        arguments=arguments,
        labels=labels,
        expected_decision=PolicyDecision(expected) if expected else None,
        **texts,
    )
