"""Runs the installed command in a folder of its own."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable
from pathlib import Path

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def runner(guard: str, folder: Path) -> Run:
    """A function that runs `egress-guard …` in the folder and checks the exit code.

    Nothing that it prints may be a traceback.
    """

    def run(
        *arguments: str | Path, code: int = 0, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [guard, *arguments],
            cwd=folder,
            env=os.environ | {"EGRESS_GUARD_HMAC_KEY": "", "COLUMNS": "200"},
            input=stdin,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            check=False,
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == code, (done.stdout, done.stderr)
        return done

    return run
