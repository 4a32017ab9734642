"""A rule that escalates asks a person: over both transports, in both eras, or by the store."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from mcp import Client, StdioServerParameters, types

from mcp_egress_guard.approvals import ApprovalStore
from tests.e2e.http_peers import Guarded, Server, Wire, call, guarded, post
from tests.e2e.talk import Talk
from tests.e2e.talk import call as line_call
from tests.e2e.talk import request as line_request
from tests.e2e.test_http_sdk import sdk_server

HERE = Path(__file__).resolve().parent
pytestmark = [pytest.mark.anyio, pytest.mark.timeout(120)]

COMMAND = "deploy --key AKIAIOSFODNN7EXAMPLE"
RULE = {
    "id": "ask-deploy",
    "name": "Ask before deploying",
    "description": "Deployments need a person.",
    "decision": "ESCALATE",
    "policy_code": "EGRESS_ESCALATE_REVIEW",
    "conditions": {"tool_name_patterns": ["shell_exec"]},
}
VERSION = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES = "io.modelcontextprotocol/clientCapabilities"
DECLINED, TIMEOUT = "EGRESS_DENY_APPROVAL_DECLINED", "EGRESS_DENY_APPROVAL_TIMEOUT"


def settings(folder: Path, **more: Any) -> dict[str, Any]:
    """A policy that escalates one tool, and what else the configuration holds."""
    pack = folder / "ask.yaml"
    pack.write_text(json.dumps({"pack": "team", "version": "1", "rules": [RULE]}))
    return {"policy_paths": [str(pack)]} | more


def audit(folder: Path) -> list[tuple[str, str, str, str]]:
    """Decision, what was done, code, and what the person said, of each line."""
    log = folder / "egress_audit.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    assert "AKIAIOSFODNN7EXAMPLE" not in str(lines)
    return [
        (
            line["decision"],
            line["enforced"],
            line["policy_code"],
            line.get("approval", {}).get("outcome", ""),
        )
        for line in lines
    ]


@dataclass
class Person:
    """Answers what the client is asked."""

    answer: types.ElicitResult | types.ErrorData
    asked: list[str] = field(default_factory=list)

    async def elicit(self, context: Any, params: Any) -> types.ElicitResult | types.ErrorData:
        self.asked.append(params.message)
        return self.answer


YES = types.ElicitResult(action="accept", content={"approve": True})


@asynccontextmanager
async def client_of(
    transport: str, guard: str, folder: Path, mode: str, person: Person | None, **more: Any
) -> AsyncIterator[Client]:
    """An SDK client behind the guard, in front of a server made with the SDK."""
    callback = person.elicit if person else None
    if transport == "stdio":
        command = [sys.executable, str(HERE / "sdk_server.py")]
        config = settings(folder, proxy={"downstream_command": command}, **more)
        (folder / "gateway.yaml").write_text(json.dumps(config))
        start = StdioServerParameters(
            command=guard, args=["run", "--config", "gateway.yaml"], cwd=folder
        )
        async with Client(start, mode=mode, elicitation_callback=callback) as client:
            yield client
        return
    flags = ("json",) if transport == "http-json" else ()
    with (
        sdk_server(*flags) as url,
        guarded(guard, folder, {"downstream_url": url}, more=settings(folder, **more)) as running,
    ):
        async with Client(running.url, mode=mode, elicitation_callback=callback) as client:
            yield client


TRANSPORTS = pytest.mark.parametrize("transport", ["stdio", "http", "http-json"])
MODES = pytest.mark.parametrize("mode", ["legacy", "auto"])


def text_of(result: types.CallToolResult) -> str:
    return "".join(getattr(block, "text", "") for block in result.content)


@TRANSPORTS
@MODES
async def test_an_approved_call_goes_on_as_it_came(
    guard: str, tmp_path: Path, transport: str, mode: str
) -> None:
    person = Person(YES)
    async with client_of(transport, guard, tmp_path, mode, person) as client:
        done = await client.call_tool("shell_exec", {"command": COMMAND})
        assert (done.is_error, text_of(done)) == (False, f"would run {COMMAND}")
        again = await client.call_tool("shell_exec", {"command": "deploy"})
        assert text_of(again) == "would run deploy"
        assert text_of(await client.call_tool("echo", {"text": "x"})) == "x|"
    first, second = person.asked
    for told in ("shell_exec", "<REDACTED:aws_access_key>", "ask-deploy", "aws_access_key at"):
        assert told in first, first
    assert "AKIAIOSFODNN7EXAMPLE" not in first
    assert '{"command":"deploy"}' in second.replace(" ", "")
    asked = [("ESCALATE", "ESCALATE", "EGRESS_ESCALATE_REVIEW", "asked")] * (mode == "auto")
    approved = ("ESCALATE", "ALLOW", "EGRESS_ESCALATE_REVIEW", "approved")
    assert audit(tmp_path) == [*asked, approved, *asked, approved, ("ALLOW", "ALLOW", "", "")]


@pytest.mark.parametrize("peers", [("stdio", "legacy"), ("http", "auto")])
@pytest.mark.parametrize(
    ("answer", "outcome"),
    [
        (types.ElicitResult(action="decline"), "declined"),
        (types.ElicitResult(action="cancel"), "dismissed"),
        (types.ElicitResult(action="accept", content={"approve": False}), "declined"),
    ],
)
async def test_anything_but_yes_is_a_no(
    guard: str, tmp_path: Path, peers: tuple[str, str], answer: types.ElicitResult, outcome: str
) -> None:
    transport, mode = peers
    async with client_of(transport, guard, tmp_path, mode, Person(answer)) as client:
        done = await client.call_tool("shell_exec", {"command": COMMAND})
        assert done.is_error
        assert DECLINED in text_of(done)
        assert not (await client.call_tool("echo", {"text": "x"})).is_error
    assert audit(tmp_path)[-2] == ("DENY", "DENY", DECLINED, outcome)


@pytest.mark.parametrize("transport", ["stdio", "http"])
@MODES
async def test_a_client_that_cannot_ask_gets_the_call_blocked(
    guard: str, tmp_path: Path, transport: str, mode: str
) -> None:
    async with client_of(transport, guard, tmp_path, mode, None) as client:
        done = await client.call_tool("shell_exec", {"command": COMMAND})
    assert done.is_error
    assert "needs a person's approval" in text_of(done)
    assert audit(tmp_path) == [("ESCALATE", "ESCALATE", "EGRESS_ESCALATE_REVIEW", "")]


async def test_off_asks_nobody(guard: str, tmp_path: Path) -> None:
    person = Person(YES)
    async with client_of("stdio", guard, tmp_path, "legacy", person, approvals="off") as client:
        assert (await client.call_tool("shell_exec", {"command": COMMAND})).is_error
    assert person.asked == []


# ── the wire, without an SDK ──────────────────────────────────────────────────────────────────────


def initialize(elicitation: Any) -> bytes:
    capabilities = {} if elicitation is None else {"elicitation": elicitation}
    return line_request("init", "initialize", capabilities=capabilities)


@pytest.fixture
def talk(guard: str, tmp_path: Path) -> Iterator[Callable[..., Talk]]:
    """The guard in front of a server that notes what arrives."""
    started: list[Talk] = []

    def start(**more: Any) -> Talk:
        server = [sys.executable, str(HERE / "raw_server.py"), "record", str(tmp_path / "notes")]
        config = settings(tmp_path, proxy={"downstream_command": server}, **more)
        (tmp_path / "gateway.yaml").write_text(json.dumps(config))
        started.append(Talk(guard, tmp_path, options=("--config", "gateway.yaml")))
        return started[-1]

    yield start
    for one in started:
        one.process.kill()


def arrived(folder: Path) -> list[Any]:
    """The ids, or else methods, of the messages that the server got."""
    notes = (folder / "notes").read_bytes().splitlines()
    return [(m := json.loads(line)).get("id", m.get("method")) for line in notes]


def answer(question: Any, **content: Any) -> bytes:
    result = {"action": "accept", "content": content}
    message = {"jsonrpc": "2.0", "id": question["id"], "result": result}
    return json.dumps(message).encode() + b"\n"


def test_calls_overtake_one_that_waits_and_the_answer_stays_here(
    talk: Callable[..., Talk], tmp_path: Path
) -> None:
    guard = talk()
    guard.send(initialize({}))
    assert guard.message()["id"] == "init"
    guard.send(line_call(1, "shell_exec", command="a"), line_call(2, "shell_exec", command="b"))
    first, second = guard.message(), guard.message()
    assert first["method"] == second["method"] == "elicitation/create"
    assert first["id"] != second["id"]
    guard.send(line_call(3))
    assert guard.message()["id"] == 3
    guard.send(answer(second, approve=True))
    assert guard.message() == {"jsonrpc": "2.0", "id": 2, "result": {}}
    # Nobody waits for these.
    guard.send(answer(second, approve=True), line_call(4))
    assert guard.message()["id"] == 4
    guard.send(answer(first, approve="true"))
    assert DECLINED in str(guard.message())
    assert arrived(tmp_path) == ["init", 3, 2, 4]


def test_a_call_that_waits_can_be_cancelled(talk: Callable[..., Talk], tmp_path: Path) -> None:
    guard = talk()
    guard.send(initialize({"form": {}}))
    guard.message()
    guard.send(line_call("x", "shell_exec", command="a"))
    question = guard.message()
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "x"}}
    guard.send(json.dumps(cancel).encode() + b"\n")
    closed = guard.message()
    assert closed["method"] == "notifications/cancelled"
    assert closed["params"]["requestId"] == question["id"]
    guard.send(answer(question, approve=True), line_call(2))
    assert guard.message()["id"] == 2
    assert arrived(tmp_path) == ["init", 2]
    assert audit(tmp_path)[0] == ("ESCALATE", "ESCALATE", "EGRESS_ESCALATE_REVIEW", "withdrawn")


def test_nobody_answers(talk: Callable[..., Talk], tmp_path: Path) -> None:
    guard = talk(approval_seconds=1)
    guard.send(initialize({}))
    guard.message()
    guard.send(line_call(1, "shell_exec", command="a"))
    question = guard.message()
    denied = guard.message()
    assert (denied["id"], denied["result"]["isError"]) == (1, True)
    assert TIMEOUT in str(denied)
    assert guard.message()["method"] == "notifications/cancelled"
    guard.send(answer(question, approve=True), line_call(2))
    assert guard.message()["id"] == 2
    assert arrived(tmp_path) == ["init", 2]
    assert audit(tmp_path)[0] == ("DENY", "DENY", TIMEOUT, "timed_out")


def test_the_end_of_the_client_answers_what_waits(talk: Callable[..., Talk]) -> None:
    guard = talk()
    guard.send(initialize({}))
    guard.message()
    guard.send(line_call(1, "shell_exec", command="a"))
    guard.message()
    guard.process.stdin.close()
    assert guard.message()["id"] == 1
    assert guard.process.wait(20) == 7


@pytest.mark.parametrize("elicitation", [None, {"url": {}}, True])
def test_only_a_client_with_forms_is_asked(talk: Callable[..., Talk], elicitation: Any) -> None:
    guard = talk()
    guard.send(initialize(elicitation))
    guard.message()
    guard.send(line_call(1, "shell_exec", command="a"))
    assert "needs a person's approval" in str(guard.message())


def modern(number: Any, arguments: Any, **params: Any) -> dict[str, Any]:
    meta = {VERSION: "2026-07-28", CAPABILITIES: {"elicitation": {"form": {}}}}
    params = {"name": "shell_exec", "arguments": arguments, "_meta": meta} | params
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params}


def line(message: Any) -> bytes:
    return json.dumps(message).encode() + b"\n"


YES_TO_US = {"mcp-egress-guard": {"action": "accept", "content": {"approve": True}}}


def test_an_answer_counts_once_for_its_call_and_no_other(
    talk: Callable[..., Talk], tmp_path: Path
) -> None:
    guard = talk()
    guard.send(line(modern(1, {"command": "a"})))
    first = guard.message()["result"]
    assert first["resultType"] == "input_required"
    state = first["requestState"]
    retry = {"requestState": state, "inputResponses": YES_TO_US}
    for other in (
        modern(2, {"command": "b"}, **retry),
        modern(3, {"command": "a"}, **(retry | {"requestState": state[:-4] + "AAAA"})),
        modern(4, {"command": "a"}, **retry, extra=1),
    ):
        guard.send(line(other))
        assert DECLINED in str(guard.message()), other
    guard.send(line(modern(6, {"command": "a"}, **retry)))
    assert guard.message() == {"jsonrpc": "2.0", "id": 6, "result": {}}
    guard.send(line(modern(7, {"command": "a"}, **retry)))
    assert DECLINED in str(guard.message())
    notes = [json.loads(text) for text in (tmp_path / "notes").read_bytes().splitlines()]
    # Nothing of the question reaches the server.
    assert notes == [modern(6, {"command": "a"})]


def test_a_servers_own_rounds_go_on_through_the_guards(
    talk: Callable[..., Talk], tmp_path: Path
) -> None:
    guard = talk()
    own = {"requestState": "server's own", "inputResponses": {"q": {"action": "decline"}}}
    guard.send(line(modern(1, {"command": "a"}, **own)))
    state = guard.message()["result"]["requestState"]
    assert "server's own" not in state
    retry = {"requestState": state, "inputResponses": YES_TO_US}
    guard.send(line(modern(2, {"command": "a"}, **retry)))
    assert guard.message()["id"] == 2
    assert json.loads((tmp_path / "notes").read_bytes()) == modern(2, {"command": "a"}, **own)


def test_a_state_expires(talk: Callable[..., Talk]) -> None:
    guard = talk(approval_seconds=1)
    guard.send(line(modern(1, {"command": "a"})))
    state = guard.message()["result"]["requestState"]
    time.sleep(2.1)
    retry = {"requestState": state, "inputResponses": YES_TO_US}
    guard.send(line(modern(2, {"command": "a"}, **retry)))
    assert TIMEOUT in str(guard.message())


# ── HTTP, byte by byte ────────────────────────────────────────────────────────────────────────────


@contextmanager
def session_of(guard: str, folder: Path, server: Server, **more: Any) -> Iterator[Guarded]:
    """The guard in front of a scripted server that gives every client the session `s`."""

    def behaviour(seen: Any, peer: Any) -> None:
        if seen.method != "POST" or "id" not in seen.message:
            peer.answer(status="202 Accepted", media=None)
            return
        body = {"jsonrpc": "2.0", "id": seen.message["id"], "result": {"content": []}}
        peer.answer(json.dumps(body), headers=(("Mcp-Session-Id", "s"),))

    server.behaviour = behaviour
    with guarded(
        guard, folder, {"downstream_url": server.url}, more=settings(folder, **more)
    ) as http:
        hello = {
            "jsonrpc": "2.0",
            "id": 0,
            "method": "initialize",
            "params": {"capabilities": {"elicitation": {}}},
        }
        assert http.ask(post(hello)).get("mcp-session-id") == "s"
        yield http


SESSION = ("Mcp-Session-Id", "s")


def event_of(wire: Wire) -> Any:
    """The message of the next event."""
    while not (piece := wire.chunk() or b"").startswith(b"event: message"):
        assert piece.startswith(b":"), piece
    return json.loads(piece.partition(b"data: ")[2])


TRACE = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


def ask_deploy(wire: Wire, number: int, command: str = "a", trace: str = "") -> Any:
    headers = [SESSION, *([("traceparent", trace)] if trace else [])]
    wire.send(post(call(number, "shell_exec", command=command), *headers))
    head = wire.head()
    assert (head.status, head.get("content-type")) == (200, "text/event-stream")
    return event_of(wire)


def test_the_question_and_the_result_come_on_the_stream_of_the_call(
    guard: str, tmp_path: Path, server: Server
) -> None:
    with session_of(guard, tmp_path, server) as http, Wire(http.port) as wire:
        question = ask_deploy(wire, 1, trace=TRACE)
        assert http.ask(post(call(2), SESSION)).message["id"] == 2
        reply = http.ask(post(answer(question, approve=True), SESSION))
        assert (reply.status, reply.body) == (202, b"")
        assert event_of(wire) == {"jsonrpc": "2.0", "id": 1, "result": {"content": []}}
        assert wire.chunk() == b""
    assert [seen.message["id"] for seen in server.seen] == [0, 2, 1]
    lines = (tmp_path / "egress_audit.jsonl").read_text().splitlines()
    settled = [line for line in map(json.loads, lines) if "approval" in line]
    assert [line["traceparent"] for line in settled] == [TRACE]


def test_another_sessions_answer_is_none(guard: str, tmp_path: Path, server: Server) -> None:
    with (
        session_of(guard, tmp_path, server, approval_seconds=1) as http,
        Wire(http.port) as wire,
    ):
        question = ask_deploy(wire, 1)
        assert http.ask(post(answer(question, approve=True))).status == 202
        assert http.ask(post(answer(question, approve=True), ("Mcp-Session-Id", "t"))).status == 202
        last = b"".join(iter(wire.chunk, b""))
        assert TIMEOUT.encode() in last
        assert b"notifications/cancelled" in last
    assert [seen.message["id"] for seen in server.seen] == [0]


def test_a_client_that_leaves_withdraws_its_call(
    guard: str, tmp_path: Path, server: Server
) -> None:
    with session_of(guard, tmp_path, server) as http:
        with Wire(http.port) as wire:
            question = ask_deploy(wire, 1)
        end = time.monotonic() + 20
        while not audit(tmp_path):
            assert time.monotonic() < end, "the call is not given up"
            time.sleep(0.02)
        http.ask(post(answer(question, approve=True), SESSION))
    assert [seen.message["id"] for seen in server.seen] == [0]
    assert [line[3] for line in audit(tmp_path)] == ["withdrawn"]


def test_a_client_that_takes_no_stream_is_not_asked(
    guard: str, tmp_path: Path, server: Server
) -> None:
    with session_of(guard, tmp_path, server) as http:
        plain = ("Accept", "application/json")
        reply = http.ask(post(call(1, "shell_exec", command="a"), SESSION, plain))
    assert reply.get("content-type") == "application/json"
    assert "needs a person's approval" in str(reply.message)
    assert [line[3] for line in audit(tmp_path)] == ["not_asked"]


# ── the store ─────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize("peers", [("stdio", "legacy"), ("http", "auto"), ("http", "legacy")])
async def test_whoever_has_the_store_decides(
    guard: str, tmp_path: Path, peers: tuple[str, str]
) -> None:
    transport, mode = peers
    async with client_of(transport, guard, tmp_path, mode, None, approvals="store") as client:
        for _ in range(2):
            blocked = await client.call_tool("shell_exec", {"command": COMMAND})
            assert blocked.is_error
        store = ApprovalStore(tmp_path / "egress_guard.db", create=False)
        (waiting,) = store.all()
        assert waiting.id in text_of(blocked)
        assert (waiting.tool, waiting.rule_id) == ("shell_exec", "ask-deploy")
        assert "<REDACTED:aws_access_key>" in waiting.arguments
        store.decide(waiting.id, approve=True)
        other = await client.call_tool("shell_exec", {"command": "other"})
        assert other.is_error
        through = await client.call_tool("shell_exec", {"command": COMMAND})
        assert text_of(through) == f"would run {COMMAND}"
        assert (await client.call_tool("shell_exec", {"command": COMMAND})).is_error
        store.decide(store.all()[1].id, approve=False)
        denied = await client.call_tool("shell_exec", {"command": COMMAND})
        assert DECLINED in text_of(denied)
    assert [one.state for one in store.all(every=True)] == ["used", "waiting", "declined"]
    assert b"AKIAIOSFODNN7EXAMPLE" not in (tmp_path / "egress_guard.db").read_bytes()
    assert (tmp_path / "egress_guard.db").stat().st_mode & 0o777 == 0o600
    outcomes = [line[3] for line in audit(tmp_path)]
    assert outcomes == [*["waiting"] * 3, "approved", "waiting", "declined"]
