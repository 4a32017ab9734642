"""`python -m mcp_egress_guard` is the command `egress-guard`."""

from __future__ import annotations

from mcp_egress_guard.cli import main

if __name__ == "__main__":
    main()
