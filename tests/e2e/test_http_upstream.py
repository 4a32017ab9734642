"""Servers that fail: the client gets an honest status and an error under its id."""

from __future__ import annotations

import gzip
import json
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.http_peers import (
    Guarded,
    Peer,
    Seen,
    Server,
    Wire,
    call,
    echo,
    free_port,
    guarded,
    post,
    result,
)


def test_an_unreachable_server_is_a_bad_gateway(guard: str, tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}/mcp"
    with guarded(guard, tmp_path, {"downstream_url": url}) as http:
        reply = http.ask(post(call("a")))
        assert (reply.status, reply.message["id"]) == (502, "a")
        assert reply.message["error"]["code"] == -32603
        assert http.get("/mcp").status == 502


def answer_garbage(data: bytes) -> Callable[[Seen, Peer], None]:
    def behaviour(_: Seen, peer: Peer) -> None:
        peer.send(data)
        peer.sock.close()
        raise OSError

    return behaviour


JSON_HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"garbage\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n",
        JSON_HEAD + b"Content-Length: 100\r\n\r\n{",
        JSON_HEAD + b'Transfer-Encoding: chunked\r\n\r\n5\r\n{"a"',
        JSON_HEAD + b"Content-Length: 0\r\n\r\n",
        JSON_HEAD + b"Content-Length: 5\r\n\r\nhello",
        JSON_HEAD + b"Content-Length: 2\r\n\r\n{}",
        JSON_HEAD + b"Content-Encoding: br\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 5\r\n\r\nhello",
    ],
)
def test_garbage_is_a_bad_gateway(http: Guarded, server: Server, data: bytes) -> None:
    server.behaviour = answer_garbage(data)
    reply = http.ask(post(call(5)))
    assert (reply.status, reply.message["id"]) == (502, 5)
    assert len(server.seen) == 1


def test_hints_and_many_headers_before_an_answer_are_no_garbage(
    http: Guarded, server: Server
) -> None:
    body = b'{"jsonrpc":"2.0","id":5,"result":{"content":[]}}'
    more = b"".join(b"X-%d: %d\r\n" % (number, number) for number in range(120))
    hints = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
    head = b"%bContent-Length: %d\r\n\r\n" % (JSON_HEAD + more, len(body))
    server.behaviour = lambda _, peer: peer.send(hints + head + body)
    reply = http.ask(post(call(5)))
    assert (reply.status, reply.body, reply.get("x-119")) == (200, body, "119")


def test_a_server_that_does_not_answer_times_out(http_small: Guarded, server: Server) -> None:
    server.behaviour = lambda _, peer: peer.is_gone() and None
    reply = http_small.ask(post(call(5)))
    assert (reply.status, reply.message["id"]) == (504, 5)
    assert len(server.seen) == 1


def test_a_stream_has_no_time_limit(http_small: Guarded, server: Server) -> None:
    def behaviour(seen: Seen, peer: Peer) -> None:
        peer.stream()
        time.sleep(4)
        peer.chunk(f"data: {result(seen)}\n\n".encode())
        peer.chunk(b"")

    server.behaviour = behaviour
    assert b'"result"' in http_small.ask(post(call())).body


def test_a_compressed_answer_is_read(http: Guarded, server: Server) -> None:
    encoding = (("Content-Encoding", "gzip"),)
    server.behaviour = lambda seen, peer: peer.answer(
        gzip.compress(result(seen).encode()), headers=encoding
    )
    reply = http.ask(post(call(5)))
    assert (reply.message["id"], reply.all("content-encoding")) == (5, [])


def test_a_redirect_is_not_followed(http: Guarded, server: Server) -> None:
    location = (("Location", server.url + "/x"),)
    server.behaviour = lambda _, peer: peer.answer(
        status="308 Permanent Redirect", headers=location
    )
    assert http.ask(post(call())).status == 308
    assert len(server.seen) == 1


def test_a_denied_call_does_not_reach_the_server(http: Guarded, server: Server) -> None:
    reply = http.ask(post(call("d", "shell_exec", command="rm -rf /")))
    assert (reply.status, reply.get("content-type")) == (200, "application/json")
    assert reply.message["id"] == "d"
    assert reply.message["result"]["isError"] is True
    assert server.seen == []
    (line,) = (http.folder / "egress_audit.jsonl").read_text().splitlines()
    assert (json.loads(line)["decision"], json.loads(line)["tool_name"]) == ("DENY", "shell_exec")


def test_each_call_is_on_record_before_it_leaves(http: Guarded, server: Server) -> None:
    lines: list[int] = []

    def behaviour(seen: Seen, peer: Peer) -> None:
        lines.append(len((http.folder / "egress_audit.jsonl").read_text().splitlines()))
        echo(seen, peer)

    server.behaviour = behaviour
    for number in range(3):
        http.ask(post(call(number)))
    http.ask(post({"jsonrpc": "2.0", "id": 9, "method": "ping"}))
    assert lines == [1, 2, 3, 3]


def test_a_session_is_not_named_in_the_log(http: Guarded, server: Server) -> None:
    session = ("Mcp-Session-Id", "0123456789abcdef-session")
    for number in range(2):
        http.ask(post(call(number), session))
    log = (http.folder / "egress_audit.jsonl").read_text()
    assert "0123456789abcdef-session" not in log
    assert len({json.loads(line)["session_id"] for line in log.splitlines()[1:]}) == 1


def refused_soon(port: int) -> bool:
    """Whether new connections are refused, at the latest when each worker has seen the signal."""
    end = time.monotonic() + 3
    while time.monotonic() < end:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except ConnectionRefusedError:
            return True
        time.sleep(0.05)
    return False


def test_running_requests_end_before_the_guard_does(http: Guarded, server: Server) -> None:
    arrived, go = threading.Event(), threading.Event()

    def behaviour(seen: Seen, peer: Peer) -> None:
        if seen.method == "GET":
            peer.stream()
            peer.is_gone()
            return
        arrived.set()
        assert go.wait(10)
        echo(seen, peer)

    server.behaviour = behaviour
    with Wire(http.port) as stream, Wire(http.port) as unused, Wire(http.port) as wire:
        stream.send(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert stream.head().status == 200
        wire.send(post(call(5)))
        assert arrived.wait(10)
        http.process.send_signal(signal.SIGTERM)
        assert unused.is_closed()
        assert stream.chunk() == b""
        assert refused_soon(http.port)
        go.set()
        assert wire.reply().message["id"] == 5
    assert http.process.wait(10) == 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_even_if_a_request_does_not(
    http: Guarded, server: Server, number: int
) -> None:
    arrived = threading.Event()

    def behaviour(_: Seen, peer: Peer) -> None:
        arrived.set()
        peer.is_gone()

    server.behaviour = behaviour
    with Wire(http.port) as wire:
        wire.send(post(call(5)))
        assert arrived.wait(10)
        start = time.monotonic()
        assert http.stop(number) == 0
        assert time.monotonic() - start < 6


def test_a_port_in_use_is_one_line(http: Guarded, guard: str, tmp_path: Path) -> None:
    config = {"transport": "http", "listen_port": http.port, "downstream_url": "http://127.0.0.1:1"}
    path = tmp_path / "second.yaml"
    path.write_text(json.dumps({"proxy": config}))
    done = subprocess.run(
        [guard, "run", "--config", str(path)],
        capture_output=True,
        text=True,
        timeout=20,
        check=False,
    )
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
    assert str(http.port) in done.stderr
