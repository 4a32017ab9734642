"""What every test may ask for: the installed command, never an import path into the source tree."""

from __future__ import annotations

import os
import sysconfig
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def root() -> Path:
    """The repository."""
    return ROOT


@pytest.fixture(scope="session")
def guard() -> str:
    """The command that was installed next to this interpreter, or that `EGRESS_GUARD` names."""
    installed = Path(sysconfig.get_path("scripts")) / "egress-guard"
    command = Path(os.environ.get("EGRESS_GUARD", installed))
    assert command.exists(), f"{command} is missing: run `make install`"
    return str(command)
