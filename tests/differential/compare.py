"""Whether the analysis saw what bash ran."""

from __future__ import annotations

import re
from typing import Any

from mcp_egress_guard.core import EgressGuard

HOLE = "\ufffc"  # stands for what cannot be known before it runs
# Findings that say: what runs here cannot be told. Each stops a call, so nothing more need be seen.
OWN = re.compile(
    r"engine\.|command\.[a-z-]+\.(unknown-program|unknown-code|stream-to-shell|decoded-to-shell"
    r"|download-to-shell|unparsable|too-deep|fork-bomb|preload)"
)


class Analysis:
    """What the analysis says would run."""

    def __init__(self, guard: EgressGuard, script: str) -> None:
        tree: dict[str, Any] = guard.outline(script)
        found = [f for part in (tree, *tree["steps"]) for f in part["findings"]]
        self.findings = {f["detector_id"] for f in found}
        self.commands: list[list[str]] = [
            s["argv"] for s in tree["steps"] if s["kind"] == "command"
        ]
        self._patterns = [_pattern(argv) for argv in self.commands if argv]

    def unsure(self) -> bool:
        """It said itself that it does not see everything."""
        return any(OWN.match(name) for name in self.findings)

    def saw(self, argv: list[str]) -> bool:
        """The command is among those that would run."""
        line = "\0".join(argv)
        return any(pattern.fullmatch(line) for pattern in self._patterns)


def _pattern(argv: list[str]) -> re.Pattern[str]:
    """What an argument vector with holes may become; a hole may be any number of arguments."""
    first = argv[0].rsplit("/", 1)[-1]
    program = re.sub(r"\\\*|\\\?|\\\[.*?\\\]", "[^\0]*", re.escape(first)).replace(HOLE, ".*")
    words = ["\0" + program, *(_word(word) for word in argv[1:])]
    return re.compile("(?s)" + "".join(words).removeprefix("\0"))


def _word(word: str) -> str:
    if word == HOLE or word.startswith("/dev/fd/"):
        return "(?:\0[^\0]*)*"
    known = "\0" + ".*".join(re.escape(piece) for piece in word.split(HOLE))
    # A pattern becomes the names that it fits, as many as there are.
    return f"(?:{known}|(?:\0[^\0]*)*)" if any(c in word for c in "*?[") else known


def unseen(guard: EgressGuard, script: str, ran: list[list[str]]) -> list[list[str]]:
    """What bash ran and the analysis neither saw nor owned up to."""
    analysis = Analysis(guard, script)
    if analysis.unsure():
        return []
    return [argv for argv in ran if not analysis.saw(argv)]


def unparsable(guard: EgressGuard, script: str) -> bool:
    """The analysis says that bash would refuse the text."""
    return "command.engine-shell.unparsable" in Analysis(guard, script).findings
