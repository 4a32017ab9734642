"""What can go wrong, for people: what, where, and how to mend it. Never a part of a call.

EgressGuardError
├── InputError     an option, argument or file of the caller
├── ConfigError    gateway.yaml
├── PolicyError    a policy pack, a detector file or the rule store
├── AuditError     the audit log cannot be written or read
└── ProxyError     the proxy cannot start or go on
"""

from __future__ import annotations

from pathlib import Path


class EgressGuardError(Exception):
    """The base of all. `str()` is the whole message; `hint` says how to mend it."""

    def __init__(
        self,
        message: str,
        *,
        file: Path | str | None = None,
        line: int | None = None,
        hint: str = "",
    ) -> None:
        place = "" if file is None else f"{file}:{line}: " if line else f"{file}: "
        super().__init__(place + message)
        self.message = message
        self.file = file
        self.line = line
        self.hint = hint


class InputError(EgressGuardError):
    """An option, argument or file of the caller."""


class ConfigError(EgressGuardError):
    """gateway.yaml cannot be read or is wrong."""


class PolicyError(EgressGuardError):
    """A policy pack, a detector file or the rule store cannot be read or is wrong."""


class AuditError(EgressGuardError):
    """The audit log cannot be written or read."""


class ProxyError(EgressGuardError):
    """The proxy cannot start or go on."""
