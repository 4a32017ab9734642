"""Clients that break HTTP: each is answered or cut off, and the server hears nothing of it."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.e2e.http_peers import Guarded, Server, Wire, call, guarded, post

HEAD = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(PING), PING)


@pytest.mark.parametrize(
    ("rest", "body"),
    [
        (b"Content-Length: 40\r\nTransfer-Encoding: chunked\r\n", CHUNKED),
        (b"Transfer-Encoding: chunked\r\nContent-Length: 40\r\n", CHUNKED),
        (b"Content-Length: 40\r\nContent-Length: 41\r\n", PING),
        (b"Content-Length: 40\r\nContent-Length: 40\r\n", PING),
        (b"Content-Length: 40, 40\r\n", PING),
        (b"Content-Length: +40\r\n", PING),
        (b"Content-Length: 0x28\r\n", PING),
        (b"Transfer-Encoding: gzip, chunked\r\n", CHUNKED),
        (b"Transfer-Encoding: identity\r\nContent-Length: 40\r\n", PING),
        (b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n", CHUNKED),
        (b"Transfer-Encoding: xchunked\r\n", CHUNKED),
        (b"Transfer-Encoding:\x0bchunked\r\n", CHUNKED),
        (b"Transfer-Encoding : chunked\r\n", CHUNKED),
        (b" Transfer-Encoding: chunked\r\n", CHUNKED),
        (b"X: y\n Transfer-Encoding: chunked\r\n", CHUNKED),
        (b"X: y\nContent-Length: 40\n", PING),
        (b"X: a\rContent-Length: 40\r\n", PING),
        (b"X: a\x00b\r\nContent-Length: 40\r\n", PING),
        (b"X\xff: a\r\nContent-Length: 40\r\n", PING),
        (b"Host: other\r\nContent-Length: 40\r\n", PING),
    ],
)
def test_a_head_that_parsers_read_differently_is_refused(
    http: Guarded, server: Server, rest: bytes, body: bytes
) -> None:
    with Wire(http.port) as wire:
        wire.send(HEAD + rest + b"\r\n" + body)
        reply = wire.reply()
        assert reply.status == 400
        assert reply.message["error"]["code"] == -32600
        assert wire.is_closed()
    assert server.seen == []


@pytest.mark.parametrize(
    "head",
    [
        b"POST /mcp HTTP/1.1\r\nContent-Type: application/json\r\nContent-Length: 40\r\n\r\n",
        b"POST /mcp HTTP/1.1 \r\nHost: localhost\r\n\r\n",
        b"POST  /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"POST /mcp\r\n\r\n",
        b"POST /mcp HTTP/3.0\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        b"POST /mcp HTTP/1.0\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST /mcp HTTP/1.1\nHost: localhost\nContent-Length: 0\n\n",
    ],
)
def test_a_broken_head_is_refused(http: Guarded, server: Server, head: bytes) -> None:
    with Wire(http.port) as wire:
        wire.send(head)
        assert wire.reply().status == 400
        assert wire.is_closed()
    assert server.seen == []


def test_a_hidden_second_request_is_not_found(http: Guarded, server: Server) -> None:
    inner = post(call(2, tool="inner"))
    with Wire(http.port) as wire:
        wire.send(
            HEAD + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n" + inner
        )
        assert wire.reply().status == 400
        assert wire.is_closed()
    assert server.seen == []


def test_pipelined_requests_are_answered_in_order(http: Guarded, server: Server) -> None:
    with Wire(http.port) as wire:
        wire.send(b"".join(post(call(n)) for n in range(10)))
        assert [wire.reply().message["id"] for _ in range(10)] == list(range(10))


def test_a_bad_request_behind_a_good_one_is_refused(http: Guarded, server: Server) -> None:
    with Wire(http.port) as wire:
        wire.send(post(call(1)))
        assert wire.reply().status == 200
        wire.send(HEAD + b"Content-Length: 1\nContent-Length: 2\r\n\r\n")
        assert wire.reply().status == 400
        assert wire.is_closed()
    assert len(server.seen) == 1


def test_a_flood_of_headers_is_refused(http: Guarded, server: Server) -> None:
    for flood in (b"A: b\r\n" * 1_000, b"A: " + b"b" * 100_000 + b"\r\n"):
        reply = http.ask(HEAD + flood + b"Content-Length: 40\r\n\r\n" + PING)
        assert reply.status == 431
        assert reply.message["error"]["code"] == -32600
    with Wire(http.port) as wire:
        wire.send(HEAD)
        # It may be cut off at any of these.
        try:
            for _ in range(300):
                wire.send(b"A: " + b"b" * 1_000 + b"\r\n")
        except OSError:
            pass
        else:
            assert wire.reply().status == 431
    assert server.seen == []


def test_a_slow_head_is_cut_off(http_small: Guarded, server: Server) -> None:
    with Wire(http_small.port) as wire:
        start = time.monotonic()
        wire.send(b"POST /mcp HTTP/1.1\r\n")
        while time.monotonic() < start + 0.7:
            wire.send(b"A")
            time.sleep(0.1)
        assert wire.reply().status == 408
        assert wire.is_closed()
    assert server.seen == []


def test_a_body_that_stops_is_cut_off(http_small: Guarded, server: Server) -> None:
    with Wire(http_small.port) as wire:
        wire.send(post(call())[:-5])
        reply = wire.reply()
        assert (reply.status, reply.message["error"]["code"]) == (408, -32600)
        assert wire.is_closed()
    assert server.seen == []


def test_a_body_that_never_ends_is_cut_off(http_small: Guarded, server: Server) -> None:
    with Wire(http_small.port) as wire:
        wire.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n")
        for _ in range(40):
            wire.send(b"10000\r\n" + b" " * 65_536 + b"\r\n")
        assert wire.reply().status == 413
    assert server.seen == []


def test_a_torn_body_is_not_forwarded(http: Guarded, server: Server) -> None:
    with Wire(http.port) as wire:
        wire.send(post(call())[:-5])
    with Wire(http.port) as wire:
        wire.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n%b\r\n" % (len(PING), PING))
    assert http.ask(post(call(7))).message["id"] == 7
    assert [seen.message["id"] for seen in server.seen] == [7]


def test_an_unused_connection_is_closed(http_small: Guarded) -> None:
    with Wire(http_small.port) as wire:
        assert wire.is_closed()
    with Wire(http_small.port) as wire:
        wire.send(post(call()))
        assert wire.reply().status == 200
        assert wire.is_closed()


def test_the_guard_lives_on_under_garbage(http: Guarded, server: Server) -> None:
    for data in (b"\x00" * 70_000, b"\n" * 200_000, b"GET " + b"a" * 100_000, b"\xff\xfe"):
        with Wire(http.port) as wire:
            try:
                wire.send(data)
            except OSError:
                continue
    assert http.ask(post(call(7))).message["id"] == 7


def test_too_many_requests_are_told_to_come_back(http_small: Guarded, server: Server) -> None:
    server.behaviour = lambda _, peer: (peer.stream(), peer.is_gone())[0]
    wires = [Wire(http_small.port) for _ in range(4)]
    for wire in wires:
        wire.send(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.head().status == 200
    reply = http_small.ask(post(call()))
    assert (reply.status, reply.get("retry-after")) == (503, "1")
    for wire in wires:
        wire.close()


def test_large_bodies_share_a_bound(server: Server, guard: str, tmp_path: Path) -> None:
    proxy = {"downstream_url": server.url, "max_message_bytes": 1 << 20}
    with guarded(guard, tmp_path, proxy) as http:
        wires = [Wire(http.port) for _ in range(12)]
        for wire in wires:
            wire.send(HEAD + b"Content-Length: 1000000\r\n\r\n" + b" " * 900_000)
        refused = [wire for wire in wires if not wire.is_silent(2)]
        assert 0 < len(refused) < len(wires)
        assert {wire.reply().status for wire in refused} == {503}
        for wire in wires:
            wire.close()
        # What was kept is given back.
        assert http.ask(post(call(7, text="x" * 500_000))).message["id"] == 7
    assert len(server.seen) == 1
