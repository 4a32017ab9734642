"""What the start of a proxy decides before any message."""

from __future__ import annotations

import errno
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mcp_egress_guard import core
from mcp_egress_guard.config import load_config, parse_config
from mcp_egress_guard.proxy import reload
from mcp_egress_guard.proxy.launch import appender, follow


class FullDisk:
    """A log that takes nothing."""

    def append(self, line: bytes, /) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_a_line_that_cannot_be_written_refuses_the_call_unless_told_otherwise(
    capsys: pytest.CaptureFixture[str],
) -> None:
    for config in (None, parse_config("audit: {on_failure: refuse}")):
        with pytest.raises(OSError, match="No space"):
            appender(FullDisk(), config)(b"{}")

    appender(FullDisk(), parse_config("audit: {on_failure: continue}"))(b"{}")
    assert "not in the audit log" in capsys.readouterr().err


class Kept:
    """A log in memory."""

    def __init__(self) -> None:
        self.events: list[dict[str, Any]] = []

    def append(self, line: bytes, /) -> None:
        self.events.append(json.loads(line))


def test_every_reload_of_the_rules_is_on_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    changes: list[Callable[[], None]] = []
    monkeypatch.setattr(reload, "watch", lambda config, changed: changes.append(changed))
    (tmp_path / "gateway.yaml").write_text("environment: production\n")
    pack = tmp_path / "policies/a.yaml"
    pack.parent.mkdir()
    pack.write_text("rules: [{id: a, decision: DENY, conditions: {tool_name_patterns: [x]}}]\n")
    path = tmp_path / "gateway.yaml"
    guard, first, config = reload.read(path)
    session, log = core.Session(guard, nonce="n"), Kept()
    follow(session, config, path, log, first)
    (changed,) = changes

    pack.write_text(pack.read_text().replace("[x]", "[y]"))
    changed()
    second = reload.read(path)[1]
    pack.write_text("rules: [\x1b[31m\n")
    changed()
    seen = [(e["outcome"], e["previous_policy_hash"], e["policy_hash"]) for e in log.events]
    assert seen == [("reloaded", first, second), ("failed", second, second)]
    assert {e["event_type"] for e in log.events} == {"policy_reload"}
    assert str(pack) in log.events[1]["reason"]
    assert log.events[1]["reason"].isprintable()
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "y"}}
    line = session.receive(0, json.dumps(call).encode(), 1)[0][1]
    assert (json.loads(line)["decision"], load_config(path).environment) == ("DENY", "production")

    follow(session, config, path, FullDisk(), second)
    changes[1]()
    assert "a reload is not in the audit log" in capsys.readouterr().err
