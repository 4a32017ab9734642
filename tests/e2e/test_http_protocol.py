"""Lines of the protocol that hold over HTTP as they do over stdio: strict JSON, both directions."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.http_peers import Guarded, Peer, Seen, Server, Wire, call, echo, guarded, post

SECRET = "AKIA" + "Q3EGRESSGUARD7XY"
MASK_ANSWERS: dict[str, Any] = {
    "id": "mask-answers",
    "name": "Mask what servers leak",
    "decision": "REDACT",
    "policy_code": "EGRESS_REDACT_SECRET",
    "conditions": {"direction": "response", "secret_types": ["aws_access_key"]},
}
STOP_SECRETS: dict[str, Any] = {
    "id": "stop-secrets",
    "name": "Stop secrets of every method",
    "decision": "DENY",
    "policy_code": "EGRESS_DENY_API_KEY",
    "conditions": {"methods": ["*"], "secret_types": ["aws_access_key"]},
}


@pytest.fixture
def judged(server: Server, guard: str, tmp_path: Path) -> Iterator[Guarded]:
    """The guard with a rule for each direction."""
    pack = {"pack": "team", "version": "1", "rules": [MASK_ANSWERS, STOP_SECRETS]}
    (tmp_path / "team.yaml").write_text(json.dumps(pack))
    more = {"policy_paths": ["team.yaml"]}
    with guarded(guard, tmp_path, {"downstream_url": server.url}, more=more) as running:
        yield running


def ping(extra: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":1,"method":"ping"%b}' % extra


REFUSED: list[tuple[bytes, set[int]]] = [
    # What is no JSON, or not to all.
    (ping(b"")[:-1], {-32700}),
    (ping(b"") + b"\0", {-32700}),
    (ping(b"").decode().encode("utf-16"), {-32700}),
    (ping(b"").decode().encode("utf-32-le"), {-32700}),
    (ping(b',"a":NaN'), {-32700}),
    (ping(b',"a":-Infinity'), {-32700}),
    (ping(b',"a":01'), {-32700}),
    (ping(b',"a":"\t"'), {-32700}),
    (ping(b',"a":"\xc3"'), {-32700}),
    (ping(b',"a":"\xed\xa0\x80"'), {-32700}),
    (ping(b',"a":1,'), {-32700}),
    # What two readers take for different messages.
    (ping(b',"params":{"a":1,"a":2}'), {-32600}),
    (ping(b',"params":{"a":1,"\\u0061":2}'), {-32600}),
    (ping(b',"params":{"x":[{"b":{"c":1,"c":1}}]}'), {-32600}),
    (ping(b',"Params":{}'), {-32600}),
    (ping(b',"a":"\\ud800"'), {-32600}),
    (ping(b',"a":' + b"[" * 100_000 + b"]" * 100_000), {-32600, -32700}),
    # What is no message.
    (b"5", {-32600}),
    (b'"ping"', {-32600}),
    (b"null", {-32600}),
    (b'[{"jsonrpc":"2.0","id":1,"method":"ping"}]', {-32600}),
    (b'{"id":1,"method":"ping"}', {-32600}),
    (b'{"jsonrpc":"1.0","id":1,"method":"ping"}', {-32600}),
    (b'{"jsonrpc":2.0,"id":1,"method":"ping"}', {-32600}),
    (b'{"jsonrpc":"2.0","id":null,"method":"ping"}', {-32600}),
    (b'{"jsonrpc":"2.0","id":true,"method":"ping"}', {-32600}),
    (b'{"jsonrpc":"2.0","id":{},"method":"ping"}', {-32600}),
    (b'{"jsonrpc":"2.0","id":1.5,"method":"ping"}', {-32600}),
    (b'{"jsonrpc":"2.0","id":1,"method":5}', {-32600}),
    (ping(b',"result":{}'), {-32600}),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":[]}', {-32602}),
    (b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":5}}', {-32602}),
    (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":[]}}',
        {-32602},
    ),
]


def test_what_readers_disagree_on_is_refused(http: Guarded, server: Server) -> None:
    version = ("MCP-Protocol-Version", "2025-11-25")
    for body, codes in REFUSED:
        reply = http.ask(post(body, version))
        assert reply.status in {200, 400}, body[:80]
        assert reply.message["error"]["code"] in codes, body[:80]
    assert server.seen == []


@pytest.mark.parametrize(
    "body",
    [
        b' {"id":12345678901234567890123456789 , "jsonrpc":"2.0","method":"ping","x":1.0e+2} ',
        b'{"jsonrpc":"2.0","id":"\\u00e9\\/","method":"ping","params":{"a":'
        + b"[" * 200
        + b"]" * 200
        + b"}}",
        b'{"jsonrpc":"2.0","id":-0,"method":"x/unknown","_vendor":{"traceparent":"00-1"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"ls","arguments":null}}',
    ],
)
def test_what_passes_passes_as_it_came(http: Guarded, server: Server, body: bytes) -> None:
    server.behaviour = lambda seen, peer: peer.answer(
        b'{"result":{"n":1.0},"id":%b,"jsonrpc":"2.0"}' % b"1"
    )
    assert http.ask(post(body)).body == b'{"result":{"n":1.0},"id":1,"jsonrpc":"2.0"}'
    assert server.seen[0].body == body


def test_a_method_in_escapes_is_that_method(http: Guarded, server: Server) -> None:
    body = json.dumps(call(1, "shell_exec", command="rm -rf /")).replace("tools", "\\u0074ools")
    assert http.ask(post(body.encode())).message["result"]["isError"] is True
    assert server.seen == []


def test_a_denial_does_not_wait_for_a_stuck_server(http: Guarded, server: Server) -> None:
    stuck, free = threading.Event(), threading.Event()

    def behaviour(seen: Seen, peer: Peer) -> None:
        stuck.set()
        assert free.wait(20)
        echo(seen, peer)

    server.behaviour = behaviour
    with Wire(http.port) as wire:
        wire.send(post(call(1)))
        assert stuck.wait(20)
        denied = http.ask(post(call(2, "shell_exec", command="rm -rf /")))
        assert denied.message["result"]["isError"] is True
        free.set()
        assert wire.reply().message["id"] == 1
    assert [seen.message["id"] for seen in server.seen] == [1]


def test_other_methods_are_denied_with_an_error_outside_the_reserved_codes(
    judged: Guarded, server: Server
) -> None:
    for number, (method, params) in enumerate(
        {
            "prompts/get": {"name": "p", "arguments": {"a": SECRET}},
            "resources/read": {"uri": f"file:///x?k={SECRET}"},
            "completion/complete": {"argument": {"name": "a", "value": SECRET}},
            "tasks/update": {"inputResponses": {"q": {"content": {"k": SECRET}}}},
            "vendor/anything": {"deep": [{SECRET: 1}]},
        }.items()
    ):
        message = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        reply = judged.ask(post(message))
        assert (reply.status, reply.message["id"]) == (200, number)
        assert not -32768 <= reply.message["error"]["code"] <= -32000
        assert SECRET not in reply.body.decode()
    note = {"jsonrpc": "2.0", "method": "notifications/x", "params": {"k": SECRET}}
    assert judged.ask(post(note)).status == 202
    assert server.seen == []
    # The server that asked learns that there will be no answer.
    answer = {"jsonrpc": "2.0", "id": 7, "result": {"content": {"k": SECRET}}}
    assert judged.ask(post(answer)).status == 202
    assert (server.seen[0].message["id"], "error" in server.seen[0].message) == (7, True)
    assert SECRET.encode() not in server.seen[0].body


RESULT = {
    "content": [
        {"type": "text", "text": json.dumps({"key": SECRET, "n": 1})},
        {"type": "resource_link", "uri": f"https://x.example/{SECRET}", "name": "a"},
        {"type": "resource", "resource": {"uri": "file:///a", "text": f"export K={SECRET}\n"}},
    ],
    "structuredContent": {"key": SECRET, "n": 1},
    "_meta": {"vendor/trace": SECRET},
}


@pytest.mark.parametrize("form", ["json", "stream"])
@pytest.mark.parametrize("method", ["tools/call", "tasks/get", "server/discover"])
def test_what_a_server_leaks_is_masked_in_step(
    judged: Guarded, server: Server, form: str, method: str
) -> None:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": RESULT}).encode()

    def behaviour(seen: Seen, peer: Peer) -> None:
        if form == "json":
            peer.answer(body)
            return
        peer.stream()
        peer.chunk(b": alive\n\nid: 5\nevent: message\ndata: " + body + b"\nretry: 10\n\n")
        peer.chunk(b"")

    server.behaviour = behaviour
    params = {"name": "ls", "arguments": {}}
    reply = judged.ask(post({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}))
    assert SECRET.encode() not in reply.body
    data = reply.body
    if form == "stream":
        before, _, rest = reply.body.partition(b"data: ")
        data, _, after = rest.partition(b"\n")
        assert (before, after) == (b": alive\n\nid: 5\nevent: message\n", b"retry: 10\n\n")
    result = json.loads(data)["result"]
    assert json.loads(result["content"][0]["text"]) == result["structuredContent"]
    assert result["structuredContent"]["n"] == 1
    masked = result["structuredContent"]["key"]
    # Nothing else has changed.
    assert json.loads(data.decode().replace(masked, SECRET))["result"] == RESULT


def test_harmless_answers_are_not_touched(judged: Guarded, server: Server) -> None:
    text = b'[{"type":"text","text":"AKIA is a prefix"}]'
    body = b'{ "result" : {"content":%b},"id":1,"jsonrpc":"2.0"}' % text
    server.behaviour = lambda _, peer: peer.answer(body, headers=(("Set-Cookie", "a=1"),))
    reply = judged.ask(post(call(1)))
    assert (reply.body, reply.get("set-cookie")) == (body, "a=1")
