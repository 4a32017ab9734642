"""Sends audit events to an OpenTelemetry collector, off the way of the calls.

A call costs one entry in a bounded queue; what does not fit, or what the collector does not take,
is counted as dropped. Needs the extra `mcp-egress-guard[otel]`.
"""

from __future__ import annotations

import logging
import queue
import re
import threading
from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mcp_egress_guard import __version__
from mcp_egress_guard.core import AuditLog
from mcp_egress_guard.errors import AuditError

from .log import RELOAD, Event, parse_line

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace.export import SpanExportResult

__all__ = ["OtelSink", "Tee"]

QUEUE = 10_000
# How long a shutdown waits for a collector, in seconds.
PATIENCE = 2.0
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})")


class Tee:
    """Writes to the log, and offers to OpenTelemetry what is in it."""

    def __init__(self, log: AuditLog, sink: OtelSink) -> None:
        self.log = log
        self.sink = sink

    def append(self, line: bytes, /) -> None:
        """Writes one line.

        Raises:
            OSError: it is not in the log.
        """
        self.log.append(line)
        self.sink.offer(line)


class OtelSink:
    """Takes audit lines and makes spans and metrics of them, in a thread of its own."""

    def __init__(self, endpoint: str, *, queue_size: int = QUEUE, timeout: float = 5.0) -> None:
        """Starts the thread; the collector need not be there.

        Raises:
            AuditError: the extra is not installed, or the endpoint is empty.
        """
        if not endpoint:
            raise AuditError(
                "audit.otel_enabled is on, and audit.otel_endpoint is empty",
                hint="set it to the collector's gRPC endpoint, such as http://127.0.0.1:4317",
            )
        self._waiting: queue.Queue[bytes | None] = queue.Queue(queue_size)
        self._dropped = 0
        self._counting = threading.Lock()
        self._pipeline = _Pipeline(endpoint, timeout, self._drop)
        self._thread = threading.Thread(target=self._work, name="audit-otel", daemon=True)
        self._thread.start()

    @property
    def dropped(self) -> int:
        """Events that did not reach the collector."""
        return self._dropped

    def offer(self, line: bytes) -> None:
        """Takes a line without waiting."""
        try:
            self._waiting.put_nowait(line)
        except queue.Full:
            self._drop(1)

    def close(self) -> None:
        """Sends what waits, for a short time."""
        try:
            self._waiting.put(None, timeout=PATIENCE)
        except queue.Full:
            return
        self._thread.join(PATIENCE)

    def _drop(self, count: int) -> None:
        with self._counting:
            self._dropped += count

    def _work(self) -> None:
        while (line := self._waiting.get()) is not None:
            event = parse_line(line)
            if event is not None:
                self._pipeline.send(event)
        self._pipeline.close()


