"""What passes through the stdio proxy, byte by byte, and what is answered in its place."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from .talk import DENIED, Talk, call, request

pytestmark = pytest.mark.timeout(120)
TOKEN = "q7Zp2LxV9sKd3RwT8mYb5NcJ1hGf6EaU"
Start = Callable[..., Talk]


@pytest.fixture
def start(guard: str, tmp_path: Path) -> Any:
    talks: list[Talk] = []

    def begin(*server: str, **options: Any) -> Talk:
        talks.append(Talk(guard, tmp_path, *server, **options))
        return talks[-1]

    yield begin
    for talk in talks:
        talk.__exit__(None, None, None)


def finish(talk: Talk) -> list[bytes]:
    talk.end()
    talk.exit_code()
    return talk.arrived()


def test_the_bytes_of_both_directions_are_untouched(start: Start) -> None:
    talk = start("spelling")
    line = (
        ' {"params":{"arguments":{"n":123456789012345678901234567890,"f":1.0,"e":"\\u00e9\\/",'
        '"u":"\u2028\u0085","g":1E+2},"name" : "list_files"},"method":"tools\\/call",'
        '"id": 1 ,"jsonrpc":"2.0"}  \r\n'
    ).encode()
    talk.send(line)
    assert talk.line() == (
        b' {"result" :{"b":1.0,"a":123456789012345678901234567890,"s":"\\u00e9\\/ \xe2\x80\xa8"},'
        b' "id":1,"jsonrpc":"2.0"}\r\n'
    )
    assert finish(talk) == [line]
    assert [entry["decision"] for entry in talk.audit] == ["ALLOW"]


def test_blank_lines_are_nothing_and_the_last_line_needs_no_end(start: Start) -> None:
    talk = start("record")
    talk.send(b"\n\r\n  \n", request(1), b"\n", request(2).rstrip(b"\n"))
    assert talk.message()["id"] == 1
    assert finish(talk) == [request(1), request(2)]
    assert [message["id"] for message in talk.rest()] == [2]


@pytest.mark.parametrize("number", [0, -1, 2**70, "a", "", "\u00e9\n", "1"])
def test_an_id_comes_back_as_it_was_sent(start: Start, number: object) -> None:
    talk = start("record")
    talk.send(request(number), call(number, **DENIED))
    ids = [talk.message()["id"], talk.message()["id"]]
    assert [repr(one) for one in ids] == [repr(number)] * 2


def test_many_megabytes_pass_both_ways_in_order(start: Start) -> None:
    talk = start("record")
    words = ["river", "stone", "winter", "table", "garden", "paper", "seven", "letter", "cloud"]
    rng = random.Random(3)  # noqa: S311  (test data, not a key)
    text = " ".join(rng.choice(words) for _ in range(2_800_000))
    assert len(text) > 16_000_000
    large = call(1, "note", text=text)
    small = [call(n) for n in range(2, 22)]
    talk.send(large, *small)
    assert [talk.message(60)["id"] for _ in range(21)] == list(range(1, 22))
    assert finish(talk) == [large, *small]


def test_many_megabytes_come_back(start: Start) -> None:
    talk = start("flood")
    talk.send(request(1))
    lines = [talk.line() for _ in range(120)]
    assert {len(line) for line in lines} == {len(lines[0])}
    assert len(lines[0]) > 1_000_000
    assert talk.message() == {"jsonrpc": "2.0", "id": 1, "result": {}}


def test_a_line_beyond_the_limit_is_answered_and_skipped(start: Start) -> None:
    talk = start("record")
    talk.send(request(0))
    talk.message()
    before = talk.resident
    piece = b"x" * (1 << 20)
    talk.send(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":"', *[piece] * 200)
    grown = talk.resident - before
    talk.send(b'"}}\n', request(2))
    assert talk.message()["error"]["code"] == -32600
    assert talk.message()["id"] == 2
    assert grown < 160 << 20
    assert finish(talk) == [request(0), request(2)]


CALL = '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"t","arguments":{}}}'
MALFORMED: dict[str, tuple[bytes, int, object]] = {
    "cut": (CALL[:-1].encode(), -32700, None),
    "trailing data": (f"{CALL} {CALL}".encode(), -32700, None),
    "invalid UTF-8": (CALL.encode().replace(b'"t"', b'"\xff"'), -32700, None),
    "byte order mark": (b"\xef\xbb\xbf" + CALL.encode(), -32700, None),
    "UTF-16": (CALL.encode("utf-16-le").replace(b"\n", b""), -32700, None),
    "NUL": (CALL.encode() + b"\0", -32700, None),
    "NaN": (CALL.replace("{}", '{"a":NaN}').encode(), -32700, None),
    "infinity": (CALL.replace("{}", '{"a":-Infinity}').encode(), -32700, None),
    "raw control character": (CALL.replace("{}", '{"a":"\t"}').encode(), -32700, None),
    "single quotes": (CALL.replace('"', "'").encode(), -32700, None),
    "a string": (b'"x"', -32600, None),
    "a number": (b"123", -32600, None),
    "null": (b"null", -32600, None),
    "an empty batch": (b"[]", -32600, None),
    "a batch": (f"[{CALL}]".encode(), -32600, None),
    "no version": (CALL.replace('"jsonrpc":"2.0",', "").encode(), -32600, 1),
    "another version": (CALL.replace('"2.0"', '"1.0"').encode(), -32600, 1),
    "id null": (CALL.replace('"id":1', '"id":null').encode(), -32600, None),
    "id true": (CALL.replace('"id":1', '"id":true').encode(), -32600, None),
    "id object": (CALL.replace('"id":1', '"id":{}').encode(), -32600, None),
    "id fraction": (CALL.replace('"id":1', '"id":1.5').encode(), -32600, None),
    "request and error": (CALL.replace('"id":1', '"id":1,"error":{}').encode(), -32600, 1),
    "request and result": (CALL.replace('"id":1', '"id":1,"result":{}').encode(), -32600, 1),
    "params array": (
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":["shell_exec"]}',
        -32602,
        1,
    ),
    "no params": (b'{"jsonrpc":"2.0","id":"a","method":"tools/call"}', -32602, "a"),
    "name list": (CALL.replace('"t"', '["t"]').encode(), -32602, 1),
    "no name": (CALL.replace('"name":"t",', "").encode(), -32602, 1),
    "arguments string": (CALL.replace("{}", '"x"').encode(), -32602, 1),
    "arguments list": (CALL.replace("{}", "[]").encode(), -32602, 1),
    "double name": (CALL.replace('"name"', '"name":"u","name"').encode(), -32600, 1),
    "double name, escaped": (CALL.replace('"name"', '"n\\u0061me":"u","name"').encode(), -32600, 1),
    "double deep": (CALL.replace("{}", '{"a":[{"b":1,"b":1}]}').encode(), -32600, 1),
    "double id": (CALL.replace('"id":1', '"id":1,"id":2').encode(), -32600, None),
    "Method": (CALL.replace('"method"', '"Method"').encode(), -32600, None),
    "Name": (CALL.replace('"name"', '"Name":"u","name"').encode(), -32600, 1),
    "Tools/Call": (CALL.replace("tools/call", "Tools/Call").encode(), -32600, 1),
    "tools/call and a space": (CALL.replace("tools/call", "tools/call ").encode(), -32600, 1),
    "lone surrogate": (CALL.replace("{}", '{"a":"\\ud800"}').encode(), -32600, 1),
    "lone low surrogate in a key": (CALL.replace("{}", '{"\\udc00":1}').encode(), -32600, 1),
    "2,000 levels": (
        CALL.replace("{}", '{"a":' + "[" * 2000 + "]" * 2000 + "}").encode(),
        -32600,
        1,
    ),
    "100,000 brackets": (b"[" * 100_000, -32600, None),
    "5,000,000 brackets": (b'{"a":' * 1_000_000 + b"[" * 4_000_000, -32600, None),
}


@pytest.mark.parametrize("kind", MALFORMED)
def test_a_malformed_line_is_answered_and_never_forwarded(start: Start, kind: str) -> None:
    line, code, number = MALFORMED[kind]
    talk = start("record")
    talk.send(line, b"\n", request(99))
    reply = talk.message()
    assert (reply["error"]["code"], reply["id"]) == (code, number)
    assert talk.message()["id"] == 99
    assert finish(talk) == [request(99)]


@pytest.mark.parametrize(
    "arguments", ["null", '{"a":' + "[" * 200 + "]" * 200 + "}", '{"a":"\\ud83d\\ude00"}']
)
def test_unusual_but_sound_calls_pass(start: Start, arguments: str) -> None:
    talk = start("record")
    line = CALL.replace("{}", arguments).encode() + b"\n"
    talk.send(line)
    assert talk.message()["result"] == {}
    assert finish(talk) == [line]


def test_a_reader_that_ends_lines_at_cr_finds_no_second_message(start: Start) -> None:
    talk = start("record")
    inner = call(2, **DENIED).rstrip(b"\n").replace(b"rm -rf /srv/data", b"ls")
    talk.send(b'{"jsonrpc":"2.0","id":1,"method":"ping","params":{"a":\r' + inner + b"\r}}\n")
    assert talk.message()["id"] == 1
    (line,) = finish(talk)
    assert b"\r" not in line
    assert json.loads(line)["params"] == {"a": json.loads(inner)}


def test_only_messages_reach_the_client_and_stderr_passes(start: Start) -> None:
    talk = start("noisy")
    talk.send(request(1), request(2))
    assert [talk.message()["id"], talk.message()["id"]] == [1, 2]
    talk.end()
    assert talk.exit_code() == 0
    assert talk.rest() == []
    assert talk.errors.count(b"e") >= 700_000
    assert b"last words" in talk.errors
    assert b"Server v1.2" not in talk.errors


def test_forged_and_repeated_answers_do_not_reach_the_client(start: Start) -> None:
    talk = start("impostor")
    talk.send(request(1), request(2, "broken"), request(3))
    replies = [talk.message() for _ in range(3)]
    assert [reply["id"] for reply in replies] == [1, 2, 3]
    assert [list(reply)[-1] for reply in replies] == ["result", "error", "result"]
    talk.end()
    talk.exit_code()
    assert talk.rest() == []


def test_an_error_of_the_client_reaches_a_server_that_asked_under_the_same_id(start: Start) -> None:
    talk = start("ask")
    talk.send(request(1))
    asked = talk.message()
    assert (asked["id"], asked["method"]) == (1, "roots/list")
    refusal = b'{"jsonrpc":"2.0","id":1,"error":{"code":-32601,"message":"no roots"}}\n'
    talk.send(refusal)
    assert talk.message() == {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert finish(talk) == [refusal]


def test_a_withheld_reply_of_the_client_becomes_an_error_for_the_server(start: Start) -> None:
    talk = start("ask")
    talk.send(request(1))
    talk.message()
    secret = "AKIAIOSFODNN7EXAMPLE"
    talk.send(b'{"jsonrpc":"2.0","id":1,"result":{"content":{"key":"%b"}}}\n' % secret.encode())
    assert talk.message()["result"] == {}
    (line,) = finish(talk)
    assert json.loads(line)["id"] == 1
    assert "error" in json.loads(line)
    assert secret.encode() not in line


def test_a_batch_is_judged_and_answered_where_the_protocol_has_batches(start: Start) -> None:
    talk = start("batches")
    talk.send(request(0, "initialize", protocolVersion="2025-03-26"))
    talk.message()
    parts = [request(1), call(2, **DENIED), request(3), call(4)]
    talk.send(b"[" + b",".join(part.strip() for part in parts) + b"]\n")
    replies = talk.message() + talk.message()
    assert sorted(reply["id"] for reply in replies) == [1, 2, 3, 4]
    (denied,) = [reply for reply in replies if reply["id"] == 2]
    assert denied["result"]["isError"] is True
    lines = finish(talk)
    assert [message["id"] for message in json.loads(lines[1])] == [1, 3, 4]
    assert [entry["decision"] for entry in talk.audit] == ["DENY", "ALLOW"]


def test_a_denial_says_why_and_how_to_go_on(start: Start) -> None:
    talk = start("record")
    talk.send(call("x", **DENIED), request(1))
    reply = talk.message()
    assert talk.message()["id"] == 1
    assert reply["id"] == "x"
    assert reply["result"]["isError"] is True
    data = reply["result"]["_meta"]["mcp-egress-guard/decision"]
    assert (data["policy_code"], data["rule_id"]) == (
        "EGRESS_DENY_DESTRUCTIVE_CMD",
        "destructive-deny-rm-rf",
    )
    text = reply["result"]["content"][0]["text"]
    assert all(data[key] in text for key in ("policy_code", "rule_id", "reason", "decision_id"))
    assert data["remediation_hint"] or data["safe_alternative"]
    assert finish(talk) == [request(1)]
    (entry,) = talk.audit
    assert entry["decision"] == "DENY"
    assert entry["decision_id"] == data["decision_id"]


def test_a_denied_notification_is_not_answered(start: Start) -> None:
    talk = start("record")
    message = json.loads(call(1, **DENIED))
    del message["id"]
    talk.send(json.dumps(message).encode() + b"\n", request(1))
    assert talk.message()["id"] == 1
    assert finish(talk) == [request(1)]
    assert [entry["decision"] for entry in talk.audit] == ["DENY"]


SECRET = "AKIAIOSFODNN7EXAMPLE"
NESTED = json.dumps({"b": SECRET})


@pytest.mark.parametrize(
    "message",
    [
        {"method": "tools/call", "params": {"name": "t", "_meta": {"x": SECRET}}},
        {"method": "tools/call", "params": {"name": "t", "arguments": {SECRET: 1}}},
        {
            "method": "tools/call",
            "params": {"name": "t", "arguments": {"a": f'{{"b":"{SECRET}"}}'}},
        },
        {"method": "tools/call", "params": {"name": "t", "inputResponses": {"q": {"a": SECRET}}}},
        {"method": "tools/call", "params": {"name": "t", "requestState": SECRET}},
        {"method": "tools/call", "params": {"name": "t"}, "extra": [SECRET]},
        {"method": "prompts/get", "params": {"name": "t", "arguments": {"a": SECRET}}},
        {"method": "resources/read", "params": {"uri": f"https://example.com/?k={SECRET}"}},
        {"method": "completion/complete", "params": {"argument": {"value": SECRET}}},
        {"method": "vendor/unknown", "params": {"a": SECRET}},
        {"method": "notifications/progress", "params": {"message": SECRET}},
    ],
    ids=lambda message: f"{message['method']} {list(message.get('params', {}))[-1]}",
)
def test_no_part_of_a_message_carries_a_secret_out(start: Start, message: dict[str, Any]) -> None:
    talk = start("record")
    message = {"jsonrpc": "2.0"} | message
    if not message["method"].startswith("notifications/"):
        message["id"] = 1
    talk.send(json.dumps(message).encode() + b"\n", request(2))
    if "id" in message:
        assert talk.message()["id"] == 1
    assert talk.message()["id"] == 2
    arrived = b"".join(finish(talk))
    assert SECRET.encode() not in arrived
    assert SECRET not in (talk.folder / "egress_audit.jsonl").read_text()
    assert SECRET.encode() not in talk.errors
    assert len(talk.audit) == 1


def test_a_redaction_changes_the_secret_and_nothing_else(start: Start) -> None:
    talk = start("record")
    line = (
        '{"id":1,"jsonrpc":"2.0","method":"tools/call","params":{"name":"note","arguments":'
        f'{{"n":1.0,"big":12345678901234567890123,"t":"keep\\u00e9 api_key = {TOKEN} keep",'
        '"path":"/srv/app/config/settings.ini"}}}\n'
    ).encode()
    talk.send(line)
    talk.message()
    (arrived,) = finish(talk)
    before, after = line.split(TOKEN.encode())
    assert arrived.startswith(before)
    assert arrived.endswith(after)
    assert TOKEN.encode() not in arrived
    assert [entry["decision"] for entry in talk.audit] == ["REDACT"]


def test_every_call_has_one_audit_line_before_its_answer(start: Start) -> None:
    talk = start("record")
    for number in range(50):
        talk.send(call(number, **(DENIED if number % 2 else {})))
        talk.message()
        assert len(talk.audit) == number + 1
    talk.process.kill()
    talk.exit_code()
    assert [entry["decision"] for entry in talk.audit] == ["ALLOW", "DENY"] * 25
    assert len({entry["decision_id"] for entry in talk.audit}) == 50


def test_without_an_audit_line_there_is_no_call(start: Start, tmp_path: Path) -> None:
    if not Path("/dev/full").exists():
        pytest.skip("no /dev/full")
    config = {
        "proxy": {"transport": "stdio", "downstream_command": ["cat"]},
        "audit": {"log_file": "/dev/full"},
    }
    (tmp_path / "gateway.yaml").write_text(json.dumps(config))
    talk = start(options=("--config", "gateway.yaml"))
    talk.send(call(1), request(2))
    assert talk.message()["error"]["code"] == -32603
    assert talk.message()["id"] == 2
    talk.end()
    talk.exit_code()
    assert talk.errors.count(b"\n") == 1
    assert b"audit" in talk.errors
