"""Measures the guard on this machine, with the user's policy: `egress-guard bench`."""
