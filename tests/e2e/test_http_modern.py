"""Protocol 2026-07-28: headers repeat the body, and secrets have no second way out."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from tests.e2e.http_peers import Guarded, Peer, Seen, Server, call, post

VERSION = "io.modelcontextprotocol/protocolVersion"
# Of the shape of a generic key, which the built-in rules mask.
TOKEN = "api_key = 9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c"


def modern(message: dict[str, Any], version: str = "2026-07-28") -> dict[str, Any]:
    params = message.get("params", {}) | {"_meta": {VERSION: version}}
    return message | {"params": params}


def headers(
    method: str = "tools/call", name: str | None = "ls", version: str = "2026-07-28"
) -> list[tuple[str, str]]:
    pairs = [("MCP-Protocol-Version", version), ("Mcp-Method", method)]
    return pairs if name is None else [*pairs, ("Mcp-Name", name)]


def encoded(text: str) -> str:
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def test_headers_that_agree_pass(http: Guarded, server: Server) -> None:
    assert http.ask(post(modern(call(1, "ls")), *headers())).status == 200
    assert http.ask(post(modern(call(2, "größe")), *headers(name=encoded("größe")))).status == 200
    listing = {"jsonrpc": "2.0", "id": 3, "method": "tools/list"}
    assert http.ask(post(modern(listing), *headers("tools/list", None))).status == 200
    assert [seen.get("mcp-name") for seen in server.seen] == ["ls", encoded("größe"), None]


@pytest.mark.parametrize(
    "given",
    [
        [],
        headers()[1:],
        [headers()[0], headers()[2]],
        headers()[:2],
        headers("tools/list"),
        headers(name="other"),
        headers(name=encoded("other")),
        headers(name="=?base64?%%%?="),
        headers(version="2025-11-25"),
        [*headers(), ("Mcp-Name", "ls")],
        [*headers(), ("Mcp-Method", "tools/call")],
        [*headers(), ("MCP-Protocol-Version", "2026-07-28")],
        [*headers(), ("Mcp-Param-X", "=?base64?%%%?=")],
    ],
)
def test_headers_that_differ_are_refused(
    http: Guarded, server: Server, given: list[tuple[str, str]]
) -> None:
    reply = http.ask(post(modern(call("h", "ls")), *given))
    assert (reply.status, reply.message["id"]) == (400, "h")
    assert reply.message["error"]["code"] == -32020
    assert server.seen == []


def test_a_legacy_body_may_not_be_contradicted(http: Guarded, server: Server) -> None:
    reply = http.ask(post(call(1, "ls"), ("Mcp-Name", "other")))
    assert (reply.status, reply.message["error"]["code"]) == (400, -32020)
    assert http.ask(post(call(2, "ls"), ("Mcp-Name", "ls"))).status == 200


def test_an_unknown_version_is_the_servers_business(http: Guarded, server: Server) -> None:
    error = '{"jsonrpc":"2.0","id":1,"error":{"code":-32022,"message":"?","data":{"supported":[]}}}'
    server.behaviour = lambda _, peer: peer.answer(error, "400 Bad Request")
    reply = http.ask(post(modern(call(1, "ls"), "2031-01-01"), *headers(version="2031-01-01")))
    assert (reply.status, reply.body.decode()) == (400, error)


def test_a_denial_is_a_result(http: Guarded, server: Server) -> None:
    message = modern(call("d", "shell_exec", command="rm -rf /"))
    reply = http.ask(post(message, *headers(name="shell_exec")))
    assert (reply.status, reply.get("content-type")) == (200, "application/json")
    assert reply.message["result"]["isError"] is True
    assert server.seen == []


def test_a_masked_argument_is_masked_in_its_header(http: Guarded, server: Server) -> None:
    message = modern(call(1, "store", text=TOKEN, region="eu", note="größe"))
    given = [
        *headers(name="store"),
        ("Mcp-Param-Text", TOKEN),
        ("Mcp-Param-Region", "eu"),
        ("Mcp-Param-Note", encoded("größe")),
    ]
    assert http.ask(post(message, *given)).status == 200
    (seen,) = server.seen
    text = seen.message["params"]["arguments"]["text"]
    assert "9f8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c" not in text
    assert seen.get("mcp-param-text") == text
    assert seen.get("mcp-param-region") == "eu"
    assert seen.get("mcp-param-note") == encoded("größe")


@pytest.mark.parametrize("spell", [str, encoded])
def test_a_secret_in_a_header_of_its_own_is_stopped(
    http: Guarded, server: Server, spell: Any
) -> None:
    secret = "AKIA" + "Q3EGRESSGUARD7XY"[:16]
    message = modern(call("s", "ls"))
    reply = http.ask(post(message, *headers(), ("Mcp-Param-Extra", spell(f"key {secret}"))))
    assert reply.status == 200
    assert "error" in reply.message or reply.message["result"]["isError"]
    assert server.seen == []


def test_a_secret_in_the_query_is_stopped(http: Guarded, server: Server) -> None:
    secret = "AKIA" + "Q3EGRESSGUARD7XY"[:16]
    reply = http.ask(post(call("q", "ls"), target=f"/mcp?k=x&v=%41{secret[1:]}"))
    assert reply.status == 200
    assert "error" in reply.message or reply.message["result"]["isError"]
    assert server.seen == []


@pytest.mark.parametrize("method", ["GET", "DELETE", "OPTIONS"])
def test_a_secret_in_the_query_needs_no_body(http: Guarded, server: Server, method: str) -> None:
    secret = "AKIA" + "Q3EGRESSGUARD7XY"[:16]
    ask = f"{method} /mcp?k=x{{}} HTTP/1.1\r\nHost: localhost\r\n\r\n"
    assert http.ask(ask.format(f"&v=%41{secret[1:]}").encode()).status == 403
    assert server.seen == []
    assert http.ask(ask.format("").encode()).status == 202
    assert [seen.target for seen in server.seen] == ["/mcp?k=x"]


def test_a_session_is_nothing_to_a_modern_request(http: Guarded, server: Server) -> None:
    for number in range(2):
        given = [*headers(), ("Mcp-Session-Id", "s")]
        assert http.ask(post(modern(call(number, "ls")), *given)).status == 200
    log = (http.folder / "egress_audit.jsonl").read_text().splitlines()
    assert [json.loads(line)["session_id"] for line in log] == ["", ""]


def test_rounds_of_input_pass(http: Guarded, server: Server) -> None:
    form = {"mode": "form", "message": "Who?", "requestedSchema": {}}
    wanted = {
        "resultType": "input_required",
        "inputRequests": {"a": {"method": "elicitation/create", "params": form}},
        "requestState": "opaque==",
    }
    asked = json.dumps({"jsonrpc": "2.0", "id": 1, "result": wanted})
    server.behaviour = lambda _, peer: peer.answer(asked)
    assert http.ask(post(modern(call(1, "ls")), *headers())).body.decode() == asked
    message = modern(call(2, "ls"))
    message["params"] |= {
        "requestState": "opaque==",
        "inputResponses": {"a": {"action": "accept", "content": {"name": "Ann"}}},
    }
    http.ask(post(message, *headers()))
    assert server.seen[1].message == message
    message["params"]["inputResponses"]["a"]["content"]["name"] = "AKIA" + "Q3EGRESSGUARD7XY"
    reply = http.ask(post(message, *headers()))
    assert "error" in reply.message or reply.message["result"]["isError"]
    assert len(server.seen) == 2


def test_batches_are_of_one_revision(http: Guarded, server: Server) -> None:
    batch = [call(1, "ls"), call(2, "shell_exec", command="rm -rf /"), call(3, "ls")]

    def behaviour(seen: Seen, peer: Peer) -> None:
        results = [{"jsonrpc": "2.0", "id": m["id"], "result": {}} for m in seen.message]
        peer.answer(json.dumps(results))

    server.behaviour = behaviour
    reply = http.ask(post(batch, ("MCP-Protocol-Version", "2025-03-26")))
    assert reply.status == 200
    assert {answer["id"]: "isError" in answer["result"] for answer in reply.message} == {
        1: False,
        2: True,
        3: False,
    }
    assert [message["id"] for message in server.seen[0].message] == [1, 3]
    for version in ("2025-06-18", "2025-11-25", "2026-07-28"):
        reply = http.ask(post(batch, ("MCP-Protocol-Version", version)))
        assert reply.message["error"]["code"] == -32600
    assert len(server.seen) == 1
