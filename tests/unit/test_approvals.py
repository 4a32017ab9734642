"""The store of calls that wait for approval, and its commands."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mcp_egress_guard import approvals
from mcp_egress_guard.approvals import ApprovalError, ApprovalStore
from tests.unit.cli_run import runner


def call(key: str = "k", **more: Any) -> str:
    values = {
        "key": key,
        "tool": "deploy",
        "server": "files",
        "session": "s1",
        "rule_id": "ask",
        "reason": "Ask first.",
        "findings": ["aws_access_key at /params/arguments/a"],
        "arguments": '{"a": "\x1b[2J"}',
    }
    return json.dumps(values | more)


@pytest.fixture
def db(tmp_path: Path) -> Path:
    return tmp_path / "egress_guard.db"


def test_an_approval_is_used_once(db: Path) -> None:
    store, other = ApprovalStore(db), ApprovalStore(db)
    state, name = store.look_up(call())
    assert (state, other.look_up(call())) == ("waiting", ("waiting", name))
    assert other.decide(name, approve=True).state == "approved"
    assert store.look_up(call("other"))[0] == "waiting"
    assert other.look_up(call()) == ("approved", name)
    state, new = store.look_up(call())
    assert (state, new != name) == ("waiting", True)
    with pytest.raises(ApprovalError, match="does not wait any more: it is used"):
        store.decide(name, approve=True)


def test_time_runs_out(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr(approvals.time, "time", lambda: now)
    store = ApprovalStore(db, seconds=10)
    _, first = store.look_up(call())
    now += 11
    with pytest.raises(ApprovalError, match="it is expired"):
        store.decide(first, approve=True)
    _, second = store.look_up(call())
    assert second != first
    store.decide(second, approve=True)
    now += 11
    assert store.look_up(call())[0] == "waiting"
    assert [one.state for one in store.all(every=True)] == ["expired", "expired", "waiting"]
    now += approvals.KEPT_SECONDS + 60
    store.look_up(call("later"))
    assert len(store.all(every=True)) == 1


def test_a_flood_is_not_kept(db: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(approvals, "MOST_WAITING", 3)
    store = ApprovalStore(db)
    states = [store.look_up(call(str(n)))[0] for n in range(5)]
    assert states == ["waiting"] * 3 + ["unavailable"] * 2


def test_the_commands(guard: str, db: Path) -> None:
    run = runner(guard, db.parent)
    assert "no such store" in run("approvals", "list", code=2).stderr
    store = ApprovalStore(db)
    first, second = (store.look_up(call(key))[1] for key in "ab")
    shown = run("approvals", "list").stdout
    assert first in shown
    assert "\x1b" not in shown
    done = run("approvals", "approve", first)
    assert done.stdout == f"✓ {first}: deploy may be called once\n"
    assert run("approvals", "deny", second).stdout == f"✓ {second}: deploy stays blocked\n"
    listed = json.loads(run("approvals", "list", "--all", "--json").stdout)
    assert [one["state"] for one in listed] == ["approved", "declined"]
    assert "key" not in listed[0]
    unknown = run("approvals", "approve", "ap-1\x1b[2J", code=2).stderr
    assert "\x1b" not in unknown
    assert "no call with the id" in unknown
    db.write_bytes(b"x" * 4096)
    assert "cannot be used" in run("approvals", "list", code=2).stderr
