"""What the start of a proxy decides before any message."""

from __future__ import annotations

import errno

import pytest

from mcp_egress_guard.config import parse_config
from mcp_egress_guard.proxy.launch import appender


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
