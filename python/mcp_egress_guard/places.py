"""Names that more than one part of the package must agree on. Imports nothing that takes time."""

from __future__ import annotations

from pathlib import Path

__all__ = ["CONFIG_NAMES", "HMAC_VARIABLE", "find_config"]

CONFIG_NAMES = ("gateway.yaml", "gateway.yml", ".egress-guard.yaml")
# The variable that holds the key of a signed audit log.
HMAC_VARIABLE = "EGRESS_GUARD_HMAC_KEY"


def find_config(folder: Path | None = None) -> Path | None:
    """The first of `CONFIG_NAMES` in the folder (the current one, if none is given)."""
    folder = folder or Path()
    return next((path for name in CONFIG_NAMES if (path := folder / name).is_file()), None)
