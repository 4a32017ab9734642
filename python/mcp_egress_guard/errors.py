"""What can go wrong, for people: what, where, and how to mend it. Never a part of a call.

EgressGuardError
├── InputError     an option, argument or file of the caller
├── ConfigError    gateway.yaml
├── PolicyError    a policy pack, a detector file or the rule store
├── AuditError     the audit log cannot be written or read
└── ProxyError     the proxy cannot start or go on
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong in a file of the user."""

    message: str
    file: str = ""
    line: int | None = None
    column: int | None = None
    field: str = ""
    hint: str = ""
    severity: Severity = "error"

    @property
    def place(self) -> str:
        """`file:line:column`, as far as it is known."""
        parts = (self.file, self.line, self.column)
        return ":".join(str(part) for part in parts if part not in (None, ""))

    @property
    def text(self) -> str:
        """The whole in one line, without the hint."""
        return ": ".join(part for part in (self.place, self.field, self.message) if part)

    def __str__(self) -> str:
        return f"{self.text}\n  hint: {self.hint}" if self.hint else self.text

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return asdict(self)


class EgressGuardError(Exception):
    """The base of all. `str()` is the whole message; `hint` says how to mend it.

    Where a file has several mistakes, `problems` are all of them, and `str()` has a line for each;
    `file`, `line`, `field` and `hint` are those of the first.
    """

    def __init__(
        self,
        message: str = "",
        *,
        file: Path | str | None = None,
        line: int | None = None,
        field: str = "",
        hint: str = "",
        problems: Sequence[Problem] = (),
    ) -> None:
        given = Problem(message, "" if file is None else str(file), line, None, field, hint)
        self.problems = tuple(problems) or (given,)
        first = self.problems[0]
        super().__init__("\n".join(self._lines()))
        self.message = message or first.message
        self.file = first.file or None
        self.line = first.line
        self.field = first.field
        # A single problem's hint is shown by who shows the error; of several, each has its own.
        self.hint = first.hint

    def _lines(self) -> list[str]:
        if len(self.problems) == 1:
            return [self.problems[0].text]
        return [str(problem) for problem in self.problems]


class InputError(EgressGuardError):
    """An option, argument or file of the caller."""


class ConfigError(EgressGuardError):
    """gateway.yaml cannot be read or is wrong."""


class PolicyError(EgressGuardError, ValueError):
    """A policy pack, a detector file or the rule store cannot be read or is wrong."""


class AuditError(EgressGuardError):
    """The audit log cannot be written or read."""


class ProxyError(EgressGuardError):
    """The proxy cannot start or go on."""
