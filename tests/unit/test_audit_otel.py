"""OpenTelemetry: what a real OTLP receiver gets, and what an absent one costs."""

from __future__ import annotations

import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

from mcp_egress_guard.audit import log, otel
from mcp_egress_guard.config import load_config
from mcp_egress_guard.errors import AuditError
from mcp_egress_guard.proxy import reload
from tests.otlp import Receiver, attributes
from tests.unit.audit_events import denial, event

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    yield receiver
    receiver.server.stop(None)


def absent() -> str:
    """An endpoint that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return f"http://127.0.0.1:{free.getsockname()[1]}"


def test_every_decision_is_a_span_in_the_trace_of_its_call(receiver: Receiver) -> None:
    sink = otel.OtelSink(receiver.endpoint)
    traced = denial(1, traceparent=f"00-{TRACE}-{PARENT}-01", evaluation_ms=1.5)
    for one in (traced, event(2), event(3, traceparent="00-" + "0" * 32 + "-" + "0" * 16 + "-01")):
        sink.offer(orjson.dumps(one))
    sink.close()
    assert sink.dropped == 0
    first, second, third = sorted(receiver.spans, key=lambda span: span.start_time_unix_nano)
    assert (first.trace_id.hex(), first.parent_span_id.hex()) == (TRACE, PARENT)
    assert first.name == "egress_guard DENY"
    assert first.end_time_unix_nano == 1_773_010_801_123_000_000
    assert first.end_time_unix_nano - first.start_time_unix_nano == 1_500_000
    seen = attributes(first)
    assert seen["gen_ai.tool.name"] == "shell_exec"
    assert seen["egress_guard.rule"] == "destructive-deny-rm-rf"
    assert seen["egress_guard.risk_score"] == 0.95
    for span in (second, third):
        assert span.parent_span_id == b""


def test_a_reload_of_the_rules_is_no_decision(receiver: Receiver) -> None:
    sink = otel.OtelSink(receiver.endpoint)
    sink.offer(reload.event("a", "b"))
    sink.offer(orjson.dumps(event(1)))
    sink.close()
    assert len(receiver.spans) == 1


def test_decisions_are_counted_and_timed(receiver: Receiver) -> None:
    sink = otel.OtelSink(receiver.endpoint)
    for number in range(5):
        sink.offer(orjson.dumps(event(number)))
    sink.offer(orjson.dumps(denial(5)))
    sink.close()
    counts = {
        attributes(point)["egress_guard.decision"]: point.as_int
        for point in receiver.points["egress_guard.decisions"]
    }
    assert counts == {"ALLOW": 5, "DENY": 1}
    times = receiver.points["egress_guard.evaluation.duration"]
    assert sum(point.count for point in times) == 6


def test_an_absent_collector_drops_events_and_counts_them(
    capfd: pytest.CaptureFixture[str],
) -> None:
    sink = otel.OtelSink(absent(), timeout=0.2)
    for number in range(20):
        sink.offer(orjson.dumps(event(number)))
    sink.close()
    assert sink.dropped == 20
    assert capfd.readouterr().err == ""


def test_a_full_queue_drops_without_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    held = threading.Event()
    monkeypatch.setattr(otel._Pipeline, "send", lambda self, one: held.wait())
    sink = otel.OtelSink(absent(), queue_size=3)
    for number in range(10):
        sink.offer(orjson.dumps(event(number)))
    # One may already be held by the thread.
    assert sink.dropped in (6, 7)
    held.set()


def test_the_log_is_written_first_and_always(tmp_path: Path, receiver: Receiver) -> None:
    path = tmp_path / "audit.jsonl"
    sink = otel.OtelSink(receiver.endpoint)
    tee = otel.Tee(log.open_file(path), sink)
    tee.append(orjson.dumps(event(1)))
    full = otel.Tee(log.open_file(Path("/dev/full")), sink)
    with pytest.raises(OSError):
        full.append(orjson.dumps(event(2)))
    sink.close()
    assert list(log.read_events(path)) == [event(1)]
    assert len(receiver.spans) == 1


def config(tmp_path: Path, text: str) -> Any:
    (tmp_path / "gateway.yaml").write_text(text)
    return load_config(tmp_path / "gateway.yaml")


def test_the_configuration_switches_it_on(tmp_path: Path, receiver: Receiver) -> None:
    settings = f"audit: {{otel_enabled: true, otel_endpoint: '{receiver.endpoint}'}}"
    appender = log.open_log(config(tmp_path, settings))
    assert isinstance(appender, otel.Tee)
    appender.append(orjson.dumps(event(1)))
    appender.sink.close()
    assert len(receiver.spans) == 1
    assert (tmp_path / "egress_audit.jsonl").exists()


def test_switched_on_without_endpoint_or_package_is_an_error_at_the_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(AuditError):
        log.open_log(config(tmp_path, "audit: {otel_enabled: true}"))
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    settings = "audit: {otel_enabled: true, otel_endpoint: 'http://127.0.0.1:4317'}"
    with pytest.raises(AuditError) as caught:
        log.open_log(config(tmp_path, settings))
    assert "[otel]" in caught.value.hint
