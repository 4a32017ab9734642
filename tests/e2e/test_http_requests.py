"""What passes the HTTP gateway, and who is let in."""

from __future__ import annotations

import pytest

from tests.e2e.http_peers import Guarded, Peer, Seen, Server, Wire, call, echo, post


def test_a_call_passes_byte_for_byte(http: Guarded, server: Server) -> None:
    body = (
        b' {"jsonrpc":"2.0","id":12345678901234567890123,"method":"tools/call",\r\n'
        b' "params":{"name":"ls","arguments":{"n":1.0,"e":"\\u00e9"}}}\n'
    )
    answer = b'{"jsonrpc": "2.0", "id":12345678901234567890123, "result":{"x":1e2}} '
    server.behaviour = lambda _, peer: peer.answer(answer)
    reply = http.ask(post(body))
    assert (reply.status, reply.body) == (200, answer)
    assert server.seen[0].body == body


def test_headers_pass_both_ways(http: Guarded, server: Server) -> None:
    server.behaviour = lambda _, peer: peer.answer(
        '{"jsonrpc":"2.0","id":1,"result":{}}',
        headers=(
            ("Set-Cookie", "a=1"),
            ("Set-Cookie", "b=2"),
            ("Mcp-Session-Id", "s-1"),
            ("Retry-After", "7"),
            ("X-Vendor", "x"),
            ("Keep-Alive", "timeout=5"),
            ("Connection", "X-Hop"),
            ("X-Hop", "1"),
        ),
    )
    reply = http.ask(
        post(
            call(),
            ("Authorization", "Bearer abc"),
            ("Mcp-Session-Id", "s-0"),
            ("MCP-Protocol-Version", "2025-11-25"),
            ("Last-Event-ID", "e7"),
            ("Traceparent", "00-1-2-01"),
            ("X-Two", "1"),
            ("X-Two", "2"),
            ("Connection", "keep-alive, X-Private"),
            ("X-Private", "1"),
            ("TE", "trailers"),
            ("Accept-Encoding", "gzip, br"),
        )
    )
    (seen,) = server.seen
    assert reply.all("set-cookie") == ["a=1", "b=2"]
    assert [reply.get(name) for name in ("mcp-session-id", "retry-after", "x-vendor")] == [
        *("s-1", "7", "x")
    ]
    assert [reply.all(name) for name in ("keep-alive", "x-hop")] == [[], []]
    assert seen.get("authorization") == "Bearer abc"
    assert seen.get("mcp-session-id") == "s-0"
    assert seen.get("mcp-protocol-version") == "2025-11-25"
    assert seen.get("last-event-id") == "e7"
    assert seen.get("traceparent") == "00-1-2-01"
    assert seen.all("x-two") == ["1", "2"]
    assert seen.get("host") == f"127.0.0.1:{server.port}"
    assert seen.get("accept-encoding") == "identity"
    assert [seen.all(name) for name in ("x-private", "te")] == [[], []]


@pytest.mark.parametrize("target", ["/mcp", "/", "/mcp?a=1&b=%20x"])
def test_the_endpoint_keeps_its_query(http: Guarded, server: Server, target: str) -> None:
    assert http.ask(post(call(), target=target)).status == 200
    assert server.seen[0].target == "/mcp" + target.removeprefix("/").removeprefix("mcp")


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_other_methods_of_mcp_pass(http: Guarded, server: Server, method: str) -> None:
    server.behaviour = lambda _, peer: peer.answer(
        "Nothing here", "405 Method Not Allowed", "text/plain", (("Allow", "POST"),)
    )
    reply = http.get("/mcp?x=1", method=method)
    assert (reply.status, reply.get("allow"), reply.body) == (405, "POST", b"Nothing here")
    assert (server.seen[0].method, server.seen[0].target) == (method, "/mcp?x=1")


