"""Each command that a real bash runs is one that the analysis saw, or it said that it cannot see.

`EGRESS_DIFFERENTIAL=5000` makes more scripts, `EGRESS_SEED` others.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from mcp_egress_guard.core import EgressGuard
from tests.differential.compare import unparsable, unseen
from tests.differential.sandbox import Sandbox, UnavailableError
from tests.differential.scripts import FORMS, RUNNERS, WAYS, Maker

COUNT = int(os.environ.get("EGRESS_DIFFERENTIAL", "200"))
SEED = int(os.environ.get("EGRESS_SEED", "1"))
HANDMADE = (Path(__file__).parent / "handmade.txt").read_text().split("\n----\n")[1:]


@pytest.fixture(scope="module")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    try:
        return Sandbox(tmp_path_factory.mktemp("root") / "root")
    except UnavailableError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def engine() -> EgressGuard:
    return EgressGuard()


def missed(sandbox: Sandbox, engine: EgressGuard, scripts: list[str]) -> list[str]:
    """Scripts of which bash ran what the analysis did not see."""
    wrong = []
    ran = 0
    for script, outcome in zip(scripts, sandbox.run(scripts), strict=True):
        ran += len(outcome.ran)
        if lost := unseen(engine, script, outcome.ran):
            wrong.append(f"{lost[:3]} in\n{script}")
    assert ran > len(scripts), "the scripts run too little to show anything"
    return wrong


def test_scripts_by_hand(sandbox: Sandbox, engine: EgressGuard) -> None:
    assert missed(sandbox, engine, HANDMADE) == []


def test_every_way_to_run_a_command(sandbox: Sandbox, engine: EgressGuard) -> None:
    scripts = [Maker(seed).place(seed) for seed in range(len(RUNNERS))]
    assert missed(sandbox, engine, scripts) == []


def test_every_way_to_spell_a_word(sandbox: Sandbox, engine: EgressGuard) -> None:
    scripts = [
        Maker(seed).spelled(seed % len(WAYS), text)
        for text in ("rm", "a b")
        for seed in range(len(WAYS))
    ]
    assert missed(sandbox, engine, scripts) == []


def test_made_scripts(sandbox: Sandbox, engine: EgressGuard) -> None:
    scripts = [Maker(seed).script() for seed in range(SEED, SEED + COUNT)]
    assert missed(sandbox, engine, scripts) == []


def test_what_bash_accepts_is_no_error(sandbox: Sandbox, engine: EgressGuard) -> None:
    scripts = [Maker(seed, plain=True).script() for seed in range(SEED, SEED + COUNT // 2)]
    outcomes = sandbox.run(scripts)
    assert sum(outcome.accepted for outcome in outcomes) > len(scripts) * 0.9
    alarms = [
        script
        for script, outcome in zip(scripts, outcomes, strict=True)
        if outcome.accepted and unparsable(engine, script)
    ]
    assert alarms == []


def test_a_signal_stays_inside(sandbox: Sandbox) -> None:
    # The group that is signalled holds the script and the driver, which does not die of it.
    outcomes = sandbox.run(["rm a; kill 0; rm b", "kill -TERM -1; rm c", "rm d"])
    assert [outcome.ran for outcome in outcomes] == [[["rm", "a"]], [["rm", "c"]], [["rm", "d"]]]


def test_the_comparison_can_fail(sandbox: Sandbox, engine: EgressGuard) -> None:
    [outcome] = sandbox.run(["rm a; mv b"])
    assert outcome.ran == [["rm", "a"], ["mv", "b"]]
    assert unseen(engine, "rm a", outcome.ran) == [["mv", "b"]]
    assert unseen(engine, "rm c; mv b", outcome.ran) == [["rm", "a"]]
    assert unparsable(engine, "echo )")
    assert len(FORMS["places"]) > 100
