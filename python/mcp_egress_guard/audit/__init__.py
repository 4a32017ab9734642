"""The audit trail: writing it, reading it, checking it, handing it on."""