@pytest.mark.parametrize("method", ["PUT", "PATCH", "HEAD", "TRACE", "BREW"])
def test_other_methods_are_refused(http: Guarded, server: Server, method: str) -> None:
    reply = http.get("/mcp", method=method)
    assert reply.status == 405
    assert {"GET", "POST", "DELETE"} <= set((reply.get("allow") or "").split(", "))
    assert server.seen == []


@pytest.mark.parametrize("target", ["/other", "/mcp/", "/%6dcp", "/mcp/../x", "//mcp", "/metrics"])
def test_other_paths_are_not_found(http: Guarded, server: Server, target: str) -> None:
    assert http.get(target).status == 404
    assert http.ask(post(call(), target=target)).status == 404
    assert server.seen == []


@pytest.mark.parametrize(
    ("header", "status"),
    [
        (("Host", "localhost:1"), 200),
        (("Host", "127.0.0.1"), 200),
        (("Host", "[::1]:80"), 200),
        (("Host", "evil.example"), 403),
        (("Host", "localhost.evil.example"), 403),
        (("Origin", "http://localhost:6274"), 200),
        (("Origin", "http://evil.example"), 403),
        (("Origin", "null"), 403),
        (("Origin", "http://127.0.0.1.evil.example"), 403),
    ],
)
def test_foreign_sites_are_kept_out(
    http: Guarded, server: Server, header: tuple[str, str], status: int
) -> None:
    assert http.ask(post(call(), header)).status == status
    assert http.get("/mcp", header).status == (202 if status == 200 else status)
    assert len(server.seen) == (2 if status == 200 else 0)


@pytest.mark.parametrize(
    ("media", "status"),
    [
        ("application/json; charset=utf-8", 200),
        ('APPLICATION/JSON;charset="UTF-8"', 200),
        ("application/json; charset=utf-16", 415),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("application/jsonp", 415),
        ("", 415),
    ],
)
def test_only_json_in_utf8_is_read(http: Guarded, server: Server, media: str, status: int) -> None:
    reply = http.ask(post(call(), ("Content-Type", media)))
    assert reply.status == status
    assert len(server.seen) == (status == 200)
    if status != 200:
        assert reply.message["error"]["code"] == -32600


def test_an_encoded_body_is_refused(http: Guarded, server: Server) -> None:
    reply = http.ask(post(b"\x1f\x8b", ("Content-Encoding", "gzip")))
    assert reply.status == 415
    assert server.seen == []


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"",
        b'{"jsonrpc":"2.0","id":1,"method":"ping"}x',
        b'\xef\xbb\xbf{"jsonrpc":"2.0","id":1,"method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","method":"tools/call"}',
        b'{"jsonrpc":"2.0","id":1,"Method":"ping"}',
        b'{"jsonrpc":"2.0","id":1,"method":"Tools/Call"}',
        b'{"jsonrpc":"2.0","id":1,"method":"\xff"}',
        b"[]",
        b"[" * 100_000,
    ],
)
def test_what_is_not_a_message_is_answered_and_not_forwarded(
    http: Guarded, server: Server, body: bytes
) -> None:
    reply = http.ask(post(body))
    assert reply.status in {200, 400}
    assert reply.message["error"]["code"] in {-32700, -32600}
    assert server.seen == []


def test_a_message_over_the_limit_is_refused(http_small: Guarded, server: Server) -> None:
    big = call(text="x" * 2_000_000)
    reply = http_small.ask(post(big))
    assert (reply.status, reply.message["id"]) == (413, None)
    body = post(big, ("Transfer-Encoding", "chunked"), length=False)
    head, _, rest = body.partition(b"\r\n\r\n")
    chunks = b"".join(b"%x\r\n%b\r\n" % (len(c), c) for c in (rest[:900_000], rest[900_000:]))
    assert http_small.ask(head + b"\r\n\r\n" + chunks + b"0\r\n\r\n").status == 413
    assert server.seen == []


def test_a_large_message_passes(http: Guarded, server: Server) -> None:
    text = "word " * 1_600_000
    assert http.ask(post(call(text=text))).status == 200
    assert server.seen[0].message["params"]["arguments"]["text"] == text


