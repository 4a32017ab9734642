"""Transports: they move frames between a client and a server, and judge nothing themselves."""
