"""The rule store: imports are whole, repeatable, and say what changed."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest

from mcp_egress_guard.errors import PolicyError
from mcp_egress_guard.policy.builtins import load_builtin_rules
from mcp_egress_guard.policy.models import MatchCondition, PolicyDecision, PolicyRule
from mcp_egress_guard.policy.store import RuleStore


def rule(name: str, priority: int = 100) -> PolicyRule:
    return PolicyRule(
        id=name,
        priority=priority,
        decision=PolicyDecision.DENY,
        conditions=MatchCondition(tool_name_patterns=["x"], not_=MatchCondition(labels={"a": "b"})),
    )


def test_an_import_says_what_it_changed(tmp_path: Path) -> None:
    with RuleStore(tmp_path / "rules.db") as store:
        first = store.replace([rule("a"), rule("b")])
        assert (first.added, first.changed, first.removed) == (["a", "b"], [], [])
        again = store.replace([rule("a"), rule("b")])
        assert (again.added, again.changed, again.unchanged) == ([], [], ["a", "b"])
        other = store.replace([rule("b", 5), rule("c")])
        assert (other.added, other.changed, other.removed) == (["c"], ["b"], ["a"])
    with RuleStore(tmp_path / "rules.db", create=False) as store:
        assert store.rules() == [rule("b", 5), rule("c")]


def test_rules_come_back_as_they_were(tmp_path: Path) -> None:
    with RuleStore(tmp_path / "rules.db") as store:
        store.replace(load_builtin_rules())
        assert store.rules() == load_builtin_rules()


def test_the_file_is_for_the_owner_alone(tmp_path: Path) -> None:
    with RuleStore(tmp_path / "rules.db"):
        pass
    assert stat.S_IMODE((tmp_path / "rules.db").stat().st_mode) == 0o600


def test_a_failed_import_keeps_the_old_rules(tmp_path: Path) -> None:
    with RuleStore(tmp_path / "rules.db") as store:
        store.replace([rule("a")])
        with pytest.raises(PolicyError):
            store.replace([rule("b"), rule("b")])
        assert store.rules() == [rule("a")]


def test_what_is_no_store_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(PolicyError):
        RuleStore(tmp_path / "nosuch.db", create=False)
    with pytest.raises(PolicyError):
        RuleStore(tmp_path / "nosuch" / "rules.db")
    (tmp_path / "text.db").write_text("this is not a database, it is a text\n" * 40)
    with pytest.raises(PolicyError):
        RuleStore(tmp_path / "text.db", create=False)
    with sqlite3.connect(tmp_path / "later.db") as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(PolicyError) as caught:
        RuleStore(tmp_path / "later.db")
    assert "upgrade" in caught.value.hint