def test_a_chunked_message_passes_with_a_length(http: Guarded, server: Server) -> None:
    head, _, rest = post(call(), ("Transfer-Encoding", "chunked"), length=False).partition(
        b"\r\n\r\n"
    )
    data = b"".join(b"%x;ext=1\r\n%b\r\n" % (1, rest[i : i + 1]) for i in range(len(rest)))
    reply = http.ask(head + b"\r\n\r\n" + data + b"0\r\nX-Trailer: 1\r\n\r\n")
    assert reply.status == 200
    assert server.seen[0].body == rest


def test_a_client_may_wait_for_leave_to_send_its_body(http: Guarded, server: Server) -> None:
    head, _, body = post(call(), ("Expect", "100-continue")).partition(b"\r\n\r\n")
    with Wire(http.port) as wire:
        wire.send(head + b"\r\n\r\n")
        assert wire.head().status == 100
        wire.send(body)
        assert wire.reply().status == 200
    assert server.seen[0].all("expect") == []


@pytest.mark.parametrize(("keep", "closed"), [((), True), ((("Connection", "keep-alive"),), False)])
def test_a_client_may_speak_an_older_http(
    http: Guarded, server: Server, keep: tuple[tuple[str, str], ...], closed: bool
) -> None:
    with Wire(http.port) as wire:
        wire.send(post(call(), *keep).replace(b"HTTP/1.1", b"HTTP/1.0"))
        assert wire.reply().status == 200
        assert wire.is_closed(1) == closed


def test_a_notification_is_accepted(http: Guarded, server: Server) -> None:
    reply = http.ask(post({"jsonrpc": "2.0", "method": "notifications/initialized"}))
    assert (reply.status, reply.body) == (202, b"")
    assert len(server.seen) == 1


@pytest.mark.parametrize(
    ("status", "media", "body"),
    [
        (
            "404 Not Found",
            "application/json",
            '{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"?"}}',
        ),
        (
            "400 Bad Request",
            "application/json",
            '{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"?","data":{"supported":[]}}}',
        ),
        ("401 Unauthorized", "application/json", '{"error":"invalid_token"}'),
        ("404 Not Found", "text/plain", "Session not found"),
        ("503 Service Unavailable", "text/html", "<h1>down</h1>"),
        ("307 Temporary Redirect", "text/html", "elsewhere"),
    ],
)
def test_statuses_of_the_server_pass(
    http: Guarded, server: Server, status: str, media: str, body: str
) -> None:
    challenge = 'Bearer realm="x", resource_metadata="http://127.0.0.1/.well-known/oauth-protected-resource/mcp"'
    server.behaviour = lambda _, peer: peer.answer(
        body, status, media, (("WWW-Authenticate", challenge), ("Location", "/elsewhere"))
    )
    reply = http.ask(post(call()))
    assert (reply.status, reply.body.decode()) == (int(status[:3]), body)
    assert reply.get("www-authenticate") == challenge
    assert reply.get("location") == "/elsewhere"
    assert len(server.seen) == 1


def test_connections_are_used_again(http: Guarded, server: Server) -> None:
    with Wire(http.port) as wire:
        for number in range(20):
            wire.send(post(call(number)))
            assert wire.reply().message["id"] == number
    assert server.connections == 1


def test_thirty_streams_leave_room_for_a_ping(http: Guarded, server: Server) -> None:
    def behaviour(seen: Seen, peer: Peer) -> None:
        if seen.method == "GET":
            peer.stream()
            peer.is_gone()
        else:
            echo(seen, peer)

    server.behaviour = behaviour
    wires = [Wire(http.port) for _ in range(30)]
    for wire in wires:
        wire.send(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\n\r\n")
        assert wire.head().status == 200
    assert http.ask(post({"jsonrpc": "2.0", "id": "p", "method": "ping"})).message["id"] == "p"
    for wire in wires:
        wire.close()
