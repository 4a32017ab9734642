"""The rule store: what `init` imported from the YAML files, in SQLite. The files stay the truth."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Self

from sqlalchemy import Connection, String, create_engine, delete, insert, select, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from mcp_egress_guard.errors import PolicyError

from .models import PolicyRule

__all__ = ["ImportReport", "RuleStore"]

# The layout of the tables; a store of a later one is not touched.
LAYOUT = 1


class Base(DeclarativeBase):
    """The tables."""


class StoredRule(Base):
    """One imported rule: columns to search by, and the whole as JSON."""

    __tablename__ = "egress_rules"

    id: Mapped[str] = mapped_column(String, primary_key=True)
    position: Mapped[int]
    priority: Mapped[int]
    decision: Mapped[str]
    pack: Mapped[str]
    content_hash: Mapped[str]
    data: Mapped[str]
    imported_at: Mapped[str]


@dataclass(frozen=True)
class ImportReport:
    """What an import did, by rule id."""

    added: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)
    removed: list[str] = field(default_factory=list)
    unchanged: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        return (
            f"{len(self.added)} added, {len(self.changed)} changed, "
            f"{len(self.removed)} removed, {len(self.unchanged)} unchanged"
        )


class RuleStore:
    """The store in one file.

    Raises:
        PolicyError: the file is no store, is of a later version, or cannot be read or written.
    """

    def __init__(self, path: Path, *, create: bool = True) -> None:
        self.path = path
        if not create and not path.is_file():
            raise PolicyError("no such rule store", file=path, hint="egress-guard init makes one")
        if create and not path.exists():
            self._make()
        self._engine = create_engine(f"sqlite:///{path}")
        try:
            with self._engine.begin() as connection:
                self._open(connection, create=create)
        except SQLAlchemyError as error:
            self._engine.dispose()
            raise self._error(error) from None
        except PolicyError:
            self._engine.dispose()
            raise

    def _make(self) -> None:
        # The rules say what is looked for, and what is not: that is for the owner alone.
        try:
            self.path.touch(mode=0o600, exist_ok=True)
        except OSError as error:
            raise PolicyError(f"cannot be made: {error.strerror}", file=self.path) from None

    def _open(self, connection: Connection, *, create: bool) -> None:
        version = connection.execute(text("PRAGMA user_version")).scalar_one()
        if version > LAYOUT:
            raise PolicyError(
                f"was made by a later version (layout {version})",
                file=self.path,
                hint="upgrade mcp-egress-guard, or delete the file and run egress-guard init",
            )
        if version == 0 and not create:
            raise PolicyError(
                "is not a rule store", file=self.path, hint="egress-guard init makes one"
            )
        if version == 0:
            Base.metadata.create_all(connection)
            connection.execute(text(f"PRAGMA user_version = {LAYOUT}"))

    def _error(self, error: SQLAlchemyError) -> PolicyError:
        cause = getattr(error, "orig", None) or error
        return PolicyError(
            f"cannot be used: {cause}",
            file=self.path,
            hint="delete it and run egress-guard init: it is made again from the YAML files",
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Lets go of the file."""
        self._engine.dispose()

    def rules(self) -> list[PolicyRule]:
        """The rules, in the order in which they were imported."""
        query = select(StoredRule.data).order_by(StoredRule.position)
        try:
            with self._engine.connect() as connection:
                rows: Sequence[str] = connection.execute(query).scalars().all()
            return [PolicyRule.model_validate(json.loads(row)) for row in rows]
        except SQLAlchemyError as error:
            raise self._error(error) from None
        except ValueError as error:
            raise PolicyError(
                f"holds a rule that cannot be read: {error}",
                file=self.path,
                hint="egress-guard init imports the YAML files again",
            ) from None

    def replace(self, rules: Iterable[PolicyRule]) -> ImportReport:
        """Makes the store hold these rules and no other, in one transaction."""
        report = ImportReport()
        now = datetime.now(UTC).isoformat(timespec="seconds")
        query = select(StoredRule.id, StoredRule.content_hash, StoredRule.imported_at)
        try:
            with self._engine.begin() as connection:
                known = {row.id: row for row in connection.execute(query)}
                rows = []
                for position, rule in enumerate(rules):
                    data = json.dumps(
                        rule.model_dump(mode="json", exclude_none=True, exclude_defaults=True)
                        | {"decision": str(rule.decision)},
                        ensure_ascii=False,
                    )
                    digest = hashlib.sha256(data.encode(errors="surrogatepass")).hexdigest()
                    old = known.pop(rule.id, None)
                    same = old is not None and old.content_hash == digest
                    (report.unchanged if same else report.changed if old else report.added).append(
                        rule.id
                    )
                    rows.append(
                        {
                            "id": rule.id,
                            "position": position,
                            "priority": rule.priority,
                            "decision": str(rule.decision),
                            "pack": rule.pack,
                            "content_hash": digest,
                            "data": data,
                            "imported_at": old.imported_at if old and same else now,
                        }
                    )
                report.removed.extend(known)
                connection.execute(delete(StoredRule))
                if rows:
                    connection.execute(insert(StoredRule), rows)
        except SQLAlchemyError as error:
            raise self._error(error) from None
        return report
