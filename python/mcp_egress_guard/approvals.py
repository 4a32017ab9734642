"""Calls that wait for a person's approval, in a table of the rule store (SQLite).

What is kept of a call is masked. An approval is for the same call to the same server in the same
session under the same rules, once, and only until it expires.
"""

from __future__ import annotations

import getpass
import json
import secrets
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, String, create_engine, delete, func, insert, select, update
from sqlalchemy.engine import Row
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mcp_egress_guard.errors import EgressGuardError

__all__ = ["Approval", "ApprovalError", "ApprovalStore"]

# Beyond this many waiting calls no further one is kept: it is blocked all the same.
MOST_WAITING = 1_000
# Decided and expired calls are shown this long.
KEPT_SECONDS = 7 * 24 * 3600


class ApprovalError(EgressGuardError):
    """The store cannot be used, or holds no such call."""


class Base(DeclarativeBase):
    """The table."""


class StoredApproval(Base):
    """One call that waits, or waited."""

    __tablename__ = "egress_approvals"

    id: Mapped[str] = mapped_column(String, primary_key=True)
    key: Mapped[str] = mapped_column(index=True)
    state: Mapped[str]
    tool: Mapped[str]
    server: Mapped[str]
    session: Mapped[str]
    rule_id: Mapped[str]
    reason: Mapped[str]
    findings: Mapped[str]
    arguments: Mapped[str]
    created_at: Mapped[float]
    expires_at: Mapped[float]
    decided_by: Mapped[str]


@dataclass(frozen=True)
class Approval:
    """A call as a person sees it."""

    id: str
    # waiting, approved, used, declined or expired
    state: str
    tool: str
    server: str
    session: str
    rule_id: str
    reason: str
    findings: list[str]
    arguments: str
    created_at: float
    expires_at: float
    decided_by: str


class ApprovalStore:
    """The store in one file; several guards and the command line may use it at a time.

    `seconds` is how long a call waits, and how long an approval holds.

    Raises:
        ApprovalError: the file cannot be used.
    """

    def __init__(self, path: Path, *, seconds: int = 300, create: bool = True) -> None:
        self.path = path
        self.seconds = seconds
        if not create and not path.is_file():
            raise ApprovalError(
                "no such store",
                file=path,
                hint="it is made by the first call that waits, with approvals: store",
            )
        try:
            # What calls carry is for the owner alone.
            path.touch(mode=0o600, exist_ok=True)
        except OSError as error:
            raise ApprovalError(f"cannot be made: {error.strerror}", file=path) from None
        # A call does not wait long for a store that another process keeps to itself.
        self._engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": 1.0})
        try:
            Base.metadata.create_all(self._engine)
        except SQLAlchemyError as error:
            self._engine.dispose()
            raise self._error(error) from None

    def close(self) -> None:
        """Lets go of the file."""
        self._engine.dispose()

    def look_up(self, call: str) -> tuple[str, str]:
        """What is decided about a call, and its id; an approval is used up, a new call is kept.

        `call` is a JSON object with `key`, `tool`, `server`, `session`, `rule_id`, `reason`,
        `findings` and masked `arguments`.
        """
        values = json.loads(call)
        values["findings"] = json.dumps(values["findings"])
        now = time.time()
        table = StoredApproval
        try:
            with self._engine.begin() as connection:
                # The lock comes first: of two same calls one finds the approval.
                connection.execute(
                    delete(table).where(table.expires_at < now - KEPT_SECONDS),
                )
                open_states = table.state.in_(["waiting", "approved", "declined"])
                found = connection.execute(
                    select(table.id, table.state).where(
                        table.key == values["key"], open_states, table.expires_at >= now
                    )
                ).first()
                if found is None:
                    return self._keep(connection, values, now)
                if found.state == "approved":
                    connection.execute(
                        update(table).where(table.id == found.id).values(state="used")
                    )
                return found.state, found.id
        except SQLAlchemyError:
            return "unavailable", ""

    def _keep(self, connection: Connection, values: dict[str, str], now: float) -> tuple[str, str]:
        table = StoredApproval
        waiting = connection.execute(
            select(func.count()).where(table.state == "waiting", table.expires_at >= now)
        ).scalar_one()
        if waiting >= MOST_WAITING:
            return "unavailable", ""
        new = f"ap-{secrets.token_hex(6)}"
        row = values | {
            "id": new,
            "state": "waiting",
            "created_at": now,
            "expires_at": now + self.seconds,
            "decided_by": "",
        }
        connection.execute(insert(table).values(row))
        return "waiting", new

    def all(self, *, every: bool = False) -> list[Approval]:
        """The calls that wait, oldest first; with `every`, the decided and expired ones as well."""
        table = StoredApproval
        query = select(table).order_by(table.created_at)
        now = time.time()
        if not every:
            query = query.where(table.state == "waiting", table.expires_at >= now)
        try:
            with self._engine.connect() as connection:
                rows = connection.execute(query).all()
        except SQLAlchemyError as error:
            raise self._error(error) from None
        return [self._approval(row, now) for row in rows]

    @staticmethod
    def _approval(row: Row[Any], now: float) -> Approval:
        values = dict(row._mapping)
        del values["key"]
        values["findings"] = json.loads(values["findings"])
        if values["state"] in {"waiting", "approved"} and values["expires_at"] < now:
            values["state"] = "expired"
        return Approval(**values)

    def decide(self, wanted: str, *, approve: bool) -> Approval:
        """Approves or declines the call of this id; it must be waiting.

        Raises:
            ApprovalError: there is no such call, or it waits no more.
        """
        table = StoredApproval
        now = time.time()
        decided = (
            update(table)
            .where(table.id == wanted, table.state == "waiting", table.expires_at >= now)
            .values(
                state="approved" if approve else "declined",
                expires_at=now + self.seconds,
                decided_by=getpass.getuser(),
            )
        )
        try:
            with self._engine.begin() as connection:
                done = connection.execute(decided).rowcount
                row = connection.execute(select(table).where(table.id == wanted)).first()
        except SQLAlchemyError as error:
            raise self._error(error) from None
        if row is None:
            raise ApprovalError(
                f"no call with the id {wanted}",
                file=self.path,
                hint="egress-guard approvals list shows those that wait",
            )
        approval = self._approval(row, now)
        if not done:
            raise ApprovalError(
                f"the call {wanted} does not wait any more: it is {approval.state}",
                file=self.path,
                hint="let the agent call again: that makes a new request",
            )
        return approval

    def _error(self, error: SQLAlchemyError) -> ApprovalError:
        cause = getattr(error, "orig", None) or error
        return ApprovalError(f"cannot be used: {cause}", file=self.path)
