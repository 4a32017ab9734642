"""Streams of events: they pass as they come, and end when they end."""

from __future__ import annotations

import json
import threading
import time

import pytest

from tests.e2e.http_peers import Guarded, Peer, Seen, Server, Wire, call, echo, post

RESULT = b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'


def note(text: str) -> bytes:
    message = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": text}}
    return json.dumps(message, ensure_ascii=False).encode()


def test_a_stream_passes_byte_for_byte(http: Guarded, server: Server) -> None:
    stream = (
        b"\xef\xbb\xbf: welcome\n\n"
        b"id: 0\ndata: \n\n"
        b"retry: 500\n\n"
        b"event: message\r\nid: e\xc3\xa9\r\ndata:" + note("größe \u2028 x") + b"\r\n\r\n"
        b'data: {"jsonrpc":"2.0",\ndata: "method":"notifications/x"}\n\n'
        b": ping\r\r"
        b"event: endpoint\ndata: /messages\n\n"
        b"data: " + RESULT + b"\n\n"
    )

    def behaviour(seen: Seen, peer: Peer) -> None:
        peer.stream((("Mcp-Session-Id", "s"), ("Cache-Control", "no-cache")))
        for at in range(0, len(stream), 7):
            peer.chunk(stream[at : at + 7])
        peer.chunk(b"")

    server.behaviour = behaviour
    reply = http.ask(post(call()))
    assert reply.complete
    assert reply.body == stream
    assert (reply.get("content-type"), reply.get("mcp-session-id")) == ("text/event-stream", "s")
    assert (reply.get("cache-control"), reply.get("x-accel-buffering")) == ("no-cache", "no")


def test_each_event_leaves_as_it_arrives(http: Guarded, server: Server) -> None:
    go = threading.Semaphore(0)

    def behaviour(seen: Seen, peer: Peer) -> None:
        peer.stream()
        for n in range(5):
            peer.chunk(b"data: " + note(str(n)) + b"\n\n")
            assert go.acquire(timeout=10)
        peer.chunk(b": ping\n")
        assert go.acquire(timeout=10)
        peer.chunk(b"data: " + RESULT + b"\n\n")
        peer.chunk(b"")

    server.behaviour = behaviour
    with Wire(http.port) as wire:
        wire.send(post(call()))
        assert wire.head().status == 200
        for n in range(5):
            assert wire.chunk() == b"data: " + note(str(n)) + b"\n\n"
            go.release()
        assert wire.chunk() == b": ping\n"
        go.release()
        assert wire.chunk() == b"data: " + RESULT + b"\n\n"
        assert wire.chunk() == b""


def test_a_large_event_passes(http: Guarded, server: Server) -> None:
    big = note("word " * 600_000)

    def behaviour(seen: Seen, peer: Peer) -> None:
        peer.stream()
        peer.chunk(b"data: " + big + b"\n\ndata: " + note("small") + b"\n\n")
        peer.chunk(b"data: " + RESULT + b"\n\n")
        peer.chunk(b"")

    server.behaviour = behaviour
    reply = http.ask(post(call()))
    events = [b"data: " + data + b"\n\n" for data in (big, note("small"), RESULT)]
    assert reply.body == b"".join(events)


