"""Events as a Parquet file, for whoever asks questions of many of them at once.

Columns are the fields that are one value each; lists and objects are JSON text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

import orjson

from mcp_egress_guard.errors import InputError

from .log import Event

if TYPE_CHECKING:
    from arro3.core import RecordBatch

__all__ = ["write"]

ROWS = 10_000
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def write(file: BinaryIO, events: Iterable[Event]) -> int:
    """Writes the events, and says how many they were; ten thousand are in memory at a time.

    Raises:
        InputError: the extra `parquet` is not installed.
    """
    try:
        from arro3.core import (  # noqa: PLC0415  (an extra)
            Array,
            DataType,
            Field,
            RecordBatch,
            RecordBatchReader,
            Schema,
        )
        from arro3.io import write_parquet  # noqa: PLC0415  (an extra)
    except ImportError as error:
        raise InputError(
            f"Parquet needs what is not installed ({error.name})",
            hint="pip install 'mcp-egress-guard[parquet]'",
        ) from None

    moment = DataType.timestamp("ms", tz="UTC")
    columns: dict[str, tuple[Any, Any, Callable[[Any], Any]]] = {
        "timestamp": (DataType.int64(), moment, _milliseconds)
    }
    for names, kind, value in (
        (TEXTS, DataType.utf8(), _text),
        (NUMBERS, DataType.float64(), _number),
        (COUNTS, DataType.int64(), _count),
        (FLAGS, DataType.bool(), _flag),
        (OBJECTS, DataType.utf8(), _json),
    ):
        columns |= dict.fromkeys(names, (kind, kind, value))
    schema = Schema([Field(name, kind, nullable=True) for name, (_, kind, _) in columns.items()])
    count = 0

    def batches() -> Iterator[RecordBatch]:
        nonlocal count
        rest = iter(events)
        while rows := list(islice(rest, ROWS)):
            count += len(rows)
            arrays = []
            for name, (given, kind, value) in columns.items():
                array = Array([value(row.get(name)) for row in rows], type=given)
                arrays.append(array if given == kind else array.cast(kind))
            yield RecordBatch.from_arrays(arrays, schema=schema)

    write_parquet(RecordBatchReader.from_batches(schema, batches()), file, compression="zstd(3)")
    return count


TEXTS = (
    *("event_type", "decision_id", "request_hash", "tool_name", "decision", "enforced"),
    *("primary_rule_id", "policy_code", "reason", "session_id", "environment", "server"),
    *("request_id", "method", "direction", "traceparent", "policy_hash", "version"),
)
NUMBERS = ("risk_score", "evaluation_ms")
COUNTS = ("redactions", "findings", "seq")
FLAGS = ("shadow_mode",)
OBJECTS = (
    *("matched_rule_ids", "findings_summary", "redaction_actions", "destination_metadata"),
    *("labels", "simulated", "approval", "call"),
)


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def _number(value: Any) -> float | None:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number else None


def _count(value: Any) -> int | None:
    is_count = isinstance(value, int) and not isinstance(value, bool)
    return value if is_count and abs(value) < 1 << 63 else None


def _flag(value: Any) -> bool | None:
    return value if isinstance(value, bool) else None


def _json(value: Any) -> str | None:
    return None if value is None else orjson.dumps(value).decode()


def _milliseconds(value: Any) -> int | None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError:
        return None
    return (moment - EPOCH) // timedelta(milliseconds=1) if moment.tzinfo else None