class _Pipeline:
    """The SDK's part: a tracer and a meter with exporters of their own, nothing global."""

    def __init__(self, endpoint: str, timeout: float, drop: Any) -> None:
        try:
            from opentelemetry.exporter.otlp.proto.grpc.metric_exporter import (  # noqa: PLC0415
                OTLPMetricExporter,
            )
            from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import (  # noqa: PLC0415
                OTLPSpanExporter,
            )
            from opentelemetry.sdk.metrics import MeterProvider  # noqa: PLC0415
            from opentelemetry.sdk.metrics.export import (  # noqa: PLC0415
                PeriodicExportingMetricReader,
            )
            from opentelemetry.sdk.resources import Resource  # noqa: PLC0415
            from opentelemetry.sdk.trace import TracerProvider  # noqa: PLC0415
            from opentelemetry.sdk.trace.export import BatchSpanProcessor  # noqa: PLC0415
        except ImportError as error:
            raise AuditError(
                f"audit.otel_enabled is on, and OpenTelemetry is not installed ({error.name})",
                hint="pip install 'mcp-egress-guard[otel]'",
            ) from None
        # An unreachable collector is counted; on stderr it would bury what a person must see.
        logging.getLogger("opentelemetry").setLevel(logging.CRITICAL)
        insecure = not endpoint.startswith("https://")
        resource = Resource.create(
            {"service.name": "mcp-egress-guard", "service.version": __version__}
        )
        spans = OTLPSpanExporter(endpoint=endpoint, insecure=insecure, timeout=timeout)
        self._tracers = TracerProvider(resource=resource, shutdown_on_exit=False)
        self._tracers.add_span_processor(
            BatchSpanProcessor(_Counting(spans, drop), schedule_delay_millis=1_000)  # type: ignore[arg-type]
        )
        metrics = OTLPMetricExporter(endpoint=endpoint, insecure=insecure, timeout=timeout)
        self._meters = MeterProvider(
            [PeriodicExportingMetricReader(metrics, export_interval_millis=10_000)],
            resource=resource,
            shutdown_on_exit=False,
        )
        self._tracer = self._tracers.get_tracer("mcp_egress_guard", __version__)
        meter = self._meters.get_meter("mcp_egress_guard", __version__)
        self._decisions = meter.create_counter(
            "egress_guard.decisions", "{decision}", "Decisions by tool, rule and outcome."
        )
        self._durations = meter.create_histogram(
            "egress_guard.evaluation.duration", "s", "Time to judge one call."
        )

    def send(self, event: Event) -> None:
        """Makes a span and two measurements of a decision."""
        if event.get("event_type") == RELOAD:
            return
        tool = str(event.get("tool_name") or "")
        decision = str(event.get("decision") or "")
        attributes = {
            "mcp.method.name": str(event.get("method") or ""),
            "gen_ai.tool.name": tool,
            "egress_guard.decision": decision,
            "egress_guard.enforced": str(event.get("enforced") or decision),
            "egress_guard.rule": str(event.get("primary_rule_id") or ""),
            "egress_guard.policy_code": str(event.get("policy_code") or ""),
        }
        elapsed = _number(event.get("evaluation_ms"))
        end = _nanoseconds(event)
        span = self._tracer.start_span(
            f"egress_guard {decision}",
            context=_parent(event),
            start_time=end - round(elapsed * 1e6),
            attributes=attributes
            | {
                "egress_guard.decision_id": str(event.get("decision_id") or ""),
                "egress_guard.request_hash": str(event.get("request_hash") or ""),
                "egress_guard.risk_score": _number(event.get("risk_score")),
                "egress_guard.server": str(event.get("server") or ""),
                "egress_guard.findings": int(_number(event.get("findings"))),
                "session.id": str(event.get("session_id") or ""),
                "deployment.environment.name": str(event.get("environment") or ""),
            },
        )
        span.end(end)
        self._decisions.add(1, attributes)
        self._durations.record(elapsed / 1e3, {"egress_guard.decision": decision})

    def close(self) -> None:
        """Sends what is left."""
        self._tracers.shutdown()
        self._meters.shutdown(timeout_millis=PATIENCE * 1e3)


class _Counting:
    """A span exporter that counts what its inner one does not deliver."""

    def __init__(self, inner: Any, drop: Any) -> None:
        self._inner = inner
        self._drop = drop

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        from opentelemetry.sdk.trace.export import SpanExportResult  # noqa: PLC0415

        result: SpanExportResult = self._inner.export(spans)
        if result is not SpanExportResult.SUCCESS:
            self._drop(len(spans))
        return result

    def shutdown(self) -> None:
        self._inner.shutdown()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return bool(self._inner.force_flush(timeout_millis))


def _parent(event: Event) -> Any:
    """The trace that the call belongs to, if its client said so."""
    from opentelemetry import trace  # noqa: PLC0415

    match = _TRACEPARENT.fullmatch(str(event.get("traceparent") or ""))
    if not match:
        return None
    context = trace.SpanContext(
        trace_id=int(match[1], 16),
        span_id=int(match[2], 16),
        is_remote=True,
        trace_flags=trace.TraceFlags(int(match[3], 16)),
    )
    return trace.set_span_in_context(trace.NonRecordingSpan(context)) if context.is_valid else None


def _number(value: Any) -> float:
    return float(value) if isinstance(value, int | float) else 0.0


def _nanoseconds(event: Event) -> int:
    try:
        moment = datetime.fromisoformat(str(event.get("timestamp")))
    except ValueError:
        return 0
    return round(moment.timestamp() * 1_000) * 1_000_000