def test_the_client_is_gone_and_so_is_the_stream(http: Guarded, server: Server) -> None:
    gone: list[bool] = []
    done = threading.Event()

    def behaviour(seen: Seen, peer: Peer) -> None:
        peer.stream()
        peer.chunk(b": hello\n\n")
        gone.append(peer.is_gone(5))
        done.set()

    server.behaviour = behaviour
    for data in (post(call()), b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n"):
        done.clear()
        with Wire(http.port) as wire:
            wire.send(data)
            assert wire.head().status == 200
            assert wire.chunk() == b": hello\n\n"
        assert done.wait(10)
    assert gone == [True, True]


def test_the_client_is_gone_before_the_first_byte(http: Guarded, server: Server) -> None:
    arrived, done = threading.Event(), threading.Event()
    gone: list[bool] = []

    def behaviour(seen: Seen, peer: Peer) -> None:
        arrived.set()
        gone.append(peer.is_gone(5))
        done.set()

    server.behaviour = behaviour
    with Wire(http.port) as wire:
        wire.send(post(call()))
        assert arrived.wait(10)
    assert done.wait(10)
    assert gone == [True]


def test_the_server_is_gone_and_so_is_the_stream(http: Guarded, server: Server) -> None:
    def behaviour(seen: Seen, peer: Peer) -> None:
        peer.stream()
        peer.chunk(b"id: 1\ndata: " + note("a") + b"\n\n")
        peer.chunk(b"id: 2\ndata: " + note("torn")[:20])
        peer.sock.close()
        raise OSError

    server.behaviour = behaviour
    with Wire(http.port) as wire:
        wire.send(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.head().status == 200
        assert wire.chunk() == b"id: 1\ndata: " + note("a") + b"\n\n"
        # Torn, not ended: and nothing of the second event.
        assert wire.chunk() is None
        assert wire.buffer == b""


@pytest.mark.parametrize("broken", [False, True])
def test_a_request_that_stays_unanswered_gets_an_error(
    http: Guarded, server: Server, broken: bool
) -> None:
    def behaviour(seen: Seen, peer: Peer) -> None:
        peer.stream()
        peer.chunk(b"data: " + note("a") + b"\n\n")
        if broken:
            peer.sock.close()
            raise OSError
        peer.chunk(b"")

    server.behaviour = behaviour
    reply = http.ask(post(call("x")))
    (_, second) = reply.body.decode().strip().split("\n\n")
    error = json.loads(second.split("data: ")[1])
    assert (error["id"], error["error"]["code"]) == ("x", -32603)


def test_a_stream_that_can_be_resumed_just_ends(http: Guarded, server: Server) -> None:
    stream = b"id: 1\ndata: \n\nretry: 100\n\n"

    def behaviour(seen: Seen, peer: Peer) -> None:
        peer.stream()
        peer.chunk(stream)
        peer.chunk(b"")

    server.behaviour = behaviour
    reply = http.ask(post(call()))
    assert (reply.complete, reply.body) == (True, stream)


def test_an_answer_may_come_again_to_a_client_that_resumes(http: Guarded, server: Server) -> None:
    event = b"id: 2\ndata: " + RESULT + b"\n\n"

    def behaviour(seen: Seen, peer: Peer) -> None:
        peer.stream((("Mcp-Session-Id", "s"),))
        peer.chunk(event)
        peer.chunk(b"")

    server.behaviour = behaviour
    assert http.ask(post(call(), ("Mcp-Session-Id", "s"))).body == event
    again = http.get("/mcp", ("Mcp-Session-Id", "s"), ("Last-Event-ID", "1"))
    assert again.body == event
    assert server.seen[1].get("last-event-id") == "1"


def test_requests_of_the_server_and_their_answers_pass(http: Guarded, server: Server) -> None:
    asked = b'{"jsonrpc":"2.0","id":1,"method":"roots/list"}'
    answers: list[bytes] = []
    answered = threading.Event()

    def behaviour(seen: Seen, peer: Peer) -> None:
        if seen.method == "POST" and "method" in seen.message:
            peer.stream()
            peer.chunk(b"data: " + asked + b"\n\n")
            assert answered.wait(10)
            peer.chunk(b"data: " + RESULT + b"\n\n")
            peer.chunk(b"")
        else:
            answers.append(seen.body)
            peer.answer(status="202 Accepted", media=None)
            answered.set()

    server.behaviour = behaviour
    session = ("Mcp-Session-Id", "s")
    with Wire(http.port) as wire:
        wire.send(post(call(1), session))
        assert wire.head().status == 200
        assert wire.chunk() == b"data: " + asked + b"\n\n"
        error = {"jsonrpc": "2.0", "id": 1, "error": {"code": -1, "message": "no"}}
        assert http.ask(post(error, session)).status == 202
        assert wire.chunk() == b"data: " + RESULT + b"\n\n"
    assert json.loads(answers[0]) == error


def test_a_slow_reader_holds_the_server_back(http: Guarded, server: Server) -> None:
    sent = 0
    event = b"data: " + note("x" * 60_000) + b"\n\n"

    def behaviour(seen: Seen, peer: Peer) -> None:
        nonlocal sent
        if seen.method != "GET":
            echo(seen, peer)
            return
        peer.sock.settimeout(2)
        peer.stream()
        while sent < 2_000:
            peer.chunk(event)
            sent += 1

    server.behaviour = behaviour
    with Wire(http.port) as wire:
        wire.send(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\n\r\n")
        assert wire.head().status == 200
        before = -1
        while before != sent:
            before = sent
            time.sleep(0.5)
        assert sent < 1_000
        # Others are served meanwhile.
        assert http.ask(post(call(3))).message["id"] == 3


def test_what_is_no_message_does_not_pass(http: Guarded, server: Server) -> None:
    def behaviour(seen: Seen, peer: Peer) -> None:
        peer.stream()
        peer.chunk(b'data: {"jsonrpc":"2.0","id":1,"result":{},"result":{}}\n\n')
        peer.chunk(b"data: not json\n\n")
        peer.chunk(b"")

    server.behaviour = behaviour
    reply = http.ask(post(call()))
    assert b"not json" not in reply.body
    assert json.loads(reply.body.split(b"data: ")[1])["error"]["code"] == -32603
